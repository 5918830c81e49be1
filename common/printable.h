// SPDX-License-Identifier: MIT
/*
 * What may be shown to a person: printable UTF-8 without control characters, so that no name or
 * message of somebody else moves a terminal's cursor, splits a log line or breaks JSON. Pure.
 */
#pragma once

#include <stddef.h>

/* Bytes of the printable character at `s`, which ends in NUL; 0: none there. */
size_t printable_at(const char *s);
/* Puts '?' for every byte that belongs to none, in place. */
void printable_clean(char *s);
/* Characters of a clean text. */
size_t printable_width(const char *s);
