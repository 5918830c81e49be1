// SPDX-License-Identifier: MIT
// The guard, end to end: candidates that are worse in one way each are rolled back or held, with the
// reason named; a harmless one goes to the end by itself; nothing moves without data.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { keptFolder, startIn } from "./lib/journal.mjs";
import { demoConfig, patience, startLoad, startPair } from "./lib/load.mjs";
import { adminOf, scrape } from "./lib/metrics.mjs";
import { startSim } from "./lib/sim.mjs";

const QUICK = { mode: "auto", settle_ms: 200, dwell_ms: 500, min_requests: 150, bake_ms: 1000, no_data_ms: 2000 };
const STEADY = { latency_ms: { normal: [20, 3] }, tokens: 8 };

const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;
const explain = async (grayd) => (await grayd.ctl(["-j", "explain", "demo"])).json;
const history = async (grayd) => (await grayd.ctl(["-j", "history", "demo"])).json.history;

// A rollout of `candidate` under load; `stable` and `candidate` are behaviours of simprovider.
async function rollOut(t, { stable = STEADY, candidate = {}, plan = {}, guard = {}, load = {}, release = {} } = {}) {
	const pair = await startPair(t, {
		script: { models: { old: stable, new: { ...stable, ...candidate } } },
		config: (sim) => demoConfig(sim, { admin_listen: "127.0.0.1:0", release: { plan: { ...QUICK, ...plan }, guard, ...release } }),
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
	const replayed = (await grayd.ctl(["-j", "replay", "demo"])).json.replay;
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
		// The tool is offered, or calling it would be bad on either arm.
		const body = join(tmpdir(), `tools-${process.pid}.json`);
		writeFileSync(body, JSON.stringify({ model: "demo", stream: true, messages: [{ role: "user", content: "find a" }],
			tools: [{ type: "function", function: { name: "find", parameters: { type: "object" } } }] }));
		t.after(() => rmSync(body));
		const tools = [{ name: "find", arguments: { q: "a" }, pieces: 3 }];
		const { grayd } = await rollOut(t, { stable: { ...STEADY, tool_calls: tools, tools_when: "always" },
			candidate: { faults: [{ kind: "bad_tool_json", probability: 0.3 }] }, load: { "body-file": body } });

		await ended(grayd, "rolled_back");
		assert.match((await lastOf(grayd, "rollback")).reason, /^bad_tool: /);
	});

	// It counted only where there was a list of tools to look it up in.
	test("a candidate that calls a tool though none was offered", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { tool_calls: [{ name: "find", arguments: { q: "a" } }], tools_when: "always" } });

		await ended(grayd, "rolled_back");
		assert.match((await lastOf(grayd, "rollback")).reason, /^bad_tool: over its budget/);
	});
});

describe("what holds", () => {
	const cases = {
		"is slow": [{ latency_ms: { normal: [60, 5] } }, /^latency_ms: \d+ % more than stable's/],
		"is slow with its first token": [{ first_token_ms: { normal: [60, 5] } }, /^(first_token_ms|latency_ms): /, { stream: true }],
		"answers in another script": [{ text: "Извините, я отвечаю только на русском языке, как всегда" }, /^script: more than stable's/, { b: 400 }],
		"is cut short": [{ finish_reason: "length" }, /^length: more than stable's/],
		"refuses to answer": [{ finish_reason: "content_filter" }, /^filtered: more than stable's/],
		"is wordy": [{ tokens: 40 }, /^(output_tokens|cost): \d+ % more than stable's/],
	};

	for (const [name, [candidate, reason, load]] of Object.entries(cases))
		test(`a candidate that ${name}`, async (t) => {
			const { grayd } = await rollOut(t, { candidate, load, plan: { min_requests: 100000 } });
			const held = await ended(grayd, "hold");

			assert.equal(held.hold, "symptom");
			assert.match((await lastOf(grayd, "pause")).reason, reason);
			assert.match((await explain(grayd)).why, reason);
		});

	// One provider serves both: its outage is nothing that the candidate has done.
	test("an outage of both", async (t) => {
		const { sim, grayd } = await rollOut(t, { plan: { min_requests: 1000000 },
			release: { stages: [50, 100], backoff_ms: 10 } });
		const down = { faults: [{ kind: "status", status: 500 }] };

		await until("many good answers", async () => (await explain(grayd)).coverage.candidate.requests > 300, 20 * patience);
		await sim.setScript({ models: { old: down, new: down } });
		await ended(grayd, "hold");
		assert.match((await lastOf(grayd, "pause")).reason, /^error: stable is over the budget as well \(\d+ of \d+;/);
	});

	test("a candidate whose clients leave", async (t) => {
		const { grayd } = await rollOut(t, { stable: { latency_ms: 5 }, candidate: { latency_ms: 300 },
			load: { "abort-after": "ms:100", c: 200 }, guard: { values: { latency_ms: { action: "off" } } },
			plan: { min_requests: 100000 } });

		await ended(grayd, "hold");
		assert.match((await lastOf(grayd, "pause")).reason, /^left: more than stable's/);
	});

	test("a symptom that may roll back does, and one that may only warn warns", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { finish_reason: "length" },
			guard: { symptoms: { length: { action: "warn" } } }, plan: { min_requests: 100000 } });

		await until("a warning", async () => (await demo(grayd)).guard.warns.includes("length"), 20 * patience);
		assert.equal((await demo(grayd)).state, "step");
		await until("its line", () => grayd.logLines().some(({ event }) => event === "guard_warns"));
	});

	test("under a timed plan too, and a plain resume does not let it slip through", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { finish_reason: "length" }, plan: { mode: "timed", dwell_ms: 2500 } });

		await ended(grayd, "hold");
		// Its dwell is over by then, but for what is left of it.
		for (let i = 0; i < 6; i++) {
			await grayd.ctl(["resume", "demo"]);
			await ended(grayd, "hold");
		}
		assert.equal((await demo(grayd)).stage, 10);
	});

	test("waived, it goes on", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { finish_reason: "length" } });

		await ended(grayd, "hold");
		const again = await grayd.ctl(["-j", "resume", "demo"]);
		assert.equal(again.code, 0);
		await ended(grayd, "hold");
		const { code } = await grayd.ctl(["resume", "demo", "--waive", "length", "--reason", "short answers are wanted"]);
		assert.equal(code, 0);
		await until("the next stage", async () => (await demo(grayd)).stage >= 30, 30 * patience);
		assert.deepEqual((await demo(grayd)).waived, ["length"]);
	});
});

describe("a harmless candidate", () => {
	test("goes from 10 to done by itself, each step for a reason", async (t) => {
		const { grayd } = await rollOut(t, { load: { stream: true } });
		const bake = await ended(grayd, "bake", 60);

		assert.deepEqual([bake.stage, bake.published_percent], [100, 98]);
		const done = await ended(grayd, "done");
		assert.equal(done.set_percent, 100);
		const moves = (await history(grayd)).filter(({ actor }) => actor === "guard");
		assert.deepEqual(moves.map(({ to }) => to.percent), [30, 50, 98, 100]);
		for (const { reason, evidence } of moves) {
			assert.match(reason, /^everything that is watched is safe, after \d+ requests/);
			assert.equal(evidence.rollout, moves[0].rollout);
		}
		const { decisions, differing } = (await grayd.ctl(["-j", "replay", "demo"])).json.replay;
		assert.deepEqual([decisions.length, differing], [4, 0]);
	});

	test("stays where it is while nobody asks, and goes on when somebody does", async (t) => {
		const { grayd, traffic } = await rollOut(t, { plan: { step_deadline_ms: 3600000 } });

		await until("some evidence", async () => (await explain(grayd)).fresh > 20);
		traffic.child.kill("SIGINT");
		await traffic.done.catch(() => {});
		const { stage, revision } = await demo(grayd);
		await until("nothing to happen for a while", async () => (await demo(grayd)).plan.idle, 20);
		const later = await demo(grayd);
		assert.deepEqual([later.stage, later.revision, later.state], [stage, revision, "step"]);
		assert.match((await explain(grayd)).why, /nobody asks/);
		startLoad(grayd.url, { m: "demo", r: 400, c: 200, d: 300 }, { log: false });
		await until("the next stage", async () => (await demo(grayd)).stage > stage, 30 * patience);
	});

	test("on a quiet service one failure rolls back nothing", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { faults: [{ kind: "status", status: 500, count: 1 }] },
			load: { r: 3 }, plan: { no_data_ms: 60000 } });

		await grayd.ctl(["stage", "demo", 50]);
		await until("a failure and some more requests", async () => {
			const { coverage, symptoms } = await explain(grayd);
			const error = symptoms.find(({ name }) => name === "error");
			return error.candidate.bad === 1 && coverage.candidate.requests > 8;
		}, 40);
		const now = await demo(grayd);
		assert.deepEqual([now.state, now.stage, now.guard.verdict], ["step", 50, "wait"]);
		// With one failure of nine it would never be safe.
		assert.equal(now.guard.missing.requests, null);
	});

	test("that a guard only watches is not promoted past what it would hold", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { faults: [{ kind: "status", status: 500 }] },
			guard: { mode: "watch" }, load: { r: 200 } });

		await until("what it would do", () => grayd.logLines().some(({ event, message }) =>
			event === "guard_would" && /would roll back: error/.test(message ?? "")), 20 * patience);
		const now = await demo(grayd);
		assert.deepEqual([now.state, now.stage, now.guard.verdict], ["step", 10, "rollback"]);
	});
});

describe("a guard that only watches", () => {
	test("promotes nothing under an auto plan, and says when it would", async (t) => {
		const { grayd } = await rollOut(t, { guard: { mode: "watch" }, release: { stages: [50, 100] } });

		await until("what it would do", () => grayd.logLines().some(({ event, message }) =>
			event === "guard_would" && /would promote: everything/.test(message ?? "")), 40 * patience);
		const now = await until("the end of the dwell", async () => {
			const one = await demo(grayd);
			return one.plan.phase === "gate" && one;
		}, 20 * patience);
		assert.deepEqual([now.state, now.stage], ["step", 50]);
		assert.equal((await explain(grayd)).why, "its guard only watches (guard.mode): promote goes on");
		assert.equal((await grayd.ctl(["promote", "demo"])).code, 0);
		await until("the end of the bake", async () => (await demo(grayd)).plan.phase === "gate", 20 * patience);
		assert.equal((await demo(grayd)).state, "bake");
		assert.equal((await grayd.ctl(["promote", "demo", "--full"])).code, 0);
		assert.equal((await demo(grayd)).state, "done");
	});
});

describe("wherever the candidate has traffic", () => {
	const places = {
		"at a gate": { plan: { mode: "auto", gates: [10], dwell_ms: 100 }, there: async (grayd) =>
			until("the gate", async () => (await demo(grayd)).plan.phase === "gate", 20) },
		"on hold": { there: async (grayd) => grayd.ctl(["pause", "demo"]) },
		"while it bakes": { plan: { bake_ms: 600000 }, there: async (grayd) => grayd.ctl(["stage", "demo", 100]) },
		"at 100 %, done": { there: async (grayd) => {
			await grayd.ctl(["stage", "demo", 100]);
			await grayd.ctl(["promote", "demo", "--full"]);
			assert.equal((await demo(grayd)).state, "done");
		} },
		"under a manual plan": { plan: { mode: "manual" }, there: async () => {} },
	};

	for (const [name, { plan, there }] of Object.entries(places))
		test(`a candidate that breaks ${name} is rolled back`, async (t) => {
			const { sim, grayd } = await rollOut(t, { plan: { min_requests: 100000, ...plan }, load: { "key-count": 400 } });

			await there(grayd);
			// All users have been served well by now, many times.
			await until("many good answers", async () =>
				(await explain(grayd)).coverage.candidate.requests > 150, 40 * patience);
			await sim.setScript({ models: { old: STEADY, new: { faults: [{ kind: "status", status: 500 }] } } });
			await ended(grayd, "rolled_back");
			await lastOf(grayd, "rollback");
		});
});

describe("what does not count", () => {
	test("pinned requests", async (t) => {
		const { grayd } = await rollOut(t, { candidate: { faults: [{ kind: "status", status: 500 }] }, plan: { mode: "manual" },
			load: { H: ["x-gray-arm: candidate"] } });

		await until("many pinned failures", async () => (await grayd.ctl(["-j", "errors", "demo"])).json.releases.demo.errors.length > 15);
		assert.equal((await explain(grayd)).coverage.candidate.requests, 0);
		assert.equal((await demo(grayd)).state, "step");
	});

	test("a request that both refuse", async (t) => {
		const refuse = { faults: [{ kind: "status", status: 400 }] };
		const { grayd, sim } = await rollOut(t, { stable: refuse, candidate: refuse, plan: { mode: "manual" } });

		await until("many refusals", async () => (await sim.ledger()).length > 400);
		const { coverage, guard } = await explain(grayd);
		assert.deepEqual([coverage.candidate.requests, coverage.stable.requests, guard.verdict], [0, 0, "wait"]);
	});
});

describe("like is compared with like", () => {
	// Stable has four attempts and the candidate one: what a second attempt of stable repairs would
	// have been a fallback of the candidate's.
	test("failures of stable that a retry repairs count as the candidate's do", async (t) => {
		const faults = [{ kind: "status", status: 500, probability: 0.03 }];
		const { grayd } = await rollOut(t, { stable: { ...STEADY, faults }, plan: { min_requests: 100000 },
			guard: { symptoms: { error: { budget: 0.2 } } },
			release: { stages: [50, 100], backoff_ms: 10, retry_budget_percent: 100 } });
		const error = async () => (await explain(grayd)).symptoms.find(({ name }) => name === "error");
		const row = await until("enough of both", async () => {
			const now = await error();
			return now?.candidate.requests > 1200 && now.stable.requests > 1200 && now;
		}, 40 * patience);

		for (const arm of ["candidate", "stable"]) {
			const rate = row[arm].bad / row[arm].requests;
			assert.ok(rate > 0.01 && rate < 0.05, `${arm}: ${row[arm].bad} of ${row[arm].requests}`);
		}
		assert.equal((await demo(grayd)).state, "step");
		const { stable } = (await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo.arms;
		assert.ok(stable.outcomes.ok > 0.99 * stable.requests - 200, "its users saw good answers");
	});
});

describe("the forecast", () => {
	test("counts users where users are needed, and says when none come", async (t) => {
		const { grayd } = await rollOut(t, { load: { r: 100, "key-count": 40 }, release: { stages: [50, 100] },
			plan: { min_requests: 0 } });

		const missing = await until("all users seen twice", async () => {
			const { guard, coverage } = await explain(grayd);
			return guard.missing && coverage.candidate.requests > 100 && guard.missing;
		}, 20 * patience);
		assert.equal(missing.of, "users");
		assert.ok(missing.requests > 300, "no failure of 20 users needs 364");
		assert.ok(missing.candidate_per_minute > 0);
		await until("that no new ones come", async () => (await explain(grayd)).guard.missing.seconds === null, 90 * patience);
		assert.match((await grayd.ctl(["explain", "demo"])).stdout, /about \d+ more users of the candidate, for empty; none came/);
	});
});

describe("an outside judge", () => {
	test("is heard once for each answer, and rolls back", async (t) => {
		const { grayd } = await rollOut(t, { plan: { mode: "manual" }, load: { "id-prefix": "j", r: 100 } });
		const judge = (id, word) => grayd.ctl(["-j", "judge", "demo", word, "--request-id", id]);

		await grayd.ctl(["stage", "demo", 50]);
		await until("some answers", async () => (await explain(grayd)).coverage.candidate.requests > 60);
		const rows = grayd.logLines().filter(({ event, arm }) => event === "request" && arm);
		const of = (arm) => rows.filter((row) => row.arm === arm && row.outcome === "ok").map(({ id }) => id);
		const [first, ...rest] = of("candidate");

		assert.equal((await judge("nobody", "bad")).code, 1);
		assert.equal((await judge(first, "fine")).code, 2);
		assert.deepEqual((await judge(first, "bad")).json, { ok: true });
		const again = await judge(first, "bad");
		assert.match(again.json.error, /was judged already$/);
		assert.equal(again.code, 6, "which is not what an unknown one gets");
		for (const id of of("stable").slice(-10)) assert.equal((await judge(id, "good")).code, 0);
		for (const id of rest.slice(0, 20)) await judge(id, "bad");
		await ended(grayd, "rolled_back");
		assert.match((await lastOf(grayd, "rollback")).reason, /^judged: more than stable's/);
	});
});

describe("whatever happens to grayd", () => {
	test("a worker that is killed takes no evidence along", async (t) => {
		const { grayd } = await rollOut(t, { plan: { min_requests: 100000 } });
		const seen = async () => (await explain(grayd)).coverage.stable.requests;

		await until("some evidence", async () => (await seen()) > 200);
		const { workers } = (await grayd.ctl(["-j", "workers"])).json;
		const before = await seen();
		for (const { pid, role } of workers) if (role === "worker") process.kill(pid, "SIGKILL");
		await until("more evidence", async () => (await seen()) > before + 200, 20 * patience);
	});

	test("a reload keeps the evidence", async (t) => {
		const { grayd } = await rollOut(t, { plan: { min_requests: 100000 } });
		const seen = async () => (await explain(grayd)).coverage.candidate.requests;

		await until("some evidence", async () => (await seen()) > 50);
		const before = await seen();
		assert.equal((await grayd.ctl(["reload"])).code, 0);
		assert.ok((await seen()) >= before);
	});
});

describe("a guard that is killed", () => {
	// Killed within seconds, before its evidence was on disk: see evidence.test.mjs for what was.
	test("comes to the same decision again, and never promotes on what it saw before", async (t) => {
		const sim = await startSim({ script: { models: { old: STEADY, new: STEADY } } });
		t.after(() => sim.stop());
		const dir = keptFolder(t);
		const config = demoConfig(sim, { release: { plan: { ...QUICK, min_requests: 150, dwell_ms: 0, settle_ms: 0 }, guard: {} } });
		const ask = (grayd) => startLoad(grayd.url, { m: "demo", r: 400, c: 200, d: 300 }, { log: false });

		const first = await startIn(t, dir, config);
		first.url ||= `http://${(await first.status()).grayd.listen[0]}`;
		let traffic = ask(first);
		await first.ctl(["start", "demo"]);
		await until("nearly enough", async () => (await explain(first)).fresh > 60);
		const { revision, stage } = await demo(first);
		await first.stop("SIGKILL");
		traffic.child.kill("SIGKILL");

		const second = await startIn(t, dir, config);
		second.url ||= `http://${(await second.status()).grayd.listen[0]}`;
		const now = await demo(second);
		assert.deepEqual([now.revision, now.stage, (await explain(second)).fresh], [revision, stage, 0]);
		await sim.setScript({ models: { old: STEADY, new: { faults: [{ kind: "status", status: 500, probability: 0.5 }] } } });
		traffic = ask(second);
		await ended(second, "rolled_back");
		assert.match((await lastOf(second, "rollback")).reason, /^error: over its budget/);
		traffic.child.kill("SIGKILL");
		assert.equal((await second.ctl(["verify"])).code, 0);
	});
});

describe("what is told", () => {
	test("by /metrics: the evidence of each test, and the verdict", async (t) => {
		const { grayd } = await rollOut(t, { stable: { ...STEADY, faults: [{ kind: "status", status: 500, probability: 0.02 }] },
			plan: { mode: "manual" } });
		const base = await adminOf(grayd);
		const told = async () => (await scrape(base)).samples.filter(({ name }) => name === "grayd_guard_evidence");

		await until("evidence for the candidate", async () =>
			(await told()).find(({ labels }) => labels.test === "empty_for")?.value > Math.log(20), 30 * patience);
		const samples = await told();
		assert.deepEqual(samples.slice(0, 3).map(({ labels }) => labels.test), ["breaker", "harm", "split"]);
		assert.equal(samples.length, 3 + 2 * 10);
		const { samples: all } = await scrape(base);
		const verdicts = all.filter(({ name, value }) => name === "grayd_guard_verdict" && value === 1);
		assert.equal(verdicts.length, 1);
	});

	test("by explain, for people", async (t) => {
		const { grayd } = await rollOut(t, { plan: { mode: "manual" } });

		await until("some evidence", async () => (await explain(grayd)).fresh > 30);
		const { stdout } = await grayd.ctl(["explain", "demo"]);
		for (const pattern of [/^demo$/m, /why +its plan is manual/, /guard +says wait \(its mode is rollback\): /, /missing +about \d+ more requests of the candidate/,
			/^ +SYMPTOM +ACTION +CANDIDATE +STABLE +RATIO +AGAINST IT +FOR IT/m, /^ +error +rollback +\d+\/\d+/m,
			/^ +latency_ms +hold +\d+ +\d+/m])
			assert.match(stdout, pattern);
	});
});
