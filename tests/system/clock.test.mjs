// SPDX-License-Identifier: MIT
// The wall clock jumps by an hour and back under a running grayd: no plan moves sooner for it, nobody
// is taken for dead, the guard decides as ever, and a freeze ends when its time has come. Needs
// libfaketime.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, patience, sanitized, startLoad } from "./lib/load.mjs";
import { startSim } from "./lib/sim.mjs";
import { events } from "./lib/supervise.mjs";

const library = ["/usr/lib", ...readdirSync("/usr/lib").map((name) => join("/usr/lib", name))]
	.map((dir) => join(dir, "faketime/libfaketime.so.1")).find(existsSync);
// The library has to come before all others, and so have sanitizers.
const skip = (library === undefined && "no libfaketime") || (sanitized && "not with sanitizers");

// A pair under load whose grayd sees a wall clock that jump(seconds) sets.
async function startJumping(t, plan, { script = { models: { "*": { latency_ms: 2 } } }, release = {}, rate = 100 } = {}) {
	const dir = mkdtempSync(join(tmpdir(), "grayd-clock-"));
	const file = join(dir, "offset");
	const jump = (seconds) => writeFileSync(file, `${seconds >= 0 ? "+" : ""}${seconds}s\n`);
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	jump(0);
	const sim = await startSim({ script });
	t.after(() => sim.stop());
	const grayd = await startGrayd({
		config: demoConfig(sim, { release: { plan, ...release }, log: { requests: false } }),
		env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
	});
	const load = startLoad(grayd.url, { m: "demo", r: rate, c: 16, d: 120 }, { log: false });
	t.after(() => load.child.kill("SIGKILL"));
	t.after(() => grayd.stop());
	return { grayd, jump };
}

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const must = async (grayd, ...args) => {
	const { code, json, stderr } = await grayd.ctl(["-j", ...args]);
	assert.equal(code, 0, stderr + JSON.stringify(json));
	return json;
};
const wallMs = async (grayd) => Date.parse((await grayd.status()).now);

test("a wall clock that jumps moves no plan and kills no worker", { skip }, async (t) => {
	const { grayd, jump } = await startJumping(t,
		{ mode: "timed", settle_ms: 500, dwell_ms: 4000, bake_ms: 1000, no_data_ms: 60000, step_deadline_ms: 600000 });
	const began = performance.now();

	await must(grayd, "start", "demo");
	for (const seconds of [3600, -3600, 7200, 0]) {
		jump(seconds);
		await until("the clock", async () => Math.abs(await wallMs(grayd) - Date.now() - seconds * 1000) < 60000);
		await new Promise((wake) => setTimeout(wake, 300));
		const { stage, state } = await demo(grayd);
		if (performance.now() - began < 4000) assert.deepEqual([stage, state], [10, "step"], `after ${seconds} s`);
	}
	assert.equal((await grayd.ctl(["status", "demo", "--wait", "stage=30", "--timeout", 20])).code, 0);
	const took = performance.now() - began;
	assert.ok(took >= 4400 && took < 8000 * patience, `${took} ms`);
	jump(-3600);
	assert.equal((await grayd.ctl(["status", "demo", "--wait", "stage=50", "--timeout", 20])).code, 0);
	await must(grayd, "rollback", "demo");
	assert.deepEqual(events(grayd, "child_hangs"), []);
	assert.deepEqual(events(grayd, "child_ended"), []);
	assert.equal((await grayd.ctl(["verify"])).code, 0);
});

test("a freeze ends by the wall clock, and a plan does not advance before", { skip }, async (t) => {
	const { grayd, jump } = await startJumping(t,
		{ mode: "timed", settle_ms: 100, dwell_ms: 300, bake_ms: 1000, no_data_ms: 60000, step_deadline_ms: 600000 });

	await must(grayd, "start", "demo");
	await must(grayd, "freeze", "demo", "--until", "+30m");
	const { stage } = await demo(grayd);
	jump(-3600);
	await new Promise((wake) => setTimeout(wake, 1500));
	assert.deepEqual([(await demo(grayd)).stage, (await demo(grayd)).frozen], [stage, true]);
	const { code, json } = await grayd.ctl(["-j", "promote", "demo"]);
	assert.equal(code, 1);
	assert.match(json.error, /is frozen until/);
	jump(3600);
	await until("the thaw", async () => !(await demo(grayd)).frozen);
	assert.equal((await grayd.ctl(["status", "demo", "--wait", "state=done", "--timeout", 30])).code, 0);
	await must(grayd, "rollback", "demo");
});

// Jumps there and back, again and again, while the guard collects.
async function jumpUntil(grayd, jump, state) {
	for (let i = 0; i < 60; i++) {
		const seconds = [3600, -3600][i % 2];
		jump(seconds);
		await until("the clock", async () => Math.abs(await wallMs(grayd) - Date.now() - seconds * 1000) < 60000);
		if ((await grayd.ctl(["status", "demo", "--wait", `state=${state}`, "--timeout", 1])).code === 0) return i;
	}
	return assert.fail(`never ${state}: ${JSON.stringify(await demo(grayd))}`);
}

async function replayed(grayd) {
	const { decisions, differing } = (await grayd.ctl(["-j", "replay", "demo"])).json.replay;

	assert.equal(differing, 0, JSON.stringify(decisions));
	assert.equal((await grayd.ctl(["verify"])).code, 0);
	return decisions;
}

test("a bad candidate is rolled back for the same reason while the clock jumps", { skip }, async (t) => {
	const failing = (probability) => ({ latency_ms: 2, faults: [{ kind: "status", status: 500, probability }] });
	const { grayd, jump } = await startJumping(t,
		{ mode: "auto", settle_ms: 200, dwell_ms: 500, min_requests: 100000 },
		{ script: { models: { old: failing(0.03), new: failing(0.09) } }, release: { guard: { symptoms: { error: { budget: 0 } } } }, rate: 200 });

	await must(grayd, "start", "demo");
	const jumps = await jumpUntil(grayd, jump, "rolled_back");
	t.diagnostic(`${jumps} jumps`);
	assert.match((await replayed(grayd)).pop().computed, /^error: more than stable's/);
});

test("a good candidate goes to the end while the clock jumps", { skip }, async (t) => {
	const { grayd, jump } = await startJumping(t,
		{ mode: "auto", settle_ms: 200, dwell_ms: 500, min_requests: 150, bake_ms: 1000 }, { release: { guard: {} }, rate: 200 });

	await must(grayd, "start", "demo");
	await jumpUntil(grayd, jump, "done");
	assert.deepEqual((await replayed(grayd)).map(({ verdict }) => verdict), ["safe", "safe", "safe", "safe"]);
	assert.deepEqual(events(grayd, "child_ended"), []);
});
