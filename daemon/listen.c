// SPDX-License-Identifier: MIT
/* The listening sockets, see listen.h. Master process. */
#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&bound;

	snprintf(l->address, sizeof(l->address), "%s", configured);
	memset(&bound, 0, sizeof(bound));
	if (getsockname(l->fd, (struct sockaddr *)&bound, &length) != 0)
		return;
	if (bound.ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		snprintf(l->address, sizeof(l->address), "%s:%u", host, ntohs(v4->sin_port));
	if (bound.ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		snprintf(l->address, sizeof(l->address), "[%s]:%u", host, ntohs(v6->sin6_port));
	if (bound.ss_family == AF_UNIX && length > sizeof(sa_family_t))
		snprintf(l->address, sizeof(l->address), "unix:%s", un->sun_path);
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
	snprintf(l->configured, sizeof(l->configured), "%s", address);
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

/* ---- all of them ----------------------------------------------------------------------------- */

static bool
has_address(const struct listener *l, const char *configured)
{
	struct address a;
	struct sockaddr_storage bound = { 0 };
	socklen_t length = sizeof(bound);

	if (l->configured[0] != '\0')
		return strcmp(l->configured, configured) == 0;
	/* One that somebody else has opened. */
	return address_parse(configured, &a) == NULL &&
	       getsockname(l->fd, (struct sockaddr *)&bound, &length) == 0 &&
	       address_is_bound(&a, &bound, length);
}

bool
listen_has(const struct listeners *l, int fd)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->all[i].fd == fd)
			return true;
	}
	return l->admin.fd == fd;
}

/* The socket of this address that `next` does not have yet; NULL: there is none. */
static const struct listener *
find(const struct listeners *old, const struct listeners *next, const char *configured)
{
	for (unsigned i = 0; i <= old->n; i++) {
		const struct listener *l = i < old->n ? &old->all[i] : &old->admin;

		if (l->fd >= 0 && !listen_has(next, l->fd) && has_address(l, configured))
			return l;
	}
	return NULL;
}

static int
take_or_open(struct listener *l, const struct listeners *old, const struct listeners *next,
    const char *configured, struct err *e)
{
	const struct listener *there = find(old, next, configured);

	l->fd = -1;
	if (there == NULL)
		return open_one(l, configured, e);
	*l = *there;
	snprintf(l->configured, sizeof(l->configured), "%s", configured);
	describe(l, configured);
	return 0;
}

int
listen_update(
    struct listeners *next, const struct listeners *old, const struct config *c, struct err *e)
{
	int rc = 0;

	*next = (struct listeners){ .admin = { .fd = -1 } };
	for (unsigned i = 0; i < c->n_listen && rc == 0; i++) {
		struct listener one;

		rc = take_or_open(&one, old, next, c->listen[i], e);
		next->all[next->n++] = one;
		if (rc != 0)
			err_prefix(e, "listen");
	}
	if (rc == 0 && c->admin_listen[0] != '\0') {
		struct listener one;

		rc = take_or_open(&one, old, next, c->admin_listen, e);
		next->admin = one;
		if (rc != 0)
			err_prefix(e, "admin_listen");
	}
	if (rc != 0)
		listen_close_others(next, old);
	return rc;
}

int
listen_open(struct listeners *l, const struct config *c, struct err *e)
{
	static const struct listeners none = { .admin = { .fd = -1 } };

	return listen_update(l, &none, c, e);
}

static void
close_one(struct listener *l, bool remove_file)
{
	const char *path = l->address + strlen("unix:");
	struct stat st;

	if (remove_file && l->inode != 0 && lstat(path, &st) == 0 && st.st_ino == l->inode &&
	    st.st_dev == l->device)
		unlink(path);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void
listen_close_others(struct listeners *l, const struct listeners *kept)
{
	for (unsigned i = 0; i <= l->n; i++) {
		struct listener *one = i < l->n ? &l->all[i] : &l->admin;

		if (one->fd >= 0 && !listen_has(kept, one->fd))
			close_one(one, true);
		one->fd = -1;
	}
	l->n = 0;
}

void
listen_close(struct listeners *l)
{
	static const struct listeners none = { .admin = { .fd = -1 } };

	listen_close_others(l, &none);
}

void
listen_leave(struct listeners *l)
{
	for (unsigned i = 0; i <= l->n; i++)
		close_one(i < l->n ? &l->all[i] : &l->admin, false);
	l->n = 0;
}

int
listen_take(struct listener *l, int fd, struct err *e)
{
	const int on = 1;
	int type = 0, flags = fcntl(fd, F_GETFL);
	socklen_t length = sizeof(type);

	*l = (struct listener){ .fd = fd };
	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &type, &length) != 0)
		return err_set(e, "descriptor %d is no socket", fd);
	if (type == 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
	    type != SOCK_STREAM)
		return err_set(e, "descriptor %d is not a listening stream socket", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_sys(e, "descriptor %d", fd);
	(void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	describe(l, "");
	return 0;
}
