// SPDX-License-Identifier: MIT
/*
 * Whether an arm can be asked for what a client wants: its provider may not serve the path, or what
 * the request says may not be possible in the provider's API. Found out before any provider is
 * called. Used by the workers.
 */
#include <stdio.h>
#include <string.h>

#include "worker/step.h"
#include "worker/translation.h"

static const char *const api_names[PROVIDER_KIND_COUNT] = {
	[PROVIDER_OPENAI] = "OpenAI's API",
	[PROVIDER_ANTHROPIC] = "Anthropic's Messages API",
	[PROVIDER_GEMINI] = "Gemini's API",
};

static bool
has_path(const struct request *r, enum arm arm)
{
	const struct config_model *model = r->release->config->arms[arm];

	return xlate_api(r->endpoint->api, model->provider->kind) != API_COUNT;
}

static enum step_result
refuse(struct request *r, struct reply_error *e)
{
	r->release = NULL; /* no arm has been chosen, so the answer names none */
	e->status = 400;
	e->retry_after_ms = -1;
	return step_refuse_as(r, e);
}

static enum step_result
refuse_path(struct request *r, enum arm arm)
{
	const struct config_model *model = r->release->config->arms[arm];
	char text[400];
	struct reply_error e = { .code = "unsupported_api", .message = text };

	snprintf(text, sizeof(text),
	    "the %s model %s of this release cannot be asked by %s: its provider speaks %s",
	    arm_names[arm], model->name, r->endpoint->path, api_names[model->provider->kind]);
	return refuse(r, &e);
}

static enum step_result
refuse_member(struct request *r, enum arm arm, const struct xlate_error *why)
{
	const struct config_model *model = r->release->config->arms[arm];
	char text[sizeof(why->message) + 400];
	struct reply_error e = {
		.code = "unsupported_parameter",
		.param = why->param,
		.message = text,
	};

	snprintf(text, sizeof(text), "%s (the %s model %s is asked in %s)", why->message,
	    arm_names[arm], model->name, api_names[model->provider->kind]);
	return refuse(r, &e);
}

enum step_result
step_serve(struct request *r, enum arm arm)
{
	struct xlate_error e;

	if (!has_path(r, arm))
		return refuse_path(r, arm);
	switch (translation_check(r, arm, &e)) {
	case XLATE_OK: return STEP_NEXT;
	case XLATE_REFUSED: return refuse_member(r, arm, &e);
	case XLATE_NO_MEMORY: break;
	}
	r->release = NULL;
	return step_refuse(r, 503, "out_of_memory", "grayd is out of memory");
}

/* Fit for a header and a log line. */
static void
keep_param(struct request *r, const char *param)
{
	size_t n = 0;

	for (; param[n] != '\0' && n < sizeof(r->untranslated) - 1; n++) {
		char c = param[n];
		bool plain = c > ' ' && c < 127 && c != '"' && c != '\\';

		r->untranslated[n] = plain ? c : '?';
	}
	r->untranslated[n] = '\0';
}

bool
serve_possible(struct request *r, enum arm arm)
{
	struct xlate_error e;

	if (!has_path(r, arm)) {
		keep_param(r, r->endpoint->path);
		return false;
	}
	switch (translation_check(r, arm, &e)) {
	case XLATE_OK: return true;
	case XLATE_REFUSED: keep_param(r, e.param); break;
	case XLATE_NO_MEMORY: keep_param(r, "memory"); break;
	}
	return false;
}
