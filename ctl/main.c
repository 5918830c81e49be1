// SPDX-License-Identifier: MIT
/*
 * grayctl: reads the command line, has the command carried out, exits with a number that scripts
 * can rely on (exits.h). It holds no state and decides nothing: the rules are grayd's.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ctlproto.h"
#include "ctl/ask.h"
#include "ctl/completion.h"
#include "ctl/key.h"
#include "ctl/stress.h"
#include "ctl/usage.h"

/* Verbs that need no grayd. */
static enum exits
run_local(const struct args *args, const struct output *output, const struct screen *screen)
{
	enum exits exits = EXITS_REFUSED;
	cJSON *answer;

	if (args->verb == VERB_HELP) {
		const char *topic = args->values[PARAM_TOPIC].text;

		answer = usage_json(topic != NULL ? verb_find(topic) : VERB_NONE);
	} else if (args->verb == VERB_KEY) {
		answer = key_new(args->values[PARAM_CLIENT].text);
	} else if (args->verb == VERB_COMPLETION) {
		char *script = completion_bash();

		answer = ctlproto_answer(true, NULL);
		cJSON_AddStringToObject(answer, "bash", script != NULL ? script : "");
		free(script);
	} else {
		answer = ctlproto_answer(true, NULL);
		cJSON_AddStringToObject(answer, "version", GRAYD_VERSION);
	}
	if (answer_is_true(answer, "ok")) {
		output->show[args->verb](screen, args, answer);
		exits = EXITS_DONE;
	} else {
		output->failed(screen, args, answer);
	}
	cJSON_Delete(answer);
	return exits;
}

static struct screen
open_screen(bool json)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	bool terminal = isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;

	return (struct screen){
		.out = stdout,
		.err = stderr,
		.colour = terminal && !json && (no_colour == NULL || no_colour[0] == '\0'),
		.redraw = terminal && !json,
	};
}

int
main(int argc, char *argv[])
{
	const struct output *output;
	struct screen screen;
	struct args args;
	enum exits exits;
	struct err e;
	int parsed = args_parse(argc, argv, getenv("GRAYD_SOCKET"), &args, &e);

	signal(SIGPIPE, SIG_IGN);
	output = args.json ? &output_json : &output_text;
	screen = open_screen(args.json);
	if (parsed == -1) {
		ask_fail(&args, output, &screen, ctl_code_name(CTL_USAGE), e.msg);
		exits = EXITS_USAGE;
	} else if (args.verb == VERB_STRESS) {
		exits = stress(&args, output, &screen);
	} else if (verb_info(args.verb)->right == RIGHT_LOCAL) {
		exits = run_local(&args, output, &screen);
	} else if (args.values[PARAM_WAIT].given && args.verb == VERB_STATUS) {
		exits = ask_until(&args, output, &screen);
	} else if (args.values[PARAM_WAIT].given) {
		exits = ask_then_wait(&args, output, &screen);
	} else if (args.values[PARAM_WATCH].given || args.verb == VERB_TOP) {
		exits = ask_forever(&args, output, &screen);
	} else {
		exits = ask_once(&args, output, &screen);
	}
	/* An answer that nobody got is no answer. */
	if (fflush(stdout) == EOF || ferror(stdout))
		return exits == EXITS_DONE ? EXITS_REFUSED : (int)exits;
	return (int)exits;
}
