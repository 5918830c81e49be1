// SPDX-License-Identifier: MIT
// `grayctl stress` as a user meets it: against a running grayd, with and without keys, interrupted,
// in vain; and its figures beside those of grayd and the provider.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { blake2b256 } from "./lib/bucket.mjs";
import { build, grayctl, until } from "./lib/grayd.mjs";
import { demoConfig, patience, settledStats, startPair } from "./lib/load.mjs";
import { pico } from "./lib/money.mjs";

const USAGE = { mode: "present", input: 100, cached: 40, output: 10 };
const MODELS = { old: { usage: USAGE }, new: { usage: USAGE } };
const broken = (probability) => ({ ...MODELS, new: { usage: USAGE, faults: [{ kind: "status", status: 503, probability }] } });
// A guard that rolls back, which tests do without unless they say so.
const guarded = (sim) => demoConfig(sim, { release: { guard: { mode: "rollback" } } });
const stressed = (grayd) => grayd.logLines().filter(({ event }) => event === "request");

describe("a stress test", () => {
	for (const [shape, words] of [["whole", []], ["streamed", ["--stream"]]]) {
		test(`tells what came of its requests, ${shape}`, async (t) => {
			const { sim, grayd } = await startPair(t, { script: { models: broken(0.3) }, config: guarded });

			await grayd.ctl(["weight", "demo", 40]);
			const { code, json, stderr } = await grayd.ctl(["-j", "stress", "demo", "-n", 400, "-c", 16, ...words]);
			assert.deepEqual([code, stderr], [0, ""]);
			assert.deepEqual([json.end, json.sent, json.answered, json.failed, json.requests], ["done", 400, 400, 0, 400]);
			const { demo } = (await settledStats(grayd, until)).releases, cost = (await grayd.ctl(["-j", "cost"])).json.releases.demo;
			for (const arm of ["stable", "candidate"]) {
				const { tokens, requests, attempts } = demo.arms[arm];
				assert.equal(json.arms[arm].assigned, requests);
				assert.deepEqual(json.arms[arm].tokens, { input: tokens.input, cached: tokens.cached, output: tokens.output });
				assert.ok(json.arms[arm].latency_ms.p50 > 0 && json.arms[arm].latency_ms.p50 <= json.arms[arm].latency_ms.p99);
				if (words.length) assert.ok(json.arms[arm].first_token_ms.p50 > 0);
				else assert.equal(json.arms[arm].first_token_ms.p50, null);
				assert.ok(attempts > 0);
			}
			assert.equal(json.fallbacks, demo.arms.candidate.fallbacks);
			assert.deepEqual(json.fallback_reasons, demo.arms.candidate.fallback_reasons);
			assert.equal(json.attempts, (await sim.summary()).total.attempts);
			assert.equal(pico(json.cost_usd), pico(cost.arms.stable.cost_usd) + pico(cost.arms.candidate.cost_usd));
			// The share is a matter of chance, within bounds.
			const { measured_percent: measured, published_percent: published, expected_low: low, expected_high: high } = json.split;
			assert.equal(published, 40);
			assert.ok(low > 34 && low < 36 && high > 44 && high < 46);
			assert.equal(measured, json.arms.candidate.assigned / 4);
			assert.ok(Math.abs(measured - 40) < 5 * Math.sqrt(40 * 60 / 400));
			// Marked, and left out by the guard: 30 % of failures roll nothing back.
			assert.ok(stressed(grayd).every(({ stress, id }) => stress === true && /^stress-/.test(id)));
			assert.equal((await grayd.status()).releases.demo.state, "step");
		});
	}

	test("with --judged the guard counts the requests", async (t) => {
		const { grayd } = await startPair(t, { script: { models: broken(1) }, config: guarded });

		await grayd.ctl(["start", "demo"]);
		await grayd.ctl(["weight", "demo", 50]);
		assert.equal((await grayd.ctl(["stress", "demo", "-n", 300, "--judged"])).code, 0);
		assert.ok(stressed(grayd).every(({ stress }) => stress === undefined));
		assert.equal((await grayd.ctl(["status", "demo", "--wait", "state=rolled_back", "--timeout", 10 * patience])).code, 0);
	});

	test("for people, with the errors by kind; exit 1 when a request failed", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { old: { faults: [{ kind: "status", status: 400, message: "not like this" }] }, new: {} } } });
		const { code, stdout, stderr } = await grayd.ctl(["stress", "demo", "-n", 30]);

		assert.equal(code, 1);
		assert.equal(stderr, "");
		assert.match(stdout, /^demo: 30 of 30 requests in [\d.]+ s, [\d.]+ a second; answered 0, failed 30$/m);
		assert.match(stdout, /^ +STABLE +CANDIDATE$/m);
		assert.match(stdout, /^assigned +30 +0$/m);
		assert.match(stdout, /^candidate: 0 % of the requests, set 0 % \(by chance between 0 and 0 %\)$/m);
		assert.match(stdout, /^fallbacks: 0; attempts: 30$/m);
		assert.match(stdout, /^ *COUNT +STATUS +CODE +MESSAGE\n +30 +400 +\S+ +not like this$/m);
	});

	test("prompts from a file, the longest answer, over a Unix socket", async (t) => {
		const { sim, grayd } = await startPair(t, { script: { models: MODELS }, simArgs: ["--keep", "10"],
			config: (sim) => demoConfig(sim, { listen: [`unix:/tmp/grayd-stress-${process.pid}.sock`] }) });
		const file = join(grayd.dir, "prompts");

		writeFileSync(file, 'first prompt\n\n{"messages":[{"role":"system","content":"second"}],"temperature":0}\n');
		const { code, json } = await grayd.ctl(["-j", "stress", "demo", "-n", 4, "-c", 1, "-p", file, "-m", 33]);
		assert.deepEqual([code, json.answered], [0, 4]);
		const bodies = (await Promise.all([1, 2, 3, 4].map((id) => sim.request(id)))).join("\n");
		assert.equal(bodies.match(/first prompt/g).length, 2);
		assert.equal(bodies.match(/temperature/g).length, 2);
		assert.equal(bodies.match(/max_tokens\D+33\D/g).length, 4);
	});

	test("Ctrl-C ends it with the summary so far, and nothing goes on", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { old: { latency_ms: 50 }, new: {} } } });
		const child = spawn(join(build, "grayctl"), ["-s", grayd.socket, "-j", "stress", "demo", "-n", "100000", "-c", "4"], { stdio: ["ignore", "pipe", "inherit"] });
		let text = "";

		t.after(() => child.kill("SIGKILL"));
		child.stdout.on("data", (data) => (text += data));
		await until("some answers", async () => (await grayd.ctl(["-j", "stats"])).json.releases.demo.arms.stable.ok >= 10, 10 * patience);
		child.kill("SIGINT");
		const [code] = await once(child, "close");
		const json = JSON.parse(text);
		assert.equal(code, 1);
		assert.equal(json.end, "interrupted");
		assert.ok(json.answered >= 8 && json.sent < 100000);
		assert.equal(json.failed, 0);
		const { stable } = (await settledStats(grayd, until)).releases.demo.arms;
		assert.ok(stable.cancelled <= 4 && stable.ok >= json.answered);
	});

	test("--timeout ends it, too: exit 5", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { old: { latency_ms: 50 }, new: {} } } });
		const { code, json } = await grayd.ctl(["-j", "stress", "demo", "-n", 100000, "--timeout", 0.5]);

		assert.deepEqual([code, json.end], [5, "timed_out"]);
		assert.ok(json.answered > 0);
	});
});

describe("keys", () => {
	const KEY = randomBytes(16).toString("hex"), OTHER = randomBytes(16).toString("hex");
	const hash = (key) => blake2b256(key).toString("hex");
	const start = (t) => startPair(t, { script: { models: MODELS }, config: (sim) => demoConfig(sim, { clients: [
		{ name: "tester", key_hash: hash(KEY), override: true }, { name: "plain", key_hash: hash(OTHER) }] }) });

	test("from the environment or a file; none, a wrong one, and one that may not mark", async (t) => {
		const { grayd } = await start(t);
		const file = join(grayd.dir, "key");
		const run = (words, env = {}) => grayd.ctl(["-j", "stress", "demo", "-n", 20, ...words], { env });

		assert.equal((await run(["--key-env", "MY_KEY"], { MY_KEY: KEY })).json.answered, 20);
		await until("the log", () => stressed(grayd).length === 20);
		assert.ok(stressed(grayd).every(({ client, stress }) => client === "tester" && stress));
		writeFileSync(file, `${OTHER}\n`, { mode: 0o600 });
		assert.equal((await run(["--key-file", file])).json.answered, 20);
		await until("the log", () => stressed(grayd).length === 40);
		assert.ok(stressed(grayd).slice(20).every(({ client, stress }) => client === "plain" && stress === undefined));

		const none = await run([]);
		assert.equal(none.code, 1);
		assert.deepEqual([none.json.ok, none.json.code], [false, "denied"]);
		assert.match(none.stderr, /the API key is missing or not known here.*--key-env or --key-file/);
		assert.equal((await run(["--key-env", "MY_KEY"], { MY_KEY: "wrong-but-long-enough" })).code, 1);
		for (const [words, says] of [
			[["--key-env", "NOBODY_SET_THIS"], /environment variable NOBODY_SET_THIS is not set/],
			[["--key-env", "A", "--key-file", "b"], /key_env and key_file exclude each other/],
			[["--key-file", "/nowhere/key"], /file \/nowhere\/key cannot be opened: No such file/],
			[["--prompts", "/nowhere/prompts"], /prompts: \/nowhere\/prompts: No such file/],
			[["--url", "ftp://x"], /url: .*expected http/],
			[["--url", "http://user:hush@127.0.0.1:1/v1"], /url: it names a user or a password/],
			[["--url", "ftp://user:hush@x"], /url: it names a user or a password/],
		]) {
			const { code, stderr } = await run(words);
			assert.equal(code, 2, stderr);
			assert.doesNotMatch(stderr, /hush/);
			assert.match(stderr, says);
		}
	});
});

test("nobody there: exit 7, and a release that is not there: exit 1", async (t) => {
	const { grayd } = await startPair(t, { script: { models: MODELS } });
	const nowhere = await grayctl(["-s", "/nowhere/control.sock", "stress", "demo"]);

	assert.equal(nowhere.code, 7);
	assert.match(nowhere.stderr, /cannot reach grayd at \/nowhere/);
	const vain = await grayd.ctl(["stress", "demo", "--url", "http://127.0.0.1:1/v1"]);
	assert.equal(vain.code, 7);
	assert.match(vain.stderr, /no request reached http:\/\/127\.0\.0\.1:1\/v1\/chat\/completions: .*connect/);
	// With fewer requests than it takes to give up, too.
	const two = await grayd.ctl(["stress", "demo", "-n", "2", "--url", "http://127.0.0.1:1/v1"]);
	assert.equal(two.code, 7);
	assert.match(two.stderr, /no request reached /);
	const unknown = await grayd.ctl(["stress", "nothing"]);
	assert.equal(unknown.code, 1);
	assert.match(unknown.stderr, /there is no release "nothing"/);
	assert.equal((await grayd.ctl(["stress"])).code, 2);
});
