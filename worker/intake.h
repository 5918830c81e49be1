// SPDX-License-Identifier: MIT
/*
 * What is taken from a request's head while it is there: the endpoint, the request id, a pin, and
 * the headers that a sticky key may come from.
 */
#pragma once

#include "worker/chat.h"
#include "worker/http.h"
#include "worker/state.h"

/* A path that applications may ask for. */
struct endpoint {
	const char *path;
	bool prefix;		 /* a name follows */
	enum http_method method; /* HEAD is allowed where GET is, OPTIONS everywhere */
	enum api api;		 /* also the shape of its errors */
	bool local;		 /* answered here, without a provider */
};

/* NULL: no such path. */
const struct endpoint *intake_endpoint(const struct http_head *head, const uint8_t *bytes);
/* What the path says behind a prefix endpoint's, percent-decoded; false: it is no name. */
bool intake_name(const struct endpoint *e, const struct http_head *head, const uint8_t *bytes,
    char out[NAME_BYTES]);
/* Gives the request its id: the client's if it is safe in logs, headers and shells, else a new one.
 */
void intake_id(struct request *r);
/* Fills traceparent, Anthropic's lines and header keys of a request from its head. -1: out of
 * memory. */
int intake_headers(struct request *r) MUST_CHECK;
/* Fills the arm that x-gray-arm asks for, if there is one; false: it names no arm. */
bool intake_pin(struct request *r);
/* x-gray-cost and x-gray-stress. NULL: they are there as they should be, or not at all; else what
 * is wrong. */
const char *intake_switches(struct request *r) MUST_CHECK;
