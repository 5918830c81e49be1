// SPDX-License-Identifier: MIT
/*
 * What goes from the old master to the new one: the record (handover.h) made of the old one's
 * state, the keys, and descriptors; and back into state on the other side. Both masters.
 */
#pragma once

#include "daemon/handover.h"

struct master;

/* How the new binary finds its end of the pair. */
#define RECORD_VARIABLE "GRAYD_HANDOVER_FD"
#define RECORD_FD	3

/* The descriptors of CHANNEL_HELLO and CHANNEL_GO, in this order. */
enum {
	RECORD_HELLO_TEXT,
	RECORD_HELLO_KEYS,
	RECORD_HELLO_CONTROL,
	RECORD_HELLO_LIMITS,
	RECORD_HELLO_SOCKETS
};
/* The evidence is a part of its own, which a version that does not know it passes over. */
enum { RECORD_GO_TEXT, RECORD_GO_LOCK, RECORD_GO_EVIDENCE };
enum { RECORD_TOTALS_TEXT, RECORD_TOTALS_EVIDENCE };

int record_send_hello(struct master *m, int fd, struct err *e) MUST_CHECK;
int record_send_go(struct master *m, int fd, struct err *e) MUST_CHECK;
/* What does not fit now is said the next time. */
void record_send_totals(struct master *m, int fd);

/* Reads the record in sealed memory. NULL: `e`. To be given back with free(). */
struct handover *record_read(int memory, struct err *e) MUST_CHECK;
/* Remembers the keys in sealed memory. */
int record_take_keys(int memory, struct err *e) MUST_CHECK;
/* Adds to the tallies what `now` has more than `before` (NULL: nothing was told before). */
void record_add_totals(struct master *m, const struct handover *now, const struct handover *before);
