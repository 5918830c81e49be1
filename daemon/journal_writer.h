// SPDX-License-Identifier: MIT
/*
 * The process that writes the journal: it alone waits for the disk. A process and not a thread of
 * the master: a thread that hangs in the kernel cannot be left behind or replaced, and a master
 * with threads cannot fork safely. It decides nothing and keeps the master's user, since the files
 * must not belong to the user that workers run as. The messages below go over the pair that each
 * child has with the master; one message, one packet.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/shm.h"

/* Master to writer. Also MSG_LOG; the end of the pair means: finish, and leave. */
enum journal_order {
	ORDER_WRITE = 'w',   /* a body follows; the next comes only after the answer */
	ORDER_HISTORY = 'h', /* struct history_wish follows */
	ORDER_VERIFY = 'v',
	ORDER_REPLAY = 'r', /* struct history_wish follows */
	ORDER_KEEP = 'k',   /* with sealed memory: see journal_keep(); alone, without a head */
};

struct order_head {
	char kind;
	uint64_t id; /* is in the answer */
	uint64_t revision;
};

struct history_wish {
	uint32_t limit;
	char release[NAME_BYTES]; /* empty: all */
};

/* Writer to master; MSG_READY comes before all of them. */
enum journal_report {
	REPORT_HELLO = 'H',   /* open, or not (`failed`); `text`: what was found amiss */
	REPORT_WRITTEN = 'W', /* on disk, or not (`failed`) */
	REPORT_PART = 'P',    /* of an answer; bytes follow */
	REPORT_END = 'E',     /* of an answer, or it failed */
};

struct report_head {
	char kind;
	bool failed;
	bool unclean; /* what failed may still be on disk */
	bool broken;  /* hello: the journal was put aside */
	uint64_t id;
	uint64_t sequence, revision; /* of the last record on disk */
	struct err text;
};

#define REPORT_PART_BYTES 16384

struct journal_writer_seed {
	const char *path; /* of state_dir */
	int master_fd;
	int lock_fd; /* only kept open */
	int seen_fd; /* the sticky keys that the evidence goes with */
};

/* Runs until the pair ends; returns the exit status. */
int journal_writer_main(const struct journal_writer_seed *seed);
