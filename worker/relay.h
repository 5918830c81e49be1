// SPDX-License-Identifier: MIT
/*
 * The stream from provider to client. Until the commit all is held back, so that a failure can
 * still be answered by the other arm; after it each event leaves in the turn of the loop in which
 * it came. Events are passed as they are.
 */
#pragma once

#include "worker/attempt.h"

#define RELAY_HELD_MAX 65536 /* more held back than this commits */

/* Takes bytes of an event stream. False: the attempt is over, a->outcome says how. */
bool relay_bytes(struct attempt *a, const uint8_t *bytes, size_t n);
/* The stream has closed, or is waited for no longer. `complete`, as its framing promised: reads
 * what is left as an event, for providers that forget the blank line behind their end marker. Where
 * the API has no such marker this is the end. */
void relay_end(struct attempt *a, bool complete);
