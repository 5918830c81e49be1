// SPDX-License-Identifier: MIT
/*
 * Makes text from outside fit to be shown: providers echo keys in their errors, and put whatever
 * bytes they like into them. Used before such text reaches a log, the error ring or a client.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Masks in place what looks like a key: a word that begins like one ("sk-", "hs_", "key-", ...) or
 * follows "Bearer ", of 12 bytes or more, keeps its first three bytes and "…". Returns the new
 * length, which is never more than `n`. */
size_t mask_secrets(char *text, size_t n);
/* Copies `n` bytes as one printable line: each run of control bytes and white space becomes one
 * space (none at either end), bytes that are not UTF-8 become U+FFFD, and no character is cut.
 * Always terminated; returns the length, less than `cap`. `cap` > 0. */
size_t mask_printable(char *out, size_t cap, const void *bytes, size_t n);
