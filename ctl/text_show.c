// SPDX-License-Identifier: MIT
/* `status` and `workers` for people. */
#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

/* ---- status ---------------------------------------------------------------------------------- */

static const struct {
	const char *name, *words;
	enum colour colour;
} states[] = {
	{ "idle", "idle", COLOUR_NONE },
	{ "preflight", "preflight", COLOUR_WARN },
	{ "step", "step", COLOUR_GOOD },
	{ "hold", "on hold", COLOUR_WARN },
	{ "bake", "bake", COLOUR_GOOD },
	{ "done", "done", COLOUR_GOOD },
	{ "rolled_back", "rolled back", COLOUR_BAD },
};

static void
put_state(struct table *t, const char *name)
{
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(name, states[i].name) == 0) {
			table_put_coloured(t, states[i].colour, "%s", states[i].words);
			return;
		}
	table_put(t, "%s", name);
}

static void
print_grayd(const struct screen *screen, const cJSON *grayd)
{
	const cJSON *workers = answer_get(grayd, "workers"), *address;
	char up[WORDS_BYTES];
	double configured = answer_number(workers, "configured");
	bool serving = answer_is_true(grayd, "serving");
	enum colour colour = serving ? COLOUR_GOOD : COLOUR_BAD;

	fprintf(screen->out, "grayd %s, pid %.0f, up %s%s", answer_text(grayd, "version"),
	    answer_number(grayd, "pid"),
	    words_seconds(up, (uint64_t)answer_number(grayd, "uptime_s")),
	    cJSON_GetArraySize(answer_get(grayd, "listen")) > 0 ? ", listening on" : "");
	cJSON_ArrayForEach(address, answer_get(grayd, "listen"))
	{
		fprintf(screen->out, " %s", cJSON_IsString(address) ? address->valuestring : "?");
	}
	fprintf(screen->out, "\n%s%s%s, %.0f of %.0f workers ready, %.0f with the newest policy",
	    colour_begin(colour, screen->colour),
	    answer_is_true(grayd, "stopping")	  ? "stopping"
	    : serving				  ? "serving"
	    : answer_is_true(grayd, "validating") ? "asking the providers for their models"
						  : "impaired",
	    colour_end(colour, screen->colour), answer_number(workers, "ready"), configured,
	    answer_number(workers, "acknowledged"));
	if (answer_number(workers, "draining") > 0)
		fprintf(screen->out, ", %.0f draining", answer_number(workers, "draining"));
	if (answer_number(workers, "restarts") > 0)
		fprintf(screen->out, ", %.0f replaced", answer_number(workers, "restarts"));
	fputs("\n", screen->out);
	if (answer_number(grayd, "draining_pid") > 0)
		fprintf(screen->out,
		    "the grayd before the upgrade, pid %.0f, still finishes what it had\n",
		    answer_number(grayd, "draining_pid"));
}

/* A share that is no stage of the plan has none. */
static void
put_stage(struct table *t, const cJSON *release)
{
	const cJSON *stages = answer_get(release, "stages"), *stage;
	double percent = answer_number(release, "set_percent");
	/* While it bakes, some of the 100 % may stay on stable. */
	bool known =
	    stages == NULL || percent == 0 || strcmp(answer_text(release, "state"), "bake") == 0;

	cJSON_ArrayForEach(stage, stages)
	{
		if (cJSON_IsNumber(stage) && stage->valuedouble == percent)
			known = true;
	}
	if (known)
		table_put(t, "%.0f", answer_number(release, "stage"));
	else
		table_put(t, "-");
}

static void
print_releases(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { "RELEASE", "STATE", ">STAGE", ">SET", ">PUBLISHED",
		">MEASURED", ">REVISION", "CHANGED", NULL };
	const char *now = answer_text(answer, "now");
	struct table t;
	const cJSON *r;

	table_init(&t, headers);
	cJSON_ArrayForEach(r, answer_get(answer, "releases"))
	{
		bool acknowledged =
		    answer_number(r, "set_percent") == answer_number(r, "published_percent");
		char words[WORDS_BYTES], time[WORDS_BYTES];

		table_put_coloured(&t, COLOUR_BOLD, "%s", answer_text(r, "release"));
		put_state(&t, answer_text(r, "state"));
		put_stage(&t, r);
		table_put(&t, "%s", answer_percent(r, "set_percent", words));
		table_put_coloured(&t, acknowledged ? COLOUR_NONE : COLOUR_WARN, "%s",
		    answer_percent(r, "published_percent", words));
		table_put(&t, "%s", answer_percent(r, "measured_percent", words));
		table_put(&t, "%.0f", answer_number(r, "revision"));
		table_put(&t, "%s, %s", words_time(time, answer_text(r, "changed"), now),
		    words_ago(words, answer_text(r, "changed"), now));
	}
	table_print(&t, screen->out, screen->colour, 0);
}

static void
put_arm_row(struct table *t, const char *release, const cJSON *arm)
{
	double errors = answer_number(arm, "errors"), fallbacks = answer_number(arm, "fallbacks");

	table_put(t, "%s", release);
	table_put(t, "%s", arm->string);
	if (!cJSON_IsObject(arm)) {
		table_put(t, "none");
		for (unsigned i = 0; i < 5; i++)
			table_put(t, "-");
		return;
	}
	table_put(t, "%s", answer_text(arm, "model"));
	table_put(t, "%s", answer_text(arm, "provider"));
	table_put(t, "%.0f", answer_number(arm, "requests"));
	table_put_coloured(t, errors > 0 ? COLOUR_BAD : COLOUR_NONE, "%.0f", errors);
	table_put_coloured(t, fallbacks > 0 ? COLOUR_WARN : COLOUR_NONE, "%.0f", fallbacks);
	table_put(t, "%.0f", answer_number(arm, "in_flight"));
}

static void
print_arms(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { "RELEASE", "ARM", "MODEL", "PROVIDER", ">REQUESTS",
		">ERRORS", ">FALLBACKS", ">IN FLIGHT", NULL };
	struct table t;
	const cJSON *r, *arm;

	table_init(&t, headers);
	cJSON_ArrayForEach(r, answer_get(answer, "releases"))
	{
		cJSON_ArrayForEach(arm, answer_get(r, "arms"))
		{
			put_arm_row(&t, answer_text(r, "release"), arm);
		}
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_show_status(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *releases = answer_get(answer, "releases");
	char state[WORDS_BYTES];

	print_grayd(screen, answer_get(answer, "grayd"));
	text_print_journal(screen, answer);
	text_print_limits(screen, answer);
	fputs("\n", screen->out);
	print_releases(screen, answer);
	if (args->values[PARAM_RELEASE].given && releases != NULL && releases->child != NULL)
		fprintf(screen->out, "%s: %s\n", answer_words(releases->child, "state", state),
		    answer_text(releases->child, "state_text"));
	text_print_rollouts(screen, answer);
	text_print_models(screen, answer);
	fputs("\n", screen->out);
	print_arms(screen, answer);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void
put_worker(struct table *t, const cJSON *w, double revision)
{
	bool insane = cJSON_IsFalse(answer_get(w, "sane"));
	double acknowledged = answer_number(w, "acknowledged");
	bool ready = strcmp(answer_text(w, "state"), "ready") == 0;
	char up[WORDS_BYTES];

	table_put(t, "%s %.0f", answer_text(w, "role"), answer_number(w, "index"));
	table_put(t, "%.0f", answer_number(w, "pid"));
	table_put_coloured(t, ready && !insane ? COLOUR_GOOD : COLOUR_WARN, "%s%s",
	    answer_text(w, "state"), insane ? ", tallies damaged" : "");
	table_put(t, "%.0f", answer_number(w, "generation"));
	table_put(t, "%s", words_seconds(up, (uint64_t)answer_number(w, "uptime_ms") / 1000));
	if (answer_get(w, "heartbeat_ms") == NULL) {
		for (unsigned i = 0; i < 5; i++)
			table_put(t, "-");
	} else {
		table_put(t, "%.0f ms", answer_number(w, "heartbeat_ms"));
		table_put_coloured(
		    t, acknowledged < revision ? COLOUR_WARN : COLOUR_NONE, "%.0f", acknowledged);
		table_put(t, "%.0f", answer_number(w, "started"));
		table_put(t, "%.0f", answer_number(w, "started") - answer_number(w, "finished"));
		table_put(t, "%.0f", answer_number(w, "open_connections"));
	}
	table_put(t, "%.0f", answer_number(w, "restarts"));
}

void
text_show_workers(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	static const char *const headers[] = { "WORKER", ">PID", "STATE", ">GENERATION", ">UP",
		">HEARTBEAT", ">REVISION", ">REQUESTS", ">RUNNING", ">CONNECTIONS", ">RESTARTS",
		NULL };
	struct table t;
	const cJSON *w;

	(void)args;
	table_init(&t, headers);
	cJSON_ArrayForEach(w, answer_get(answer, "workers"))
	{
		put_worker(&t, w, answer_number(answer, "revision"));
	}
	table_print(&t, screen->out, screen->colour, 0);
}
