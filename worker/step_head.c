// SPDX-License-Identifier: MIT
/*
 * The first steps of a request: those that need its head, the wait for its body, and the answers
 * that need no model.
 */
#include "worker/step.h"

#include <string.h>

#include "worker/auth.h"

enum step_result
step_refuse_as(struct request *r, const struct reply_error *e)
{
	if (r->conn->state == CONN_BODY)
		conn_stop_reading(r->conn);
	r->outcome = OUTCOME_BAD_REQUEST;
	reply_error(r, e);
	return STEP_END;
}

enum step_result
step_refuse(struct request *r, unsigned status, const char *code, const char *message)
{
	struct reply_error e = {
		.status = status,
		.code = code,
		.message = message,
		.retry_after_ms = -1,
	};

	return step_refuse_as(r, &e);
}

static bool
method_fits(const struct endpoint *e, enum http_method m)
{
	return m == e->method || m == HTTP_OPTIONS || (m == HTTP_HEAD && e->method == HTTP_GET);
}

enum step_result
step_endpoint(struct request *r)
{
	const struct http_head *head = r->head;

	intake_id(r);
	r->endpoint = intake_endpoint(head, r->head_bytes);
	r->http_head_only = head->method == HTTP_HEAD;
	if (r->endpoint == NULL)
		return step_refuse(r, 404, "unknown_url",
		    "there is no such path here; the base URL of clients ends in /v1");
	if (!method_fits(r->endpoint, head->method))
		return step_refuse(
		    r, 405, "method_not_allowed", "this path does not take this method");
	if (head->content_length > 0 &&
	    (uint64_t)head->content_length > r->worker->config->limits.max_body_bytes)
		return step_refuse(
		    r, 413, "request_too_large", "the body is longer than limits.max_body_bytes");
	if (http_head_find(head, HTTP_H_CONTENT_ENCODING) != NULL)
		return step_refuse(
		    r, 415, "unsupported_encoding", "send the body without Content-Encoding");
	return STEP_NEXT;
}

enum step_result
step_identify(struct request *r)
{
	const char *wrong;

	if (intake_headers(r) < 0)
		return step_refuse(r, 503, "out_of_memory", "grayd is out of memory");
	if (!auth_check(r->conn, r->head, r->head_bytes, &r->client))
		return step_refuse(r, 401, "invalid_api_key",
		    "the API key is missing or not known here; send it as Authorization: Bearer "
		    "KEY or as x-api-key: KEY");
	if (!intake_pin(r))
		return step_refuse(
		    r, 400, "invalid_header", "x-gray-arm is either \"stable\" or \"candidate\"");
	wrong = intake_switches(r);
	if (wrong != NULL)
		return step_refuse(r, 400, "invalid_header", wrong);
	if (r->head->method == HTTP_OPTIONS) {
		if (r->conn->state == CONN_BODY)
			conn_stop_reading(r->conn);
		reply_json(r, 204, NULL, 0);
		return STEP_END;
	}
	if (r->endpoint->prefix && !intake_name(r->endpoint, r->head, r->head_bytes, r->local_name))
		return step_refuse(r, 404, "model_not_found", "there is no such model");
	return STEP_NEXT;
}

enum step_result
step_body(struct request *r)
{
	if (r->body_whole)
		return STEP_NEXT;
	if (r->head->expect_continue)
		reply_continue(r->conn);
	r->head = NULL;
	r->head_bytes = NULL;
	return STEP_WAIT;
}

static int
add_model(struct request *r, struct buf *out, const struct config_release *release)
{
	if (!auth_may_use(r->client, release))
		return 0;
	if (buf_bytes(out)[buf_len(out) - 1] == '}' && buf_adds(out, ",") < 0)
		return -1;
	return buf_addf(out,
	    "{\"id\":\"%s\",\"object\":\"model\",\"created\":0,\"owned_by\":\"grayd\"}",
	    release->name);
}

static enum step_result
list_models(struct request *r)
{
	const struct config *config = r->worker->config;
	struct buf *out = &r->worker->text;
	int failed;

	buf_consume(out, buf_len(out));
	failed = buf_adds(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < config->n_releases && failed == 0; i++)
		failed = add_model(r, out, &config->releases[i]);
	if (failed < 0 || buf_adds(out, "]}") < 0)
		return step_refuse(r, 503, "out_of_memory", "grayd is out of memory");
	reply_json(r, 200, buf_bytes(out), buf_len(out));
	return STEP_END;
}

enum step_result
step_refuse_model(struct request *r)
{
	struct reply_error e = {
		.status = 404,
		.code = "model_not_found",
		.param = "model",
		.message = "there is no such model here; see /v1/models",
		.retry_after_ms = -1,
	};

	return step_refuse_as(r, &e);
}

enum step_result
step_deny_model(struct request *r)
{
	struct reply_error e = {
		.status = 403,
		.code = "model_not_allowed",
		.param = "model",
		.message = "this key may not use this model; /v1/models lists those that it may",
		.retry_after_ms = -1,
	};

	return step_refuse_as(r, &e);
}

enum step_result
step_local(struct request *r)
{
	const struct config_release *release;
	struct buf *out = &r->worker->text;

	if (!r->endpoint->local)
		return STEP_NEXT;
	r->outcome = OUTCOME_OK;
	if (!r->endpoint->prefix)
		return list_models(r);
	release = config_find_release(r->worker->config, r->local_name, strlen(r->local_name));
	buf_consume(out, buf_len(out));
	if (release == NULL || !auth_may_use(r->client, release))
		return step_refuse_model(r);
	if (buf_adds(out, " ") < 0 || add_model(r, out, release) < 0)
		return step_refuse(r, 503, "out_of_memory", "grayd is out of memory");
	reply_json(r, 200, buf_bytes(out) + 1, buf_len(out) - 1);
	return STEP_END;
}
