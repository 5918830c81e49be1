// SPDX-License-Identifier: MIT
/* Limits in an answer to `status` or `stats`, for people: one line for each that has something to
 * say. */
#include <cjson/cJSON.h>

#include "ctl/output.h"
#include "ctl/table.h"

static void
print_use(const struct screen *screen, const cJSON *one)
{
	double rate = answer_number(one, "rate_per_minute"),
	       waiting = answer_number(one, "waiting");
	double most = answer_number(one, "max_in_flight");

	if (rate > 0)
		fprintf(screen->out, ", %.0f of %.0f used in the last minute",
		    answer_number(one, "used"), rate);
	if (most > 0)
		fprintf(
		    screen->out, ", %.0f of %.0f in flight", answer_number(one, "in_flight"), most);
	if (waiting > 0)
		fprintf(screen->out, ", %.0f waiting", waiting);
}

static void
print_one(const struct screen *screen, const char *kind, const cJSON *one)
{
	char words[WORDS_BYTES];
	double cooling = answer_number(one, "cooling_ms");

	fprintf(screen->out, "%s %s", kind, answer_text(one, "name"));
	print_use(screen, one);
	if (cooling > 0)
		fprintf(screen->out, ", %scools down%s for %s: %s",
		    colour_begin(COLOUR_WARN, screen->colour),
		    colour_end(COLOUR_WARN, screen->colour), words_us(words, cooling * 1000),
		    answer_text(one, "cooling_for"));
	fputs("\n", screen->out);
}

void
text_print_limits(const struct screen *screen, const cJSON *answer)
{
	const cJSON *limits = answer_get(answer, "limits"), *one;

	cJSON_ArrayForEach(one, answer_get(limits, "models"))
	{
		print_one(screen, "model", one);
	}
	cJSON_ArrayForEach(one, answer_get(limits, "clients"))
	{
		print_one(screen, "client", one);
	}
}
