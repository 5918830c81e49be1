// SPDX-License-Identifier: MIT
// Money over very many requests.

import assert from "node:assert/strict";
import test from "node:test";
import { checkMixed } from "./lib/money.mjs";

test("50,000 mixed requests cost what the provider's ledger says, to the last digit", async (t) => {
	const { lines, unread, sums } = await checkMixed(t, 50000);

	assert.ok(lines.length >= 49000);
	t.diagnostic(`${lines.length} requests in the log, ${unread} answers not read to their end, ${JSON.stringify(sums)}`);
});
