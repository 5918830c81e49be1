// SPDX-License-Identifier: MIT
/* `history` and `verify` for people, and the journal's alarm below `status`. */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/printable.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

static void
put_stand(struct table *t, const cJSON *stand)
{
	char words[WORDS_BYTES], state[WORDS_BYTES];

	if (stand == NULL) {
		table_put(t, "-");
		return;
	}
	table_put(t, "%s %s", answer_words(stand, "state", state),
	    answer_percent(stand, "percent", words));
}

static void
put_entry(struct table *t, const cJSON *entry, const char *now)
{
	char time[WORDS_BYTES], waived[TEXT_NAMES_BYTES];
	const char *release = answer_text(entry, "release");

	table_put(t, "%s", words_time(time, answer_text(entry, "time"), now));
	table_put(t, "%s", release[0] != '\0' ? release : "-");
	put_stand(t, answer_get(entry, "from"));
	put_stand(t, answer_get(entry, "to"));
	table_put(t, "%.0f", answer_number(entry, "revision"));
	table_put(t, "%s", answer_text(entry, "actor"));
	text_names(answer_get(entry, "waived"), ",", waived);
	table_put(t, "%s%s%s", answer_text(entry, "command"), waived[0] != '\0' ? " --waive " : "",
	    waived);
	table_put(t, "%s", answer_text(entry, "reason"));
}

void
text_show_history(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	static const char *const headers[] = { "WHEN", "RELEASE", "FROM", "TO", ">REVISION", "WHO",
		"COMMAND", "WHY", NULL };
	const cJSON *history = answer_get(answer, "history"), *entry;
	struct table t;

	if (cJSON_GetArraySize(history) == 0) {
		if (args->values[PARAM_RELEASE].given)
			fprintf(screen->out, "the journal has nothing of a release \"%s\"\n",
			    args->values[PARAM_RELEASE].text);
		else
			fputs("nothing has happened yet\n", screen->out);
		return;
	}
	table_init(&t, headers);
	cJSON_ArrayForEach(entry, history)
	{
		put_entry(&t, entry, answer_text(answer, "now"));
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_show_verify(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *journal = answer_get(answer, "journal");
	double aside = answer_number(journal, "put_aside");

	(void)args;
	fprintf(screen->out,
	    "the journal is as it was written: records %.0f to %.0f, of %.0f in files: %.0f\n",
	    answer_number(journal, "first"), answer_number(journal, "last"),
	    answer_number(journal, "records"), answer_number(journal, "files"));
	if (aside > 0)
		fprintf(screen->out,
		    "files of earlier journals that could not be trusted and were put aside: "
		    "%.0f\n",
		    aside);
}

void
text_print_journal(const struct screen *screen, const cJSON *status)
{
	const cJSON *journal = answer_get(status, "journal");
	struct err e;

	if (journal == NULL || answer_is_true(journal, "ok"))
		return;
	err_set(&e, "%s", answer_text(journal, "error"));
	printable_clean(e.msg);
	fprintf(screen->out,
	    "%sthe journal cannot be written%s: %s\nso no share can be raised; rollback works\n",
	    colour_begin(COLOUR_BAD, screen->colour), colour_end(COLOUR_BAD, screen->colour),
	    e.msg);
}
