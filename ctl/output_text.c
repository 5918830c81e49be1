// SPDX-License-Identifier: MIT
/* Output for people: tables and sentences. The longer ones have files of their own, text_*.c. */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/ctlproto.h"
#include "common/printable.h"
#include "ctl/output.h"
#include "ctl/usage.h"
#include "ctl/words.h"

static void
show_help(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	(void)answer;
	if (args->values[PARAM_TOPIC].given)
		usage_verb(screen->out, verb_find(args->values[PARAM_TOPIC].text));
	else
		usage_screen(screen->out);
}

static void
show_version(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	(void)args;
	fprintf(screen->out, "grayctl %s\n", answer_text(answer, "version"));
}

static void
show_done(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const char *note = answer_text(answer, "note");

	fprintf(screen->out, "%s: %s\n", verb_info(args->verb)->name,
	    note != NULL && note[0] != '\0' ? note : "done");
}

static void
print_standing(const struct screen *screen, const cJSON *standing)
{
	char state[32], percent[WORDS_BYTES];

	snprintf(state, sizeof(state), "%s", answer_text(standing, "state"));
	for (char *c = strchr(state, '_'); c != NULL; c = strchr(c, '_'))
		*c = ' ';
	fprintf(screen->out, "%s: %s, the candidate's share is %s, revision %.0f\n",
	    answer_text(standing, "release"), state,
	    answer_percent(standing, "set_percent", percent), answer_number(standing, "revision"));
}

static void
print_receipt(const struct screen *screen, const cJSON *answer)
{
	const cJSON *receipt = answer_get(answer, "receipt");
	char publish[WORDS_BYTES], acknowledge[WORDS_BYTES];
	double killed = answer_number(receipt, "killed");
	double in_flight = answer_number(receipt, "candidate_in_flight");

	if (!answer_is_true(answer, "changed")) {
		fputs("it was so already: nothing was published\n", screen->out);
		return;
	}
	fprintf(screen->out, "published after %s, acknowledged %s later (workers: %.0f)\n",
	    words_us(publish, answer_number(receipt, "publish_us")),
	    words_us(acknowledge, answer_number(receipt, "acknowledge_us")),
	    answer_number(receipt, "acknowledged"));
	if (in_flight > 0)
		fprintf(
		    screen->out, "requests with the candidate at that moment: %.0f\n", in_flight);
	if (killed > 0)
		fprintf(screen->out, "workers that did not acknowledge and were replaced: %.0f\n",
		    killed);
}

static void
show_changed(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *releases = answer_get(answer, "releases"), *each;

	(void)args;
	if (releases == NULL)
		print_standing(screen, answer);
	cJSON_ArrayForEach(each, releases)
	{
		print_standing(screen, each);
	}
	print_receipt(screen, answer);
}

static void
show_failure(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	char usage[USAGE_LINE_BYTES];
	struct err e;

	err_set(&e, "%s", answer_text(answer, "error"));
	printable_clean(e.msg);
	fprintf(screen->err, "grayctl: %s\n", e.msg);
	if (strcmp(answer_text(answer, "code"), ctl_code_name(CTL_USAGE)) != 0)
		return;
	if (args->verb < VERB_COUNT) {
		usage_line(args->verb, usage);
		fprintf(screen->err, "usage: %s\n", usage);
	} else {
		fputs("usage: grayctl [-j] [-s SOCKET] VERB ...; `grayctl help` lists the verbs\n",
		    screen->err);
	}
}

#define show_status  text_show_status
#define show_workers text_show_workers
#define show_stats   text_show_stats
#define show_errors  text_show_errors
const struct output output_text = {
	.show = {
#define VERB(id, name, right, handler, show, ...) [VERB_##id] = show_##show,
#include "common/commands.def"
#undef VERB
	},
	.failed = show_failure,
};
