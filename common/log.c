// SPDX-License-Identifier: MIT
/*
 * The log of one process, see log.h. Lines wait in one buffer of whole lines. To never wait for a
 * reader, a terminal or pipe is opened anew (O_NONBLOCK belongs to an open file, which standard
 * error shares with programs that know nothing of it); sockets are asked per call; what can only
 * block is asked by poll() first. Any process; one thread.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mask.h"

#define BUFFER_BYTES  (64u << 10)
#define DUE_BYTES     (16u << 10)
#define DUE_US	      (20 * US_PER_MS)
#define LOG_PATH_MAX  4096
#define MESSAGE_BYTES 1024 /* of an event; escaped it still fits into a line */

enum kind { KIND_FILE, KIND_PIPE, KIND_SOCKET, KIND_MAY_BLOCK };

static struct {
	char path[LOG_PATH_MAX]; /* empty: never opened, or adopted */
	int fd;
	enum kind kind;
	enum log_level level;
	char role[32];
	char buffer[BUFFER_BYTES];
	size_t start, end; /* what waits; `start` may be in the middle of a line */
	uint64_t
	    since_us; /* when the oldest of it came, or the last time it could not be written */
	bool blocked; /* the last write failed */
	uint64_t dropped, told; /* lines, ever; how many of them a line in the log has told of */
} state = { .fd = STDERR_FILENO, .kind = KIND_MAY_BLOCK, .level = LOG_INFO, .role = "master" };

const char *const log_level_names[LOG_LEVEL_COUNT] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* ---- opening --------------------------------------------------------------------------------- */

/* An open file of our own on what `fd` is, without waiting in it; -1 when that is not to be had. */
static int
reopen_nonblocking(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/*
 * Behind `2>FILE` the log and whoever writes to stderr itself, the last words of a start that is
 * refused among them, have each a place of their own in the file: both must write at its end.
 */
static void
append_to_stderr(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	if (flags >= 0)
		(void)!fcntl(STDERR_FILENO, F_SETFL, flags | O_APPEND);
}

/* A descriptor that the log owns for what `fd` is, which stays open; -1: none left. */
static int
own_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		fd = reopen_nonblocking(STDERR_FILENO);
		if (S_ISREG(st.st_mode))
			append_to_stderr();
	}
	return fd >= 0 ? fd : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

static int
open_path(const char *path, struct err *e)
{
	int fd;

	if (strcmp(path, "stderr") == 0)
		fd = own_stderr();
	else
		fd = open(
		    path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
	/* A FIFO that nobody reads yet is none the worse for it. */
	if (fd < 0 && errno == ENXIO)
		fd = open(path, O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "cannot open the log %s", path);
	return fd;
}

static enum kind
kind_of(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) != 0)
		return KIND_MAY_BLOCK;
	if (S_ISREG(st.st_mode))
		return KIND_FILE;
	if (S_ISSOCK(st.st_mode))
		return KIND_SOCKET;
	return flags >= 0 && (flags & O_NONBLOCK) ? KIND_PIPE : KIND_MAY_BLOCK;
}

void
log_adopt(int fd)
{
	int old = state.fd;

	/* The rest of a line whose beginning stands in the old log makes no sense in the new one.
	 */
	if (state.start > 0 && state.start < state.end && state.buffer[state.start - 1] != '\n') {
		char *rest = memchr(state.buffer + state.start, '\n', state.end - state.start);

		state.start = rest != NULL ? (size_t)(rest - state.buffer) + 1 : state.end;
		state.dropped++;
	}
	state.fd = fd;
	state.kind = kind_of(fd);
	if (old > STDERR_FILENO)
		close(old);
	log_flush();
}

int
log_try(const char *path, struct err *e)
{
	int fd = open_path(path, e);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

void
log_set_level(enum log_level level)
{
	state.level = level;
}

int
log_open(const char *path, enum log_level level, struct err *e)
{
	int fd;

	if (strlen(path) >= sizeof(state.path))
		return err_set(e, "the path of the log is too long");
	fd = open_path(path, e);
	if (fd < 0)
		return -1;
	strcpy(state.path, path);
	state.level = level;
	log_adopt(fd);
	return 0;
}

int
log_reopen(struct err *e)
{
	int fd;

	if (state.path[0] == '\0')
		return 0;
	fd = open_path(state.path, e);
	if (fd < 0)
		return -1;
	log_adopt(fd);
	return 0;
}

int
log_fd(void)
{
	return state.fd;
}

void
log_after_fork(const char *role)
{
	snprintf(state.role, sizeof(state.role), "%s", role);
	state.start = state.end = 0;
	state.dropped = state.told = 0;
}

void
log_close(void)
{
	log_flush();
	if (state.fd > STDERR_FILENO)
		close(state.fd);
	state.fd = STDERR_FILENO;
	state.kind = KIND_MAY_BLOCK;
	state.path[0] = '\0';
}

/* ---- writing --------------------------------------------------------------------------------- */

/* How much of what waits goes into one write: but for files whole lines of at most PIPE_BUF bytes
 * together, which are taken whole or not at all and no other writer can come between. */
static size_t
piece(void)
{
	const char *from = state.buffer + state.start, *last;
	size_t n = state.end - state.start;

	if (state.kind == KIND_FILE || n <= PIPE_BUF)
		return n;
	last = memrchr(from, '\n', PIPE_BUF);
	return last != NULL ? (size_t)(last - from) + 1 : PIPE_BUF;
}

static ssize_t
write_piece(size_t n)
{
	struct pollfd p = { .fd = state.fd, .events = POLLOUT };
	const char *from = state.buffer + state.start;

	if (state.kind == KIND_SOCKET)
		return send(state.fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (state.kind == KIND_MAY_BLOCK && (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))) {
		errno = EAGAIN;
		return -1;
	}
	return write(state.fd, from, n);
}

static void
write_all(void)
{
	while (state.start < state.end) {
		ssize_t n = write_piece(piece());

		if (n < 0 && errno == EINTR)
			continue;
		state.blocked = n <= 0;
		if (state.blocked) {
			state.since_us = clock_mono_us();
			return;
		}
		state.start += (size_t)n;
	}
	state.start = state.end = 0;
}

/* Puts a line behind what waits; false: no room. */
static bool
append(const char *line, size_t n)
{
	if (state.end + n > BUFFER_BYTES) {
		memmove(state.buffer, state.buffer + state.start, state.end - state.start);
		state.end -= state.start;
		state.start = 0;
	}
	if (state.end + n > BUFFER_BYTES)
		return false;
	if (state.start == state.end)
		state.since_us = clock_mono_us();
	memcpy(state.buffer + state.end, line, n);
	state.end += n;
	return true;
}

/* Begins the line of an event; returns its length so far. */
static size_t
begin_line(char line[LOG_LINE_MAX], enum log_level level, const char *event)
{
	char now[CLOCK_ISO_BYTES];

	clock_iso(clock_wall_us(), now);
	return (size_t)snprintf(line, LOG_LINE_MAX,
	    "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d,\"event\":\"%s\","
	    "\"message\":\"",
	    now, log_level_names[level], state.role, (int)getpid(), event);
}

/* Once half of the buffer is free, and not for every single line that finds room. */
static void
tell_of_lost(void)
{
	char line[LOG_LINE_MAX];
	size_t n;

	if (state.dropped == state.told || state.end - state.start > BUFFER_BYTES / 2)
		return;
	n = begin_line(line, LOG_WARN, "log_lost");
	n += (size_t)snprintf(line + n, LOG_LINE_MAX - n,
	    "%llu lines were lost before this one\"}\n",
	    (unsigned long long)(state.dropped - state.told));
	if (append(line, n))
		state.told = state.dropped;
}

void
log_line(const char *line, size_t n)
{
	if (state.dropped != state.told)
		tell_of_lost();
	if (n > LOG_LINE_MAX || state.dropped != state.told || !append(line, n))
		state.dropped++;
}

void
log_flush(void)
{
	write_all();
	if (state.start == state.end && state.dropped != state.told) {
		tell_of_lost();
		write_all();
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Adds a printable text to a line; returns the line's length. */
static size_t
add_escaped(char *line, size_t n, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			line[n++] = '\\';
		line[n++] = *text;
	}
	return n;
}

bool
log_wants(enum log_level level)
{
	return level <= state.level;
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	static const char end[] = "\"}\n";
	char line[LOG_LINE_MAX], text[MESSAGE_BYTES], message[MESSAGE_BYTES];
	va_list ap;
	size_t n;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mask_printable(message, sizeof(message), text, strlen(text));
	n = begin_line(line, level, event);
	n = add_escaped(line, n, message);
	memcpy(line + n, end, sizeof(end) - 1);
	log_line(line, n + sizeof(end) - 1);
	log_flush();
}

bool
log_due(uint64_t now_us)
{
	size_t waiting = state.end - state.start;

	if (waiting == 0)
		return false;
	return now_us >= state.since_us + DUE_US || (waiting >= DUE_BYTES && !state.blocked);
}

bool
log_pending(void)
{
	return state.end > state.start;
}

uint64_t
log_dropped(void)
{
	return state.dropped;
}
