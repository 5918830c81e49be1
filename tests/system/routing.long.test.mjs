// SPDX-License-Identifier: MIT
// The shares again, with enough requests to see a bias of a fifth of a percent.

import assert from "node:assert/strict";
import test from "node:test";
import { buckets } from "./lib/bucket.mjs";
import { countBy, demoConfig, fiveSigma, startPair } from "./lib/load.mjs";
import { loadAndCompare, stickyByHeader } from "./lib/shares.mjs";

const STAGES = [10, 30, 50, 100];
const N = 100000;

const quiet = (sim) => demoConfig(sim, { log: { requests: false } });
const bucketOf = buckets({ release: "demo", candidate: "new" });

test("random keys: 100,000 requests at each stage", async (t) => {
	const { sim, grayd } = await startPair(t, { config: quiet });

	for (const stage of STAGES) {
		await grayd.ctl(["stage", "demo", stage]);
		const rows = await loadAndCompare({ sim, grayd }, { n: N, c: 64 });
		const candidate = countBy(rows, "arm")("candidate");
		t.diagnostic(`${stage} %: ${candidate} of ${N}`);
		assert.ok(Math.abs(candidate - (N * stage) / 100) <= fiveSigma(N, stage / 100));
	}
});

test("sticky keys in the body: 100,000 requests of 20,000 users at each stage", async (t) => {
	const { sim, grayd } = await startPair(t, { config: quiet });
	const bucket = new Map();
	const moved = new Set();

	for (const stage of STAGES) {
		await grayd.ctl(["stage", "demo", stage]);
		for (const { user, arm } of await loadAndCompare({ sim, grayd }, { n: N, c: 64, k: 20000 })) {
			if (!bucket.has(user)) bucket.set(user, bucketOf(user));
			assert.equal(arm, bucket.get(user) < stage * 100 ? "candidate" : "stable", user);
			assert.ok(arm === "candidate" || !moved.has(user), `${user} moved back`);
			if (arm === "candidate") moved.add(user);
		}
	}
});

test("sticky keys in a header: 20,000 users at each stage", async (t) => {
	const { grayd } = await startPair(t, { config: quiet });
	const keys = Array.from({ length: 20000 }, (_, i) => `user-${i}`);
	const bucket = keys.map(bucketOf);

	for (const stage of STAGES) {
		await grayd.ctl(["stage", "demo", stage]);
		const got = await stickyByHeader(grayd.url, "x-user-id", keys, 32);
		for (const [i, key] of keys.entries())
			assert.equal(got[i], bucket[i] < stage * 100 ? "candidate" : "stable", key);
	}
});

test("streams: 100,000 at 30 %", async (t) => {
	const { sim, grayd } = await startPair(t, { config: quiet });

	await grayd.ctl(["stage", "demo", 30]);
	const rows = await loadAndCompare({ sim, grayd }, { n: N, c: 64, stream: true });
	assert.ok(Math.abs(countBy(rows, "arm")("candidate") - N * 0.3) <= fiveSigma(N, 0.3));
});
