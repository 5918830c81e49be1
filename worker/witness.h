// SPDX-License-Identifier: MIT
/*
 * What a request tells the guard: which symptoms its answer has and which values, counted in the
 * worker's slot for the arm and the share that it was assigned under. Left out is whatever says
 * nothing about an arm: pinned requests, stress tests, rescued ones, requests that only stable may
 * answer, all that come while the candidate is at its limit or cools down, those that both arms
 * refuse, and answers of stable after a fallback. Either arm is bad where its first
 * candidate_attempts attempts fail, whatever later ones bring.
 */
#pragma once

#include "worker/request.h"

/* The split has decided. */
void witness_assigned(struct request *r, bool has_key, uint64_t key_hash);
/* The request is over; r->outcome is how, seen from its arm. */
void witness_finished(struct request *r, uint64_t now_us);
