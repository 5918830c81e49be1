// SPDX-License-Identifier: MIT
/*
 * Prometheus' text format 0.0.4, line by line. Pure. Its caller sees to it that all samples of a
 * family come together and that each stands there once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define PROMTEXT_NUMBER_BYTES 40

struct promtext {
	struct buf *out;
	const char *family; /* the one that is being printed */
	bool failed;	    /* out of memory: the text is not whole */
};

/* Begins a family. `help` holds neither a backslash nor the end of a line. */
void promtext_family(struct promtext *p, const char *name, const char *type, const char *help);
/* One sample. `suffix`: "", or "_sum" and the like. `labels`: as they stand between the braces,
 * values escaped; "": none. */
void promtext_text(struct promtext *p, const char *suffix, const char *labels, const char *number);
void promtext_number(struct promtext *p, const char *suffix, const char *labels, uint64_t n);
/* Microseconds, as seconds. */
void promtext_seconds(struct promtext *p, const char *suffix, const char *labels, uint64_t us);
/* A sample with one label more than `labels`; its value needs no escapes. */
void promtext_with(
    struct promtext *p, const char *labels, const char *key, const char *value, uint64_t n);
/* Escapes the value of a label; `out` has room for twice its length and a NUL. Returns the end. */
char *promtext_escape(char *out, const char *value);
