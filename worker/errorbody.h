// SPDX-License-Identifier: MIT
/*
 * Reads what a provider says when it fails. Every provider, and every box between, has a shape of
 * its own; all are read by one function that takes what it finds and never fails. Used by the
 * workers. Pure.
 */
#pragma once

#include "worker/provider.h"

/*
 * Fills error_code, error_message, no_quota, bad_key and, if the text names a time, retry_after_ms.
 * Reads
 *   {"error":{"message","code","type","status","retry_after","metadata":{"retry_after"}}}
 *   {"error":{"message","code":429,"status":"WORD","details":[{"reason"},{"retryDelay":"3s"}]}}
 *   [{"error":{...}}]   {"error":"text"}   {"message":...}   {"detail":...}
 * as far as they go, and anything else as plain text. The code falls back to the type, then to the
 * status. What is filled in is printable, and keys in it are masked.
 */
void errorbody_read(const uint8_t *bytes, size_t n, struct facts *f);
/* Whether the text is {"error":{...}}, with whatever else: the shape that both OpenAI's and
 * Anthropic's clients read. */
bool errorbody_is_plain(const uint8_t *bytes, size_t n);
/* Whether it is [{"error":{...}}], as Google's compatible endpoint has it. */
bool errorbody_is_list(const uint8_t *bytes, size_t n);
