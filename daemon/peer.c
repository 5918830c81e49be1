// SPDX-License-Identifier: MIT
/* Callers of the control socket; see peer.h. */
#include "daemon/peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* the kernel's own limit */

static int
find_group(const char *name, gid_t *gid)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return -1;
	*gid = group->gr_gid;
	return 0;
}

static int
add_operator(struct peer_rules *r, const char *name, unsigned i, struct err *e)
{
	struct peer_user *user = &r->users[r->n_users];
	const struct passwd *entry;

	if (name[0] == '@') {
		if (find_group(name + 1, &r->groups[r->n_groups]) == -1)
			return err_set(
			    e, "operators[%u]: there is no group \"%.64s\"", i, name + 1);
		r->n_groups++;
		return 0;
	}
	entry = getpwnam(name);
	if (entry == NULL)
		return err_set(e, "operators[%u]: there is no user \"%.64s\"", i, name);
	user->uid = entry->pw_uid;
	snprintf(user->name, sizeof(user->name), "%s", name);
	r->n_users++;
	return 0;
}

int
peer_rules_load(struct peer_rules *r, const struct config *c, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->own = geteuid();
	r->users = calloc(c->n_operators + 1, sizeof(*r->users));
	r->groups = calloc(c->n_operators + 1, sizeof(*r->groups));
	if (r->users == NULL || r->groups == NULL) {
		err_set(e, "out of memory");
		goto fail;
	}
	if (c->control_group[0] != '\0') {
		if (find_group(c->control_group, &r->readers) == -1) {
			err_set(e, "control_group: there is no group \"%.64s\"", c->control_group);
			goto fail;
		}
		r->has_readers = true;
	}
	for (unsigned i = 0; i < c->n_operators; i++)
		if (add_operator(r, c->operators[i], i, e) == -1)
			goto fail;
	return 0;
fail:
	peer_rules_free(r);
	return -1;
}

void
peer_rules_free(struct peer_rules *r)
{
	free(r->users);
	free(r->groups);
	memset(r, 0, sizeof(*r));
}

static bool
in_group(gid_t wanted, gid_t gid, const gid_t *groups, unsigned n)
{
	if (gid == wanted)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

enum peer_right
peer_judge(const struct peer_rules *r, uid_t uid, gid_t gid, const gid_t *groups, unsigned n_groups)
{
	if (uid == 0 || uid == r->own)
		return PEER_CHANGE;
	for (unsigned i = 0; i < r->n_users; i++)
		if (r->users[i].uid == uid)
			return PEER_CHANGE;
	for (unsigned i = 0; i < r->n_groups; i++)
		if (in_group(r->groups[i], gid, groups, n_groups))
			return PEER_CHANGE;
	if (r->has_readers && in_group(r->readers, gid, groups, n_groups))
		return PEER_READ;
	return PEER_NONE;
}

/* From the local file only: the name services may wait for a network. */
static void
find_name(const struct peer_rules *r, struct peer *p)
{
	char line[1024];
	struct passwd entry, *found;
	FILE *file;

	snprintf(p->name, sizeof(p->name), p->uid == 0 ? "root" : "uid %u", (unsigned)p->uid);
	for (unsigned i = 0; i < r->n_users; i++)
		if (r->users[i].uid == p->uid) {
			memcpy(p->name, r->users[i].name, sizeof(p->name));
			return;
		}
	file = p->uid == 0 ? NULL : fopen("/etc/passwd", "re");
	if (file == NULL)
		return;
	while (fgetpwent_r(file, &entry, line, sizeof(line), &found) == 0)
		if (found->pw_uid == p->uid) {
			snprintf(p->name, sizeof(p->name), "%s", found->pw_name);
			break;
		}
	fclose(file);
}

/* Supplementary groups of the caller, as they were when it connected. */
static int
read_groups(int fd, struct peer *p)
{
	socklen_t length = 64 * sizeof(gid_t);

	for (;;) {
		gid_t *groups = realloc(p->groups, length);

		if (groups == NULL)
			return -1;
		p->groups = groups;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) {
			p->n_groups = (unsigned)(length / sizeof(gid_t));
			return 0;
		}
		/* ERANGE has told how much room it takes. */
		if (errno != ERANGE || length > GROUPS_MAX * sizeof(gid_t))
			return -1;
	}
}

int
peer_identify(int fd, const struct peer_rules *r, struct peer *out)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	memset(out, 0, sizeof(*out));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == -1)
		return -1;
	out->uid = who.uid;
	out->gid = who.gid;
	out->pid = who.pid;
	if (read_groups(fd, out) == -1) {
		peer_free(out);
		return -1;
	}
	out->right = peer_judge(r, who.uid, who.gid, out->groups, out->n_groups);
	find_name(r, out);
	return 0;
}

void
peer_free(struct peer *p)
{
	free(p->groups);
	p->groups = NULL;
	p->n_groups = 0;
}
