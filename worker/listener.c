// SPDX-License-Identifier: MIT
/*
 * Accepting. The listening sockets stand in an epoll set of this worker's own, which is one
 * readable descriptor for the loop: accepting pauses and resumes by taking them out and putting
 * them back. A new connection may wake several workers; the first to come takes it. One that has
 * had its share registers anew, which puts it behind the others in the kernel's queue.
 */
#include "worker/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/conn.h"

#define ACCEPTS_A_TURN	   16
#define EXHAUSTED_PAUSE_US (100 * US_PER_MS)

/* Above this accepting pauses: 7/8 of this worker's share of the limit, but at least one. */
static unsigned
own_limit(const struct worker *w)
{
	unsigned n = w->seed->n_workers, share = (w->config->limits.max_connections + n - 1) / n;

	return share - share / 8;
}

static void
watch_sockets(struct worker *w, int op)
{
	for (unsigned i = 0; i < w->seed->n_listen; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };

		epoll_ctl(w->listen_set, op, w->seed->listen_fds[i], &ev);
	}
}

static void
pause_accepting(struct worker *w)
{
	if (!w->accept_paused)
		watch_sockets(w, EPOLL_CTL_DEL);
	w->accept_paused = true;
}

static void
unpause_accepting(struct worker *w)
{
	if (w->accept_paused && w->accepting)
		watch_sockets(w, EPOLL_CTL_ADD);
	w->accept_paused = false;
}

static void
on_pause_over(void *arg)
{
	unpause_accepting(arg);
}

/* Out of descriptors: the reserve lets one client be told so by a closed connection, and a pause
 * keeps the loop from spinning on those that wait. */
static void
on_exhausted(struct worker *w, int listen_fd)
{
	int fd;

	close(w->reserve_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	w->reserve_fd = fcntl(w->seed->master_fd, F_DUPFD_CLOEXEC, 0);
	pause_accepting(w);
	deadline_set(&w->accept_pause, clock_mono_us() + EXHAUSTED_PAUSE_US);
	log_event(LOG_WARN, "descriptors_exhausted",
	    "no file descriptors left: accepting pauses; raise RLIMIT_NOFILE or lower "
	    "limits.max_connections");
}

/* Takes one connection; false when none waits or accepting must pause. */
static bool
accept_one(struct worker *w, int listen_fd)
{
	static const int on = 1;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			on_exhausted(w, listen_fd);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (peer.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (conn_open(w, fd) < 0) {
		close(fd);
		return false;
	}
	if (w->n_conns >= own_limit(w))
		pause_accepting(w);
	return !w->accept_paused;
}

static void
on_accept(evutil_socket_t set, short what, void *arg)
{
	struct worker *w = arg;
	struct epoll_event ready[LISTEN_MAX];
	int n = epoll_wait((int)set, ready, LISTEN_MAX, 0);

	(void)what;
	for (int i = 0; i < n; i++) {
		int listen_fd = w->seed->listen_fds[ready[i].data.u32];

		while (accept_one(w, listen_fd))
			if (++w->accepted_in_row >= ACCEPTS_A_TURN)
				break;
	}
	if (w->accepted_in_row >= ACCEPTS_A_TURN && !w->accept_paused) {
		watch_sockets(w, EPOLL_CTL_DEL);
		watch_sockets(w, EPOLL_CTL_ADD);
		w->accepted_in_row = 0;
	}
}

int
listener_start(struct worker *w)
{
	w->listen_set = epoll_create1(EPOLL_CLOEXEC);
	w->reserve_fd = fcntl(w->seed->master_fd, F_DUPFD_CLOEXEC, 0);
	if (w->listen_set < 0 || w->reserve_fd < 0)
		return -1;
	deadline_init(&w->accept_pause, w->base, on_pause_over, w);
	event_assign(&w->listen_event, w->base, w->listen_set, EV_READ | EV_PERSIST, on_accept, w);
	w->accepting = true;
	w->accept_paused = w->seed->held;
	if (!w->seed->held)
		watch_sockets(w, EPOLL_CTL_ADD);
	return event_add(&w->listen_event, NULL);
}

/* Takes what waits. The kernel wakes one worker for a connection: those for which it has woken this
 * one, nobody else might look at. */
static void
accept_last(struct worker *w)
{
	for (unsigned i = 0; i < w->seed->n_listen && !w->accept_paused; i++)
		while (accept_one(w, w->seed->listen_fds[i]))
			;
}

void
listener_stop(struct worker *w)
{
	if (!w->accepting)
		return;
	w->accepting = false;
	deadline_fini(&w->accept_pause);
	event_del(&w->listen_event);
	watch_sockets(w, EPOLL_CTL_DEL);
	accept_last(w);
	close(w->listen_set);
	for (unsigned i = 0; i < w->seed->n_listen; i++)
		close(w->seed->listen_fds[i]);
}

void
listener_resume(struct worker *w)
{
	if (w->accept_paused && w->accept_pause.at_us == 0 && w->n_conns < own_limit(w))
		unpause_accepting(w);
}
