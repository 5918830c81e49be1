// SPDX-License-Identifier: MIT
/*
 * Carries a command out: asks grayd once, or again and again (`status --wait`, `status --watch`),
 * shows what comes back and says how grayctl is to exit.
 */
#pragma once

#include "ctl/args.h"
#include "ctl/exits.h"
#include "ctl/output.h"

enum exits ask_once(
    const struct args *args, const struct output *output, const struct screen *screen);
/* Until the condition is met or cannot be met any more; the last answer is shown. With --timeout
 * also an unreachable grayd is tried again until then. */
enum exits ask_until(
    const struct args *args, const struct output *output, const struct screen *screen);
/* Carries a change out and then waits for its release as ask_until(). People see both
 * answers, programs the last with the first as its member "change". */
enum exits ask_then_wait(
    const struct args *args, const struct output *output, const struct screen *screen);
/* Each second, until it fails or somebody interrupts. */
enum exits ask_forever(
    const struct args *args, const struct output *output, const struct screen *screen);

/* Shows a failure that grayctl itself found; `code` is the word for JSON. */
void ask_fail(const struct args *args, const struct output *output, const struct screen *screen,
    const char *code, const char *message);
