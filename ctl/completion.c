// SPDX-License-Identifier: MIT
/*
 * Completion for bash; see completion.h. The script knows verbs and options by itself and asks
 * grayd for the names of releases.
 */
#include "ctl/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/command.h"

static const char head[] = "# bash completion for grayctl, printed by `grayctl completion`\n"
			   "_grayctl()\n"
			   "{\n"
			   "\tlocal current=${COMP_WORDS[COMP_CWORD]} "
			   "previous=${COMP_WORDS[COMP_CWORD-1]} verb= socket= i\n"
			   "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			   "\t\tcase ${COMP_WORDS[i]} in\n"
			   "\t\t-s | --socket) socket=${COMP_WORDS[++i]} ;;\n"
			   "\t\t-*) ;;\n"
			   "\t\t*) [ -n \"$verb\" ] || verb=${COMP_WORDS[i]} ;;\n"
			   "\t\tesac\n"
			   "\tdone\n"
			   "\tlocal options='--json --socket --help' words=\n"
			   "\tlocal verbs='%s'\n"
			   "\tcase $previous in\n"
			   "\t-s | --socket) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
			   "\t-w | --wait) COMPREPLY=($(compgen -W 'healthy stage= share= state= "
			   "phase=' -- \"$current\")); return ;;\n"
			   "\tesac\n"
			   "\tcase $verb in\n";

static const char tail[] = "\tesac\n"
			   "\t[ \"$words\" != releases ] || words=$(grayctl ${socket:+-s "
			   "\"$socket\"} -j status 2>/dev/null |\n"
			   "\t\tgrep -o '\"release\":\"[^\"]*\"' | cut -d'\"' -f4)\n"
			   "\tcase $current in\n"
			   "\t-*) words=$options ;;\n"
			   "\tesac\n"
			   "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
			   "}\n"
			   "complete -F _grayctl grayctl\n";

static void
print_head(FILE *out)
{
	const char *verbs = strstr(head, "%s");

	fwrite(head, 1, (size_t)(verbs - head), out);
	for (unsigned v = 0; v < VERB_COUNT; v++)
		fprintf(out, "%s%s", v > 0 ? " " : "", verb_info((enum verb)v)->name);
	fputs(verbs + 2, out);
}

static void
print_option(FILE *out, const char *name)
{
	fputs(" --", out);
	for (; *name != '\0'; name++)
		fputc(*name == '_' ? '-' : *name, out);
}

static void
print_verb(FILE *out, const struct verb_info *info)
{
	const struct verb_param *p;

	fprintf(out, "\t%s) ", info->name);
	for (p = info->params; p->role != ROLE_END; p++)
		if (p->param == PARAM_RELEASE)
			fputs("words=releases ", out);
		else if (p->param == PARAM_TOPIC)
			fputs("words=$verbs ", out);
	fputs("options+='", out);
	for (p = info->params; p->role != ROLE_END; p++)
		if (p->role == ROLE_OPTION || p->role == ROLE_MUST || p->role == ROLE_INSTEAD)
			print_option(out, param_info(p->param)->name);
	fputs("' ;;\n", out);
}

char *
completion_bash(void)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	print_head(out);
	for (unsigned v = 0; v < VERB_COUNT; v++)
		print_verb(out, verb_info((enum verb)v));
	fputs("\t'') words=$verbs ;;\n", out);
	fputs(tail, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
