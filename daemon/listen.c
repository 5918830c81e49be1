// SPDX-License-Identifier: MIT
/* Opens the listening sockets, see listen.h. Master process, before its loop runs. */
#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"

/* The address as it was bound, for people. */
static void
describe(struct listener *l, const char *configured)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&bound;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&bound;

	snprintf(l->address, sizeof(l->address), "%s", configured);
	if (getsockname(l->fd, (struct sockaddr *)&bound, &length) != 0)
		return;
	if (bound.ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		snprintf(l->address, sizeof(l->address), "%s:%u", host, ntohs(v4->sin_port));
	if (bound.ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		snprintf(l->address, sizeof(l->address), "[%s]:%u", host, ntohs(v6->sin6_port));
}

/* Accepted sockets inherit TCP_NODELAY. IPv6 is IPv6 only, so that "0.0.0.0:80" and "[::]:80" can
 * stand side by side. */
static int
set_tcp_options(int fd, int family)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return -1;
	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return 0;
}

/* Removes the file of a Unix socket that nobody listens on any more. Whatever else stands there is
 * left alone, and bind() will say so. */
static int
remove_stale(const char *path, const struct address *a, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "unix:%s: a file that is no socket is in the way", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "unix:%s", path);
	rc = connect(fd, (const struct sockaddr *)&a->storage, a->length);
	if (rc == 0 || errno != ECONNREFUSED)
		rc = err_set(e, "unix:%s is in use: another process listens there", path);
	else if (unlink(path) != 0)
		rc = err_sys(
		    e, "unix:%s: cannot remove the socket that a former process left", path);
	else
		rc = 0;
	close(fd);
	return rc;
}

static int
bind_unix(struct listener *l, const char *path, const struct address *a, struct err *e)
{
	struct stat st;
	mode_t mask;
	int rc;

	if (remove_stale(path, a, e) != 0)
		return -1;
	/* Whoever may enter the directory may connect, as with a port. */
	mask = umask(0111);
	rc = bind(l->fd, (const struct sockaddr *)&a->storage, a->length);
	umask(mask);
	if (rc != 0)
		return err_sys(e, "cannot listen on unix:%s", path);
	if (lstat(path, &st) == 0) {
		l->device = st.st_dev;
		l->inode = st.st_ino;
	}
	return 0;
}

static int
bind_tcp(const struct listener *l, const char *address, const struct address *a, struct err *e)
{
	if (set_tcp_options(l->fd, a->storage.ss_family) != 0)
		return err_sys(e, "cannot set the options of %s", address);
	if (bind(l->fd, (const struct sockaddr *)&a->storage, a->length) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return err_set(e, "%s is in use: another process listens there", address);
	if (errno == EADDRNOTAVAIL)
		return err_set(e, "cannot listen on %s: this machine has no such address", address);
	return err_sys(e, "cannot listen on %s", address);
}

static int
open_one(struct listener *l, const char *address, struct err *e)
{
	struct address a;
	const char *wanted = address_parse(address, &a);
	int rc;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	if (wanted != NULL)
		return err_set(e, "cannot listen on \"%s\": expected %s", address, wanted);
	l->fd = socket(a.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_sys(e, "cannot listen on %s", address);
	if (a.storage.ss_family == AF_UNIX)
		rc = bind_unix(l, address + strlen("unix:"), &a, e);
	else
		rc = bind_tcp(l, address, &a, e);
	if (rc == 0 && listen(l->fd, LISTEN_BACKLOG) != 0)
		rc = errno == EADDRINUSE
			 ? err_set(e, "%s is in use: another process listens there", address)
			 : err_sys(e, "cannot listen on %s", address);
	describe(l, address);
	return rc;
}

int
listen_open(struct listeners *l, const struct config *c, struct err *e)
{
	l->n = 0;
	for (unsigned i = 0; i < c->n_listen; i++) {
		struct listener *one = &l->all[l->n++];

		if (open_one(one, c->listen[i], e) != 0) {
			listen_close(l);
			return -1;
		}
	}
	return 0;
}

static void
close_one(struct listener *l)
{
	const char *path = l->address + strlen("unix:");
	struct stat st;

	if (l->inode != 0 && lstat(path, &st) == 0 && st.st_ino == l->inode &&
	    st.st_dev == l->device)
		unlink(path);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void
listen_close(struct listeners *l)
{
	for (unsigned i = 0; i < l->n; i++)
		close_one(&l->all[i]);
	l->n = 0;
}
