// SPDX-License-Identifier: MIT
// Many deaths under load, and a master that sleeps.

import assert from "node:assert/strict";
import test from "node:test";
import { until } from "./lib/grayd.mjs";
import { countBy, demoConfig, patience, settledStats, startLoad, startPair } from "./lib/load.mjs";
import { workersOf } from "./lib/proc.mjs";
import { post } from "./lib/wire.mjs";

const CONNECTIONS = 64;

test("40 workers killed at random moments: every total adds up to the end", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { "*": { latency_ms: { uniform: [0, 20] }, first_token_ms: { uniform: [0, 20] } } } },
		config: (sim) => demoConfig(sim, { workers: 4, log: { requests: false } }),
	});
	await grayd.ctl(["stage", "demo", 50]);
	const client = startLoad(grayd.url, { m: "demo", c: CONNECTIONS, d: 600, stream: true });
	const killed = new Set();
	let last = { started: 0, ended: 0 };

	while (killed.size < 40) {
		const workers = (await workersOf(grayd)).filter(({ pid, state }) =>
			state === "ready" && !killed.has(pid));
		const victim = workers[Math.floor(Math.random() * workers.length)];
		if (victim) {
			process.kill(victim.pid, killed.size % 3 === 0 ? "SIGSEGV" : "SIGKILL");
			killed.add(victim.pid);
		}
		await new Promise((next) => setTimeout(next, Math.random() * 200));
		const { grayd: now } = (await grayd.ctl(["-j", "stats"])).json;
		const ended = now.finished + now.lost;
		assert.ok(now.started >= last.started && ended >= last.ended, JSON.stringify([last, now]));
		last = { started: now.started, ended };
	}
	await until("all to be back", async () =>
		(await workersOf(grayd)).every(({ state }) => state === "ready"), 30 * patience);
	client.child.kill("SIGINT");
	const { rows } = await client.done;
	const totals = await settledStats(grayd, until);
	const total = await sim.settled();
	const sent = ["stable", "candidate"].reduce((sum, arm) => sum + totals.releases.demo.arms[arm].sent, 0);
	const verdicts = countBy(rows, "verdict");

	t.diagnostic(`${rows.length} requests, ${totals.grayd.lost} lost, ${verdicts("no_answer")} unanswered, ` +
		`${verdicts("incomplete")} cut`);
	assert.equal(totals.grayd.restarts, killed.size);
	assert.equal(totals.grayd.insane_slots, 0);
	assert.ok(totals.grayd.lost <= killed.size * CONNECTIONS);
	for (const bad of ["truncated", "mixed", "extra", "bad_http", "timeout", "error", "stream_error"])
		assert.equal(verdicts(bad), 0, bad);
	// An attempt counts as sent when it ends: those of the dead are missing, and no others.
	assert.ok(sent <= total.attempts && total.attempts - sent <= totals.grayd.lost,
		`${total.attempts} at the provider, ${sent} sent, ${totals.grayd.lost} lost`);
	assert.equal((await post(grayd.url, {})).status, 200);
});

test("a master stopped for 10 s: workers serve on, and none is taken for dead afterwards", async (t) => {
	const { grayd } = await startPair(t);
	const pids = (await workersOf(grayd)).map(({ pid }) => pid);
	const client = startLoad(grayd.url, { m: "demo", r: 200, d: 12 });

	grayd.child.kill("SIGSTOP");
	await new Promise((next) => setTimeout(next, 10000));
	grayd.child.kill("SIGCONT");
	const { rows } = await client.done;
	assert.equal(countBy(rows, "verdict")("ok"), rows.length);
	assert.deepEqual((await workersOf(grayd)).map(({ pid }) => pid), pids);
	assert.equal((await grayd.ctl(["stage", "demo", 10])).code, 0);
});
