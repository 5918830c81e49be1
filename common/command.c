// SPDX-License-Identifier: MIT
/* The table of verbs and the check of values; see command.h and commands.def. */
#include "common/command.h"

#include <assert.h>
#include <string.h>

#include "common/moment.h"
#include "common/printable.h"

#define NUMBER_MAX (UINT64_C(1) << 53) /* what JSON numbers carry exactly */

static const struct param_info params[PARAM_COUNT] = {
#define PARAM(id, name, letter, type, where, metavar, low, high, help) \
	[PARAM_##id] = { name, letter, TYPE_##type, WHERE_##where, metavar, low, high, help },
#include "common/commands.def"
#undef PARAM
};

#define NEED(p)                      \
	{                            \
		ROLE_NEED, PARAM_##p \
	}
#define MAY(p)                      \
	{                           \
		ROLE_MAY, PARAM_##p \
	}
#define OPTION(p)                      \
	{                              \
		ROLE_OPTION, PARAM_##p \
	}
#define MUST(p)                      \
	{                            \
		ROLE_MUST, PARAM_##p \
	}
#define INSTEAD(p)                      \
	{                               \
		ROLE_INSTEAD, PARAM_##p \
	}
#define MANY(p)                      \
	{                            \
		ROLE_MANY, PARAM_##p \
	}
static const struct verb_info verbs[VERB_COUNT] = {
#define VERB(id, name, right, handler, show, help, ...) \
	[VERB_##id] = { name, RIGHT_##right, help, { __VA_ARGS__ } },
#include "common/commands.def"
#undef VERB
};

const struct verb_info *
verb_info(enum verb v)
{
	assert((unsigned)v < VERB_COUNT);
	return &verbs[v];
}

const struct param_info *
param_info(enum param p)
{
	assert((unsigned)p < PARAM_COUNT);
	return &params[p];
}

enum verb
verb_find(const char *name)
{
	for (unsigned v = 0; v < VERB_COUNT; v++)
		if (strcmp(verbs[v].name, name) == 0)
			return (enum verb)v;
	return VERB_NONE;
}

enum param
param_find(const char *name)
{
	for (unsigned p = 0; p < PARAM_COUNT; p++)
		if (strcmp(params[p].name, name) == 0)
			return (enum param)p;
	return PARAM_NONE;
}

enum param_role
verb_role(enum verb v, enum param p)
{
	const struct verb_param *each = verb_info(v)->params;

	for (; each->role != ROLE_END; each++)
		if (each->param == p)
			return each->role;
	return ROLE_END;
}

/* Letters to insert, drop, change or swap with a neighbour to make `b` of `a`. */
#define WORD_MAX 16
static unsigned
distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			unsigned best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

enum verb
verb_nearest(const char *name)
{
	size_t n = strlen(name);
	unsigned best = UINT32_MAX;
	enum verb found = VERB_NONE;

	if (n == 0 || n > WORD_MAX)
		return VERB_NONE;
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		size_t m = strlen(verbs[v].name);
		unsigned far;

		assert(m <= WORD_MAX);
		if (n >= 3 && strncmp(verbs[v].name, name, n) == 0)
			return (enum verb)v;
		far = distance(name, n, verbs[v].name, m);
		if (far < best && far <= (m + 1) / 3) { /* with more wrong it is another word */
			best = far;
			found = (enum verb)v;
		}
	}
	return found;
}

int
decimal_parse(const char *text, unsigned decimals, uint64_t *out)
{
	uint64_t value = 0;
	unsigned digits = 0, seen = 0;
	bool point = false;

	for (; *text != '\0'; text++) {
		if (*text == '.' && !point && digits > 0 && decimals > 0) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9' || (point && ++seen > decimals))
			return -1;
		digits++;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > NUMBER_MAX)
			return -1;
	}
	if (digits == 0 || (point && seen == 0))
		return -1;
	for (; seen < decimals; seen++)
		value *= 10;
	if (value > NUMBER_MAX)
		return -1;
	*out = value;
	return 0;
}

static int
check_text(const struct param_info *p, const char *text, struct err *e)
{
	size_t n = strlen(text);

	if (n < p->low || n > p->high)
		return err_set(e, "%s: must have %llu to %llu bytes, has %zu", p->name,
		    (unsigned long long)p->low, (unsigned long long)p->high, n);
	for (const char *s = text; *s != '\0';) {
		size_t step = printable_at(s);

		if (step == 0)
			return err_set(e, "%s: must be printable UTF-8", p->name);
		s += step;
	}
	return 0;
}

/* The types that are numbers: how many decimals, and how a person writes one. */
static const struct {
	unsigned decimals;
	const char *expected;
} numbers[TYPE_COUNT] = {
	[TYPE_PERCENT] = { 2, "a number from 0 to 100 with up to two decimals, such as 12.5" },
	[TYPE_INTEGER] = { 0, "a whole number" },
	[TYPE_SECONDS] = { 3, "seconds, such as 30 or 0.5" },
};

int
param_parse(enum param id, const char *text, struct command_value *out, struct err *e)
{
	const struct param_info *p = param_info(id);
	uint64_t value = 1;

	if (numbers[p->type].expected != NULL) {
		if (decimal_parse(text, numbers[p->type].decimals, &value) == -1)
			return err_set(
			    e, "%s: \"%.64s\" is not %s", p->name, text, numbers[p->type].expected);
		if (value < p->low || value > p->high) {
			if (p->type == TYPE_INTEGER)
				return err_set(e, "%s: %.64s is not within %llu to %llu", p->name,
				    text, (unsigned long long)p->low, (unsigned long long)p->high);
			return err_set(e, "%s: %.64s is out of bounds; expected %s", p->name, text,
			    numbers[p->type].expected);
		}
	} else if (p->type != TYPE_FLAG && check_text(p, text, e) == -1) {
		return -1;
	}
	if (p->type == TYPE_MOMENT && moment_parse(text, 0, &value) == -1)
		return err_set(e,
		    "%s: \"%.64s\" is no time; expected one such as 2026-11-24T08:00:00Z, or +90m, "
		    "+12h, +2d from now",
		    p->name, text);
	*out = (struct command_value){ .given = true, .text = text, .number = value };
	return 0;
}

static int
fail_missing(enum verb v, const struct verb_param *p, struct err *e)
{
	const struct param_info *info = param_info(p->param);
	const char *verb = verb_info(v)->name;

	if (p->role == ROLE_MUST)
		return err_set(e, "%s: which one? add -%c %s: %s", verb, info->letter,
		    info->metavar, info->help);
	/* Of a choice between words the words say more than what they are called. */
	return err_set(e, "%s: %s is missing", verb,
	    strchr(info->metavar, '|') != NULL ? info->metavar : info->name);
}

int
verb_complete(enum verb v, const struct command_value values[PARAM_COUNT], struct err *e)
{
	const struct verb_info *info = verb_info(v);
	const char *instead = NULL;

	for (const struct verb_param *p = info->params; p->role != ROLE_END; p++)
		if (p->role == ROLE_INSTEAD && values[p->param].given)
			instead = params[p->param].name;
	for (const struct verb_param *p = info->params; p->role != ROLE_END; p++) {
		if (p->role != ROLE_NEED && p->role != ROLE_MANY && p->role != ROLE_MUST)
			continue;
		if (instead == NULL && !values[p->param].given)
			return fail_missing(v, p, e);
		if (instead != NULL && values[p->param].given)
			return err_set(e, "%s: %s and %s exclude each other", info->name,
			    params[p->param].name, instead);
	}
	return 0;
}
