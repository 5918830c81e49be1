// SPDX-License-Identifier: MIT
/* Prometheus' text format, see promtext.h. */
#include "worker/promtext.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#define LABELS_BYTES 512

void
promtext_family(struct promtext *p, const char *name, const char *type, const char *help)
{
	p->family = name;
	if (buf_addf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type) < 0)
		p->failed = true;
}

void
promtext_text(struct promtext *p, const char *suffix, const char *labels, const char *number)
{
	bool none = labels[0] == '\0';

	if (buf_addf(p->out, "%s%s%s%s%s %s\n", p->family, suffix, none ? "" : "{", labels,
		none ? "" : "}", number) < 0)
		p->failed = true;
}

void
promtext_number(struct promtext *p, const char *suffix, const char *labels, uint64_t n)
{
	char number[PROMTEXT_NUMBER_BYTES];

	snprintf(number, sizeof(number), "%" PRIu64, n);
	promtext_text(p, suffix, labels, number);
}

void
promtext_seconds(struct promtext *p, const char *suffix, const char *labels, uint64_t us)
{
	char number[PROMTEXT_NUMBER_BYTES];

	snprintf(number, sizeof(number), "%" PRIu64 ".%06" PRIu64, us / US_PER_S, us % US_PER_S);
	promtext_text(p, suffix, labels, number);
}

void
promtext_with(
    struct promtext *p, const char *labels, const char *key, const char *value, uint64_t n)
{
	char all[LABELS_BYTES];

	snprintf(
	    all, sizeof(all), "%s%s%s=\"%s\"", labels, labels[0] != '\0' ? "," : "", key, value);
	promtext_number(p, "", all, n);
}

char *
promtext_escape(char *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			*out++ = '\\';
		*out++ = *value == '\n' ? 'n' : *value;
	}
	*out = '\0';
	return out;
}
