// SPDX-License-Identifier: MIT
// What users of other gateways complain about, in retries and in clients that leave: a test for
// each, with its name, for both APIs that applications speak and every kind of provider behind them.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ask, WAYS } from "./lib/apis.mjs";
import { attemptsOf, NOBODY_LISTENS, patient, quiet, startPair, stats } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";

const status = (code, more = {}) => [{ kind: "status", status: code, ...more }];
const gapMs = ([first, second]) => (second.t_start_us - first.t_end_us) / 1000;
const messages = [{ role: "user", content: "hello" }];
// The clients with as many tries of their own as users' programs have, unless told otherwise.
const clients = {
	"chat completions": (url, more) => {
		const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", ...more });
		return (model) => client.chat.completions.create({ model, messages });
	},
	messages: (url, more) => {
		const client = new Anthropic({ baseURL: url, apiKey: "k", ...more });
		return (model) => client.messages.create({ model, max_tokens: 9, messages });
	},
};

for (const { api, kind, name: way } of WAYS) {
	describe(`retries, ${way}`, { concurrency: 8 }, () => {
		const WAIT_MS = patient(250);
		// Forms of "come back later", with the least wait that they mean.
		const forms = {
			seconds: [{ retry_after: String(WAIT_MS / 1000) }, WAIT_MS],
			"whole-seconds": [{ retry_after: "1" }, 1000],
			milliseconds: [{ retry_after_ms: WAIT_MS }, WAIT_MS],
			date: [{ retry_after_date_s: 2 }, 1000],
			body: [{ retry_after_body: WAIT_MS / 1000 }, WAIT_MS],
		};
		const models = { good: {}, bad: { faults: status(500) }, worse: { faults: status(500) },
			limited: { faults: status(429, { retry_after: "30", retry_after_ms: 30000,
				headers: { "x-ratelimit-reset-requests": "6m0s" } }) },
			"limited-once": { faults: status(429, { retry_after_ms: WAIT_MS, count: 1 }) },
			busy: { faults: status(503) },
			cooling: { match: [{ body_contains: "long", faults: status(429, { retry_after: "30" }) },
				{ body_contains: "short", behaviour: { latency_ms: patient(100) }, faults: status(429, { retry_after: "0.02" }) }] } };
		const releases = {
			both: { stable: "bad", candidate: "worse", attempts: 4, candidate_attempts: 2, retry_budget_percent: 100 },
			limited: { stable: "limited", deadline_ms: 5000 },
			"limited-once": { stable: "limited-once", attempts: 1 },
			leaver: { stable: "busy", attempts: 100, backoff_ms: 300, retry_budget_percent: 100 },
			nowhere: { stable: "nowhere", attempts: 1 },
			cooling: { stable: "cooling", attempts: 1 },
		};
		for (const [name, [keys]] of Object.entries(forms)) {
			models[name] = { faults: status(429, { count: 1, ...keys }) };
			releases[name] = { stable: name };
		}
		let pair;
		before(async () => {
			for (const release of Object.values(releases)) release.backoff_ms ??= 1;
			const all = Object.fromEntries(Object.keys(models).map((name) => [name, { provider: "sim" }]));
			pair = await startPair({ script: { models }, provider: { kind }, config: { releases,
				providers: { nobody: { kind, base_url: NOBODY_LISTENS, api_key: { env: "KEY_OF_SIM" } } },
				models: { ...all, nowhere: { provider: "nobody" } } } });
		});
		after(() => pair?.stop());

		for (const [name, [, least]] of Object.entries(forms))
			test(`a Retry-After that was read is obeyed: ${name}`, async () => {
				const answer = await ask(pair.grayd, api, name);
				assert.equal(answer.status, 200, answer.text);
				const attempts = await attemptsOf(pair.sim, answer.id);
				assert.equal(attempts.length, 2);
				assert.ok(gapMs(attempts) >= least - 2, `${gapMs(attempts)} ms`);
			});

		test("a Retry-After is passed on under its own name", async () => {
			const answer = await ask(pair.grayd, api, "limited");
			assert.equal(answer.status, 429);
			assert.equal(answer.headers["retry-after"], "30");
			assert.equal(answer.headers["retry-after-ms"], "30000");
			assert.equal(answer.headers["x-ratelimit-reset-requests"], "6m0s");
			assert.equal((await attemptsOf(pair.sim, answer.id)).length, 1);
		});

		test("a client that tries again by itself finds that wait, and keeps to it", async () => {
			await clients[api.name](pair.grayd.url, { maxRetries: 1 })("limited-once");
			const attempts = (await pair.sim.ledger()).filter((one) => one.model === "limited-once");
			assert.equal(attempts.length, 2);
			assert.ok(gapMs(attempts) >= WAIT_MS - 2, `${gapMs(attempts)} ms`);
		});

		// Both are under way when the first one's answer says "in 30 s", the second's "in 20 ms".
		test("a second cool-down does not shorten the first", async () => {
			const say = (content) => ask(pair.grayd, api, "cooling", { messages: [{ role: "user", content }] });
			const calls = async () => (await pair.sim.ledger()).filter((one) => one.model === "cooling").length;
			const second = say("short");
			await until("the second at its provider", async () => (await calls()) === 1);
			const first = await say("long");
			assert.deepEqual([first.status, first.headers["retry-after"]], [429, "30"]);
			assert.equal((await second).status, 429);
			const end = performance.now() + patient(150);
			do {
				const later = await say("neither");
				assert.equal(later.status, 429);
				assert.ok(Number(later.headers["retry-after"]) >= 25, later.headers["retry-after"]);
			} while (performance.now() < end);
			assert.equal(await calls(), 2);
		});

		test("retries end when the client leaves", async () => {
			const leaving = new AbortController();
			const request = fetch(pair.grayd.url + api.path, { method: "POST", signal: leaving.signal,
				headers: { "x-request-id": `leaver-${api.kind}-${kind}` }, body: JSON.stringify(api.body("leaver")) });
			await until("the first attempts", async () => (await attemptsOf(pair.sim, `leaver-${api.kind}-${kind}`)).length >= 2);
			leaving.abort();
			await assert.rejects(request);
			const { stable } = await until("the end of the request", async () => {
				const { arms } = (await stats(pair.grayd, "leaver")).releases.leaver;
				return arms.stable.in_flight === 0 && arms;
			});
			assert.deepEqual(stable.outcomes, { cancelled: 1 });
			assert.equal((await attemptsOf(pair.sim, `leaver-${api.kind}-${kind}`)).length, stable.attempts);
			assert.ok(stable.attempts < 5);
		});

		test("retries, fallbacks and the client's own tries do not multiply", async () => {
			await assert.rejects(clients[api.name](pair.grayd.url)("both"), (error) => {
				assert.equal(error.headers.get("x-should-retry"), "false");
				return true;
			});
			const calls = (await pair.sim.ledger()).filter((one) => ["bad", "worse"].includes(one.model));
			assert.deepEqual(calls.map((one) => one.model), ["worse", "worse", "bad", "bad"]);
		});

		test("a failure to connect is no 400: the client may try again, and does", async () => {
			const before = (await stats(pair.grayd, "nowhere")).releases.nowhere.arms.stable.requests;
			await assert.rejects(clients[api.name](pair.grayd.url, { maxRetries: 1 })("nowhere"), (error) => {
				assert.equal(error.status, 502);
				assert.notEqual(error.headers.get("x-should-retry"), "false");
				return true;
			});
			const { arms } = (await stats(pair.grayd, "nowhere")).releases.nowhere;
			assert.equal(arms.stable.requests - before, 2);
			assert.equal(arms.stable.outcomes.refused, arms.stable.requests);
		});
	});

	describe(`clients that leave, ${way}`, () => {
		const models = { "before-the-head": { latency_ms: 3600000 }, "before-the-first-token": { first_token_ms: 3600000 },
			"in-the-body": { body_ms: 3600000 }, "in-the-stream": { tokens: 1000000, chunk_ms: 4 } };
		let pair;
		before(async () => {
			const timeouts = { first_token_ms: [3600000], answer_ms: [3600000], idle_ms: 3600000 };
			pair = await startPair({ script: { models }, provider: { kind }, config: {
				models: Object.fromEntries(Object.keys(models).map((name) => [name, { provider: "sim" }])),
				releases: Object.fromEntries(Object.keys(models).map((name) => [name, { stable: name, timeouts,
					deadline_ms: 3600000 }])) } });
		});
		after(() => pair?.stop());

		// Asks, waits until the provider is at work (and `seen` holds for what has come), and leaves
		// by a reset. The provider must see it at once, and grayd must ask nobody else.
		async function leave(model, stream, seen = () => true) {
			const id = `${model}-${stream}`;
			const request = http.request(pair.grayd.url + api.path, { method: "POST", agent: false,
				headers: { "x-request-id": id } });
			let text = "";
			request.on("response", (response) => response.setEncoding("utf8").on("data", (data) => (text += data))
				.on("error", () => {}));
			request.on("error", () => {});
			request.end(JSON.stringify(api.body(model, { stream })));
			await until("the provider at work", async () =>
				(await attemptsOf(pair.sim, id)).some((one) => one.state === "active") && seen(text));
			const left_us = Date.now() * 1000;
			request.socket.resetAndDestroy();
			const [attempt, ...others] = await until("the provider to see it", async () => {
				const all = await attemptsOf(pair.sim, id);
				return all.every((one) => one.state !== "active") && all;
			}, patient(2000) / 1000);
			assert.equal(others.length, 0);
			assert.equal(attempt.state, "cancelled");
			const late_ms = (attempt.t_close_us - left_us) / 1000;
			assert.ok(late_ms < patient(200), `${late_ms} ms`);
			return text;
		}

		test("the provider's call ends when the client has left: in the middle of a stream", async () => {
			const text = await leave("in-the-stream", true, (so_far) => so_far.includes("tok3"));
			assert.ok(!api.read({ text }).done);
		});
		test("the provider's call ends when the client has left: before the first token", async () => {
			assert.equal(await leave("before-the-first-token", true), "");
			assert.equal(await leave("before-the-head", true), "");
		});
		test("the provider's call ends when the client has left: without streaming", async () => {
			assert.equal(await leave("before-the-head", false), "");
			assert.equal(await leave("in-the-body", false), "");
		});
		test("a client that left counts for nobody as a failure", async () => {
			const { releases } = await quiet(pair.grayd);
			for (const [name, { arms }] of Object.entries(releases)) {
				assert.deepEqual(Object.keys(arms.stable.outcomes), arms.stable.requests > 0 ? ["cancelled"] : [], name);
				assert.equal(arms.stable.retries, 0);
			}
		});
	});
}
