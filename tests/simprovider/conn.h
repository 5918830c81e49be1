// SPDX-License-Identifier: MIT
/*
 * A connection. It is always registered for reading, so a peer that leaves is noticed at once,
 * whatever the answer is waiting for. At most one job, the answer in progress, owns it.
 */
#pragma once

#include <event2/event_struct.h>

#include "tests/simprovider/attempt.h"
#include "tests/simprovider/reader.h"
#include "tests/simprovider/sim.h"

/* Above this much unsent, jobs make no more until the peer has read. */
#define CONN_CONGESTED_BYTES 262144
#define CONN_MAX_INPUT_BYTES (64u * 1024 * 1024)

struct job {
	/* Goes on as far as it can, and ends with conn_done(). Called at the beginning, when the
	 * timer fires, and when unsent bytes have left. */
	void (*resume)(struct conn *conn);
	/* The peer has left; the last call. */
	void (*gone)(struct conn *conn);
};

/* A list of the ledger on its way out. */
struct dump {
	enum ledger_format format;
	uint64_t next, epoch, left, printed;
	bool began;
};

struct conn {
	struct sim *sim;
	struct conn *next, **link;
	int fd;
	bool admin_only, dead, broken;
	struct event readable, writable;
	struct timer timer; /* of the job */
	struct timer gap;   /* between two pieces of a split answer */
	struct buf in;
	uint8_t *fresh; /* bytes just received and not yet in `in`; NULL: none */
	size_t fresh_len;
	struct text out;
	struct reader reader;
	uint64_t first_byte_us; /* of the request at hand, wall clock */
	uint64_t answers, sent_bytes;
	struct split split;
	uint64_t piece_left; /* of the split piece that is being sent */
	const struct job *job;
	struct attempt attempt;
	struct dump dump;
};

void conn_open(struct sim *sim, int fd, bool admin_only); /* takes the descriptor */
void conn_flush(struct conn *conn);			  /* sends what can be sent now */
void conn_wake_at(struct conn *conn, uint64_t due_us);	  /* resumes the job then */
void conn_yield(struct conn *conn); /* resumes the job in the next turn of the loop */
/* The job is over and everything is sent. */
void conn_done(struct conn *conn, enum then then);
void conn_set_split(struct conn *conn, const struct split *split);
void conn_close_all(struct sim *sim);

static inline bool
conn_congested(const struct conn *conn)
{
	return text_len(&conn->out) > CONN_CONGESTED_BYTES;
}

static inline bool
conn_drained(const struct conn *conn)
{
	return text_len(&conn->out) == 0;
}
