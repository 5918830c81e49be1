// SPDX-License-Identifier: MIT
// Many rollbacks at the highest rate that leaves a fifth of the processors idle.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { checkDrill, drill, manyReleases, tellReceipts } from "./lib/drill.mjs";
import { load, sanitized, startPair } from "./lib/load.mjs";

const RATES = sanitized ? [600, 300] : [10000, 8000, 6500, 5000, 3500];

function processorTicks() {
	const [user, nice, system, idle, wait, irq, soft, steal] = readFileSync("/proc/stat", "utf8")
		.split("\n", 1)[0].split(/\s+/).slice(1).map(Number);
	return { busy: user + nice + system + irq + soft + steal, idle: idle + wait };
}

// The highest rate at which at most 80 % of the processors are busy.
async function findRate(t, { grayd }) {
	for (const rate of RATES) {
		const before = processorTicks();
		await load(grayd.url, { m: "r0", r: rate, poisson: true, c: 512, d: 2 }, { log: false });
		const after = processorTicks(), busy = after.busy - before.busy;
		const percent = (100 * busy) / (busy + after.idle - before.idle);
		t.diagnostic(`${rate}/s: processors ${percent.toFixed(0)} % busy`);
		if (percent <= 80) return rate;
	}
	return RATES.at(-1);
}

for (const stream of [false, true]) {
	test(`60 rollbacks at full load${stream ? ", streams" : ""}`, async (t) => {
		const pair = await startPair(t, {
			config: (sim) => manyReleases(sim, 60),
			script: { models: { "*": { first_token_ms: { uniform: [0, 20] }, latency_ms: { uniform: [0, 20] } } } },
		});
		const rate = Math.round((await findRate(t, pair)) * (stream ? 0.7 : 1));
		const receipts = [];
		let rescuedTotal = 0;

		for (let i = 0; i < 60; i++) {
			const drilled = await drill(pair, { release: `r${i}`, down: ["rollback"], some: rate / 4,
				load: { r: rate, poisson: true, c: 1024, ...(stream && { stream }) } });
			const { rescued } = checkDrill(drilled, `r${i}`);
			rescuedTotal += rescued.length;
			receipts.push(drilled.receipt);
		}
		tellReceipts(t, receipts);
		t.diagnostic(`${rescuedTotal} rescued`);
		assert.ok(rescuedTotal > 0);
	});
}
