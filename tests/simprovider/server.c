// SPDX-License-Identifier: MIT
/*
 * Listeners: opening, accepting, refusing. A listener that refuses has no socket at all, so a
 * connection attempt meets a real refusal; it comes back on the same port.
 */
#include "tests/simprovider/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/simprovider/conn.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG		 4096
/* How long accepting rests when there are no descriptors left. */
#define REST_US (20 * US_PER_MS)

struct listener {
	struct sim *sim;
	struct listener *next;
	bool admin_only;
	int fd; /* -1: refuses */
	struct sockaddr_storage address;
	socklen_t address_len;
	struct event acceptable;
	struct timer rest;
};

/* What becomes of a new connection. */
static enum accept_mode
draw_accept(struct sim *sim)
{
	struct dice dice = dice_make(~sim->seed, sim->accepted++);

	return dice_unit(&dice) < sim->script->accept_probability ? sim->script->accept
								  : ACCEPT_SERVE;
}

static void
turn_away(struct sim *sim, int fd, enum accept_mode mode)
{
	static const struct linger abort_it = { .l_onoff = 1, .l_linger = 0 };

	if (mode == ACCEPT_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close(fd);
	sim->ledger.refused_connections++;
}

static void
take_in(struct listener *l, int fd)
{
	static const int on = 1;
	enum accept_mode mode = l->admin_only ? ACCEPT_SERVE : draw_accept(l->sim);

	if (mode != ACCEPT_SERVE) {
		turn_away(l->sim, fd, mode);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn_open(l->sim, fd, l->admin_only);
}

static void
on_rested(struct timer *timer)
{
	struct listener *l =
	    (struct listener *)(void *)((char *)timer - offsetof(struct listener, rest));

	if (l->fd >= 0)
		event_add(&l->acceptable, NULL);
}

static void
on_acceptable(evutil_socket_t listen_fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_in(l, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			event_del(&l->acceptable);
			wheel_set(&l->sim->wheel, &l->rest, clock_mono_us() + REST_US);
		}
		return;
	}
}

static int
listener_start(struct listener *l, struct err *err)
{
	static const int on = 1;
	int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	l->address_len = sizeof(l->address);
	/* Learning the port at once lets the listener come back to it. */
	if (bind(fd, (struct sockaddr *)&l->address,
		l->address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6)) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&l->address, &l->address_len) != 0) {
		err_sys(err, "listen");
		close(fd);
		return -1;
	}
	l->fd = fd;
	event_assign(&l->acceptable, l->sim->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	return event_add(&l->acceptable, NULL) == 0 ? 0 : err_set(err, "out of memory");
}

static void
listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->acceptable);
	wheel_cancel(&l->rest);
	close(l->fd);
	l->fd = -1;
}

/* "127.0.0.1:8000", "[::1]:8000" or "localhost:8000" as an address. */
static int
parse_address(const char *text, struct sockaddr_storage *address, struct err *err)
{
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	char host[256];

	if (colon == NULL || colon[1] == '\0' || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, "%s: expected HOST:PORT", text);
	bool brackets = text[0] == '[' && colon > text && colon[-1] == ']';
	size_t n = (size_t)(colon - text) - (brackets ? 2 : 0);

	memcpy(host, text + (brackets ? 1 : 0), n);
	host[n] = '\0';
	int rc = getaddrinfo(n > 0 ? host : NULL, colon + 1, &hints, &found);

	if (rc != 0)
		return err_set(err, "%s: %s", text, gai_strerror(rc));
	memcpy(address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int
add_listener(struct sim *sim, const char *text, bool admin_only, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l)), **end = &sim->listeners;

	if (l == NULL)
		return err_set(err, "out of memory");
	while (*end != NULL)
		end = &(*end)->next;
	*end = l;
	l->sim = sim;
	l->fd = -1;
	l->admin_only = admin_only;
	l->rest.fire = on_rested;
	if (parse_address(text, &l->address, err) != 0)
		return -1;
	if (listener_start(l, err) != 0)
		return err_prefix(err, "%s", text);
	return 0;
}

void
server_close(struct sim *sim)
{
	while (sim->listeners != NULL) {
		struct listener *l = sim->listeners;

		sim->listeners = l->next;
		listener_stop(l);
		free(l);
	}
}

static int
set_refusing(struct sim *sim, bool refuses, struct err *err)
{
	for (struct listener *l = sim->listeners; l != NULL; l = l->next) {
		if (l->admin_only)
			continue;
		if (refuses)
			listener_stop(l);
		else if (l->fd < 0 && listener_start(l, err) != 0)
			return -1;
	}
	return 0;
}

int
server_open(struct sim *sim, struct err *err)
{
	const struct options *o = sim->options;

	for (size_t i = 0; i < o->listen_count; i++)
		if (add_listener(sim, o->listen[i], false, err) != 0)
			return -1;
	if (o->admin_listen != NULL && add_listener(sim, o->admin_listen, true, err) != 0)
		return -1;
	return set_refusing(sim, sim->script->accept == ACCEPT_REFUSE, err);
}

int
server_use_script(struct sim *sim, struct script *script, struct err *err)
{
	bool shuts_out = script->accept == ACCEPT_REFUSE ||
			 (script->accept != ACCEPT_SERVE && script->accept_probability >= 1.0);

	if (shuts_out && sim->options->admin_listen == NULL)
		return err_set(err, "accept: needs --admin-listen, or nobody could undo it");
	if (set_refusing(sim, script->accept == ACCEPT_REFUSE, err) != 0)
		return -1;
	script_unref(sim->script);
	sim->script = script;
	if (script->has_seed)
		sim->seed = script->seed;
	return 0;
}

static unsigned
port_of(const struct listener *l)
{
	const struct sockaddr_in6 *six = (const void *)&l->address;
	const struct sockaddr_in *four = (const void *)&l->address;

	return ntohs(l->address.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

static void
print_address(const struct listener *l)
{
	char host[128];

	if (getnameinfo((const struct sockaddr *)&l->address, l->address_len, host, sizeof(host),
		NULL, 0, NI_NUMERICHOST) != 0)
		return;
	bool six = l->address.ss_family == AF_INET6;

	printf("%s on %s%s%s:%u\n", l->admin_only ? "admin" : "listening", six ? "[" : "", host,
	    six ? "]" : "", port_of(l));
}

/* The ports, one a line, in the order of the options. */
static void
write_ports(const struct sim *sim, FILE *file)
{
	for (const struct listener *l = sim->listeners; l != NULL; l = l->next)
		fprintf(file, "%u\n", port_of(l));
}

static int
write_port_file(const struct sim *sim, const char *name, struct err *err)
{
	char temporary[4096];

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	FILE *file = fopen(temporary, "we");

	if (file == NULL)
		return err_sys(err, "%s", temporary);
	write_ports(sim, file);
	/* Whoever waits for the file finds it whole. */
	if (fclose(file) != 0 || rename(temporary, name) != 0)
		return err_sys(err, "%s", name);
	return 0;
}

int
server_announce(struct sim *sim, struct err *err)
{
	const struct options *o = sim->options;

	/* Before the lines: whoever has read them may look for the file. */
	if (o->port_file != NULL && write_port_file(sim, o->port_file, err) < 0)
		return -1;
	for (const struct listener *l = sim->listeners; l != NULL; l = l->next)
		print_address(l);
	fflush(stdout);
	if (o->ready_fd >= 0) {
		FILE *file = fdopen(o->ready_fd, "w");

		if (file == NULL)
			return err_sys(err, "--ready-fd %d", o->ready_fd);
		write_ports(sim, file);
		fclose(file);
	}
	return 0;
}
