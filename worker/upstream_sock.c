// SPDX-License-Identifier: MIT
/* libcurl's sockets on libevent; see upstream_sock.h. */
#include "worker/upstream_sock.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/state.h"

struct upstream_sock {
	struct event event;
	struct upstream_socks *socks;
	curl_socket_t fd;
	bool ours; /* upstream_sock_close() will be told of its end; libcurl closes others itself */
	short armed;  /* what the event waits for */
	short wanted; /* what libcurl wants; 0: nothing, the connection is idle */
};

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct upstream_sock *k = arg;
	struct worker *w = k->socks->worker;
	int action, running;

	if (k->wanted == 0) {
		event_del(&k->event);
		k->armed = 0;
		return;
	}
	action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	curl_multi_socket_action(k->socks->multi, fd, action, &running);
	worker_look_at_policy(w); /* may end calls: `k` can be gone */
}

static void
arm(struct upstream_sock *k, short wanted)
{
	if (k->armed == wanted)
		return;
	if (k->armed != 0)
		event_del(&k->event);
	k->armed = wanted;
	event_assign(&k->event, k->socks->worker->base, k->fd, wanted | EV_PERSIST, on_ready, k);
	event_add(&k->event, NULL);
}

static int
grow(struct upstream_socks *s, size_t fd)
{
	size_t n = s->n == 0 ? 64 : s->n;
	struct upstream_sock **more;

	while (n <= fd)
		n *= 2;
	more = realloc(s->by_fd, n * sizeof(struct upstream_sock *));
	if (more == NULL)
		return -1;
	memset(more + s->n, 0, (n - s->n) * sizeof(struct upstream_sock *));
	s->by_fd = more;
	s->n = n;
	return 0;
}

static struct upstream_sock *
find_or_new(struct upstream_socks *s, curl_socket_t fd)
{
	struct upstream_sock *k;

	if ((size_t)fd >= s->n && grow(s, (size_t)fd) < 0)
		return NULL;
	k = s->by_fd[fd];
	if (k == NULL && (k = calloc(1, sizeof(*k))) != NULL) {
		k->socks = s;
		k->fd = fd;
		s->by_fd[fd] = k;
	}
	return k;
}

static void
drop(struct upstream_socks *s, size_t fd)
{
	struct upstream_sock *k = fd < s->n ? s->by_fd[fd] : NULL;

	if (k == NULL)
		return;
	if (k->armed != 0)
		event_del(&k->event);
	free(k);
	s->by_fd[fd] = NULL;
}

/* Wanting only to read when reading is armed already costs nothing; wanting nothing leaves reading
 * armed. */
static int
on_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct upstream_socks *s = arg;
	struct upstream_sock *k = find_or_new(s, fd);

	(void)easy, (void)socket_arg;
	/* Out of memory: this call will time out. -1 would end all calls of the pool. */
	if (k == NULL)
		return 0;
	/* A pair of the resolver's is closed without a word: its number may be anybody's next. */
	if (what == CURL_POLL_REMOVE && !k->ours) {
		drop(s, (size_t)fd);
		return 0;
	}
	k->wanted = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
	if (what == CURL_POLL_REMOVE)
		k->wanted = 0;
	if (k->wanted != 0)
		arm(k, k->wanted);
	else if (k->armed & EV_WRITE)
		arm(k, EV_READ);
	return 0;
}

curl_socket_t
upstream_sock_open(void *socks, curlsocktype purpose, struct curl_sockaddr *address)
{
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	struct upstream_sock *k = fd >= 0 ? find_or_new(socks, fd) : NULL;

	(void)purpose;
	if (k != NULL)
		k->ours = true;
	return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

int
upstream_sock_close(void *socks, curl_socket_t fd)
{
	drop(socks, (size_t)fd);
	return close(fd);
}

void
upstream_socks_init(struct upstream_socks *s, struct worker *w, CURLM *multi)
{
	*s = (struct upstream_socks){ .worker = w, .multi = multi };
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_interest);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
}

void
upstream_socks_fini(struct upstream_socks *s)
{
	for (size_t fd = 0; fd < s->n; fd++)
		drop(s, fd);
	free(s->by_fd);
	*s = (struct upstream_socks){ 0 };
}
