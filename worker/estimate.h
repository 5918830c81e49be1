// SPDX-License-Identifier: MIT
/*
 * Tokens that a provider will bill but did not tell: of an attempt that was left, timed out or
 * broke off, or whose answer came without usage. What is estimated is counted for itself and never
 * mixed with what providers say. Used by the workers, and only where usage is missing. Pure.
 *
 * The rules, also in grayd(8):
 *   input    one token for four bytes of the request's body; a run of 256 and more bytes of base64
 *            (an image, a file) is 1,000 tokens, about what providers take for an image
 *   output   one token for four bytes of text that came, or one for each event with content that
 *            came, whichever is more: most providers send a token an event, some send many, and
 *            in most languages but English a token is less than four bytes
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t estimate_input(const uint8_t *body, size_t n);
uint64_t estimate_output(uint64_t content_bytes, uint64_t content_events);
