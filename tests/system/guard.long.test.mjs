// SPDX-License-Identifier: MIT
// The guard where hardly anybody asks: three requests a minute, one of which fails. Takes four minutes,
// in which nearly nothing happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { demoConfig, startPair } from "./lib/load.mjs";
import { post } from "./lib/wire.mjs";

const EVERY_MS = 20000;
const REQUESTS = 12;

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const explain = async (grayd) => (await grayd.ctl(["-j", "explain", "demo"])).json;

// As many users of each arm as requests, in turn.
async function usersInTurn(grayd) {
	const names = Array.from({ length: 32 }, (_, i) => `user-${i}`);
	const { keys } = (await grayd.ctl(["-j", "route", "demo", ...names])).json;
	const of = (arm) => keys.filter((entry) => entry.arm === arm).map(({ key }) => key);
	const [candidate, stable] = [of("candidate"), of("stable")];

	return Array.from({ length: REQUESTS }, (_, i) => (i % 2 ? stable : candidate)[i]);
}

test("with three requests a minute one failure rolls back nothing, and nothing is promoted", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { old: { tokens: 8 }, new: { tokens: 8, faults: [{ kind: "status", status: 500, count: 1 }] } } },
		// All else as a user gets it.
		config: (sim) => demoConfig(sim, { release: { plan: { mode: "auto" } } }),
	});

	await grayd.ctl(["stage", "demo", 50]);
	const began = await demo(grayd);
	for (const user of await usersInTurn(grayd)) {
		const next = performance.now() + EVERY_MS;
		const answer = await post(grayd.url, {}, { headers: { "x-user-id": user } });

		assert.equal(answer.status, 200);
		while (performance.now() < next) {
			const now = await demo(grayd);
			assert.deepEqual([now.state, now.stage, now.revision], ["step", 50, began.revision], JSON.stringify(now));
			await new Promise((wake) => setTimeout(wake, 1000));
		}
	}
	const { coverage, symptoms, guard } = await explain(grayd);
	const error = symptoms.find(({ name }) => name === "error");
	assert.deepEqual([coverage.candidate.requests, coverage.stable.requests], [REQUESTS / 2, REQUESTS / 2]);
	assert.deepEqual([error.candidate.bad, error.stable.bad, guard.verdict], [1, 0, "wait"]);
	assert.ok(error.breaker.evidence < error.breaker.limit / 2, JSON.stringify(error.breaker));
	const { history } = (await grayd.ctl(["-j", "history", "demo"])).json;
	assert.deepEqual(history.filter(({ actor }) => actor === "guard" || actor === "plan"), []);
});
