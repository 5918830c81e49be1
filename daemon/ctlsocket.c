// SPDX-License-Identifier: MIT
/* The control socket's file; see ctlsocket.h. */
#include "daemon/ctlsocket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

/* The folder of the path, made if it is missing, opened and locked: two daemons that start at once
 * must not both find the old socket dead. */
static int
lock_folder(const char *path, struct err *e)
{
	char folder[108];
	const char *slash = strrchr(path, '/');
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path),
	    slash == NULL ? "." : path);
	if (folder[0] == '\0')
		strcpy(folder, "/");
	if (mkdir(folder, 0755) == 0) {
		/* Whatever our umask: who may not pass the folder cannot reach the socket. */
		if (chmod(folder, 0755) == -1)
			return err_sys(e, "control_socket: %s", folder);
	} else if (errno != EEXIST) {
		return err_sys(e, "control_socket: cannot make %s", folder);
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(e, "control_socket: %s", folder);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		err_sys(e, "control_socket: another grayd is starting in %s", folder);
		close(fd);
		return -1;
	}
	return fd;
}

/* Removes a socket that nobody listens on. */
static int
remove_dead(const struct sockaddr_un *where, struct err *e)
{
	const char *path = where->sun_path;
	struct stat st;
	int fd, alive;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : err_sys(e, "control_socket: %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "control_socket: %s exists and is no socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(e, "control_socket");
	alive = connect(fd, (const struct sockaddr *)where, sizeof(*where)) == 0 ||
		errno != ECONNREFUSED;
	close(fd);
	if (alive)
		return err_set(e, "control_socket: another grayd listens at %s", path);
	if (unlink(path) == -1 && errno != ENOENT)
		return err_sys(e, "control_socket: cannot remove the old %s", path);
	return 0;
}

/* Nobody can connect before owner and mode are right: the file is made without any right of others,
 * and listen() comes last. */
static int
bind_and_listen(struct ctlsocket *s, const struct sockaddr_un *where, mode_t mode,
    const gid_t *group, struct err *e)
{
	mode_t mask = umask(0177);
	int bound = bind(s->fd, (const struct sockaddr *)where, sizeof(*where));
	struct stat st;

	umask(mask);
	if (bound == -1)
		return err_sys(e, "control_socket: cannot bind %s", s->path);
	if ((group != NULL && chown(s->path, (uid_t)-1, *group) == -1) ||
	    chmod(s->path, mode) == -1 || lstat(s->path, &st) == -1 ||
	    listen(s->fd, BACKLOG) == -1) {
		err_sys(e, "control_socket: %s", s->path);
		unlink(s->path);
		return -1;
	}
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;
}

int
ctlsocket_open(
    struct ctlsocket *s, const char *path, bool anybody, const gid_t *group, struct err *e)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int folder, result = -1;

	if (strlen(path) >= sizeof(where.sun_path))
		return err_set(e, "control_socket: the path is longer than %zu bytes",
		    sizeof(where.sun_path) - 1);
	strcpy(where.sun_path, path);
	strcpy(s->path, path);
	folder = lock_folder(path, e);
	if (folder == -1)
		return -1;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd == -1) {
		err_sys(e, "control_socket");
	} else {
		result = remove_dead(&where, e);
		if (result == 0)
			result = bind_and_listen(s, &where, anybody ? 0666 : 0660, group, e);
		if (result == -1)
			close(s->fd);
	}
	close(folder); /* and with it the lock */
	return result;
}

int
ctlsocket_admit(struct ctlsocket *s, bool anybody, const gid_t *group, struct err *e)
{
	if ((group != NULL && chown(s->path, (uid_t)-1, *group) == -1) ||
	    chmod(s->path, anybody ? 0666 : 0660) == -1)
		return err_sys(e, "control_socket: %s", s->path);
	return 0;
}

int
ctlsocket_take(
    struct ctlsocket *s, int fd, const char *path, bool anybody, const gid_t *group, struct err *e)
{
	struct stat st;

	snprintf(s->path, sizeof(s->path), "%s", path);
	if (lstat(path, &st) == -1)
		return err_sys(e, "control_socket: %s", path);
	s->fd = fd;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return ctlsocket_admit(s, anybody, group, e);
}

void
ctlsocket_leave(struct ctlsocket *s)
{
	close(s->fd);
	s->fd = -1;
}

void
ctlsocket_close(struct ctlsocket *s)
{
	struct stat st;

	close(s->fd);
	if (lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
}
