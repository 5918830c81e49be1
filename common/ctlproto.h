// SPDX-License-Identifier: MIT
/*
 * The control protocol: one JSON object a line each way.
 *   {"v":1,"cmd":"stage","args":{"release":"gpt-4.1","percent":30},"id":"7"}
 *   {"ok":true,"id":"7","revision":17,...}  or  {"ok":false,"code":"conflict","error":"..."}
 * Requests are judged strictly: an unknown or repeated member is an error that names it. Answers
 * may grow new members. Pure: bytes in, values out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/command.h"
#include "common/err.h"
#include "common/json.h"

#define CTLPROTO_VERSION     1
#define CTLPROTO_REQUEST_MAX 65536		/* bytes of a request line */
#define CTLPROTO_ANSWER_MAX  (32 * 1024 * 1024) /* bytes of an answer line that grayctl reads */
#define CTLPROTO_ID_MAX	     64

enum ctl_code {
	CTL_OK,
	CTL_USAGE,    /* the command makes no sense */
	CTL_DENIED,   /* the caller may not */
	CTL_REFUSED,  /* the rules or the state of things forbid it */
	CTL_CONFLICT, /* --if-revision named another revision */
	CTL_BUSY,     /* too much at once: the same again later */
	CTL_INTERNAL, /* a fault in grayd */
	CTL_CODE_COUNT
};

struct ctl_request {
	enum verb verb;
	const char *id; /* the caller's name for the command; NULL: none */
	struct command_value values[PARAM_COUNT];
	const char *list[COMMAND_LIST_MAX]; /* of the value that is a list */
	struct json json;		    /* owns the texts above */
};

const char *ctl_code_name(enum ctl_code c); /* "ok", "usage", ... */
/* CTL_INTERNAL for a word that is none: a newer grayd may know more codes. */
enum ctl_code ctl_code_find(const char *name);

/* Reads one request line, without its line end. On -1 nothing is to be freed and `e` says what is
 * wrong; it is the text of a usage error. */
int ctlproto_decode(const char *line, size_t n, struct ctl_request *out, struct err *e) MUST_CHECK;
void ctlproto_free(struct ctl_request *r);

/* The line of a request, with its line end, to be freed by the caller. NULL: out of memory. */
char *ctlproto_encode(const struct ctl_request *r) MUST_CHECK;

/* Begins an answer: {"ok":...,"id":...}; NULL: out of memory. */
struct cJSON *ctlproto_answer(bool ok, const char *id) MUST_CHECK;
/* A whole refusal. NULL: out of memory. */
struct cJSON *ctlproto_error(enum ctl_code code, const char *id, const char *message) MUST_CHECK;
/* Reads an answer line. NULL: not an answer, and `e` says why. */
struct cJSON *ctlproto_answer_decode(const char *line, size_t n, struct err *e) MUST_CHECK;
