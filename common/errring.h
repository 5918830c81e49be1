// SPDX-License-Identifier: MIT
/*
 * The last errors of a release in one slot: a ring with one writer. A reader may come at any
 * moment, and the writer may be killed in the middle of an entry; what is torn is skipped. Readers
 * trust nothing they find: texts come out terminated, printable and valid UTF-8.
 */
#pragma once

#include "common/shm.h"

/* An error outside shared memory. */
struct error_note {
	uint64_t wall_us;
	char request_id[REQUEST_ID_BYTES];
	char model[NAME_BYTES], provider[NAME_BYTES];
	char code[64];
	char message[240];
	uint16_t status;
	enum arm arm;
	enum outcome outcome;
	uint8_t attempt;
	enum error_saved saved;
};

/* Up to ERRORS_KEPT errors, oldest first. */
struct error_list {
	unsigned n;
	struct error_note notes[ERRORS_KEPT];
};

/* Writes an entry over the oldest. Texts are copied up to their NUL or the end of their array. */
void errring_write(struct errring *ring, const struct error_note *note);
/* Adds the whole entries of a ring to a list that keeps the newest ERRORS_KEPT by wall_us. */
void errring_collect(const struct errring *ring, struct error_list *list);
/* Keeps the newest errors of both in `into`, of which the caller is the one writer and reader. */
void errring_fold(struct errring *into, const struct errring *from);
