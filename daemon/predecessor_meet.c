// SPDX-License-Identifier: MIT
/*
 * Meeting the old master, before there is a config or a loop: what it says and gives; see
 * predecessor.h. Master process. Invariant: a descriptor that came is in one place, and -1 in all
 * others.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/predecessor_state.h"
#include "daemon/record.h"

#define HELLO_MS 5000

/* ---- meeting -----------------------------------------------------------------------------------
 */

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
predecessor_free(struct predecessor *p)
{
	if (p->master != NULL) {
		event_del(&p->event);
		p->master->predecessor = NULL;
	}
	close_one(&p->fd);
	close_one(&p->control_fd);
	close_one(&p->limits_fd);
	for (unsigned i = 0; i < p->n_sockets; i++)
		close_one(&p->sockets[i]);
	free(p->record);
	free(p->told);
	free(p);
}

void
predecessor_refuse(struct predecessor *p, const char *why)
{
	if (p == NULL || p->fd < 0)
		return;
	(void)!channel_send(p->fd, CHANNEL_FAILED, why, strlen(why), NULL, 0);
}

/* The descriptor that the variable names, if it is one end of a pair; -1: there is none. */
static int
find_channel(pid_t *other)
{
	const char *text = getenv(RECORD_VARIABLE);
	struct ucred who;
	socklen_t length = sizeof(who);
	int fd = text != NULL ? atoi(text) : -1;

	unsetenv(RECORD_VARIABLE);
	if (fd <= STDERR_FILENO || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -1;
	*other = who.pid;
	return fd;
}

static int
take_hello(struct predecessor *p, struct err *e)
{
	struct channel_message *m = &p->message;

	if (channel_await(p->fd, m, HELLO_MS) != 1 || m->kind != CHANNEL_HELLO ||
	    m->n_fds < RECORD_HELLO_SOCKETS)
		return err_set(e, "the old grayd does not say what it hands over");
	p->control_fd = m->fds[RECORD_HELLO_CONTROL];
	p->limits_fd = m->fds[RECORD_HELLO_LIMITS];
	m->fds[RECORD_HELLO_CONTROL] = m->fds[RECORD_HELLO_LIMITS] = -1;
	for (unsigned i = RECORD_HELLO_SOCKETS; i < m->n_fds && p->n_sockets <= LISTEN_MAX; i++) {
		p->sockets[p->n_sockets++] = m->fds[i];
		m->fds[i] = -1;
	}
	p->record = record_read(m->fds[RECORD_HELLO_TEXT], e);
	if (p->record == NULL || record_take_keys(m->fds[RECORD_HELLO_KEYS], e) != 0)
		return -1;
	if (p->record->n_sockets != p->n_sockets)
		return err_set(e, "the old grayd hands over %u sockets and speaks of %u",
		    p->n_sockets, p->record->n_sockets);
	return 0;
}

int
predecessor_meet(struct predecessor **out, struct err *e)
{
	struct predecessor *p;
	pid_t pid = 0;
	int fd = find_channel(&pid), rc;

	*out = NULL;
	if (fd < 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		close(fd);
		return err_set(e, "out of memory");
	}
	p->fd = fd;
	p->pid = pid;
	p->control_fd = p->limits_fd = -1;
	rc = take_hello(p, e);
	channel_close_fds(&p->message);
	if (rc == 0) {
		*out = p;
		return 0;
	}
	predecessor_refuse(p, e->msg);
	predecessor_free(p);
	return -1;
}

/* ---- what was given ----------------------------------------------------------------------------
 */

/* The file of a Unix socket that is ours from now on. */
static void
own_file(struct listener *l)
{
	struct stat st;

	if (strncmp(l->address, "unix:", 5) != 0 || lstat(l->address + 5, &st) != 0)
		return;
	l->device = st.st_dev;
	l->inode = st.st_ino;
}

void
predecessor_give_sockets(struct predecessor *p, struct listeners *given)
{
	*given = (struct listeners){ .admin = { .fd = -1 } };
	for (unsigned i = 0; i < p->n_sockets; i++) {
		const struct handover_socket *s = &p->record->sockets[i];
		struct listener one;
		struct err e;

		if ((!s->admin && given->n == LISTEN_MAX) ||
		    listen_take(&one, p->sockets[i], &e) != 0)
			continue;
		p->sockets[i] = -1;
		snprintf(one.configured, sizeof(one.configured), "%s", s->configured);
		if (s->own_file)
			own_file(&one);
		if (s->admin)
			given->admin = one;
		else
			given->all[given->n++] = one;
	}
}

void
predecessor_give_limits(struct master *m)
{
	int fd = m->predecessor->limits_fd;
	struct err e;

	m->predecessor->limits_fd = -1;
	m->limits_inherited = limits_adopt(&m->limits, fd, &e) == 0;
	if (!m->limits_inherited)
		log_event(LOG_WARN, "limits_begin_anew",
		    "the limits of the old grayd cannot be taken over, so that for a minute twice "
		    "as much may be admitted: %s",
		    e.msg);
}
