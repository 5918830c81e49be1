// SPDX-License-Identifier: MIT
/*
 * A worker that has a processor to itself: it stays there, and when it wakes up it is let in front
 * of what computes there. Without, the scheduler puts several workers and their neighbours on one
 * processor for a millisecond or two now and then, while another one is idle. Worker process; for
 * the config's `pin_workers`.
 */
#pragma once

/* Ties the calling process to the processor number `index`, counted round among those it may use.
 * What the system refuses is logged and left: the worker serves all the same. */
void pin_worker(unsigned index);
