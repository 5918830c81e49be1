// SPDX-License-Identifier: MIT
/*
 * The load generator judges others, so its own judgement is tested: a table of answers, each fed
 * whole, byte by byte, and cut in two at every place.
 */
#pragma once

/* Prints failures; returns how many there were. */
int selftest_run(void);
