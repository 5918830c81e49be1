// SPDX-License-Identifier: MIT
/* Names that look alike, see alike.h. Pure. */
#include "common/alike.h"

#include <string.h>

#define WORD_MAX 63

unsigned
alike_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t n = strnlen(b, WORD_MAX);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= WORD_MAX && a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
			unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = replaced < other ? replaced : other;
		}
	}
	return row[n];
}

static size_t
fold(const char *name, char out[WORD_MAX + 1])
{
	size_t n = 0;

	for (; n < WORD_MAX && name[n] != '\0'; n++)
		out[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + ('a' - 'A') : name[n]);
	out[n] = '\0';
	return n;
}

static size_t
common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	return n;
}

static void
insert(struct alike *a, int far, const char *name)
{
	unsigned at = a->n < ALIKE_KEPT ? a->n++ : ALIKE_KEPT - 1;

	for (; at > 0 && a->far[at - 1] > far; at--) {
		a->far[at] = a->far[at - 1];
		memcpy(a->names[at], a->names[at - 1], NAME_BYTES);
	}
	a->far[at] = far;
	memset(a->names[at], 0, NAME_BYTES);
	memcpy(a->names[at], name, strlen(name));
}

void
alike_try(struct alike *a, const char *name)
{
	char wanted[WORD_MAX + 1], other[WORD_MAX + 1];
	size_t n = fold(a->wanted, wanted), prefix;
	unsigned distance, limit = (unsigned)n / 3;
	int far;

	if (strnlen(name, NAME_BYTES) == NAME_BYTES || fold(name, other) == 0)
		return;
	prefix = common_prefix(wanted, other);
	distance = alike_distance(wanted, other);
	if (distance > (limit < 2 ? 2 : limit) && (prefix < 4 || prefix * 2 < n))
		return;
	far = (int)distance - (int)prefix;
	if (a->n < ALIKE_KEPT || far < a->far[ALIKE_KEPT - 1])
		insert(a, far, name);
}
