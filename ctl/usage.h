// SPDX-License-Identifier: MIT
/* Help, made from the table of verbs. */
#pragma once

#include <stdio.h>

#include "common/command.h"

struct cJSON;

#define USAGE_LINE_BYTES 256

/* "grayctl stage RELEASE PCT [--reason TEXT] ..." */
void usage_line(enum verb v, char out[USAGE_LINE_BYTES]);
/* The same after "usage: ", in lines of at most 80 columns. */
void usage_print(FILE *out, enum verb v);
/* All of grayctl on one screen of 24 by 80. */
void usage_screen(FILE *out);
/* One verb in full. */
void usage_verb(FILE *out, enum verb v);
/* The same as an answer in JSON; VERB_NONE: all verbs. NULL: out of memory. */
struct cJSON *usage_json(enum verb v);
