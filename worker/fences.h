// SPDX-License-Identifier: MIT
/*
 * What keeps libcurl from doing anything by itself: no proxy of the environment, no redirect, no
 * other protocol, no signal, no wait for a silent name server. For every handle that talks to a
 * provider, in workers and in the prober.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "common/config.h"

/* False: libcurl has no memory, or lacks an option that is needed. */
bool fences_set(CURL *easy, const struct config_provider *p) __attribute__((warn_unused_result));
