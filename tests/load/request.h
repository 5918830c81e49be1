// SPDX-License-Identifier: MIT
/*
 * Requests: what all of them share is built once, what differs (id, length, user key) is written
 * for each. A request is a list of pieces for sendmsg, so a large prompt is never copied.
 */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#include "tests/load/options.h"
#include "tests/load/target.h"

#define REQUEST_PIECES	 5
#define REQUEST_ID_MAX	 96
#define REQUEST_TAIL_MAX 192

struct request_template {
	char *head;	  /* request line and headers that never change */
	char *body;	  /* up to the prompt, or all of it */
	char *pad;	  /* text for the prompt */
	const char *tail; /* behind the prompt, before the user key */
	size_t head_len, body_len, pad_len;
	uint64_t body_bytes, key_count;
	const char *id_prefix, *key_prefix;
};

struct request {
	struct iovec pieces[REQUEST_PIECES];
	unsigned at;				      /* first piece not sent completely */
	char id[REQUEST_ID_MAX], key[REQUEST_ID_MAX]; /* key: empty without one */
	char head[REQUEST_ID_MAX + 64], tail[REQUEST_TAIL_MAX];
};

int request_template_init(struct request_template *t, const struct options *o,
    const struct target *target, struct err *e) MUST_CHECK;
void request_template_free(struct request_template *t);
/* The request with this number; `head_only` leaves the body away, though its length is announced.
 */
void request_build(
    struct request *r, const struct request_template *t, uint64_t number, bool head_only);
/* Counts `n` bytes as sent; true: that was all. */
bool request_sent(struct request *r, size_t n);
