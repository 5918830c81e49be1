// SPDX-License-Identifier: MIT
/* The command line; see args.h. */
#include "ctl/args.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "ctl/wait.h"

struct reader {
	int argc, next;
	char *const *argv;
	struct args *out;
	struct err *e;
	unsigned words; /* words read since the verb */
};

/* An option as it stands on the line. */
struct option {
	char name[32];	     /* with '_' for '-'; empty for a letter */
	char letter;	     /* 0 for a long one */
	const char *written; /* for messages */
	const char *value;   /* what is glued to it; NULL: nothing */
};

static void
split_option(const char *arg, struct option *o)
{
	size_t n;

	memset(o, 0, sizeof(*o));
	o->written = arg;
	if (arg[1] != '-') {
		o->letter = arg[1];
		o->value = arg[2] == '\0' ? NULL : arg + 2;
		return;
	}
	n = strcspn(arg + 2, "=");
	if (arg[2 + n] == '=')
		o->value = arg + 2 + n + 1;
	if (n >= sizeof(o->name))
		n = 0;
	for (size_t i = 0; i < n; i++)
		o->name[i] = arg[2 + i] == '-' ? '_' : arg[2 + i];
}

static bool
option_is(const struct option *o, char letter, const char *name)
{
	return o->letter != 0 ? o->letter == letter : strcmp(o->name, name) == 0;
}

static int
take_value(struct reader *r, struct option *o)
{
	if (o->value != NULL)
		return 0;
	if (r->next >= r->argc)
		return err_set(r->e, "%s: its value is missing", o->written);
	o->value = r->argv[r->next++];
	return 0;
}

static int
take_flag(struct reader *r, const struct option *o)
{
	if (o->value == NULL)
		return 0;
	return o->letter != 0 ? err_set(r->e, "%s: write each option for itself", o->written)
			      : err_set(r->e, "--%s takes no value", o->name);
}

static int
set_value(struct reader *r, enum param p, const char *text)
{
	struct command_value *v = &r->out->values[p];
	struct wait_condition condition;

	if (v->given)
		return err_set(r->e, "%s: given twice", param_info(p)->name);
	if (param_parse(p, text, v, r->e) == -1)
		return -1;
	if (param_info(p)->type == TYPE_CONDITION)
		return wait_parse(text, &condition, r->e);
	return 0;
}

/* Turns the command into `help`, about the verb where there is one. */
static void
turn_to_help(struct args *out)
{
	enum verb about = out->verb;

	memset(out->values, 0, sizeof(out->values));
	out->verb = VERB_HELP;
	if (about < VERB_COUNT)
		out->values[PARAM_TOPIC] =
		    (struct command_value){ .given = true, .text = verb_info(about)->name };
}

/* 1: it was one of grayctl's own options. 2: and nothing behind it matters. */
static int
read_general_option(struct reader *r, struct option *o)
{
	if (option_is(o, 'h', "help")) {
		turn_to_help(r->out);
		return 2;
	}
	if (option_is(o, 'V', "version")) {
		r->out->verb = VERB_VERSION;
		return 2;
	}
	if (option_is(o, 'j', "json")) {
		r->out->json = true;
		return take_flag(r, o) == -1 ? -1 : 1;
	}
	if (option_is(o, 's', "socket")) {
		if (take_value(r, o) == -1)
			return -1;
		r->out->socket = o->value;
		return 1;
	}
	return 0;
}

static int
append_value(struct reader *r, enum param p, const char *text)
{
	struct command_value each, *v = &r->out->values[p];

	if (param_parse(p, text, &each, r->e) == -1)
		return -1;
	if (v->number == COMMAND_LIST_MAX)
		return err_set(
		    r->e, "%s: more than %d of them", param_info(p)->name, COMMAND_LIST_MAX);
	r->out->list[v->number++] = text;
	v->list = r->out->list;
	v->given = true;
	return 0;
}

/* `--compare requests=N input=N`: the words that look so belong to the option. */
static int
read_list_option(struct reader *r, enum param p, struct option *o)
{
	if (r->out->values[p].given)
		return err_set(r->e, "%s: given twice", param_info(p)->name);
	if (take_value(r, o) == -1 || append_value(r, p, o->value) == -1)
		return -1;
	while (r->next < r->argc && r->argv[r->next][0] != '-' &&
	       strchr(r->argv[r->next], '=') != NULL)
		if (append_value(r, p, r->argv[r->next++]) == -1)
			return -1;
	return 0;
}

static int
read_option(struct reader *r)
{
	struct option o;
	int general;

	split_option(r->argv[r->next++], &o);
	general = read_general_option(r, &o);
	if (general != 0)
		return general;
	if (r->out->verb == VERB_NONE)
		return err_set(r->e, "%s: no such option before the verb", o.written);
	for (const struct verb_param *p = verb_info(r->out->verb)->params; p->role != ROLE_END;
	     p++) {
		const struct param_info *info = param_info(p->param);

		if (p->role != ROLE_OPTION && p->role != ROLE_MUST && p->role != ROLE_INSTEAD)
			continue;
		if (!(o.letter != 0 ? o.letter == info->letter : strcmp(o.name, info->name) == 0))
			continue;
		if (info->type == TYPE_FLAG)
			return take_flag(r, &o) == -1 ? -1 : set_value(r, p->param, "");
		if (info->type == TYPE_LIST)
			return read_list_option(r, p->param, &o);
		return take_value(r, &o) == -1 ? -1 : set_value(r, p->param, o.value);
	}
	return err_set(r->e, "%s: %s has no such option", o.written, verb_info(r->out->verb)->name);
}

static int
read_verb(struct reader *r, const char *word)
{
	enum verb near;

	r->out->verb = verb_find(word);
	if (r->out->verb != VERB_NONE)
		return 0;
	near = verb_nearest(word);
	if (near == VERB_NONE)
		return err_set(r->e, "unknown verb \"%.32s\"", word);
	return err_set(
	    r->e, "unknown verb \"%.32s\": did you mean \"%s\"?", word, verb_info(near)->name);
}

static int
read_word(struct reader *r, const char *word)
{
	unsigned n = 0;

	if (r->out->verb == VERB_NONE)
		return read_verb(r, word);
	for (const struct verb_param *p = verb_info(r->out->verb)->params; p->role != ROLE_END;
	     p++) {
		if (p->role == ROLE_MANY)
			return append_value(r, p->param, word);
		if ((p->role == ROLE_NEED || p->role == ROLE_MAY) && n++ == r->words) {
			r->words++;
			return set_value(r, p->param, word);
		}
	}
	return err_set(r->e, "\"%.64s\" is one word too many", word);
}

static int
read_all(struct reader *r)
{
	bool options = true;

	while (r->next < r->argc) {
		const char *arg = r->argv[r->next];
		int result;

		if (options && strcmp(arg, "--") == 0) {
			options = false;
			r->next++;
			continue;
		}
		if (options && arg[0] == '-' && arg[1] != '\0') {
			result = read_option(r);
		} else {
			r->next++;
			result = read_word(r, arg);
		}
		if (result == -1 || result == 2)
			return result;
	}
	return 0;
}

/* The words behind `key`. */
static int
check_key(const struct args *out, struct err *e)
{
	const char *action = out->values[PARAM_ACTION].text;
	const char *expected = config_check_name(out->values[PARAM_CLIENT].text);

	if (strcmp(action, "new") != 0)
		return err_set(e, "key: expected \"new\", found \"%.32s\"", action);
	return expected == NULL ? 0 : err_set(e, "key: client: expected %s", expected);
}

static int
check_whole(struct args *out, struct err *e)
{
	if (out->verb == VERB_NONE)
		return err_set(e, "which verb?");
	if (out->values[PARAM_WAIT].given && out->values[PARAM_WATCH].given)
		return err_set(e, "wait and watch exclude each other");
	if (out->values[PARAM_TOPIC].given && verb_find(out->values[PARAM_TOPIC].text) == VERB_NONE)
		return err_set(e, "help: unknown verb \"%.32s\"", out->values[PARAM_TOPIC].text);
	if (verb_complete(out->verb, out->values, e) == -1)
		return -1;
	return out->verb == VERB_KEY ? check_key(out, e) : 0;
}

int
args_parse(int argc, char *const argv[], const char *environment, struct args *out, struct err *e)
{
	struct reader r = { .argc = argc, .next = 1, .argv = argv, .out = out, .e = e };
	int result;

	memset(out, 0, sizeof(*out));
	out->verb = VERB_NONE;
	out->socket = environment != NULL && environment[0] != '\0' ? environment : ARGS_SOCKET;
	/* An error before "-j" is to be told in JSON too. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0)
			out->json = true;
	result = read_all(&r);
	if (result != 0)
		return result == 2 ? 0 : -1;
	return check_whole(out, e);
}
