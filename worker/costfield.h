// SPDX-License-Identifier: MIT
/*
 * The cost field in streams, for clients that send `x-gray-cost: 1`: members of the "usage" object
 * of the last event that has one. Used by the workers, once a stream. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/money.h"

#define COSTFIELD_BYTES 160

/* Finds where in an event's data (JSON) a member can be added to "usage", at the top or in
 * "response": *at is the offset of the object's closing brace, *empty that it has no member yet.
 * False: there is no such object. */
bool costfield_place(const uint8_t *data, size_t n, size_t *at, bool *empty);
/* Writes the members, with a comma before them unless `first`; returns their length. What was
 * estimated is left out where it is nothing. */
size_t costfield_write(
    char out[COSTFIELD_BYTES], struct money cost, struct money estimated, bool first);
