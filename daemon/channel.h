// SPDX-License-Identifier: MIT
/*
 * The socket pair between an old and a new master during an upgrade: messages of one letter and a
 * body, with descriptors beside them. What is long or secret travels in sealed memory. Nothing here
 * waits, but for what says so. Both masters.
 */
#pragma once

#include <stddef.h>

#include "common/config.h"
#include "common/err.h"

enum channel_kind {
	CHANNEL_HELLO = 'h',  /* old: record, keys, control socket, limits, listening sockets */
	CHANNEL_READY = 'r',  /* new: its workers are, and wait */
	CHANNEL_FAILED = 'x', /* new: why it leaves, in words */
	CHANNEL_GO = 'g', /* old: the last record; whatever comes now is the new one's to decide */
	CHANNEL_SERVING = 's', /* new: it has taken over */
	CHANNEL_POLICY = 'p',  /* new: publish this to your draining workers */
	CHANNEL_ACKED = 'a',   /* old: they follow this revision: six numbers of
				* its receipt: revision, acknowledged, killed, rescued, streaming,
				* candidate_at_us */
	CHANNEL_TOTALS = 't',  /* old: a record of what it has counted so far */
	CHANNEL_STOP = 'q',    /* new: it stops; do not wait for idle connections */
	CHANNEL_REOPEN = 'l',  /* new: the log files were moved */
};

#define CHANNEL_BODY_MAX 131072
#define CHANNEL_FDS_MAX	 (LISTEN_MAX + 5)

struct channel_message {
	char kind;
	size_t n;
	char body[CHANNEL_BODY_MAX + 1]; /* terminated */
	unsigned n_fds;
	int fds[CHANNEL_FDS_MAX]; /* close-on-exec; the receiver's */
};

/* Makes a pair, non-blocking and close-on-exec. */
int channel_open(int pair[2], struct err *e) MUST_CHECK;
/* 0, or -1 with errno: EAGAIN when the other side does not read. */
int channel_send(int fd, enum channel_kind kind, const void *body, size_t n, const int *fds,
    unsigned n_fds) MUST_CHECK;
/* As recv() returns: 1 for a message, 0 when the other end is gone, -1 when nothing waits. */
int channel_receive(int fd, struct channel_message *m) MUST_CHECK;
/* The same, but waits for so long. */
int channel_await(int fd, struct channel_message *m, int timeout_ms) MUST_CHECK;
void channel_close_fds(struct channel_message *m);

/* Memory with these bytes, which nobody can change any more. -1: `e`. */
int channel_seal(const void *bytes, size_t n, struct err *e) MUST_CHECK;
/* Maps such memory for reading; anything that could still be changed is refused. An empty one is
 * "". To be given back with channel_unmap(). NULL: `e`. */
const char *channel_map(int fd, size_t *n, struct err *e) MUST_CHECK;
void channel_unmap(const char *bytes, size_t n);
