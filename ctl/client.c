// SPDX-License-Identifier: MIT
/* The way to grayd; see client.h. */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

/* Waits for the socket; CLIENT_TIMED_OUT at the deadline. */
static enum client_result
await(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now_us = clock_mono_us();
		int ms = -1;

		if (now_us >= deadline_us)
			return CLIENT_TIMED_OUT;
		if (deadline_us != CLIENT_FOREVER) {
			uint64_t left = (deadline_us - now_us + US_PER_MS - 1) / US_PER_MS;

			ms = left > 3600000 ? 3600000 : (int)left;
		}
		if (poll(&p, 1, ms) > 0)
			return CLIENT_OK;
		if (errno != EINTR && ms == -1)
			return CLIENT_BROKEN;
	}
}

static enum client_result
unreachable(const char *path, struct err *e)
{
	const char *advice = "is it running? name its socket with -s or GRAYD_SOCKET";

	if (errno == EACCES || errno == EPERM)
		advice = "root, members of \"control_group\" and \"operators\" may use it";
	err_set(e, "cannot reach grayd at %.200s: %s: %s", path, strerror(errno), advice);
	return CLIENT_UNREACHABLE;
}

/* A Unix socket whose queue is full refuses a non-blocking connect at once; then it is tried
 * again until the deadline. */
static enum client_result
connect_until(int fd, const struct sockaddr_un *where, uint64_t deadline_us)
{
	while (connect(fd, (const struct sockaddr *)where, sizeof(*where)) == -1) {
		if (errno != EAGAIN && errno != EINTR)
			return CLIENT_UNREACHABLE;
		if (clock_mono_us() >= deadline_us)
			return CLIENT_TIMED_OUT;
		poll(NULL, 0, 10);
	}
	return CLIENT_OK;
}

static enum client_result
client_open(struct client *c, const char *path, uint64_t deadline_us, struct err *e)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	enum client_result result;

	if (strlen(path) >= sizeof(where.sun_path)) {
		errno = ENAMETOOLONG;
		return unreachable(path, e);
	}
	strcpy(where.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		return unreachable(path, e);
	result = connect_until(c->fd, &where, deadline_us);
	if (result == CLIENT_UNREACHABLE)
		unreachable(path, e);
	return result;
}

static enum client_result
send_line(struct client *c, const char *line, uint64_t deadline_us)
{
	size_t left = strlen(line);

	while (left > 0) {
		ssize_t n = send(c->fd, line, left, MSG_NOSIGNAL);

		if (n >= 0) {
			line += n;
			left -= (size_t)n;
		} else if (errno == EAGAIN) {
			enum client_result result = await(c->fd, POLLOUT, deadline_us);

			if (result != CLIENT_OK)
				return result;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return CLIENT_OK; /* grayd may have said why before it closed: read that */
		} else if (errno != EINTR) {
			return CLIENT_BROKEN;
		}
	}
	return CLIENT_OK;
}

/* Reads until a line is whole; its length, without the end, into `n`. */
static enum client_result
read_line(struct client *c, uint64_t deadline_us, size_t *n)
{
	size_t searched = 0;

	for (;;) {
		uint8_t *end = NULL;
		ssize_t got;

		if (buf_len(&c->in) > searched)
			end =
			    memchr(buf_bytes(&c->in) + searched, '\n', buf_len(&c->in) - searched);
		if (end != NULL) {
			*n = (size_t)(end - buf_bytes(&c->in));
			return CLIENT_OK;
		}
		searched = buf_len(&c->in);
		if (searched > CTLPROTO_ANSWER_MAX || buf_reserve(&c->in, 16384) == -1)
			return CLIENT_BROKEN;
		got = recv(c->fd, c->in.data + c->in.tail, c->in.cap - c->in.tail, 0);
		if (got > 0) {
			c->in.tail += (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			return CLIENT_BROKEN;
		} else if (errno == EAGAIN) {
			enum client_result result = await(c->fd, POLLIN, deadline_us);

			if (result != CLIENT_OK)
				return result;
		}
	}
}

static enum client_result
exchange(struct client *c, const struct ctl_request *request, uint64_t deadline_us,
    struct cJSON **answer, struct err *e)
{
	char *line = ctlproto_encode(request);
	enum client_result result = CLIENT_BROKEN;
	size_t n = 0;

	if (line == NULL) {
		err_set(e, "out of memory");
		return CLIENT_BROKEN;
	}
	result = send_line(c, line, deadline_us);
	free(line);
	if (result == CLIENT_OK)
		result = read_line(c, deadline_us, &n);
	if (result == CLIENT_BROKEN)
		err_set(e, "grayd closed the connection without an answer: look into its log");
	if (result != CLIENT_OK)
		return result;
	*answer = ctlproto_answer_decode((const char *)buf_bytes(&c->in), n, e);
	buf_consume(&c->in, n + 1);
	return *answer != NULL ? CLIENT_OK : CLIENT_BROKEN;
}

enum client_result
client_ask(struct client *c, const char *socket_path, const struct ctl_request *request,
    uint64_t deadline_us, struct cJSON **answer, struct err *e)
{
	enum client_result result = CLIENT_OK;

	if (c->fd == -1)
		result = client_open(c, socket_path, deadline_us, e);
	if (result == CLIENT_OK)
		result = exchange(c, request, deadline_us, answer, e);
	if (result == CLIENT_TIMED_OUT)
		err_set(
		    e, "grayd has not answered in time: `grayctl status` tells what became of it");
	if (result != CLIENT_OK)
		client_close(c);
	return result;
}

void
client_close(struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	buf_free(&c->in);
}
