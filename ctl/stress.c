// SPDX-License-Identifier: MIT
/*
 * `stress`; see stress.h. Where the gateway listens, and which share it has set, is learned from
 * the control socket; the requests go over HTTP, with a client's key where one is wanted.
 */
#include "ctl/stress.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/keys.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/stress_run.h"

#define COUNT_DEFAULT	    100
#define CONCURRENCY_DEFAULT 10
#define ASK_US		    (10 * (uint64_t)US_PER_S)
#define PATH		    "/v1/chat/completions"
#define URL_BYTES	    512

/* Everything about one test. */
struct test {
	const struct args *args;
	const struct output *output;
	const struct screen *screen;
	char url[URL_BYTES], unix_path[128];
	struct secret *key;
	struct stress_prompts prompts;
	struct stress_tally tally;
	uint64_t began_us;
	double published_percent; /* NAN: nobody knows */
};

static const struct command_value *
value(const struct test *test, enum param p)
{
	return &test->args->values[p];
}

static uint64_t
number(const struct test *test, enum param p, uint64_t preset)
{
	return value(test, p)->given ? value(test, p)->number : preset;
}

static enum exits
refuse(const struct test *test, enum exits exits, const char *code, const char *message)
{
	ask_fail(test->args, test->output, test->screen, code, message);
	return exits;
}

/* ---- where it goes --------------------------------------------------------------------------- */

/* Asks grayd how the release stands. EXITS_DONE: `status` is to be freed. */
static enum exits
ask_status(const struct test *test, cJSON **status)
{
	struct ctl_request request = { .verb = VERB_STATUS };
	struct client client = CLIENT_INIT;
	enum client_result result;
	struct err e;

	request.values[PARAM_RELEASE] = *value(test, PARAM_RELEASE);
	result =
	    client_ask(&client, test->args->socket, &request, clock_mono_us() + ASK_US, status, &e);
	client_close(&client);
	if (result != CLIENT_OK)
		return refuse(test, EXITS_UNREACHABLE, "unreachable", e.msg);
	if (answer_is_true(*status, "ok"))
		return EXITS_DONE;
	test->output->failed(test->screen, test->args, *status);
	cJSON_Delete(*status);
	return EXITS_REFUSED;
}

/* "127.0.0.1:8080" -> "http://127.0.0.1:8080/v1/..."; what listens everywhere is asked here. */
static void
take_address(struct test *test, const char *address)
{
	static const struct {
		const char *any, *here;
	} wildcards[] = { { "0.0.0.0:", "127.0.0.1:" }, { "[::]:", "[::1]:" } };
	const char *host = "";

	if (strncmp(address, "unix:", 5) == 0) {
		snprintf(test->unix_path, sizeof(test->unix_path), "%s", address + 5);
		snprintf(test->url, sizeof(test->url), "http://localhost%s", PATH);
		return;
	}
	for (size_t i = 0; i < sizeof(wildcards) / sizeof(wildcards[0]); i++) {
		size_t n = strlen(wildcards[i].any);

		if (strncmp(address, wildcards[i].any, n) != 0)
			continue;
		host = wildcards[i].here;
		address += n;
	}
	snprintf(test->url, sizeof(test->url), "http://%s%s%s", host, address, PATH);
}

static bool
holds_user(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	return memchr(host, '@', strcspn(host, "/?#")) != NULL;
}

/* The base URL as an application has it, with or without "/v1". It is shown, so it may hold no
 * password. */
static int
take_url(struct test *test, const char *url, struct err *e)
{
	size_t n = strlen(url);

	if (holds_user(url))
		return err_set(e, "url: it names a user or a password; give a "
				  "client's key by --key-env or --key-file");
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return err_set(e, "url: \"%.100s\": expected http://HOST:PORT", url);
	while (n > 0 && url[n - 1] == '/')
		n--;
	if (n > 3 && memcmp(url + n - 3, "/v1", 3) == 0)
		n -= 3;
	if (n + sizeof(PATH) > sizeof(test->url))
		return err_set(e, "url: too long");
	snprintf(test->url, sizeof(test->url), "%.*s%s", (int)n, url, PATH);
	return 0;
}

static double
share_of(const struct test *test, const cJSON *status)
{
	const cJSON *release =
	    answer_get(answer_get(status, "releases"), value(test, PARAM_RELEASE)->text);
	const cJSON *share = answer_get(release, "published_percent");

	return cJSON_IsNumber(share) ? share->valuedouble : (double)NAN;
}

static enum exits
find_gateway(struct test *test)
{
	const struct command_value *url = value(test, PARAM_URL);
	const cJSON *listen;
	cJSON *status = NULL;
	enum exits exits = ask_status(test, &status);
	struct err e;

	if (exits != EXITS_DONE)
		return exits;
	listen = cJSON_GetArrayItem(answer_get(answer_get(status, "grayd"), "listen"), 0);
	test->published_percent = share_of(test, status);
	if (url->given && take_url(test, url->text, &e) != 0)
		exits = refuse(test, EXITS_USAGE, "usage", e.msg);
	else if (!url->given && cJSON_IsString(listen))
		take_address(test, listen->valuestring);
	else if (!url->given)
		exits = refuse(test, EXITS_REFUSED, "refused",
		    "grayd does not say where it listens: name it with --url");
	cJSON_Delete(status);
	return exits;
}

/* ---- what it needs --------------------------------------------------------------------------- */

/* Never from the command line, which everybody can read. */
static int
take_key(struct test *test, struct err *e)
{
	const struct command_value *env = value(test, PARAM_KEY_ENV);
	const struct command_value *file = value(test, PARAM_KEY_FILE);
	char none[] = "";
	struct key_source source = { none, none, none, none };

	if (env->given && file->given)
		return err_set(e, "key_env and key_file exclude each other");
	if (!env->given && !file->given)
		return 0;
	if (env->given)
		source.env = (char *)(uintptr_t)env->text;
	else
		source.file = (char *)(uintptr_t)file->text;
	return keys_fetch(&source, NULL, &test->key, e);
}

static enum exits
prepare(struct test *test)
{
	const struct command_value *prompts = value(test, PARAM_PROMPTS);
	struct err e;

	if (sodium_init() < 0)
		return refuse(test, EXITS_REFUSED, "internal", "libsodium cannot start");
	if (take_key(test, &e) != 0 ||
	    stress_prompts_read(&test->prompts, prompts->given ? prompts->text : NULL,
		value(test, PARAM_RELEASE)->text, value(test, PARAM_STREAM)->given,
		number(test, PARAM_MAX_TOKENS, 0), &e) != 0)
		return refuse(test, EXITS_USAGE, "usage", e.msg);
	return find_gateway(test);
}

/* ---- what came of it ------------------------------------------------------------------------- */

static void
show_progress(void *arg, const struct stress_tally *t)
{
	const struct test *test = arg;
	double seconds = (double)(clock_mono_us() - test->began_us) / US_PER_S;

	fprintf(test->screen->err, "\r%llu of %llu, %llu failed, %.1f a second\033[K",
	    (unsigned long long)t->sent,
	    (unsigned long long)number(test, PARAM_REQUESTS, COUNT_DEFAULT),
	    (unsigned long long)t->failed, seconds > 0 ? (double)t->sent / seconds : 0);
	fflush(test->screen->err);
}

/* The share that was met, beside the one that is set and what chance makes of it. */
static void
put_split(cJSON *answer, const struct test *test)
{
	const uint64_t *assigned = test->tally.assigned;
	double n = (double)(assigned[ARM_STABLE] + assigned[ARM_CANDIDATE]);
	double set = test->published_percent;
	cJSON *split = cJSON_AddObjectToObject(answer, "split");

	if (!isnan(set))
		cJSON_AddNumberToObject(split, "published_percent", set);
	else
		cJSON_AddNullToObject(split, "published_percent");
	if (n > 0)
		cJSON_AddNumberToObject(split, "measured_percent",
		    round((double)assigned[ARM_CANDIDATE] / n * 10000) / 100);
	else
		cJSON_AddNullToObject(split, "measured_percent");
	if (n > 0 && !isnan(set)) {
		double half = 1.96 * sqrt(set * (100 - set) / n);

		cJSON_AddNumberToObject(
		    split, "expected_low", round(fmax(0, set - half) * 100) / 100);
		cJSON_AddNumberToObject(
		    split, "expected_high", round(fmin(100, set + half) * 100) / 100);
	}
}

static const struct {
	const char *word;
	enum exits exits;
} ends[] = {
	[STRESS_DONE] = { "done", EXITS_DONE },
	[STRESS_INTERRUPTED] = { "interrupted", EXITS_REFUSED },
	[STRESS_TIMED_OUT] = { "timed_out", EXITS_TIMED_OUT },
	[STRESS_UNREACHABLE] = { "unreachable", EXITS_UNREACHABLE },
	[STRESS_DENIED] = { "denied", EXITS_REFUSED },
};

static void
show_summary(struct test *test, enum stress_end end)
{
	double seconds = (double)(clock_mono_us() - test->began_us) / US_PER_S;
	cJSON *answer = cJSON_CreateObject();

	cJSON_AddBoolToObject(answer, "ok", true);
	cJSON_AddStringToObject(answer, "release", value(test, PARAM_RELEASE)->text);
	cJSON_AddStringToObject(answer, "url", test->url);
	cJSON_AddStringToObject(answer, "end", ends[end].word);
	cJSON_AddNumberToObject(
	    answer, "requests", (double)number(test, PARAM_REQUESTS, COUNT_DEFAULT));
	cJSON_AddNumberToObject(
	    answer, "concurrency", (double)number(test, PARAM_CONCURRENCY, CONCURRENCY_DEFAULT));
	cJSON_AddBoolToObject(answer, "stream", value(test, PARAM_STREAM)->given);
	cJSON_AddBoolToObject(answer, "judged", value(test, PARAM_JUDGED)->given);
	cJSON_AddNumberToObject(answer, "seconds", round(seconds * 1000) / 1000);
	put_split(answer, test);
	stress_tally_print(&test->tally, answer);
	test->output->show[VERB_STRESS](test->screen, test->args, answer);
	cJSON_Delete(answer);
}

static enum exits
conclude(struct test *test, enum stress_end end, const struct err *e)
{
	struct err why;

	if (end == STRESS_UNREACHABLE) {
		err_set(&why, "no request reached %s: %s", test->url, e->msg);
		return refuse(test, EXITS_UNREACHABLE, "unreachable", why.msg);
	}
	if (end == STRESS_DENIED) {
		err_set(&why,
		    "%s: %s; name the environment variable or the file with a client's key: "
		    "--key-env or --key-file",
		    test->url, e->msg);
		return refuse(test, EXITS_REFUSED, "denied", why.msg);
	}
	show_summary(test, end);
	if (end == STRESS_DONE && test->tally.failed > 0)
		return EXITS_REFUSED;
	return ends[end].exits;
}

static enum exits
run(struct test *test)
{
	const struct command_value *timeout = value(test, PARAM_TIMEOUT);
	bool terminal = test->screen->redraw;
	struct stress_plan plan = {
		.url = test->url,
		.unix_path = test->unix_path[0] != '\0' ? test->unix_path : NULL,
		.key = test->key,
		.stream = value(test, PARAM_STREAM)->given,
		.judged = value(test, PARAM_JUDGED)->given,
		.n = number(test, PARAM_REQUESTS, COUNT_DEFAULT),
		.concurrency = number(test, PARAM_CONCURRENCY, CONCURRENCY_DEFAULT),
		.deadline_us = UINT64_MAX,
		.prompts = &test->prompts,
		.progress = terminal ? show_progress : NULL,
		.arg = test,
	};
	struct err e = { "" };
	enum stress_end end;

	test->began_us = clock_mono_us();
	if (timeout->given)
		plan.deadline_us = test->began_us + timeout->number * US_PER_MS;
	end = stress_run(&plan, &test->tally, &e);
	if (terminal)
		fputs("\r\033[K", test->screen->err);
	return conclude(test, end, &e);
}

enum exits
stress(const struct args *args, const struct output *output, const struct screen *screen)
{
	struct test test = { .args = args, .output = output, .screen = screen };
	enum exits exits = prepare(&test);

	if (exits == EXITS_DONE)
		exits = run(&test);
	secret_free(test.key);
	stress_prompts_free(&test.prompts);
	stress_tally_free(&test.tally);
	return exits;
}
