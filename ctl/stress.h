// SPDX-License-Identifier: MIT
/*
 * `stress`: real requests through the gateway, over HTTP as an application sends them, and what
 * came of them. It costs what the requests cost.
 */
#pragma once

#include "ctl/args.h"
#include "ctl/exits.h"
#include "ctl/output.h"

enum exits stress(
    const struct args *args, const struct output *output, const struct screen *screen);
