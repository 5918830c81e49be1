// SPDX-License-Identifier: MIT
/* The master's own figures in slot 0, see figures.h. */
#include "daemon/figures.h"

#include "daemon/journal.h"
#include "daemon/master.h"

static void
store(_Atomic uint64_t *figure, uint64_t value)
{
	atomic_store_explicit(figure, value, memory_order_relaxed);
}

void
figures_publish(struct master *m, uint64_t late_us)
{
	struct slot *own = &m->slots.all[0];
	struct journal_health health;

	journal_health(m, &health);
	store(&own->journal_failing, !health.ok);
	if (late_us > tally_get(&own->stall_us))
		store(&own->stall_us, late_us);
}
