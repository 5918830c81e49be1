// SPDX-License-Identifier: MIT
/*
 * What one master tells the next at an upgrade, as text: lines of words, each with a tab before the
 * next; names where shared memory has numbers, values where it has buckets, so that two versions
 * with different layouts understand each other. Whoever changes the meaning of a line raises the
 * number in HANDOVER_TITLE; a master that does not know it refuses. Keys are no part of it. Pure.
 */
#pragma once

#include "common/buf.h"
#include "common/config.h"
#include "common/slot.h"

#define HANDOVER_TITLE "grayd-handover 3"

/* One release, as it was counted; sums over all processes that have served it. */
struct handover_release {
	char name[NAME_BYTES];
	uint64_t window_revision; /* of the totals' windows */
	struct release_totals totals;
	struct error_list errors;
};

/* A listening socket; its descriptor travels beside the text. */
struct handover_socket {
	char configured[160]; /* empty: somebody else has opened it */
	bool own_file;	      /* a Unix socket whose file grayd has made */
	bool admin;
};

/* About 5 MB. */
struct handover {
	uint64_t generation;
	char control_socket[108], state_dir[4096]; /* what the next config must name too */
	struct policy policy;
	unsigned n_sockets;
	struct handover_socket sockets[LISTEN_MAX + 1];
	struct overall_totals overall; /* not `open` and `insane`: they are of living processes */
	unsigned n_releases;
	struct handover_release releases[RELEASES_MAX];
	unsigned n_clients;
	struct client_totals clients[CLIENTS_MAX];
};

/* Adds the text. -1: out of memory. */
int handover_print(struct buf *out, const struct handover *h) MUST_CHECK;
/* Reads it. Names of counters and outcomes that this version does not have are passed over;
 * anything else that is not as it should be is refused. -1: `e` says what, `h` is of no use. */
int handover_parse(struct handover *h, const char *text, size_t n, struct err *e) MUST_CHECK;
/* The same for a policy alone. */
int handover_print_policy(struct buf *out, const struct policy *p) MUST_CHECK;
int handover_parse_policy(struct policy *p, const char *text, size_t n, struct err *e) MUST_CHECK;
