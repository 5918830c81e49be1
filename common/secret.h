// SPDX-License-Identifier: MIT
/*
 * Secrets (provider keys): held in libsodium's guarded memory, readable only through here, left out
 * of cores, wiped when freed. Where they come from is remembered in words; the secret itself is
 * never printed.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"

struct secret;

/* Copies `n` bytes into guarded memory. NULL: out of memory. The caller wipes its own copy. */
struct secret *secret_new(const char *bytes, size_t n) MUST_CHECK;
void secret_free(struct secret *s); /* NULL is fine */
/* The bytes, NUL-terminated; valid until secret_free(). */
const char *secret_text(const struct secret *s);
size_t secret_len(const struct secret *s);
