// SPDX-License-Identifier: MIT
/* What stands under /sim/: the ledger, the script, kept requests. */
#pragma once

#include "tests/simprovider/conn.h"

bool admin_path(const uint8_t *bytes, const struct request *request);
/* Answers the request that the connection's reader has read. */
void admin_begin(struct conn *conn, const uint8_t *bytes);
