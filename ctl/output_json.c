// SPDX-License-Identifier: MIT
/* Output for programs: the answer itself, one object a line. */
#include <cjson/cJSON.h>

#include "ctl/output.h"

static void
show(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);

	(void)args;
	if (text == NULL)
		fputs("grayctl: out of memory\n", screen->err);
	else
		fprintf(screen->out, "%s\n", text);
	cJSON_free(text);
}

static void
show_failure(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	show(screen, args, answer);
	fprintf(screen->err, "grayctl: %s\n", answer_text(answer, "error"));
}

const struct output output_json = {
	.show = {
#define VERB(id, ...) [VERB_##id] = show,
#include "common/commands.def"
#undef VERB
	},
	.failed = show_failure,
};
