// SPDX-License-Identifier: MIT
/*
 * The ledger: one compact record for every attempt that was seen, and sums by model. An attempt is
 * entered when its request is there and once more when it ends; in between it counts as active.
 */
#pragma once

#include <stdbool.h>

#include "tests/simprovider/fault.h"
#include "tests/simprovider/names.h"

enum attempt_state { STATE_ACTIVE, STATE_FINISHED, STATE_CANCELLED, STATE_FAULTED, STATES };

struct entry {
	uint64_t start_us, end_us, close_us; /* wall clock; 0: not yet */
	uint64_t bytes_in, bytes_out;
	uint32_t input, cached, written, output, reasoning; /* tokens billed, as in struct usage */
	uint32_t told_output;				    /* the last number told */
	uint32_t chunks;				    /* of content sent */
	uint32_t request_id_at;				    /* in the segment's text */
	uint16_t model, path, status;
	uint8_t state, fault, told, request_id_len;
	bool stream;
	char key[12];	    /* digest of the provider key, in hex; key[0] == 0: there was none */
	uint8_t sha256[32]; /* of the answer's body */
};

struct model_sums {
	uint64_t attempts, states[STATES], bytes_in, bytes_out;
	uint64_t input, cached, written, output, reasoning;
};

#define LEDGER_SEGMENT 4096

struct segment {
	uint64_t first; /* id of its first entry */
	struct text request_ids;
	struct entry entries[LEDGER_SEGMENT];
};

struct ledger {
	bool keeps;	/* false: only ids and sums */
	uint64_t last;	/* id of the newest entry; the first is 1 */
	uint64_t epoch; /* counts resets */
	size_t ring;	/* how many segments are kept */
	struct segment **segments;
	struct names models, paths, keys;
	struct model_sums sums[NAMES_LIMIT]; /* by number of the model */
	uint64_t key_uses[NAMES_LIMIT];	     /* by number of the key's digest, catalogue included */
	uint64_t statuses[1000], faults[FAULT_IDS];
	uint64_t catalogue, refused_connections; /* what is no attempt */
};

/* A place in the ledger; id 0: in none. */
struct ticket {
	uint64_t epoch, id;
};

/* `limit`: how many entries are kept at most; 0: none at all. 0 or -1 (out of memory). */
int ledger_init(struct ledger *ledger, uint64_t limit);
void ledger_fini(struct ledger *ledger);
void ledger_reset(struct ledger *ledger);
struct ticket ledger_open(struct ledger *ledger, struct entry *entry, struct str request_id);
/* Counts a use of a key; `digest` as in an entry. */
void ledger_count_key(struct ledger *ledger, const char digest[12]);
/* The end of an attempt. Nothing happens when the ledger was reset in between. */
void ledger_close(struct ledger *ledger, struct ticket ticket, const struct entry *entry);
/* NULL: not there (any more). `request_id` may be NULL. */
const struct entry *ledger_get(const struct ledger *ledger, uint64_t id, struct str *request_id);
uint64_t ledger_oldest(const struct ledger *ledger); /* id of the oldest entry that is kept */

/* Printing. */
enum ledger_format { LEDGER_JSON, LEDGER_NDJSON, LEDGER_CSV };
void ledger_print_head(enum ledger_format format, struct text *out);
void ledger_print_entry(const struct ledger *ledger, uint64_t id, enum ledger_format format,
    bool first, struct text *out); /* nothing when it is gone */
void ledger_print_tail(const struct ledger *ledger, enum ledger_format format, struct text *out);
void ledger_print_summary(const struct ledger *ledger, struct text *out);
