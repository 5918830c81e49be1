// SPDX-License-Identifier: MIT
// The life of a rollout in a real grayd: by hand, by a timed plan and by the shipped script; what
// holds it, what freezes it, and that a rollback is possible in each state.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buckets } from "./lib/bucket.mjs";
import { build, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, patience, startLoad, startPair } from "./lib/load.mjs";
import { stickyByHeader } from "./lib/shares.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

// A grayd whose release "chat" has models that nobody serves.
async function startQuiet(t, plan = {}, more = {}) {
	const grayd = await startGrayd({ config: smallConfig({ plan, ...more }) });
	t.after(() => grayd.stop());
	return grayd;
}

const chat = async (grayd) => (await grayd.ctl(["-j", "status", "chat"])).json.releases.chat;
const demo = async (grayd) => (await grayd.ctl(["-j", "status", "demo"])).json.releases.demo;

// Gives a command that must be carried out; its answer.
async function done(grayd, ...args) {
	const { code, json, stderr } = await grayd.ctl(["-j", ...args]);
	assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
	return json;
}

// Gives a command that must be refused, and says what would work instead.
async function refused(grayd, pattern, ...args) {
	const { code, json } = await grayd.ctl(["-j", ...args]);
	assert.equal(code, 1, args.join(" "));
	assert.equal(json.code, "refused");
	assert.match(json.error, pattern);
}

describe("by hand", () => {
	test("from start to done, step by step", async (t) => {
		const grayd = await startQuiet(t);

		await refused(grayd, /has not begun: start begins it/, "promote", "chat");
		const started = await done(grayd, "start", "chat", "--reason", "monday");
		assert.deepEqual([started.state, started.stage, started.published_percent, started.changed],
			["step", 10, 10, true]);
		assert.equal((await done(grayd, "start", "chat")).changed, false, "a script may start twice");
		for (const [stage, state] of [[30, "step"], [50, "step"], [100, "bake"]]) {
			const answer = await done(grayd, "promote", "chat");
			assert.deepEqual([answer.stage, answer.published_percent, answer.state], [stage, stage, state]);
		}
		await refused(grayd, /promote --full ends the bake/, "promote", "chat");
		await done(grayd, "stage", "chat", 50);
		await refused(grayd, /promote goes to the next stage/, "start", "chat");
		assert.equal((await done(grayd, "promote", "chat", "--full")).state, "bake");
		assert.equal((await done(grayd, "promote", "chat", "--full")).state, "done");
		const { rollout, plan } = await chat(grayd);
		assert.equal(rollout, started.revision);
		assert.deepEqual([plan.mode, plan.phase, plan.next_percent], ["manual", "none", null]);
		for (const args of [["start"], ["stage", 10], ["weight", 5], ["promote"], ["pause"], ["restart"]])
			await refused(grayd, /only rollback leaves this state/, args[0], "chat", ...args.slice(1));
	});

	test("rolled back from each state, and restarted", async (t) => {
		const grayd = await startQuiet(t);
		const ways = {
			idle: [],
			step: [["promote", "chat"]],
			share: [["weight", "chat", "12.34"]],
			paused: [["pause", "chat"]],
			frozen: [["freeze", "chat"]],
			bake: [["stage", "chat", 100]],
			"bake, paused": [["stage", "chat", 100], ["pause", "chat"]],
			done: [["stage", "chat", 100], ["promote", "chat", "--full"]],
		};
		let rollout = 0;

		for (const [name, way] of Object.entries(ways)) {
			for (const args of way) await done(grayd, ...args);
			const { json, code } = await grayd.ctl(["-j", "rollback", "chat"]);
			assert.equal(code, 0, name);
			assert.deepEqual([json.state, json.set_percent, json.published_percent, json.stage],
				["rolled_back", 0, 0, 0], name);
			assert.equal((await done(grayd, "rollback", "chat")).changed, false);
			for (const args of [["start"], ["stage", 10], ["promote"], ["promote", "--full"], ["weight", 1], ["resume"]])
				await refused(grayd, /was rolled back .*restart first/, args[0], "chat", ...args.slice(1));
			await done(grayd, "unfreeze", "chat");
			const again = await done(grayd, "restart", "chat");
			assert.deepEqual([again.state, again.stage], ["step", 10]);
			const next = await chat(grayd);
			assert.ok(next.rollout > rollout, "a rollout of its own");
			({ rollout } = next);
			await refused(grayd, /rollback first/, "restart", "chat");
			await done(grayd, "stage", "chat", 30);
		}
	});

	test("a pause stops whoever promotes, and those who wait", async (t) => {
		const grayd = await startQuiet(t);

		await done(grayd, "start", "chat");
		const paused = await done(grayd, "pause", "chat", "--reason", "lunch");
		assert.deepEqual([paused.state, paused.hold, paused.published_percent], ["hold", "operator", 10]);
		await refused(grayd, /on hold \(somebody paused it\): resume/, "promote", "chat");
		assert.equal((await grayd.ctl(["status", "chat", "--wait", "stage=30"])).code, 4);
		assert.match((await grayd.ctl(["status"])).stdout, /\nchat: on hold since .*, by \S+: lunch\nchat: resume goes on\n/);
		assert.equal((await done(grayd, "resume", "chat")).state, "step");
		await refused(grayd, /not on hold/, "resume", "chat");
		assert.equal((await done(grayd, "promote", "chat")).stage, 30);
	});

	test("a waiver names a symptom and a reason", async (t) => {
		const grayd = await startQuiet(t);

		await done(grayd, "start", "chat");
		assert.equal((await grayd.ctl(["resume", "chat", "--waive", "left"])).code, 2);
		const wrong = await grayd.ctl(["resume", "chat", "--waive", "colour", "--reason", "x"]);
		assert.equal(wrong.code, 2);
		assert.match(wrong.stderr, /"colour" is none of error, timeout,/);
		await done(grayd, "resume", "chat", "--waive", "left", "--reason", "a known client");
		await done(grayd, "pause", "chat");
		await done(grayd, "resume", "chat", "--waive", "cost", "--reason", "agreed");
		assert.deepEqual((await chat(grayd)).waived, ["left", "cost"]);
		await done(grayd, "rollback", "chat");
		await done(grayd, "restart", "chat");
		assert.deepEqual((await chat(grayd)).waived, [], "a waiver is one rollout's");
	});

	test("frozen: nothing starts or advances, everything else works", async (t) => {
		const grayd = await startQuiet(t);
		const isFrozen = /is frozen: nothing starts or advances; use unfreeze/;

		assert.equal((await done(grayd, "freeze")).releases.chat.frozen, true);
		await refused(grayd, isFrozen, "start", "chat");
		await refused(grayd, isFrozen, "weight", "chat", 1);
		await done(grayd, "unfreeze");
		await done(grayd, "stage", "chat", 50);
		await done(grayd, "freeze", "chat", "--reason", "holidays");
		for (const args of [["promote", "chat"], ["promote", "chat", "--full"], ["stage", "chat", 100]])
			await refused(grayd, isFrozen, ...args);
		assert.match((await grayd.ctl(["status"])).stdout, /\nchat: frozen; unfreeze ends it\n/);
		await done(grayd, "stage", "chat", 30);
		await done(grayd, "rollback", "chat");
		await refused(grayd, isFrozen, "restart", "chat");
		assert.equal((await done(grayd, "unfreeze", "chat")).frozen, false);
		await done(grayd, "restart", "chat");
	});

	test("a freeze ends by itself", async (t) => {
		const grayd = await startQuiet(t);

		assert.equal((await grayd.ctl(["freeze", "--until", "tomorrow"])).code, 2);
		await refused(grayd, /a time that is over/, "freeze", "chat", "--until", "2020-01-01T00:00:00Z");
		await done(grayd, "freeze", "chat", "--until", "+1s");
		assert.match((await chat(grayd)).frozen_until, /^\d{4}-.*Z$/);
		await refused(grayd, /is frozen until .*Z: nothing starts/, "start", "chat");
		await until("the end of the freeze", async () => !(await chat(grayd)).frozen_until);
		await done(grayd, "start", "chat");
	});

	test("start --wait: one answer, and how the wait ended", async (t) => {
		const grayd = await startQuiet(t);
		const met = await grayd.ctl(["-j", "start", "chat", "--wait", "stage=10", "--timeout", 10]);

		assert.equal(met.code, 0);
		assert.equal(met.stdout.trim().split("\n").length, 1);
		assert.equal(met.json.wait.result, "met");
		assert.equal(met.json.change.changed, true);
		assert.equal(met.json.releases.chat.stage, 10);
		const late = await grayd.ctl(["promote", "chat", "--wait", "state=done", "--timeout", 0.3]);
		assert.equal(late.code, 5);
		assert.match(late.stdout, /^chat: step, the candidate's share is 30 %/);
		const waiting = grayd.ctl(["stage", "chat", 50, "--wait", "state=done"]);
		await grayd.ctl(["status", "chat", "--wait", "stage=50"]);
		await done(grayd, "rollback", "chat");
		assert.equal((await waiting).code, 3);
		// What is refused is not waited for.
		assert.equal((await grayd.ctl(["start", "chat", "--wait", "stage=10"])).code, 1);
	});
});

// ---- plans that move by themselves --------------------------------------------------------------

const QUICK = { mode: "timed", settle_ms: 100, dwell_ms: 400, bake_ms: 400, no_data_ms: 60000 };

// A pair with a plan of its own, under a load that goes on until the test ends.
async function startTimed(t, plan, { load = {}, ...more } = {}) {
	const pair = await startPair(t, {
		config: (sim) => demoConfig(sim, { release: { plan: { ...QUICK, ...plan } }, log: { requests: false } }),
		...more,
	});
	pair.load = () => startLoad(pair.grayd.url, { m: "demo", r: 200, c: 32, d: 120, ...load }, { log: false });
	return pair;
}

const transitions = (grayd) => grayd.logLines().filter(({ event }) => event === "transition")
	.map(({ message }) => message);

describe("timed", () => {
	test("goes to the end alone, and says who did it", async (t) => {
		const { grayd, load } = await startTimed(t);

		load();
		const { code, json } = await grayd.ctl(["-j", "start", "demo", "--wait", "state=done", "--timeout", 30 * patience]);
		assert.equal(code, 0);
		assert.equal(json.releases.demo.published_percent, 100);
		const told = transitions(grayd);
		for (const [i, step] of ["idle 0.00 % -> step 10.00 %", "step 10.00 % -> step 30.00 %",
			"step 30.00 % -> step 50.00 %", "step 50.00 % -> bake 100.00 %", "bake 100.00 % -> done 100.00 %"].entries()) {
			assert.ok(told[i].includes(step), told[i]);
			assert.ok(i === 0 || /by plan \(uid \d+\).*(the dwell of this stage|the bake) is over/.test(told[i]), told[i]);
		}
	});

	test("waits at a gate until somebody promotes", async (t) => {
		const { grayd, load } = await startTimed(t, { gates: [30] });

		load();
		assert.equal((await grayd.ctl(["start", "demo", "--wait", "phase=gate", "--timeout", 30])).code, 0);
		assert.equal((await demo(grayd)).published_percent, 30);
		assert.match((await grayd.ctl(["status"])).stdout, /\ndemo: waits at a gate; promote goes to 50 %\n/);
		const { revision } = await demo(grayd);
		// Still there when a step without a gate would long be over.
		await new Promise((wake) => setTimeout(wake, 1000));
		assert.equal((await demo(grayd)).revision, revision);
		assert.equal((await grayd.ctl(["promote", "demo", "--wait", "state=done", "--timeout", 30])).code, 0);
	});

	test("stands still while nobody asks", async (t) => {
		const { grayd, load } = await startTimed(t, { no_data_ms: 300 });

		await done(grayd, "start", "demo");
		await until("the end of the settling", async () => (await demo(grayd)).plan.phase === "observe");
		await new Promise((wake) => setTimeout(wake, 1500));
		const { plan, stage } = await demo(grayd);
		assert.deepEqual([stage, plan.idle, plan.moves, plan.remaining_s], [10, true, true, 0.4]);
		assert.match((await grayd.ctl(["status"])).stdout, /\ndemo: 30 % in .* of traffic; nobody asks now/);
		load();
		assert.equal((await grayd.ctl(["status", "demo", "--wait", "stage=30", "--timeout", 30])).code, 0);
	});

	test("holds without data of the candidate, and goes on with it", async (t) => {
		// Each key goes to stable: the candidate gets nothing.
		const bucket = buckets({ release: "demo", candidate: "new" });
		const keys = Array.from({ length: 1000 }, (_, i) => `user-${i}`);
		const ofStable = keys.find((key) => bucket(key) >= 1000), ofCandidate = keys.find((key) => bucket(key) < 1000);
		const { grayd, load } = await startTimed(t, { no_data_ms: 500, dwell_ms: 3000 },
			{ load: { H: [`x-user-id: ${ofStable}`] } });

		load();
		const held = await grayd.ctl(["-j", "start", "demo", "--wait", "stage=30", "--timeout", 30]);
		assert.equal(held.code, 4);
		assert.equal(held.json.releases.demo.hold, "no_data");
		assert.match(transitions(grayd).at(-1), /-> hold 10.00 %.*by plan.*stable finished \d+ requests, the candidate none/);
		assert.equal((await post(grayd.url, {}, { headers: { "x-user-id": ofCandidate } })).headers["x-gray-arm"], "candidate");
		await until("the end of the hold", async () => (await demo(grayd)).state === "step");
		assert.match(transitions(grayd).at(-1), /by plan.*the candidate answers again/);
	});

	test("a step that lasts too long is held, or rolled back", async (t) => {
		for (const [on_deadline, code, state] of [["hold", 4, "hold"], ["rollback", 3, "rolled_back"]]) {
			const { grayd, load } = await startTimed(t, { mode: "auto", min_requests: 1000000, settle_ms: 0, dwell_ms: 0,
				step_deadline_ms: 500, on_deadline });

			load();
			const ended = await grayd.ctl(["-j", "start", "demo", "--wait", "stage=30", "--timeout", 30]);
			assert.equal(ended.code, code);
			assert.equal(ended.json.releases.demo.state, state);
			assert.match(transitions(grayd).at(-1), /by plan.*longer than step_deadline_ms/);
		}
	});

	test("a share by hand stays until resume", async (t) => {
		const { grayd, load } = await startTimed(t);

		load();
		await done(grayd, "start", "demo");
		const held = await done(grayd, "weight", "demo", 12.5);
		assert.deepEqual([held.state, held.hold, held.published_percent], ["hold", "operator", 12.5]);
		await new Promise((wake) => setTimeout(wake, 1000));
		assert.equal((await demo(grayd)).revision, held.revision);
		assert.equal((await grayd.ctl(["resume", "demo", "--wait", "stage=30", "--timeout", 30])).code, 0);
	});

	test("goes on after grayd was killed, never faster", async (t) => {
		const { grayd, load } = await startTimed(t, { dwell_ms: 1500 });
		let client = load();

		await done(grayd, "start", "demo", "--wait", "stage=30", "--timeout", 30);
		await done(grayd, "pause", "demo");
		const { rollout } = await demo(grayd);
		grayd.child.kill("SIGKILL");
		await grayd.exited;
		client.child.kill("SIGINT");

		const next = await startGrayd({ config: grayd.config, dir: grayd.dir, wait: false });
		try {
			await next.ctl(["status", "demo", "--wait", "state=hold", "--timeout", 20]);
			const kept = await demo(next);
			assert.deepEqual([kept.state, kept.hold, kept.published_percent, kept.rollout], ["hold", "operator", 30, rollout]);
			client = startLoad(`http://${(await next.status()).grayd.listen[0]}`, { m: "demo", r: 200, c: 32, d: 60 }, { log: false });
			const began = performance.now();
			assert.equal((await next.ctl(["resume", "demo", "--wait", "stage=50", "--timeout", 30])).code, 0);
			assert.ok(performance.now() - began > 1500, "the dwell began anew");
			assert.equal((await next.ctl(["status", "demo", "--wait", "state=done", "--timeout", 30])).code, 0);
			client.child.kill("SIGINT");
			await client.done;
		} finally {
			await next.stop();
		}
	});

	test("frozen, it advances when the freeze is over", async (t) => {
		const { grayd, load } = await startTimed(t);

		load();
		await done(grayd, "start", "demo");
		const frozen = await done(grayd, "freeze", "demo", "--until", "+2s");
		await new Promise((wake) => setTimeout(wake, 1000));
		assert.equal((await demo(grayd)).stage, 10);
		assert.equal((await grayd.ctl(["status", "demo", "--wait", "state=done", "--timeout", 30])).code, 0);
		assert.ok((await demo(grayd)).revision > frozen.revision);
	});
});

// ---- the receipt, and streams -------------------------------------------------------------------

test("rollback --cut ends what the candidate streams, with an error event", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { new: { tokens: 2000, chunk_ms: 10 }, "*": {} } },
	});
	const streams = Array.from({ length: 4 }, () => connect(grayd.url));

	await done(grayd, "stage", "demo", 100);
	for (const wire of streams)
		wire.send(requestText("POST", "/v1/chat/completions",
			{ body: '{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}' }));
	await Promise.all(streams.map((wire) => wire.until(() => wire.receivedBytes > 600)));
	const { receipt } = await done(grayd, "rollback", "demo");
	assert.deepEqual([receipt.candidate_in_flight, receipt.rescued, receipt.streaming], [4, 0, 4]);
	assert.ok(receipt.last_candidate_attempt_us < 0);
	assert.ok(streams.every((wire) => !wire.closed));

	const cut = await grayd.ctl(["-j", "rollback", "demo", "--cut"]);
	assert.equal(cut.json.changed, true);
	assert.deepEqual([cut.json.cut, cut.json.receipt.streaming], [true, 4]);
	await Promise.all(streams.map((wire) => wire.end()));
	for (const wire of streams) {
		// The chunked body is broken off on purpose: no SDK takes it for a whole answer.
		const text = wire.rest().toString();
		assert.match(text, /data: \{"error":\{.*"code":"rolled_back"/);
		assert.ok(!text.includes("[DONE]"));
	}
	await sim.settled(4);
	assert.ok((await sim.ledger()).every(({ state }) => state === "cancelled"));
	const { json } = await grayd.ctl(["-j", "stats", "demo"]);
	assert.equal(json.releases.demo.arms.candidate.outcomes.cut, 4);
	assert.equal((await grayd.ctl(["-j", "rollback", "demo", "--cut"])).json.changed, false);
});

test("the receipt tells what was rescued and what streams", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { new: { first_token_ms: 60000, latency_ms: 60000 }, "*": {} } },
	});

	await done(grayd, "stage", "demo", 100);
	const asked = Array.from({ length: 6 }, (_, i) => post(grayd.url, { stream: i % 2 === 1 }));
	await until("the candidate to be asked", async () => (await sim.summary()).total.active === 6);
	const { receipt } = await done(grayd, "rollback", "demo");
	assert.deepEqual([receipt.candidate_in_flight, receipt.rescued, receipt.streaming], [6, 6, 0]);
	assert.match((await grayd.ctl(["rollback", "demo"])).stdout, /it was so already/);
	for (const { status, headers } of await Promise.all(asked)) {
		assert.equal(status, 200);
		assert.equal(headers["x-gray-arm"], "stable");
	}
});

// ---- looking ------------------------------------------------------------------------------------

test("route tells where a key goes, as the requests themselves do", async (t) => {
	const { grayd } = await startPair(t, { script: { models: { "*": {} } } });
	const keys = Array.from({ length: 50 }, (_, i) => `user ${i}/ü`.replace("ü", i % 2 ? "u" : "v"));
	const bucket = buckets({ release: "demo", candidate: "new" });

	await done(grayd, "weight", "demo", 33.33);
	const answer = await done(grayd, "route", "demo", ...keys);
	assert.equal(answer.published_percent, 33.33);
	assert.deepEqual(answer.keys.map(({ key }) => key), keys);
	assert.deepEqual(answer.keys.map((each) => each.bucket), keys.map(bucket));
	const arms = await stickyByHeader(grayd.url, "x-user-id", keys);
	assert.deepEqual(answer.keys.map(({ arm }) => arm), arms);
	assert.ok(arms.includes("stable") && arms.includes("candidate"));
	assert.equal((await grayd.ctl(["route", "nobody", "x"])).code, 1);
	assert.equal((await grayd.ctl(["route", "demo"])).code, 2);
});

const run = (file, args, env) => new Promise((ended) => {
	execFile(file, args, { env: { ...process.env, ...env, PATH: `${resolve(build)}${delimiter}${process.env.PATH}` } },
		(error, stdout, stderr) => ended({ code: error ? error.code : 0, stdout, stderr }));
});

test("bash completes verbs, options and names of releases", async (t) => {
	const grayd = await startQuiet(t);
	const script = join(grayd.dir, "grayctl.bash");
	const { stdout } = await grayd.ctl(["completion"]);

	writeFileSync(script, stdout);
	for (const [words, expected] of [
		[["grayctl", "roll"], ["rollback"]],
		[["grayctl", "-s", grayd.socket, "promote", ""], ["chat"]],
		[["grayctl", "rollback", "chat", "--c"], ["--cut"]],
		[["grayctl", "freeze", "--un"], ["--until"]],
		[["grayctl", "help", "res"], ["resume", "restart"]],
		[["grayctl", "status", "--wait", "he"], ["healthy"]],
		[["grayctl", "-s", grayd.socket, "start", "chat", "--if"], ["--if-revision"]],
	]) {
		const { stdout: found, stderr } = await run("bash", ["-c",
			'. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _grayctl; printf "%s\\n" "${COMPREPLY[@]}"',
			"-", script, ...words]);
		assert.deepEqual(found.trim().split("\n"), expected, stderr);
	}
});

// ---- the shipped script -------------------------------------------------------------------------

describe("etc/rollout.sh", () => {
	const rollout = (grayd, env) => run(join(root, "etc/rollout.sh"), ["demo"],
		{ GRAYD_SOCKET: grayd.socket, REQUESTS: "40", PAUSE: "0.1", ...env });

	async function prepare(t, { script, load = {} } = {}) {
		const pair = await startPair(t, { script });
		if (load) startLoad(pair.grayd.url, { m: "demo", r: 300, c: 32, d: 300, ...load }, { log: false });
		return pair;
	}

	test("0: a good candidate gets everything, stage by stage", async (t) => {
		const { grayd } = await prepare(t);
		const { code, stderr } = await rollout(grayd);

		assert.equal(code, 0, stderr);
		const { state, published_percent } = await demo(grayd);
		assert.deepEqual([state, published_percent], ["bake", 100]);
		const told = transitions(grayd).map((text) => /-> \w+ (\d+)/.exec(text)[1]);
		assert.deepEqual(told, ["10", "30", "50", "100"]);
		assert.match(transitions(grayd)[1], /promote, 0 of \d+ requests ended badly/);
	});

	test("3: a bad one is rolled back, and users never saw it", async (t) => {
		const { grayd } = await prepare(t, {
			script: { models: { new: { faults: [{ kind: "status", status: 500, probability: 0.3 }] }, "*": {} } },
		});
		const { code } = await rollout(grayd);

		assert.equal(code, 3);
		assert.equal((await demo(grayd)).state, "rolled_back");
		assert.match(transitions(grayd).at(-1), /rollback, \d+ of \d+ requests ended badly at 10 %/);
	});

	test("4: somebody paused it", async (t) => {
		const { grayd } = await prepare(t, { load: null });
		const running = rollout(grayd, { PAUSE: "60" });

		await grayd.ctl(["status", "demo", "--wait", "stage=10"]);
		await done(grayd, "pause", "demo");
		assert.equal((await running).code, 4);
		assert.equal((await demo(grayd)).state, "hold");
	});

	test("5: nobody asks", async (t) => {
		const { grayd } = await prepare(t, { load: null });
		const { code } = await rollout(grayd, { SECONDS_A_STAGE: "1" });

		assert.equal(code, 5);
		assert.equal((await demo(grayd)).state, "rolled_back");
	});

	test("1: refused, or changed by somebody else", async (t) => {
		const { grayd } = await prepare(t);

		await done(grayd, "rollback", "demo");
		const { code, stderr } = await rollout(grayd);
		assert.equal(code, 1);
		assert.match(stderr, /restart first/);
		await done(grayd, "restart", "demo");
		const running = rollout(grayd, { REQUESTS: "200" });
		await until("the script to look", async () => (await demo(grayd)).arms.candidate.requests > 5);
		await done(grayd, "weight", "demo", 11);
		assert.equal((await running).code, 1);
		assert.equal((await demo(grayd)).published_percent, 11, "it is left to whoever changed it");
	});
});
