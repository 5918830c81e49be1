// SPDX-License-Identifier: MIT
// A thousand clients leave, wherever their request is; grayd does not grow by them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sanitized } from "./lib/load.mjs";
import { leave, points } from "./lib/leave.mjs";

for (const name of Object.keys(points)) {
	test(`1,000 clients each by FIN and RST leave ${name}`, async (t) => {
		const { grown } = await leave(t, name, 1000);
		t.diagnostic(`grown by ${grown} KB`);
		// A sanitizer keeps what was freed.
		assert.ok(sanitized || grown < 256, `the workers grew by ${grown} KB from one thousand to the next`);
	});
}
