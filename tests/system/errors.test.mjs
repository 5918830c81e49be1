// SPDX-License-Identifier: MIT
// The error report, and the reactions to the errors that every provider gives.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "./lib/grayd.mjs";
import { patience, settledStats, startPair } from "./lib/load.mjs";

const status = (code, more = {}) => ({ kind: "status", status: code, ...more });
const KEY = "sk-simulated-0123456789abcdef";

// Releases with a stable model each, and `chat` with both arms, at a provider with a key.
function pairOf(t, models, releases) {
	return startPair(t, { script: { models }, env: { SIM_KEY: KEY }, config: (sim) => ({
		providers: { sim: { base_url: `${sim.url}/v1`, api_key: { env: "SIM_KEY" } } },
		models: Object.fromEntries(Object.keys(models).map((name) => [name, { provider: "sim" }])),
		releases }) });
}

async function ask(grayd, model, headers = {}) {
	const began = performance.now();
	const answer = await fetch(`${grayd.url}/v1/chat/completions`, { method: "POST", headers,
		body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] }) });
	const json = await answer.json();
	return { status: answer.status, headers: answer.headers, json, ms: performance.now() - began };
}

const errorsOf = async (grayd, release, n = 50) => {
	await settledStats(grayd, until);
	return (await grayd.ctl(["-j", "errors", release, "-n", n])).json.releases[release];
};

describe("the report", () => {
	test("who, when, what, why, and who saved it; totals by kind", async (t) => {
		const { grayd } = await pairOf(t, {
			good: {}, flaky: { faults: [{ ...status(503, { code: "try_later", message: "no room, key sk-anybodys-0123456789" }), count: 1 }] },
			broken: { faults: [status(500, { code: "oops", message: "it fell over" })] },
		}, {
			chat: { stable: "good", candidate: "broken", backoff_ms: 1 }, retried: { stable: "flaky", backoff_ms: 1 },
			lost: { stable: "broken", attempts: 2, backoff_ms: 1 },
		});

		await grayd.ctl(["weight", "chat", 100]);
		assert.equal((await ask(grayd, "chat", { "x-request-id": "saved-by-stable" })).status, 200);
		assert.equal((await ask(grayd, "retried", { "x-request-id": "saved-by-retry" })).status, 200);
		assert.equal((await ask(grayd, "lost", { "x-request-id": "not-saved" })).status, 500);
		const chat = await errorsOf(grayd, "chat");
		assert.equal(chat.fallbacks, 1);
		assert.deepEqual(chat.fallback_reasons, { server_error: 1 });
		assert.deepEqual(chat.failed_attempts, { server_error: 1 });
		assert.match(chat.errors[0].time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
		assert.deepEqual({ ...chat.errors[0], time: "" }, { time: "", request_id: "saved-by-stable", arm: "candidate", model: "broken",
			name: "broken", provider: "sim", outcome: "server_error", text: "failed inside", status: 500, code: "oops",
			message: "it fell over", attempt: 1, saved: true, saved_by: "fallback" });
		const [retried] = (await errorsOf(grayd, "retried")).errors;
		assert.deepEqual([retried.saved_by, retried.attempt, retried.code], ["retry", 1, "try_later"]);
		assert.doesNotMatch(JSON.stringify(retried), /0123456789/);
		const lost = await errorsOf(grayd, "lost");
		assert.deepEqual(lost.errors.map(({ attempt, saved, saved_by }) => [attempt, saved, saved_by]), [[1, false, null], [2, false, null]]);
		assert.deepEqual(lost.failed_attempts, { server_error: 2 });
		const { stdout } = await grayd.ctl(["errors"]);
		assert.match(stdout, /^TIME +ARM +MODEL +PROVIDER +TRY +OUTCOME +STATUS +CODE +SAVED BY +REQUEST +MESSAGE$/m);
		assert.match(stdout, /^[\d:]+ +candidate +broken +sim +1 +server_error +500 +oops +fallback +saved-by-stable +it fell over$/m);
	});

	test("the last 50 of each release, over all workers, and over an upgrade", async (t) => {
		const { grayd } = await pairOf(t, { good: {}, broken: { faults: [status(500)] } }, { chat: { stable: "good", candidate: "broken" } });

		await grayd.ctl(["weight", "chat", 100]);
		for (let i = 0; i < 70; i++) await ask(grayd, "chat", { "x-request-id": `r${i}` });
		const wanted = Array.from({ length: 50 }, (_, i) => `r${i + 20}`);
		assert.deepEqual((await errorsOf(grayd, "chat")).errors.map(({ request_id }) => request_id), wanted);
		assert.equal((await grayd.ctl(["-j", "errors"])).json.releases.chat.errors.length, 50);
		assert.equal((await grayd.ctl(["upgrade"])).code, 0);
		const after = await until("the new grayd's report", async () => {
			const { json } = await grayd.ctl(["-j", "errors"]);
			return json?.releases.chat.errors.length === 50 && json.releases.chat;
		});
		assert.deepEqual(after.errors.map(({ request_id, provider, saved_by }) => [request_id, provider, saved_by]),
			wanted.map((id) => [id, "sim", "fallback"]));
		assert.equal(after.fallbacks, 70);
		process.kill((await grayd.status()).grayd.pid, "SIGTERM");
	});
});

describe("reactions", () => {
	test("401 invalid_api_key: not tried again; an alarm, once, until the key is good", async (t) => {
		const { sim, grayd } = await pairOf(t, { good: {}, locked: { faults: [status(401)] } },
			{ chat: { stable: "good", candidate: "locked" }, alone: { stable: "locked", backoff_ms: 1 }, fine: { stable: "good" } });
		const alarms = () => grayd.logLines().filter(({ event }) => event === "alarm");
		const shown = async () => (await grayd.status()).releases.alone.arms.stable.alarm;

		assert.equal(await shown(), null);
		const refused = await ask(grayd, "alone");
		assert.equal(refused.status, 502);
		assert.equal(refused.json.error.code, "upstream_auth");
		assert.equal(refused.headers.get("x-should-retry"), "false");
		assert.equal(refused.headers.get("x-gray-attempts"), "1");
		await grayd.ctl(["weight", "chat", 100]);
		for (let i = 0; i < 20; i++) {
			const answer = await ask(grayd, "chat");
			assert.deepEqual([answer.status, answer.headers.get("x-gray-fallback-reason")], [200, "unauthorized"]);
			assert.equal((await ask(grayd, "alone")).status, 502);
		}
		await until("the alarm", async () => (await shown())?.attempts === 41, 10 * patience);
		const [alarm] = alarms();
		assert.deepEqual([alarm.level, alarm.role], ["error", "master"]);
		assert.equal(alarm.message,
			`the model locked of provider "sim" refused grayd's key: look at the key (environment variable SIM_KEY)`);
		const { stdout } = await grayd.ctl(["status"]);
		assert.match(stdout, /^alone: alarm: the model locked of provider "sim" refused grayd's key: .*; 41 times since [\d:]+$/m);
		assert.match(stdout, /^chat: alarm: the model locked /m);
		assert.doesNotMatch(stdout, /^fine: alarm/m);
		assert.equal(alarms().length, 1, "once, however many workers and releases met it");

		await sim.setScript({ models: { good: {}, locked: {} } });
		assert.equal((await ask(grayd, "alone")).status, 200);
		await until("the end of the alarm", async () => await shown() === null, 10 * patience);
		assert.equal(grayd.logLines().filter(({ event }) => event === "alarm_over").length, 1);
		await sim.setScript({ models: { good: {}, locked: { faults: [status(401)] } } });
		await ask(grayd, "alone");
		await until("another alarm", () => alarms().length === 2, 10 * patience);
	});

	test("a timeout is tried again, for longer", async (t) => {
		const { sim, grayd } = await pairOf(t, { slow: { faults: [{ kind: "stall", at: "head", count: 2 }] } },
			{ chat: { stable: "slow", backoff_ms: 1, retry_sent: true, timeouts: { answer_ms: [100, 200, 5000] } } });
		const answer = await ask(grayd, "chat");

		assert.equal(answer.status, 200);
		assert.ok(answer.ms > 300 && answer.ms < 5000 * patience);
		const { errors } = await errorsOf(grayd, "chat");
		assert.deepEqual(errors.map(({ outcome, attempt, status, saved_by }) => [outcome, attempt, status, saved_by]),
			[["answer_timeout", 1, null, "retry"], ["answer_timeout", 2, null, "retry"]]);
		assert.equal((await sim.summary()).models.slow.attempts, 3);
	});

	test("404 model_not_found: stable takes over; stable's own is passed on, and neither is tried again", async (t) => {
		const { sim, grayd } = await pairOf(t, { good: {}, gone: { faults: [status(404)] } },
			{ chat: { stable: "good", candidate: "gone" }, alone: { stable: "gone", backoff_ms: 1 } });

		await grayd.ctl(["weight", "chat", 100]);
		const saved = await ask(grayd, "chat");
		assert.deepEqual([saved.status, saved.headers.get("x-gray-fallback-reason")], [200, "not_found"]);
		const passed = await ask(grayd, "alone");
		assert.deepEqual([passed.status, passed.json.error.code], [404, "model_not_found"]);
		assert.equal((await sim.summary()).models.gone.attempts, 2);
		const { errors } = await errorsOf(grayd, "alone");
		assert.deepEqual(errors.map(({ outcome, code, saved }) => [outcome, code, saved]), [["not_found", "model_not_found", false]]);
	});

	for (const [where, fault] of [
		["the body", { retry_after_body: 0.4 }], ["retry-after", { retry_after: 1 }], ["retry-after-ms", { retry_after_ms: 400 }],
	]) {
		test(`429 rate_limit_exceeded with a time in ${where}: that long is waited`, async (t) => {
			const { sim, grayd } = await pairOf(t, { busy: { faults: [{ ...status(429, fault), count: 1 }] } },
				{ chat: { stable: "busy", backoff_ms: 1 } });
			const answer = await ask(grayd, "chat");

			assert.equal(answer.status, 200);
			const [first, second] = await sim.ledger();
			const waited = (second.t_start_us - first.t_end_us) / 1000;
			assert.ok(waited >= (fault.retry_after ? 1000 : 400) - 5, `${waited} ms`);
			assert.ok(waited < 3000 * patience);
			const { errors } = await errorsOf(grayd, "chat");
			assert.deepEqual(errors.map(({ outcome, code, status, saved_by }) => [outcome, code, status, saved_by]),
				[["rate_limited", "rate_limit_exceeded", 429, "retry"]]);
		});
	}
});
