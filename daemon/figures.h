// SPDX-License-Identifier: MIT
/*
 * What the master knows and /metrics shall tell: put into slot 0, where the admin process reads it.
 * Master process.
 */
#pragma once

#include <stdint.h>

struct master;

/* Once a tick. `late_us`: by how much it came too late, which is how long the loop was held up. */
void figures_publish(struct master *m, uint64_t late_us);
