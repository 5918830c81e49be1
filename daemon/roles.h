// SPDX-License-Identifier: MIT
/* The kinds of children, in one table. */
#pragma once

#include "daemon/supervisor.h"

extern const struct role roles[];
extern const unsigned n_roles;
