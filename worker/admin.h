// SPDX-License-Identifier: MIT
/*
 * What the admin process knows. One thread, one loop; it reads shared memory, writes none of it,
 * and nobody waits for it.
 */
#pragma once

#include <sys/queue.h>

#include "common/buf.h"
#include "common/policy.h"
#include "worker/deadline.h"
#include "worker/http.h"
#include "worker/metrics.h"
#include "worker/worker.h"

struct adminconn;

struct admin {
	const struct admin_seed *seed;
	struct event_base *base;
	struct event master_event, listen_event;
	struct deadline accept_pause, drain_deadline;
	TAILQ_HEAD(adminconns, adminconn) conns; /* first the one whose last answer is the oldest */
	unsigned n_conns;
	bool accepting, draining, stop;
	struct policy_reader policy;
	struct metrics *metrics;
	struct buf text; /* of the answer that is being made */
};

/* Puts the answer to a request, or to a malformed one (head->error_status), behind `out`. `close`:
 * the head says that no other request follows. -1: out of memory. */
int admin_answer(struct admin *a, const struct http_head *head, const uint8_t *bytes, bool close,
    struct buf *out) MUST_CHECK;
