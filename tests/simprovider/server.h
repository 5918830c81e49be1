// SPDX-License-Identifier: MIT
/* The listeners, and taking a new script into service. */
#pragma once

#include "common/err.h"
#include "tests/simprovider/sim.h"

/* Opens all listeners of the options. */
int server_open(struct sim *sim, struct err *err) MUST_CHECK;
void server_close(struct sim *sim);
/* Puts `script` in the place of the one in service, and takes it over; on -1 nothing has changed
 * and the caller still has it. */
int server_use_script(struct sim *sim, struct script *script, struct err *err) MUST_CHECK;
/* Prints "listening on ..." and tells whoever waits on --ready-fd and --port-file. */
int server_announce(struct sim *sim, struct err *err) MUST_CHECK;
