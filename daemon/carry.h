// SPDX-License-Identifier: MIT
/*
 * What becomes of a release when another config comes. Pure.
 *   same models                    it goes on as it is
 *   other models, nothing exposed  idle stays idle, rolled back stays rolled back
 *   other models, exposed          the rollout is over: idle, share 0. A share was granted to one
 *                                  candidate and is never passed on to another
 *   done, only the candidate is    refused: users would fall back to the old stable model
 *   another one or gone
 */
#pragma once

#include "common/shm.h"

enum carry { CARRY_ON, CARRY_ANEW, CARRY_REFUSED };

/* `models`: of the release in the new config. `r` becomes what it is under them; its revisions and
 * times are the caller's business. CARRY_REFUSED leaves it as it is. */
enum carry carry_release(struct policy_release *r, const uint64_t models[ARM_COUNT]);
