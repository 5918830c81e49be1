// SPDX-License-Identifier: MIT
/*
 * The fixed lines of every request to a provider, the key among them, as libcurl wants them. Used
 * by workers and the prober; wiped when they are done with.
 */
#pragma once

#include <curl/curl.h>

#include "worker/provider.h"

/* Appends the lines to *head, which starts as NULL. -1: out of memory; free what there is. */
int providerhead_make(struct curl_slist **head, const struct provider_ops *ops,
    const struct config_provider *p) MUST_CHECK;
/* Appends one more. -1: out of memory. */
int providerhead_add(struct curl_slist **head, const char *line) MUST_CHECK;
/* Wipes and frees them; NULL is fine. */
void providerhead_free(struct curl_slist *head);
