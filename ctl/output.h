// SPDX-License-Identifier: MIT
/*
 * How answers are shown. A format is one instance of struct output; adding a format is adding a
 * file. Answers go to standard output, everything else to standard error.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "ctl/args.h"
#include "ctl/words.h"

struct cJSON;

struct screen {
	FILE *out, *err;
	bool colour;
	bool redraw; /* a terminal, for people: an answer may take the place of the one before */
};

typedef void output_show_fn(
    const struct screen *screen, const struct args *args, const struct cJSON *answer);

struct output {
	output_show_fn *show[VERB_COUNT]; /* a good answer */
	/* What failed, as an answer: "ok" is false, "code" and "error" are there. */
	output_show_fn *failed;
};

extern const struct output output_text, output_json;

/* ---- text_show.c, for output_text ------------------------------------------------------------ */
output_show_fn text_show_status, text_show_workers;
/* ---- text_top.c ------------------------------------------------------------------------------ */
output_show_fn text_show_top;
/* ---- text_rollout.c -------------------------------------------------------------------------- */
output_show_fn text_show_changed, text_show_route;
/* One line for each release in an answer to `status` that somebody should know more about. */
void text_print_rollouts(const struct screen *screen, const struct cJSON *status);
/* ---- text_next.c ----------------------------------------------------------------------------- */
#define TEXT_NEXT_BYTES	 1024
#define TEXT_NAMES_BYTES 320
/* Each writes into `out` and returns it; empty where there is nothing to say. What comes next for a
 * release of `status` or an answer to `explain`, or what would help. */
char *text_next(const struct cJSON *release, char out[TEXT_NEXT_BYTES]);
/* When a hold, a rollback or the end came, by whom, and if wanted why. */
char *text_cause(const struct cJSON *release, const char *now, bool why, char out[TEXT_NEXT_BYTES]);
/* Texts of a list, with something between them. */
char *text_names(const struct cJSON *list, const char *between, char out[TEXT_NAMES_BYTES]);
/* What the guard still needs. False: it waits for nothing. */
bool text_missing(const struct cJSON *guard, char out[TEXT_NEXT_BYTES]);

/* ---- text_limits.c --------------------------------------------------------------------------- */
void text_print_limits(const struct screen *screen, const struct cJSON *answer);
/* ---- text_journal.c -------------------------------------------------------------------------- */
output_show_fn text_show_history, text_show_verify;
/* One line if the journal has failed. */
void text_print_journal(const struct screen *screen, const struct cJSON *status);
/* ---- text_guard.c ---------------------------------------------------------------------------- */
output_show_fn text_show_explain, text_show_replay;
/* ---- text_check.c ---------------------------------------------------------------------------- */
output_show_fn text_show_check;
/* One line for each model in an answer to `status` that its provider does not vouch for. */
void text_print_models(const struct screen *screen, const struct cJSON *status);
/* ---- text_stats.c ---------------------------------------------------------------------------- */
output_show_fn text_show_stats, text_show_errors;

/* ---- text_stress.c --------------------------------------------------------------------------- */
output_show_fn text_show_stress;
/* ---- text_cost.c ----------------------------------------------------------------------------- */
output_show_fn text_show_cost;
/* ---- text_compare.c -------------------------------------------------------------------------- */
output_show_fn text_show_compare;

/* Members of an answer; a missing or wrong one is NULL, "" or 0, so that what an older or newer
 * grayd says can always be shown. */
const struct cJSON *answer_get(const struct cJSON *object, const char *name);
const char *answer_text(const struct cJSON *object, const char *name);
double answer_number(const struct cJSON *object, const char *name);
bool answer_is_true(const struct cJSON *object, const char *name);
/* The same text with spaces for '_': "rolled back". */
char *answer_words(const struct cJSON *object, const char *name, char out[WORDS_BYTES]);
/* A share in words; "-" where it is null. */
char *answer_percent(const struct cJSON *object, const char *name, char out[WORDS_BYTES]);
/* "saving_usd" and "saving_percent" in words: "39,000.00 USD less, 86.67 %". */
char *answer_saving(const struct cJSON *object, unsigned decimals, char out[2 * WORDS_BYTES]);
