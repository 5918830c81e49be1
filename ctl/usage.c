// SPDX-License-Identifier: MIT
/* Help; see usage.h. */
#include "ctl/usage.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/args.h"
#include "ctl/table.h"

/* "--if-revision" */
static void
option_name(const struct param_info *p, char out[40])
{
	int n = snprintf(out, 40, "--%s", p->name);

	for (int i = 2; i < n; i++)
		if (out[i] == '_')
			out[i] = '-';
}

/* "[--if-revision N]", "RELEASE", " | --all" */
static void
describe_param(const struct verb_param *v, char *out, size_t size)
{
	const struct param_info *p = param_info(v->param);
	char option[40];

	option_name(p, option);
	switch (v->role) {
	case ROLE_NEED: snprintf(out, size, " %s", p->metavar); break;
	case ROLE_MANY: snprintf(out, size, " %s...", p->metavar); break;
	case ROLE_MAY: snprintf(out, size, " [%s]", p->metavar); break;
	case ROLE_MUST: snprintf(out, size, " %s %s", option, p->metavar); break;
	case ROLE_INSTEAD: snprintf(out, size, " | %s", option); break;
	case ROLE_OPTION:
		snprintf(
		    out, size, " [%s%s%s]", option, p->metavar[0] != '\0' ? " " : "", p->metavar);
		break;
	case ROLE_END: out[0] = '\0'; break;
	}
}

void
usage_line(enum verb v, char out[USAGE_LINE_BYTES])
{
	size_t n = (size_t)snprintf(out, USAGE_LINE_BYTES, "grayctl %s", verb_info(v)->name);

	for (const struct verb_param *p = verb_info(v)->params; p->role != ROLE_END; p++) {
		describe_param(p, out + n, USAGE_LINE_BYTES - n);
		n += strlen(out + n);
	}
}

void
usage_print(FILE *out, enum verb v)
{
	int column = fprintf(out, "usage: grayctl %s", verb_info(v)->name);
	char param[80];

	for (const struct verb_param *p = verb_info(v)->params; p->role != ROLE_END; p++) {
		describe_param(p, param, sizeof(param));
		if (column + (int)strlen(param) > 80)
			column = fprintf(out, "\n%14s", "");
		column += fprintf(out, "%s", param);
	}
	fputc('\n', out);
}

/* The verbs of one right, in lines of at most 80 columns. */
static void
print_group(FILE *out, const char *title, enum verb_right right)
{
	int column = fprintf(out, "  %-6s ", title);

	for (unsigned v = 0; v < VERB_COUNT; v++) {
		const struct verb_info *info = verb_info((enum verb)v);

		if (info->right != right)
			continue;
		if (column + 1 + (int)strlen(info->name) > 80)
			column = fprintf(out, "\n%9s", "") - 1;
		column += fprintf(out, " %s", info->name);
	}
	fputc('\n', out);
}

void
usage_screen(FILE *out)
{
	fputs("usage: grayctl [-j] [-s SOCKET] VERB ...\n\n", out);
	print_group(out, "look", RIGHT_READ);
	print_group(out, "change", RIGHT_CHANGE);
	print_group(out, "local", RIGHT_LOCAL);
	fputs("\n"
	      "  grayctl status                  what runs, and which share each candidate has\n"
	      "  grayctl start RELEASE           begin a rollout\n"
	      "  grayctl promote RELEASE         the next stage\n"
	      "  grayctl rollback RELEASE        all traffic back to stable, now\n"
	      "  grayctl help VERB               what a verb does and takes\n"
	      "\n"
	      "  -j, --json         print one JSON object\n"
	      "  -s, --socket PATH  the control socket, else GRAYD_SOCKET, else\n"
	      "                     " ARGS_SOCKET "\n\n"
	      "Exits 0: done, 1: refused, 2: usage, 6: another revision, 7: cannot reach grayd;\n"
	      "from waiting also 3: rolled back, 4: on hold, 5: timed out.\n"
	      "More: man grayctl\n",
	    out);
}

void
usage_verb(FILE *out, enum verb v)
{
	static const char *const headers[] = { "", "", NULL };
	struct table t;

	usage_print(out, v);
	fprintf(out, "\n%s: %s\n", verb_info(v)->name, verb_info(v)->help);
	table_init(&t, headers);
	for (const struct verb_param *p = verb_info(v)->params; p->role != ROLE_END; p++) {
		const struct param_info *info = param_info(p->param);
		char option[40];

		option_name(info, option);
		if (p->role == ROLE_NEED || p->role == ROLE_MAY || p->role == ROLE_MANY)
			table_put(&t, "%s", info->metavar);
		else
			table_put(&t, "-%c, %s%s%s", info->letter, option,
			    info->metavar[0] != '\0' ? " " : "", info->metavar);
		table_put(&t, "%s", info->help);
	}
	if (t.n_cells > 0)
		fputc('\n', out);
	table_print(&t, out, false, 2);
}

static void
add_verb(cJSON *verbs, enum verb v)
{
	const struct verb_info *info = verb_info(v);
	cJSON *object = cJSON_AddObjectToObject(verbs, info->name), *params;
	char line[USAGE_LINE_BYTES];

	usage_line(v, line);
	cJSON_AddStringToObject(object, "usage", line);
	cJSON_AddStringToObject(object, "help", info->help);
	cJSON_AddBoolToObject(object, "changes", info->right == RIGHT_CHANGE);
	params = cJSON_AddObjectToObject(object, "parameters");
	for (const struct verb_param *p = info->params; p->role != ROLE_END; p++) {
		const struct param_info *param = param_info(p->param);

		cJSON_AddStringToObject(params, param->name, param->help);
	}
}

cJSON *
usage_json(enum verb v)
{
	cJSON *answer = cJSON_CreateObject(), *verbs;

	cJSON_AddBoolToObject(answer, "ok", true);
	verbs = cJSON_AddObjectToObject(answer, "verbs");
	for (unsigned each = 0; each < VERB_COUNT; each++)
		if (v == VERB_NONE || v == (enum verb)each)
			add_verb(verbs, (enum verb)each);
	return answer;
}
