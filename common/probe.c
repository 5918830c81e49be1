// SPDX-License-Identifier: MIT
/* Findings on their way between prober and master, see probe.h. Pure. */
#include "common/probe.h"

#include <assert.h>
#include <string.h>

#include "common/printable.h"

const char *
standing_name(enum standing s)
{
	static const char *const names[STANDING_COUNT] = {
#define STANDING(id, name) [STANDING_##id] = name,
#include "common/standings.def"
#undef STANDING
	};

	assert((unsigned)s < STANDING_COUNT);
	return names[s];
}

static void
clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	printable_clean(text);
}

bool
probe_report_read(struct probe_report *out, const void *packet, size_t n, unsigned n_models)
{
	struct finding *f = &out->finding;

	if (n != sizeof(*out))
		return false;
	memcpy(out, packet, sizeof(*out));
	if (out->kind != PROBE_REPORT || out->model >= n_models ||
	    (unsigned)f->standing >= STANDING_COUNT || f->standing == STANDING_UNASKED ||
	    f->n_alike > ALIKE_KEPT)
		return false;
	clean(f->why, sizeof(f->why));
	for (unsigned i = 0; i < ALIKE_KEPT; i++)
		clean(f->alike[i], sizeof(f->alike[i]));
	return true;
}

bool
probe_order_read(struct probe_order *out, const void *packet, size_t n, unsigned n_models)
{
	if (n != sizeof(*out))
		return false;
	memcpy(out, packet, sizeof(*out));
	if (out->kind != PROBE_ORDER || out->n > PROBE_MODELS_MAX)
		return false;
	for (uint32_t i = 0; i < out->n; i++) {
		if (out->models[i] >= n_models)
			return false;
	}
	return true;
}
