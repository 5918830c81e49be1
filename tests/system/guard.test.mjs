// SPDX-License-Identifier: MIT
// The guard, end to end: candidates that are worse in one way each are rolled back or held, with the
// reason named; a harmless one goes to the end by itself; nothing moves without data.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { demoConfig, patience, startLoad, startPair } from "./lib/load.mjs";

const QUICK = { mode: "auto", settle_ms: 200, dwell_ms: 500, min_requests: 150, bake_ms: 1000, no_data_ms: 2000 };
const STEADY = { latency_ms: { normal: [20, 3] }, tokens: 8 };

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const explain = async (grayd) => (await grayd.ctl(["-j", "explain", "demo"])).json;
const history = async (grayd) => (await grayd.ctl(["-j", "history", "demo"])).json.history;

// A rollout of `candidate` under load; `stable` and `candidate` are behaviours of simprovider.
async function rollOut(t, { stable = STEADY, candidate = {}, plan = {}, guard = {}, load = {}, release = {} } = {}) {
	const pair = await startPair(t, {
		script: { models: { old: stable, new: { ...stable, ...candidate } } },
		config: (sim) => demoConfig(sim, { release: { plan: { ...QUICK, ...plan }, guard, ...release } }),
	});
	const traffic = startLoad(pair.grayd.url, { m: "demo", r: 400, c: 200, d: 300, ...load }, { log: false });
	await pair.grayd.ctl(["start", "demo"]);
	return { ...pair, traffic };
}

const ended = (grayd, state, seconds = 40) => until(`state ${state}`, async () => {
	const now = await demo(grayd);
	return now.state === state && now;
}, seconds * patience);

// The last change of the guard; what it says must be what `replay` says.
async function lastOf(grayd, command) {
	const entry = (await history(grayd)).filter(({ actor }) => actor === "guard").pop();
	assert.equal(entry?.command, command);
	const replayed = (await grayd.ctl(["-j", "replay", "demo"])).json;
	assert.equal(replayed.differing, 0, JSON.stringify(replayed));
	assert.ok(replayed.decisions.some(({ sequence }) => sequence === entry.sequence));
	return entry;
}

describe("what rolls back", () => {
	const cases = {
		"fails always": [{ faults: [{ kind: "status", status: 500 }] }, /^error: over its budget/],
		"fails half of the time": [{ faults: [{ kind: "status", status: 500, probability: 0.5 }] }, /^error: over its budget/],
		"is empty": [{ faults: [{ kind: "empty", variant: "content" }] }, /^empty: over its budget/],
		"refuses what stable takes": [{ faults: [{ kind: "status", status: 400 }] }, /^error: over its budget/],
	};

	for (const [name, [candidate, reason]] of Object.entries(cases))
		test(`a candidate that ${name}`, async (t) => {
			const { grayd } = await rollOut(t, { candidate });

			await ended(grayd, "rolled_back");
			const entry = await lastOf(grayd, "rollback");
			assert.match(entry.reason, reason);
			const { arms } = (await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo;
			t.diagnostic(`${arms.candidate.requests} users were sent to it, stable answered ${arms.candidate.fallbacks}`);
			assert.ok(arms.candidate.requests < 200, "seen within seconds");
		});

	test("a candidate that fails five times as often as stable", async (t) => {
		const faults = (probability) => [{ kind: "status", status: 500, probability }];
		const { grayd } = await rollOut(t, { stable: { ...STEADY, faults: faults(0.03) }, candidate: { faults: faults(0.15) },
			guard: { symptoms: { error: { budget: 0 } } }, plan: { min_requests: 100000 } });

		await ended(grayd, "rolled_back");
		assert.match((await lastOf(grayd, "rollback")).reason, /^error: more than stable's/);
	});

	test("a candidate whose tool calls are broken", async (t) => {
		const tools = [{ name: "find", arguments: { q: "a" }, pieces: 3 }];
		const { grayd } = await rollOut(t, { stable: { ...STEADY, tool_calls: tools, tools_when: "always" },
			candidate: { faults: [{ kind: "bad_tool_json", probability: 0.3 }] }, load: { stream: true } });

		await ended(grayd, "rolled_back");
		assert.match((await lastOf(grayd, "rollback")).reason, /^bad_tool: /);
	});
});
