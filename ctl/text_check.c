// SPDX-License-Identifier: MIT
/* What providers say of models, for people: `check`, and a few lines below `status`. */
#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

static const struct {
	const char *name;
	enum colour colour;
} standings[] = {
	{ "unasked", COLOUR_WARN },
	{ "verified", COLOUR_GOOD },
	{ "unknown", COLOUR_BAD },
	{ "unverified", COLOUR_WARN },
	{ "unreachable", COLOUR_WARN },
};

static enum colour
colour_of(const char *standing)
{
	for (unsigned i = 0; i < sizeof(standings) / sizeof(standings[0]); i++) {
		if (strcmp(standing, standings[i].name) == 0)
			return standings[i].colour;
	}
	return COLOUR_NONE;
}

/* "unknown (did you mean x or y?)", "unreachable (why)". */
static void
put_standing(struct table *t, const cJSON *model)
{
	const char *standing = answer_text(model, "standing"), *why = answer_text(model, "why");
	const cJSON *alike = answer_get(model, "alike"), *name;
	char names[480] = "";
	size_t n = 0;

	cJSON_ArrayForEach(name, alike)
	{
		if (cJSON_IsString(name) && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
			    n > 0 ? " or " : "", name->valuestring);
	}
	if (names[0] != '\0')
		table_put_coloured(
		    t, colour_of(standing), "%s (did you mean %s?)", standing, names);
	else if (why[0] != '\0')
		table_put_coloured(t, colour_of(standing), "%s (%s)", standing, why);
	else
		table_put_coloured(t, colour_of(standing), "%s", standing);
}

void
text_show_check(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	static const char *const headers[] = { "PROVIDER", "MODEL", "NAME", "ASKED", "STANDING",
		NULL };
	const char *now = answer_text(answer, "now");
	struct table t;
	const cJSON *model;

	(void)args;
	table_init(&t, headers);
	cJSON_ArrayForEach(model, answer_get(answer, "models"))
	{
		const char *asked = answer_text(model, "asked");
		char words[WORDS_BYTES];

		table_put(&t, "%s", answer_text(model, "provider"));
		table_put_coloured(&t, COLOUR_BOLD, "%s", answer_text(model, "model"));
		table_put(&t, "%s", answer_text(model, "name"));
		table_put(&t, "%s", asked[0] != '\0' ? words_ago(words, asked, now) : "never");
		put_standing(&t, model);
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_print_models(const struct screen *screen, const cJSON *status)
{
	const cJSON *r, *arm;

	cJSON_ArrayForEach(r, answer_get(status, "releases"))
	{
		cJSON_ArrayForEach(arm, answer_get(r, "arms"))
		{
			const char *text = answer_text(arm, "standing_text");
			enum colour colour = colour_of(answer_text(arm, "standing"));

			if (text[0] == '\0')
				continue;
			fprintf(screen->out, "%s: %s%s%s: %s\n", answer_text(r, "release"),
			    colour_begin(colour, screen->colour), arm->string,
			    colour_end(colour, screen->colour), text);
		}
	}
}
