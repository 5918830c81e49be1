// SPDX-License-Identifier: MIT
// What is said of a rollout that stands still: who did it, when and why, also after a restart; what
// helps; and when it goes on. Each test is named after what once misled somebody.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { keptFolder, startIn } from "./lib/journal.mjs";
import { demoConfig, patience, startLoad, startPair } from "./lib/load.mjs";
import { adminOf, scrape } from "./lib/metrics.mjs";
import { startSim } from "./lib/sim.mjs";

const PLAN = { mode: "auto", settle_ms: 200, dwell_ms: 500, min_requests: 100000, bake_ms: 1000, no_data_ms: 2000 };
const STEADY = { latency_ms: { normal: [20, 3] }, tokens: 8 };
const FAILS = { faults: [{ kind: "status", status: 500 }] };

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const explain = async (grayd) => (await grayd.ctl(["-j", "explain", "demo"])).json;
const text = async (grayd, verb) => (await grayd.ctl([verb, "demo"])).stdout;
const reached = (grayd, state) => until(`state ${state}`, async () => {
	const now = await demo(grayd);
	return now.state === state && now;
}, 30 * patience);

async function rollOut(t, { candidate = {}, plan = {}, guard = {}, release = {}, load = {}, start = true } = {}) {
	const pair = await startPair(t, {
		script: { models: { old: STEADY, new: { ...STEADY, ...candidate } } },
		config: (sim) => demoConfig(sim, { admin_listen: "127.0.0.1:0", release: { plan: { ...PLAN, ...plan }, guard, ...release } }),
	});
	if (load) startLoad(pair.grayd.url, { m: "demo", r: 400, c: 200, d: 300, ...load }, { log: false });
	if (start) await pair.grayd.ctl(["start", "demo"]);
	return pair;
}

describe("a rollback", () => {
	test("says who, when and why, also after a restart of grayd", async (t) => {
		const sim = await startSim({ script: { models: { old: STEADY, new: FAILS } } });
		t.after(() => sim.stop());
		const dir = keptFolder(t);
		const config = demoConfig(sim, { release: { plan: PLAN, guard: {} } });
		const check = async (grayd) => {
			const { cause, guard } = await demo(grayd);
			assert.deepEqual([cause.actor, cause.command, guard.missing], ["guard", "rollback", null]);
			assert.match(cause.reason, /^error: over its budget, \d+ of \d+ requests/);
			assert.match((await explain(grayd)).why, /^rolled back by guard: error: over its budget, \d+ of \d+/);
			for (const verb of ["status", "explain"]) {
				const shown = await text(grayd, verb);
				assert.match(shown, / by guard: error: over its budget, \d+ of \d+/);
				assert.match(shown, /since +[\d :-]+, .*, by guard/);
				assert.doesNotMatch(shown, /the guard says/);
				assert.match(shown, /restart begins a new rollout/);
				assert.doesNotMatch(shown, /missing|more requests/);
			}
			return cause;
		};

		const first = await startIn(t, dir, config);
		const load = startLoad(`http://${(await first.status()).grayd.listen[0]}`, { m: "demo", r: 400, c: 200, d: 300 }, { log: false });
		await first.ctl(["start", "demo"]);
		await reached(first, "rolled_back");
		load.child.kill("SIGKILL");
		const before = await check(first);
		// What changes nothing of it does not take its place.
		await first.ctl(["freeze", "demo"]);
		await first.stop();
		const second = await startIn(t, dir, config);
		assert.deepEqual(await check(second), before);
	});

	test("by an operator has his reason", async (t) => {
		const { grayd } = await rollOut(t, { load: null });

		await grayd.ctl(["rollback", "demo", "--reason", "worse tone"]);
		const { cause } = await demo(grayd);
		assert.equal(cause.reason, "worse tone");
		assert.notEqual(cause.actor, "");
		assert.equal((await explain(grayd)).why, `rolled back by ${cause.actor}: worse tone`);
		assert.match(await text(grayd, "status"), /^demo: rolled back since .* by \S+: worse tone$/m);
	});

	test("by the guard is a warning in the log", async (t) => {
		const { grayd } = await rollOut(t, { candidate: FAILS });

		await reached(grayd, "rolled_back");
		const lines = () => grayd.logLines().filter(({ event }) => event === "transition");
		await until("its line", () => lines().some(({ message }) => /by guard/.test(message)));
		assert.deepEqual(lines().map(({ level }) => level), ["info", "warn"]);
	});

	test("with nothing left to compare has no evidence of minus infinity in /metrics", async (t) => {
		const { grayd } = await rollOut(t, { guard: { symptoms: { error: { action: "off" } } }, load: { r: 50 } });
		const base = await adminOf(grayd);

		await until("evidence", async () => (await scrape(base)).samples.some(({ name }) => name === "grayd_guard_evidence"), 20 * patience);
		const told = (await scrape(base)).samples.filter(({ name }) => name === "grayd_guard_evidence");
		assert.ok(told.every(({ value, labels }) => value > -Infinity && !labels.test.startsWith("error")));
		assert.ok(told.some(({ labels }) => labels.test === "empty_for"));
	});
});

describe("a hold", () => {
	test("of the guard names the command that helps, for all that is worse", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { finish_reason: "length", tokens: 40 } });

		await until("all that is worse", async () => {
			const { state, guard } = await demo(grayd);
			return state === "hold" && ["length", "output_tokens"].every((name) => guard.worse.includes(name));
		}, 40 * patience);
		const { guard: { worse } } = await demo(grayd);
		assert.match(await text(grayd, "status"), /^demo: resume alone is held again at once; resume demo --waive [a-z_,]*length[a-z_,]* --reason TEXT /m);
		const shown = await text(grayd, "explain");
		assert.match(shown, /^ {2}length .* worse$/m);
		assert.match(shown, /^ {2}together, for a hold: over 100 worse than stable/m);
		assert.doesNotMatch(shown, /\de\+\d|missing/);

		const plain = await grayd.ctl(["resume", "demo"]);
		assert.equal(plain.code, 0);
		assert.match(plain.stdout, /^warning: the guard's evidence stands, and it holds again: .*--waive /m);
		await reached(grayd, "hold");
		const waived = await grayd.ctl(["resume", "demo", "--waive", [...new Set([...worse, "cost", "latency_ms"])].join(","), "--reason", "they are wanted"]);
		assert.deepEqual([waived.code, /warning/.test(waived.stdout)], [0, false], waived.stdout);
		assert.equal((await demo(grayd)).state, "step");
		assert.match(await text(grayd, "status"), /^demo: waived in this rollout: .*length/m);

		const { history } = (await grayd.ctl(["-j", "history", "demo"])).json;
		assert.ok(history.at(-1).waived.includes("length"));
		assert.equal(history.findLast(({ command, waived: w }) => command === "resume" && !w)?.waived, undefined);
		assert.match(await text(grayd, "history"), /resume --waive [a-z_,]*length[a-z_,]* +they are wanted/);
	});

	test("that has to do with a waiver that does not exist is refused", async (t) => {
		const { grayd } = await rollOut(t, { load: null });
		const { code, stderr } = await grayd.ctl(["resume", "demo", "--waive", "length,lenght", "--reason", "x"]);

		assert.equal(code, 2);
		assert.match(stderr, /"lenght" is none of error, timeout, /);
	});

	test("by somebody says who and why, and a share set by hand says so", async (t) => {
		const { grayd } = await rollOut(t, { load: null });

		await grayd.ctl(["pause", "demo", "--reason", "lunch"]);
		assert.match((await explain(grayd)).why, /^paused by \S+: lunch$/);
		assert.match(await text(grayd, "status"), /^demo: on hold since .* by \S+: lunch$/m);
		await grayd.ctl(["weight", "demo", "12.5"]);
		assert.match((await explain(grayd)).why, /^its share was set by hand, with weight, by \S+$/);
	});

	test("for want of data says that no user falls into the share", async (t) => {
		const { grayd } = await rollOut(t, { load: { r: 100, "key-count": 1 }, start: false });

		await grayd.ctl(["weight", "demo", "0.01"]);
		await grayd.ctl(["resume", "demo"]);
		const held = await reached(grayd, "hold");
		assert.equal(held.hold, "no_data");
		assert.match(held.silence, /^none of \d+ requests was assigned to it: no user who asks falls into this share$/);
		assert.match((await explain(grayd)).why, /: none of \d+ requests was assigned/);
	});
});

describe("a step", () => {
	test("of an auto plan goes on when the guard says so, not in 0 s", async (t) => {
		const { grayd } = await rollOut(t);

		await until("some evidence", async () => (await explain(grayd)).fresh > 60, 20 * patience);
		await until("the end of the dwell, and a rate", async () => {
			const { plan, guard } = await demo(grayd);
			return plan.remaining_s === 0 && guard.missing.seconds !== null;
		}, 20);
		const shown = await text(grayd, "status");
		assert.match(shown, /^demo: 30 % when the guard says safe: about [\d,]+ more requests of the candidate.* about .* at the present rate$/m);
		assert.doesNotMatch(shown, / in 0 s/);
		await grayd.ctl(["freeze", "demo", "--until", "+2h"]);
		assert.match(await text(grayd, "status"), /^demo: 30 % not before the freeze ends$/m);
		assert.match(await text(grayd, "explain"), /^ {2}frozen +until /m);
	});

	test("at its last stage is not told to promote to the next one", async (t) => {
		const { grayd } = await rollOut(t, { plan: { mode: "timed", settle_ms: 0, dwell_ms: 100 }, release: { stages: [10] }, load: { r: 50 } });

		await until("the gate", async () => (await demo(grayd)).plan.phase === "gate");
		assert.match((await explain(grayd)).why, /promote --full goes to 100 %/);
		assert.match(await text(grayd, "explain"), /^ {2}next +at the last stage of its plan: promote --full goes on$/m);
	});

	test("whose guard only watches says what it would do", async (t) => {
		const { grayd } = await rollOut(t, { candidate: FAILS, guard: { mode: "watch" } });

		await until("its word", async () => (await demo(grayd)).guard.verdict === "rollback", 20 * patience);
		assert.match((await explain(grayd)).why, /^the guard would roll back, but its mode is watch: error: over its budget/);
		assert.match(await text(grayd, "status"), /^demo: the guard would roll back, but its mode is watch: error/m);
	});

	test("with a symptom that only warns says so", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { finish_reason: "length" }, guard: { symptoms: { length: { action: "warn" } } } });

		await until("a warning", async () => (await demo(grayd)).guard.warns.includes("length"), 20 * patience);
		assert.match(await text(grayd, "status"), /^demo: warning: worse than it should be, by the guard's evidence: length$/m);
		assert.match(await text(grayd, "explain"), /^ {2}warns of +length$/m);
	});
});

test("top was promised and not there: it shows status again and again, with rates", async (t) => {
	const { grayd } = await rollOut(t, { load: { r: 100 } });

	await until("requests", async () => (await demo(grayd)).arms.stable.requests > 20, 20 * patience);
	const { code, stdout } = await grayd.ctl(["top", "demo", "--timeout", "2.5"]);
	assert.equal(code, 0);
	const rates = [...stdout.matchAll(/^demo +stable +([\d.]+|-) +([\d.]+|-) +([\d.]+|-)$/gm)].map(([, rate]) => rate);
	assert.equal(rates[0], "-");
	assert.ok(rates.length >= 2 && rates.slice(1).every((rate) => Number(rate) > 20 && Number(rate) < 200), String(rates));
	assert.match(stdout, /^RELEASE +ARM +REQUESTS\/S/m);
});

test("the order of a judge's words: what is missing is named, and again is not lost", async (t) => {
	const { grayd } = await rollOut(t, { load: null });

	assert.match((await grayd.ctl(["judge", "demo"])).stderr, /judge: good\|bad is missing/);
	const asked = await grayd.ctl(["judge", "demo", "good"]);
	assert.deepEqual([asked.code, /which one\? add -q ID/.test(asked.stderr)], [2, true]);
	assert.match((await grayd.ctl(["help", "judge"])).stdout, /good\|bad --request-id ID \[/);
});
