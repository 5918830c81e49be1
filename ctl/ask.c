// SPDX-License-Identifier: MIT
/* Carrying a command out; see ask.h. */
#include "ctl/ask.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/printable.h"
#include "ctl/client.h"
#include "ctl/wait.h"

#define ANSWER_LIMIT_US (UINT64_C(30) * US_PER_S) /* for one answer, without --timeout */
#define LAST_ANSWER_US	US_PER_S
#define AGAIN_US	(UINT64_C(2) * US_PER_S) /* how long a rollback is asked again */
#define AGAIN_PAUSE_MS	20
#define WAIT_PAUSE_MS	100
#define WATCH_PAUSE_MS	1000

static const struct {
	const char *code;
	enum exits exits;
} failures[] = {
	[CLIENT_UNREACHABLE] = { "unreachable", EXITS_UNREACHABLE },
	[CLIENT_TIMED_OUT] = { "timed_out", EXITS_TIMED_OUT },
	[CLIENT_BROKEN] = { "broken", EXITS_REFUSED },
};

static struct ctl_request
make_request(const struct args *args)
{
	struct ctl_request request = { .verb = args->verb };

	memcpy(request.values, args->values, sizeof(request.values));
	return request;
}

/* When the command gives up; `otherwise` where it names no time. */
static uint64_t
deadline_of(const struct args *args, uint64_t otherwise)
{
	const struct command_value *timeout = &args->values[PARAM_TIMEOUT];

	return timeout->given ? clock_mono_us() + timeout->number * US_PER_MS : otherwise;
}

void
ask_fail(const struct args *args, const struct output *output, const struct screen *screen,
    const char *code, const char *message)
{
	cJSON *answer = cJSON_CreateObject();

	cJSON_AddBoolToObject(answer, "ok", false);
	cJSON_AddStringToObject(answer, "code", code);
	cJSON_AddStringToObject(answer, "error", message);
	output->failed(screen, args, answer);
	cJSON_Delete(answer);
}

static enum exits
fail(const struct args *args, const struct output *output, const struct screen *screen,
    enum client_result result, const struct err *e)
{
	ask_fail(args, output, screen, failures[result].code, e->msg);
	return failures[result].exits;
}

static enum exits
show(const struct args *args, const struct output *output, const struct screen *screen,
    const cJSON *answer)
{
	if (answer_is_true(answer, "ok")) {
		output->show[args->verb](screen, args, answer);
		/* What was asked for is done, and its result is bad news. */
		return cJSON_IsFalse(answer_get(answer, "passed")) ? EXITS_REFUSED : EXITS_DONE;
	}
	output->failed(screen, args, answer);
	switch (ctl_code_find(answer_text(answer, "code"))) {
	case CTL_USAGE: return EXITS_USAGE;
	case CTL_CONFLICT: return EXITS_CONFLICT;
	default: return EXITS_REFUSED;
	}
}

/* One question, on a connection of its own. */
static enum client_result
ask_one(const struct args *args, uint64_t deadline_us, cJSON **answer, struct err *e)
{
	struct ctl_request request = make_request(args);
	struct client client = CLIENT_INIT;
	enum client_result result =
	    client_ask(&client, args->socket, &request, deadline_us, answer, e);

	client_close(&client);
	return result;
}

/* Whether a rollback met a grayd that hands over to another one: it does no harm to ask again, but
 * where it would then meet the revision that it has made itself. */
static bool
met_an_upgrade(const struct args *args, enum client_result result, const cJSON *answer)
{
	if (args->verb != VERB_ROLLBACK)
		return false;
	if (result == CLIENT_OK)
		return !answer_is_true(answer, "ok") &&
		       ctl_code_find(answer_text(answer, "code")) == CTL_BUSY;
	return result == CLIENT_BROKEN && !args->values[PARAM_IF_REVISION].given;
}

/* Asks once. With EXITS_DONE `answer` is a good one, to be freed; what failed is shown. */
static enum exits
ask(const struct args *args, const struct output *output, const struct screen *screen,
    cJSON **answer)
{
	uint64_t begun_us = clock_mono_us();
	uint64_t deadline_us = deadline_of(args, begun_us + ANSWER_LIMIT_US);
	enum client_result result;
	enum exits exits;
	struct err e;

	for (;;) {
		result = ask_one(args, deadline_us, answer, &e);
		if (!met_an_upgrade(args, result, *answer) ||
		    clock_mono_us() - begun_us >= AGAIN_US)
			break;
		cJSON_Delete(*answer);
		*answer = NULL;
		poll(NULL, 0, AGAIN_PAUSE_MS);
	}
	if (result != CLIENT_OK)
		return fail(args, output, screen, result, &e);
	if (answer_is_true(*answer, "ok"))
		return EXITS_DONE;
	exits = show(args, output, screen, *answer);
	cJSON_Delete(*answer);
	*answer = NULL;
	return exits;
}

enum exits
ask_once(const struct args *args, const struct output *output, const struct screen *screen)
{
	cJSON *answer = NULL;
	enum exits exits = ask(args, output, screen, &answer);

	if (exits == EXITS_DONE)
		exits = show(args, output, screen, answer);
	cJSON_Delete(answer);
	return exits;
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct waiting {
	const struct args *args;
	const struct output *output;
	const struct screen *screen;
	struct wait_condition condition;
	uint64_t deadline_us;
	const cJSON *first; /* the answer to what is waited for; NULL: none */
};

static const struct {
	enum exits exits;
	const char *word, *text, *fate; /* fate: of the release that ended it */
} endings[] = {
	[WAIT_NOT_YET] = { EXITS_TIMED_OUT, "timed_out", "has not come in time", NULL },
	[WAIT_MET] = { EXITS_DONE, "met", NULL, NULL },
	[WAIT_ROLLED_BACK] = { EXITS_ROLLED_BACK, "rolled_back", "cannot come", "was rolled back" },
	[WAIT_ON_HOLD] = { EXITS_ON_HOLD, "on_hold", "does not come", "is on hold" },
};

static void
tell_ending(const struct waiting *w, enum wait_verdict verdict, const char *release)
{
	const char *condition = w->args->values[PARAM_WAIT].text;
	struct err name;

	if (endings[verdict].text == NULL)
		return;
	fprintf(w->screen->err, "grayctl: %s %s", condition, endings[verdict].text);
	if (release != NULL) {
		err_set(&name, "%s", release);
		printable_clean(name.msg);
		fprintf(w->screen->err, ": %s %s", name.msg, endings[verdict].fate);
	}
	fputc('\n', w->screen->err);
}

static enum exits
end_wait(const struct waiting *w, enum wait_verdict verdict, cJSON *answer)
{
	const char *condition = w->args->values[PARAM_WAIT].text;
	const char *release = wait_culprit(verdict, answer);
	cJSON *wait = cJSON_AddObjectToObject(answer, "wait");

	cJSON_AddStringToObject(wait, "condition", condition);
	cJSON_AddStringToObject(wait, "result", endings[verdict].word);
	if (release != NULL)
		cJSON_AddStringToObject(wait, "release", release);
	if (w->first != NULL)
		cJSON_AddItemReferenceToObject(answer, "change", (cJSON *)(uintptr_t)w->first);
	w->output->show[w->args->verb](w->screen, w->args, answer);
	tell_ending(w, verdict, release);
	return endings[verdict].exits;
}

/* Refused for the moment only; grayd has closed the connection. */
static bool
is_busy(struct client *client, const cJSON *answer)
{
	if (answer_is_true(answer, "ok") || ctl_code_find(answer_text(answer, "code")) != CTL_BUSY)
		return false;
	client_close(client);
	return true;
}

/* One question. True: the wait is over, and `exits` says how. */
static bool
wait_once(const struct waiting *w, struct client *client, enum exits *exits)
{
	struct ctl_request request = make_request(w->args);
	uint64_t now_us = clock_mono_us(), limit_us = now_us + ANSWER_LIMIT_US;
	enum client_result result;
	enum wait_verdict verdict;
	struct cJSON *answer;
	struct err e;
	bool over = true;

	/* The last question is asked at the deadline, and needs time of its own. */
	if (limit_us > w->deadline_us && w->deadline_us > now_us + LAST_ANSWER_US)
		limit_us = w->deadline_us;
	else if (limit_us > w->deadline_us)
		limit_us = now_us + LAST_ANSWER_US;
	result = client_ask(client, w->args->socket, &request, limit_us, &answer, &e);
	if (result != CLIENT_OK) {
		if (w->deadline_us != CLIENT_FOREVER && clock_mono_us() < w->deadline_us)
			return false;
		*exits = fail(w->args, w->output, w->screen, result, &e);
		return true;
	}
	verdict = wait_judge(&w->condition, answer);
	if (clock_mono_us() < w->deadline_us && is_busy(client, answer))
		over = false;
	else if (!answer_is_true(answer, "ok"))
		*exits = show(w->args, w->output, w->screen, answer);
	else if (verdict != WAIT_NOT_YET || clock_mono_us() >= w->deadline_us)
		*exits = end_wait(w, verdict, answer);
	else
		over = false;
	cJSON_Delete(answer);
	return over;
}

/* Until the next question or the deadline, whichever is first. */
static void
pause_wait(const struct waiting *w)
{
	uint64_t now_us = clock_mono_us(), ms = WAIT_PAUSE_MS;

	if (now_us + ms * US_PER_MS > w->deadline_us)
		ms = now_us < w->deadline_us ? (w->deadline_us - now_us) / US_PER_MS : 0;
	poll(NULL, 0, (int)ms);
}

static enum exits
wait_until(struct waiting *w)
{
	struct client client = CLIENT_INIT;
	enum exits exits = EXITS_REFUSED;
	struct err e;

	if (wait_parse(w->args->values[PARAM_WAIT].text, &w->condition, &e) == -1) {
		ask_fail(w->args, w->output, w->screen, ctl_code_name(CTL_USAGE), e.msg);
		return EXITS_USAGE;
	}
	while (!wait_once(w, &client, &exits))
		pause_wait(w);
	client_close(&client);
	return exits;
}

enum exits
ask_until(const struct args *args, const struct output *output, const struct screen *screen)
{
	struct waiting w = { .args = args,
		.output = output,
		.screen = screen,
		.deadline_us = deadline_of(args, CLIENT_FOREVER) };

	return wait_until(&w);
}

/* The question to ask again and again after a change. */
static struct args
status_of(const struct args *change)
{
	struct args args = *change;

	args.verb = VERB_STATUS;
	memset(args.values, 0, sizeof(args.values));
	args.values[PARAM_RELEASE] = change->values[PARAM_RELEASE];
	args.values[PARAM_WAIT] = change->values[PARAM_WAIT];
	args.values[PARAM_TIMEOUT] = change->values[PARAM_TIMEOUT];
	return args;
}

enum exits
ask_then_wait(const struct args *args, const struct output *output, const struct screen *screen)
{
	struct args status = status_of(args);
	struct waiting w = { .args = &status,
		.output = output,
		.screen = screen,
		.deadline_us = deadline_of(args, CLIENT_FOREVER) };
	cJSON *answer = NULL;
	enum exits exits = ask(args, output, screen, &answer);

	/* A program gets one object, with both answers in it. */
	if (exits == EXITS_DONE && !args->json) {
		output->show[args->verb](screen, args, answer);
		fputc('\n', screen->out);
		fflush(screen->out);
	} else if (exits == EXITS_DONE) {
		w.first = answer;
	}
	if (exits == EXITS_DONE)
		exits = wait_until(&w);
	cJSON_Delete(answer);
	return exits;
}

/* ---- watching -------------------------------------------------------------------------------- */

enum exits
ask_forever(const struct args *args, const struct output *output, const struct screen *screen)
{
	struct ctl_request request = make_request(args);
	uint64_t end_us = deadline_of(args, CLIENT_FOREVER);
	struct client client = CLIENT_INIT;
	enum exits exits = EXITS_DONE;

	while (exits == EXITS_DONE && clock_mono_us() < end_us) {
		struct cJSON *answer;
		struct err e;
		enum client_result result = client_ask(&client, args->socket, &request,
		    clock_mono_us() + ANSWER_LIMIT_US, &answer, &e);

		if (result != CLIENT_OK) {
			exits = fail(args, output, screen, result, &e);
			break;
		}
		if (screen->redraw)
			fputs("\033[H\033[2J", screen->out);
		exits = show(args, output, screen, answer);
		fflush(screen->out);
		cJSON_Delete(answer);
		poll(NULL, 0, WATCH_PAUSE_MS);
	}
	client_close(&client);
	return exits;
}
