// SPDX-License-Identifier: MIT
/*
 * What makes a model the same one under another config: its key in "models", its provider's name,
 * kind and base_url, and its name there. Prices, limits and keys may change. Pure.
 */
#pragma once

#include "common/config.h"

/* A digest of all that; 0: no model. */
uint64_t modelid(const struct config_model *model);
/* The digests of a release's arms. */
void modelid_release(const struct config_release *r, uint64_t out[ARM_COUNT]);
