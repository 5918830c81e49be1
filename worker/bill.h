// SPDX-License-Identifier: MIT
/*
 * What attempts cost. Tokens and money belong to the model that was asked, so to the attempt's arm,
 * and to the client that sent the request. Failed and cancelled attempts cost too.
 */
#pragma once

#include "worker/request.h"

/* Counts an attempt that has ended, once: what its provider told, else or besides what is estimated
 * (estimate.h), for its arm, its client and its request. */
void bill_attempt(struct attempt *a);
/* Adds to `cost` and `estimated` what the attempt would be billed if it ended well now. */
void bill_preview(const struct attempt *a, struct money *cost, struct money *estimated);
/* The tallies of the request's client; NULL: the config names no clients. */
struct slot_client *bill_client(const struct request *r);
