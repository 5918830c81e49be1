// SPDX-License-Identifier: MIT
/*
 * The journal of another master, taken over at an upgrade: its lock came with a descriptor, its
 * writer has left, and its last record is the policy that was handed over. Master process.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "daemon/journal_file.h"
#include "daemon/journal_state.h"
#include "daemon/master.h"

static int
look(struct journal *j, struct err *e)
{
	bool made = false;

	j->dir = journal_dir_open(j->path, e);
	if (j->dir < 0 || journal_scan(j->dir, &j->found, e) != 0)
		return -1;
	if (j->found.found != JOURNAL_SOUND)
		return err_set(e, "the journal is not as the old grayd has left it%s%s",
		    j->found.broken.msg[0] != '\0' ? ": " : "", j->found.broken.msg);
	return marks_open(&j->marks, j->dir, &made, e);
}

int
journal_take_over(struct master *m, int lock_fd, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (j == NULL || (j->path = strdup(m->config->state_dir)) == NULL) {
		free(j);
		return err_set(e, "out of memory");
	}
	j->dir = j->marks.word_fd = -1;
	j->lock = lock_fd;
	j->ok = true;
	m->journal = j;
	if (look(j, e) != 0)
		return -1;
	j->revision = j->found.revision > marks_highest(&j->marks) ? j->found.revision
								   : marks_highest(&j->marks);
	j->sequence = j->found.end.sequence;
	j->settled = j->found.last->policy.revision;
	journal_recall_ids(m, j->sequence);
	journal_scan_free(&j->found);
	return 0;
}
