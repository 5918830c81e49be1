// SPDX-License-Identifier: MIT
/* See notes.h. */
#include "daemon/notes.h"

#include <stdio.h>
#include <string.h>

#include "common/policy.h"
#include "daemon/master.h"
#include "daemon/transition.h"

void *
notes_find(void *all, size_t bytes, const char *name)
{
	char *unused = NULL;

	for (unsigned i = 0; i < RELEASES_MAX; i++) {
		char *one = (char *)all + i * bytes;

		if (strcmp(one, name) == 0)
			return one;
		if (unused == NULL && one[0] == '\0')
			unused = one;
	}
	if (unused != NULL)
		snprintf(unused, NAME_BYTES, "%s", name);
	return unused;
}

void
notes_forget_the_gone(struct master *m, void *all, size_t bytes)
{
	for (unsigned i = 0; i < RELEASES_MAX; i++) {
		char *one = (char *)all + i * bytes;

		if (one[0] == '\0' || policy_find(&m->policy, one) != NULL)
			continue;
		transition_forget(m, one);
		memset(one, 0, bytes);
	}
}
