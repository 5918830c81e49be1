// SPDX-License-Identifier: MIT
/*
 * An inquiry on its way: one provider, asked by libcurl question after question, each on a
 * connection of its own, with this provider's key and no other. Used by the prober.
 */
#pragma once

#include <curl/curl.h>

#include "common/buf.h"
#include "worker/inquiry.h"

struct asking {
	struct asking *next;
	const struct config_provider *provider;
	uint32_t round;
	uint64_t deadline_us;
	struct inquiry inquiry;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *head;
	struct buf answer;
	bool too_long;
	char error[CURL_ERROR_SIZE];
};

/* NULL: out of memory. */
struct asking *asking_new(CURLM *multi, const struct config_provider *p) MUST_CHECK;
void asking_free(struct asking *a);
/* Sends the next question. False: there is none, all models are settled. */
bool asking_go_on(struct asking *a) MUST_CHECK;
/* Takes what libcurl says of the question, and goes on as above. */
bool asking_ended(struct asking *a, CURLcode code) MUST_CHECK;
/* Takes the provider's key out of its own words, where it repeats it. */
void asking_hide_key(struct asking *a);
/* The time is over. */
void asking_stop(struct asking *a);
