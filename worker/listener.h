// SPDX-License-Identifier: MIT
/*
 * Accepts connections from the listening sockets that all workers share, a few at a time so that
 * the others get theirs.
 */
#pragma once

#include "worker/state.h"

/* -1: errno tells. */
int listener_start(struct worker *w) MUST_CHECK;
/* Stops accepting for good; the sockets are closed. */
void listener_stop(struct worker *w);
/* A connection was closed: accepting may go on where it paused for too many. */
void listener_resume(struct worker *w);
