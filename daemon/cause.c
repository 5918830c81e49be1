// SPDX-License-Identifier: MIT
/* Who put a release where it is; see cause.h. Master process. */
#include "daemon/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master.h"
#include "daemon/notes.h"

struct causes {
	struct cause all[RELEASES_MAX];
};

bool
cause_is_new(uint8_t from_state, uint8_t to_state, bool other_hold, const char *command)
{
	return from_state != to_state || other_hold ||
	       strcmp(command, release_command_names[COMMAND_PAUSE]) == 0 ||
	       strcmp(command, release_command_names[COMMAND_WEIGHT]) == 0;
}

void
cause_put(struct master *m, const struct cause *c)
{
	struct cause *place;

	if (m->causes == NULL)
		m->causes = calloc(1, sizeof(*m->causes));
	if (m->causes == NULL)
		return;
	notes_forget_the_gone(m, m->causes->all, sizeof(m->causes->all[0]));
	place = notes_find(m->causes->all, sizeof(m->causes->all[0]), c->release);
	if (place != NULL)
		*place = *c;
}

void
cause_note(struct master *m, const struct policy_release *before,
    const struct policy_release *after, const struct change *change)
{
	struct cause c = { .rollout_id = after->rollout_id,
		.state = after->state,
		.hold = after->hold,
		.wall_us = after->changed_wall_us,
		.uid = change->actor.uid };

	if (!cause_is_new(before->state, after->state, before->hold != after->hold,
		release_command_names[change->command]))
		return;
	snprintf(c.release, sizeof(c.release), "%s", after->name);
	snprintf(c.actor, sizeof(c.actor), "%s", change->actor.name);
	snprintf(c.command, sizeof(c.command), "%s", release_command_names[change->command]);
	snprintf(c.reason, sizeof(c.reason), "%s", change->reason != NULL ? change->reason : "");
	cause_put(m, &c);
}

const struct cause *
cause_find(const struct master *m, const struct policy_release *now)
{
	for (unsigned i = 0; m->causes != NULL && i < RELEASES_MAX; i++) {
		const struct cause *c = &m->causes->all[i];

		if (strcmp(c->release, now->name) == 0 && c->state == now->state &&
		    c->hold == now->hold && c->rollout_id == now->rollout_id)
			return c;
	}
	return NULL;
}

void
cause_end(struct master *m)
{
	free(m->causes);
	m->causes = NULL;
}
