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
show_reloaded(const struct screen *screen, const cJSON *answer)
{
	const cJSON *ended;

	fprintf(screen->out, "reload: generation %.0f of the workers serves under %s\n",
	    answer_number(answer, "generation"), answer_text(answer, "config"));
	cJSON_ArrayForEach(ended, answer_get(answer, "ended")) fprintf(screen->out,
	    "%s: its rollout is over, since the config has other models for it; everything "
	    "goes to stable\n",
	    answer_text(ended, "release"));
}

static void
show_done(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const char *name = verb_info(args->verb)->name, *note = answer_text(answer, "note");
	double pid = answer_number(answer, "pid"), generation = answer_number(answer, "generation");

	if (pid > 0)
		fprintf(screen->out, "%s: the new grayd serves, pid %.0f\n", name, pid);
	else if (generation > 0)
		show_reloaded(screen, answer);
	else
		fprintf(screen->out, "%s: %s\n", name, note[0] != '\0' ? note : "done");
}

static void
show_completion(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	(void)args;
	fputs(answer_text(answer, "bash"), screen->out);
}

static void
show_key(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	char *entry = cJSON_PrintUnformatted(answer_get(answer, "entry"));

	(void)args;
	fprintf(screen->out,
	    "the key of %s, shown this once and kept nowhere:\n\n  %s\n\n"
	    "an entry for \"clients\" in the config; then: grayctl reload\n\n  %s\n",
	    answer_text(answer, "client"), answer_text(answer, "key"), entry != NULL ? entry : "");
	cJSON_free(entry);
}

static void
show_failure(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	struct err e;

	err_set(&e, "%s", answer_text(answer, "error"));
	printable_clean(e.msg);
	fprintf(screen->err, "grayctl: %s\n", e.msg);
	if (strcmp(answer_text(answer, "code"), ctl_code_name(CTL_USAGE)) != 0)
		return;
	if (args->verb < VERB_COUNT) {
		usage_print(screen->err, args->verb);
	} else {
		fputs("usage: grayctl [-j] [-s SOCKET] VERB ...; `grayctl help` lists the verbs\n",
		    screen->err);
	}
}

#define show_status  text_show_status
#define show_workers text_show_workers
#define show_changed text_show_changed
#define show_route   text_show_route
#define show_check   text_show_check
#define show_history text_show_history
#define show_verify  text_show_verify
#define show_stats   text_show_stats
#define show_errors  text_show_errors
#define show_stress  text_show_stress
#define show_cost    text_show_cost
#define show_explain text_show_explain
#define show_replay  text_show_replay
#define show_top     text_show_top
const struct output output_text = {
	.show = {
#define VERB(id, name, right, handler, show, ...) [VERB_##id] = show_##show,
#include "common/commands.def"
#undef VERB
	},
	.failed = show_failure,
};
