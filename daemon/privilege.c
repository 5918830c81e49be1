// SPDX-License-Identifier: MIT
/* What a process may do, see privilege.h. */
#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"

int
privilege_harden(struct err *e)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;

	if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
		return err_sys(e, "cannot keep memory out of core files");
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_sys(e, "cannot ask for the limit of descriptors");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_sys(e, "cannot raise the limit of descriptors");
	return 0;
}

static int
find_user(struct identity *id, const char *user, struct err *e)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL && errno != 0)
		return err_sys(e, "cannot look up the user \"%s\" of the config", user);
	if (pw == NULL)
		return err_set(
		    e, "there is no user \"%s\", which the config names as \"user\"", user);
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	return snprintf(id->name, sizeof(id->name), "%s", user) > 0 ? 0 : -1;
}

int
privilege_identity(struct identity *id, const char *user, struct err *e)
{
	memset(id, 0, sizeof(*id));
	id->change = geteuid() == 0;
	id->uid = geteuid();
	id->gid = getegid();
	if (user[0] == '\0') {
		if (id->change)
			return err_set(e,
			    "grayd was started as root, so the config must set \"user\": the "
			    "account that workers run as, not root");
		return 0;
	}
	if (id->change) {
		if (find_user(id, user, e) != 0)
			return -1;
		if (id->uid == 0)
			return err_set(
			    e, "\"user\" must not be root: name the account that workers run as");
		return 0;
	}
	if (find_user(id, user, e) != 0 || id->uid != geteuid())
		log_event(LOG_WARN, "user_ignored",
		    "\"user\" is \"%s\", but grayd was not started as root: all of it runs as uid "
		    "%u",
		    user, (unsigned)geteuid());
	id->uid = geteuid();
	id->gid = getegid();
	return 0;
}

/* Whether anything of root is left, or to be had again. */
static bool
is_dropped(const struct identity *id)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	if (getresuid(&real, &effective, &saved) != 0 ||
	    getresgid(&real_group, &effective_group, &saved_group) != 0)
		return false;
	if (real != id->uid || effective != id->uid || saved != id->uid)
		return false;
	if (real_group != id->gid || effective_group != id->gid || saved_group != id->gid)
		return false;
	return setuid(0) != 0 && setgid(0) != 0 && getgroups(0, NULL) == 0;
}

int
privilege_keep(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(e, "cannot give up gaining privileges");
	/* Changing the user has made the process dumpable again on some systems. */
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return err_sys(e, "cannot keep memory out of core files");
	return 0;
}

int
privilege_drop(const struct identity *id, struct err *e)
{
	if (id->change) {
		if (setgroups(0, NULL) != 0 || setresgid(id->gid, id->gid, id->gid) != 0 ||
		    setresuid(id->uid, id->uid, id->uid) != 0)
			return err_sys(e, "cannot become the user %s", id->name);
		if (!is_dropped(id))
			return err_set(e, "still root after becoming the user %s", id->name);
	}
	return privilege_keep(e);
}
