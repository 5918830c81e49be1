// SPDX-License-Identifier: MIT
/*
 * The lists of models that providers offer, and single entries of them: where they are asked for
 * and how they read, kind by kind. Used by the prober. Pure: bytes in, names out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

#define CATALOGUE_CURSOR_BYTES 512
#define CATALOGUE_PATH_BYTES   (3 * CATALOGUE_CURSOR_BYTES)

/* What one page says beside its names. */
struct catalogue_page {
	unsigned n;			     /* names on it */
	bool more;			     /* it is not the last one */
	char cursor[CATALOGUE_CURSOR_BYTES]; /* where the next one begins; empty: nobody can tell */
};

/* Path and query behind base_url, of the first page (`cursor` empty) or the one at `cursor`. */
void catalogue_list_path(
    enum provider_kind kind, const char *cursor, char out[CATALOGUE_PATH_BYTES]);
/* The same of one entry. */
void catalogue_model_path(const char *name, char out[CATALOGUE_PATH_BYTES]);
/* A name without the "models/" that Gemini puts before it. */
const char *catalogue_bare(const char *name);

/* Calls `each` for the bare name of each entry of a page; the name is good for the call only. What
 * is longer than a name of the config can be is left out. False: this is not a list of models. */
typedef void catalogue_name_fn(void *arg, const char *name);
bool catalogue_read_list(enum provider_kind kind, const uint8_t *bytes, size_t n,
    catalogue_name_fn *each, void *arg, struct catalogue_page *page) MUST_CHECK;
/* Whether these bytes are an entry. Its name may be another one: an alias is answered with what it
 * stands for. */
bool catalogue_read_model(enum provider_kind kind, const uint8_t *bytes, size_t n) MUST_CHECK;
