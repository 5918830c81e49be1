// SPDX-License-Identifier: MIT
// A reload each second for two minutes, at 2,000 requests/s with streams: nothing fails, nothing grows.

import assert from "node:assert/strict";
import test from "node:test";
import { isRoot, until } from "./lib/grayd.mjs";
import { demoConfig, sanitized, settledStats, startPair } from "./lib/load.mjs";
import { memoryOf } from "./lib/proc.mjs";
import { childrenOf, descriptors, events, mixedLoad, mustReload, oneGeneration } from "./lib/supervise.mjs";

test("a reload each second for two minutes", async (t) => {
	const seconds = 120;
	const { grayd } = await startPair(t, {
		script: { models: { "*": { latency_ms: 5, first_token_ms: 20, tokens: 60, chunk_ms: 50 } } },
		config: (sim) => ({ ...demoConfig(sim), log: { requests: false } }),
	});
	await grayd.ctl(["weight", "demo", 30]);
	const load = mixedLoad(grayd.url, { seconds, rate: sanitized ? 200 : 2000, streams: 100 });
	const end = performance.now() + seconds * 1000;
	const figures = [];
	let reloads = 0;

	while (performance.now() < end) {
		const next = performance.now() + 1000;
		await mustReload(grayd, { workers: 2 + (reloads++ % 2) });
		figures.push({
			kb: memoryOf(grayd.pid) / 1024,
			fds: isRoot ? descriptors(grayd.pid) : 0,
			children: childrenOf(grayd.pid).length,
		});
		await until("a second", () => performance.now() >= next);
	}
	const { short, long: streams } = await load.finish();
	await oneGeneration(grayd);
	t.diagnostic(`${reloads} reloads, ${short.rows.length} requests, ${streams.rows.length} streams`);
	t.diagnostic(`at the 10th and the last: ${JSON.stringify([figures[9], figures.at(-1)])}`);
	const stats = await settledStats(grayd, until);
	assert.equal(stats.grayd.lost, 0);
	assert.equal(stats.grayd.started, short.rows.length + streams.rows.length);
	assert.deepEqual(events(grayd, "child_ended").filter(({ level }) => level !== "info"), []);
	// A generation lasts as long as its longest stream, so the number of them has a bound.
	const worst = Math.max(...figures.slice(10).map(({ children }) => children));
	assert.ok(worst <= 2 * Math.max(...figures.slice(0, 10).map(({ children }) => children)), `${worst} children`);
	assert.ok(figures.at(-1).kb <= figures[9].kb * 1.1 + 1024, "the master grows");
});
