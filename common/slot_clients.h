// SPDX-License-Identifier: MIT
/* The clients' part of a slot: what slot.c needs of it. Included by slot.c and slot_clients.c only.
 */
#pragma once

#include "common/slot.h"

/* Whether the figures of all clients are such as a sound worker can have. */
bool slot_clients_sane(const struct slots *s, const struct slot *slot);
/* Adds them to slot 0's. */
void slot_clients_fold(struct slots *s, const struct slot *from);
