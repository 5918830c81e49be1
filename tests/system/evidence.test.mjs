// SPDX-License-Identifier: MIT
// The guard's evidence outlives its master: after a kill, a stop, an upgrade and a jump of the clock in
// the midst of a rollout the bad candidate is rolled back for the same reason and the good one ends DONE.

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { keptFolder, startIn } from "./lib/journal.mjs";
import { demoConfig, patience, settledStats, startLoad } from "./lib/load.mjs";
import { startSim } from "./lib/sim.mjs";
import { events, startUpgradable } from "./lib/supervise.mjs";

const STEADY = { latency_ms: { normal: [20, 3] }, tokens: 8 };
const failing = (probability) => ({ ...STEADY, faults: [{ kind: "status", status: 500, probability }] });
const plan = (min_requests) => ({ mode: "auto", settle_ms: 100, dwell_ms: 300, min_requests, bake_ms: 800, no_data_ms: 5000 });
// Only the comparison with stable, which needs long enough for something to happen meanwhile.
const COMPARED = { plan: plan(100000), guard: { symptoms: { error: { budget: 0 } } } };

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const explain = async (grayd) => (await grayd.ctl(["-j", "explain", "demo"])).json;
function ask(t, grayd, more = {}) {
	const traffic = startLoad(grayd.url, { m: "demo", r: 400, c: 200, d: 300, ...more }, { log: false });

	t.after(() => traffic.child.kill("SIGKILL"));
	return traffic;
}
const ended = (grayd, state, seconds = 60) => until(`state ${state}`, async () => {
	const now = await demo(grayd);
	return now.state === state && now;
}, seconds * patience);

async function startSimOf(t, stable, candidate) {
	const sim = await startSim({ script: { models: { old: stable, new: candidate } } });

	t.after(() => sim.stop());
	return sim;
}

// What explain must not fall behind: requests, first ones, and bad keys of `error`, of each arm.
async function seen(grayd) {
	const { coverage, symptoms } = await explain(grayd);
	const error = symptoms.find(({ name }) => name === "error");
	const of = (arm) => ({ requests: coverage[arm].requests, firsts: coverage[arm].firsts, bad: error[arm].bad });

	return { stable: of("stable"), candidate: of("candidate") };
}

function assertNotLess(now, before) {
	for (const arm of ["stable", "candidate"])
		for (const figure of Object.keys(before[arm]))
			assert.ok(now[arm][figure] >= before[arm][figure], `${arm} ${figure}: ${now[arm][figure]} of ${before[arm][figure]}`);
}

// The figures of the file in state_dir; undefined: none yet.
const file = (dir) => join(dir, "state", "evidence");
function kept(dir) {
	if (!existsSync(file(dir))) return undefined;
	const line = readFileSync(file(dir), "latin1").split("\n")[2];
	if (!line.startsWith("{")) return undefined;
	const sums = [0, 0];
	for (const [, ...arms] of JSON.parse(line).shares)
		arms.forEach((words, arm) => {
			for (let i = 0; i < words.length; i += 2) if (words[i] === 1) sums[arm] += words[i + 1];
		});
	return { stable: sums[0], candidate: sums[1] };
}

// Every decision so far follows from what the journal holds, and the journal is whole.
async function assertReplays(grayd, least) {
	const { decisions, differing } = (await grayd.ctl(["-j", "replay", "demo"])).json.replay;

	assert.equal(differing, 0, JSON.stringify(decisions));
	assert.ok(decisions.length >= least, `${decisions.length} decisions`);
	assert.equal((await grayd.ctl(["verify"])).code, 0);
}

async function assertRolledBack(grayd, had) {
	await ended(grayd, "rolled_back");
	const { history } = (await grayd.ctl(["-j", "history", "demo"])).json;
	const { reason } = history.filter(({ actor }) => actor === "guard").pop();
	const [, bad, requests] = /^error: more than stable's, (\d+) of (\d+) on the candidate/.exec(reason) ?? assert.fail(reason);

	assert.ok(Number(bad) >= had.candidate.bad && Number(requests) >= had.candidate.firsts, `${reason}, had ${JSON.stringify(had)}`);
	await assertReplays(grayd, 1);
}

async function assertDone(grayd) {
	await ended(grayd, "done", 90);
	await assertReplays(grayd, 4);
}

// ---- a kill, a stop ---------------------------------------------------------------------------------

// A rollout in a folder that is kept, until enough of it is on disk, and the end of its grayd by a
// signal. Gives what was on disk then.
async function rollOutAndEnd(t, dir, config, signal, load) {
	const grayd = await startIn(t, dir, config);
	grayd.url ||= `http://${(await grayd.status()).grayd.listen[0]}`;
	const traffic = ask(t, grayd, load);

	await grayd.ctl(["start", "demo"]);
	await until("evidence on disk", () => kept(dir)?.candidate >= 30, 60 * patience);
	assert.equal((await demo(grayd)).state, "step", "it was decided too early for this test");
	const had = await seen(grayd);
	await grayd.stop(signal);
	traffic.child.kill("SIGKILL");
	return { had, onDisk: kept(dir) };
}

async function startAgain(t, dir, config) {
	const grayd = await startIn(t, dir, config);

	grayd.url ||= `http://${(await grayd.status()).grayd.listen[0]}`;
	return grayd;
}

describe("a master that is killed", () => {
	test("in the midst of a bad candidate's rollout: it is rolled back on all that was seen", async (t) => {
		const dir = keptFolder(t);
		const sim = await startSimOf(t, failing(0.03), failing(0.05));
		const config = demoConfig(sim, { release: COMPARED });
		const { onDisk } = await rollOutAndEnd(t, dir, config, "SIGKILL", { r: 100 });

		const second = await startAgain(t, dir, config);
		const now = await seen(second);
		assert.deepEqual([now.candidate.requests, now.stable.requests], [onDisk.candidate, onDisk.stable]);
		assert.equal(events(second, "evidence_taken").length, 1);
		await sim.setScript({ models: { old: failing(0.03), new: failing(0.2) } });
		ask(t, second);
		await assertRolledBack(second, now);
	});

	test("in the midst of a good candidate's: it ends DONE, after fresh requests", async (t) => {
		const dir = keptFolder(t);
		const config = demoConfig(await startSimOf(t, STEADY, STEADY), { release: { plan: plan(450), guard: {} } });
		const { onDisk } = await rollOutAndEnd(t, dir, config, "SIGKILL", { r: 300 });

		const second = await startAgain(t, dir, config);
		const { fresh, coverage, guard } = await explain(second);
		assert.deepEqual([fresh, coverage.candidate.requests, guard.verdict], [0, onDisk.candidate, "wait"]);
		ask(t, second);
		await until("the next stage", async () => (await demo(second)).stage > 10, 60 * patience);
		const { history } = (await second.ctl(["-j", "history", "demo"])).json;
		const { reason, evidence } = history.find(({ actor }) => actor === "guard");
		assert.match(reason, /^everything that is watched is safe, after \d+ requests at this share/);
		const [, , [[, requests]]] = evidence.shares.find(([share]) => share === 1000);
		assert.ok(requests >= onDisk.candidate + 450, `${requests} with the ${onDisk.candidate} of before`);
		await assertDone(second);
	});

	test("users that it has met do not count again", async (t) => {
		const dir = keptFolder(t), users = 60;
		const config = demoConfig(await startSimOf(t, STEADY, STEADY), { release: { plan: { mode: "manual" }, guard: {} } });
		const load = { "key-count": users, r: 300 };
		const { had } = await rollOutAndEnd(t, dir, config, "SIGTERM", load);

		assert.ok(had.stable.firsts + had.candidate.firsts <= users, JSON.stringify(had));
		const second = await startAgain(t, dir, config);
		assertNotLess(await seen(second), had);
		ask(t, second, load);
		await until("many more requests", async () => (await seen(second)).stable.requests > had.stable.requests + 1000, 30 * patience);
		const now = await seen(second);
		assert.ok(now.stable.firsts + now.candidate.firsts <= users, JSON.stringify(now));
	});
});

test("a clean stop loses nothing", async (t) => {
	const dir = keptFolder(t);
	const config = demoConfig(await startSimOf(t, failing(0.1), STEADY), { release: { plan: { mode: "manual" }, guard: { symptoms: { error: { action: "warn" } } } } });
	const first = await startAgain(t, dir, config);
	const traffic = ask(t, first, { r: 200 });

	await first.ctl(["start", "demo"]);
	await until("some evidence", async () => (await seen(first)).candidate.requests > 40, 20 * patience);
	traffic.child.kill("SIGINT");
	await traffic.done.catch(() => {});
	await settledStats(first, until);
	const had = await seen(first);
	await first.stop("SIGTERM");
	assert.equal(statSync(file(dir)).mode & 0o777, 0o600);
	const second = await startAgain(t, dir, config);
	assertNotLess(await seen(second), had);
});

describe("a file that is of no use", () => {
	const damages = {
		"cut": (bytes) => bytes.subarray(0, bytes.length / 2),
		"changed": (bytes) => (bytes[bytes.length >> 1] ^= 1, bytes),
		"of another version": (bytes) => Buffer.concat([Buffer.from("grayd-evidence 7\n"), bytes]),
		"empty": () => Buffer.alloc(0),
	};

	for (const [name, damage] of Object.entries(damages))
		test(`${name}: the guard says so and begins with nothing`, async (t) => {
			const dir = keptFolder(t);
			const config = demoConfig(await startSimOf(t, STEADY, STEADY), { release: { plan: plan(1000), guard: {} } });
			const first = await startAgain(t, dir, config);
			const traffic = ask(t, first);

			await first.ctl(["start", "demo"]);
			await until("some evidence", async () => (await seen(first)).candidate.requests > 20, 20 * patience);
			await first.stop("SIGTERM");
			traffic.child.kill("SIGKILL");
			writeFileSync(file(dir), damage(readFileSync(file(dir))));
			const second = await startAgain(t, dir, config);
			assert.equal((await seen(second)).candidate.requests, 0);
			assert.deepEqual([(await demo(second)).state, (await demo(second)).stage], ["step", 10]);
			assert.equal(events(second, "evidence_lost").length, 1);
		});
});

test("another rollout begins with nothing", async (t) => {
	const dir = keptFolder(t);
	const config = demoConfig(await startSimOf(t, STEADY, STEADY), { release: { plan: plan(1000), guard: {} } });
	const first = await startAgain(t, dir, config);
	const traffic = ask(t, first);

	await first.ctl(["start", "demo"]);
	await until("some evidence", async () => (await seen(first)).candidate.requests > 20, 20 * patience);
	traffic.child.kill("SIGKILL");
	await first.stop("SIGTERM");
	const second = await startAgain(t, dir, config);
	assert.ok((await seen(second)).candidate.requests > 20);
	await second.ctl(["rollback", "demo"]);
	await second.ctl(["restart", "demo"]);
	assert.equal((await seen(second)).candidate.requests, 0);
	await second.stop("SIGKILL");
	const third = await startAgain(t, dir, config);
	assert.equal((await seen(third)).candidate.requests, 0);
});

// ---- an upgrade -------------------------------------------------------------------------------------

describe("an upgrade", () => {
	const startUpgrade = async (t, sim, release, load) => {
		const grayd = await startUpgradable(t, { config: demoConfig(sim, { release }) });

		ask(t, grayd, load);
		await grayd.ctl(["start", "demo"]);
		await until("some evidence", async () => (await seen(grayd)).candidate.requests > 60, 30 * patience);
		return grayd;
	};

	test("in the midst of a bad candidate's rollout: it is rolled back on all that was seen", async (t) => {
		const sim = await startSimOf(t, failing(0.03), failing(0.05));
		const grayd = await startUpgrade(t, sim, COMPARED, { r: 200 });
		const had = await seen(grayd);

		await grayd.mustUpgrade();
		assertNotLess(await seen(grayd), had);
		assert.equal((await demo(grayd)).state, "step");
		await sim.setScript({ models: { old: failing(0.03), new: failing(0.2) } });
		await assertRolledBack(grayd, had);
	});

	test("in the midst of a good candidate's, and once more: it ends DONE, after fresh requests", async (t) => {
		const grayd = await startUpgrade(t, await startSimOf(t, STEADY, STEADY), { plan: plan(300), guard: {} });
		const had = await seen(grayd);

		await grayd.mustUpgrade();
		const { fresh, coverage } = await explain(grayd);
		assert.ok(fresh < coverage.candidate.requests - had.candidate.requests + 1, `${fresh} of ${coverage.candidate.requests}`);
		await until("a later stage", async () => (await demo(grayd)).stage > 10, 60 * patience);
		const between = await seen(grayd);
		await grayd.mustUpgrade();
		assertNotLess(await seen(grayd), between);
		await assertDone(grayd);
	});

	test("users that were met do not count again, and what old workers still answer counts", async (t) => {
		const users = 60, slow = { ...STEADY, latency_ms: 1500 };
		const sim = await startSimOf(t, STEADY, STEADY);
		const grayd = await startUpgrade(t, sim, { plan: { mode: "manual" }, guard: {} }, { "key-count": users });
		const counted = async () => (({ stable, candidate }) => stable.requests + candidate.requests)(await seen(grayd));
		const met = (({ stable, candidate }) => stable.firsts + candidate.firsts)(await seen(grayd));

		assert.ok(met <= users, `${met} users`);
		await sim.setScript({ models: { old: slow, new: slow } });
		const before = await counted();
		await until("many to be on their way", async () => {
			const { arms } = (await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo;
			return arms.stable.in_flight > 100;
		}, 20 * patience);
		await grayd.mustUpgrade(0);
		await sim.setScript({ models: { old: STEADY, new: STEADY } });
		await until("those too", async () => (await counted()) > before + 100, 30 * patience);
		const now = await seen(grayd);
		assert.ok(now.stable.firsts + now.candidate.firsts <= users + 5, JSON.stringify(now));
	});
});
