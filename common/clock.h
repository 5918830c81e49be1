// SPDX-License-Identifier: MIT
/*
 * Time. Durations and deadlines use the monotonic clock, in microseconds; only what a person or a
 * file reads uses the wall clock. Pure modules never call these: they take the time as an argument.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define US_PER_MS 1000
#define US_PER_S  1000000

uint64_t clock_mono_us(void); /* CLOCK_MONOTONIC */
uint64_t clock_wall_us(void); /* CLOCK_REALTIME, microseconds since 1970 */
/* Writes "2026-11-23T13:11:09.123Z" (24 characters and a NUL) into `out`. */
#define CLOCK_ISO_BYTES 25
void clock_iso(uint64_t wall_us, char out[CLOCK_ISO_BYTES]);
