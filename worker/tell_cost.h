// SPDX-License-Identifier: MIT
/*
 * Puts the cost field (costfield.h) into the stream of a client that asked for it, wherever the
 * event with the last usage stands by then. Used by the relay.
 */
#pragma once

#include "worker/attempt.h"

/* Whether the event that was just read brought the usage that counts: it comes with the finish or
 * behind it. */
bool tell_cost_is_due(const struct attempt *a);
/* Puts it into that event, which stands in a->bytes as the provider sent it. Returns by how many
 * bytes the event has grown; `ev` is no good any more if that is not 0. */
size_t tell_cost_in_event(struct attempt *a, const struct sse_event *ev);
/* Puts it into what the translation has made of the event: the bytes of `told` from `from` on. */
void tell_cost_in_translation(struct attempt *a, struct buf *told, size_t from);
