// SPDX-License-Identifier: MIT
/*
 * `top` for people: `status`, and what each arm does in a second, by the answer before. The first
 * screen has no rates yet.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/output.h"
#include "ctl/table.h"

static cJSON *before; /* the releases of the last answer; nobody else may own them */
static uint64_t before_us;

/* "12.5"; "-" where nothing is known yet, or grayd was started anew. */
static void
put_rate(struct table *t, const cJSON *now, const cJSON *then, const char *name, double seconds)
{
	double more = answer_number(now, name) - answer_number(then, name);

	if (then == NULL || seconds <= 0 || more < 0)
		table_put(t, "-");
	else
		table_put(t, "%.1f", more / seconds);
}

static void
put_arm(struct table *t, const cJSON *release, const cJSON *arm, double seconds)
{
	const cJSON *old = answer_get(before, release->string);
	const cJSON *then = answer_get(answer_get(old, "arms"), arm->string);

	table_put(t, "%s", release->string);
	table_put(t, "%s", arm->string);
	put_rate(t, arm, then, "requests", seconds);
	put_rate(t, arm, then, "errors", seconds);
	put_rate(t, arm, then, "fallbacks", seconds);
}

static void
print_rates(const struct screen *screen, const cJSON *releases, double seconds)
{
	static const char *const headers[] = { "RELEASE", "ARM", ">REQUESTS/S", ">ERRORS/S",
		">FALLBACKS/S", NULL };
	const cJSON *release, *arm;
	struct table t;

	table_init(&t, headers);
	cJSON_ArrayForEach(release, releases)
	{
		cJSON_ArrayForEach(arm, answer_get(release, "arms"))
		{
			if (cJSON_IsObject(arm))
				put_arm(&t, release, arm, seconds);
		}
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_show_top(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *releases = answer_get(answer, "releases");
	uint64_t now_us = clock_mono_us();

	text_show_status(screen, args, answer);
	fputc('\n', screen->out);
	print_rates(screen, releases, (double)(now_us - before_us) / US_PER_S);
	cJSON_Delete(before);
	before = cJSON_Duplicate(releases, true);
	before_us = now_us;
}
