// SPDX-License-Identifier: MIT
// Every way in which a model can fail. A failing candidate is never seen by the client: stable
// answers, whole, and the answer says why. When both fail there is one clear error with both
// causes. Retries, waits and timeouts stay within what the release allows, and what grayd counts
// as sent is what the provider saw.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import {
	NOBODY_LISTENS, assertLedger, attemptsOf, eventsOf, message, patient, post, setShare, sha256, startPair, stats,
	streamed,
} from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";
import { load, long } from "./lib/load.mjs";

const STALL_MS = patient(250);

// One failure of a model: its fault in simprovider's script; `reason`, the outcome it must have
// ([of a whole answer, of a stream] where they differ; null: that one is no failure); `status` of
// the error when both models fail so, 502 if left out; `stalls`: timeouts are made short; `only`: 0 or
// 1, of whole answers or of streams;
// `passed`: the provider's own answer is the best one to give the client when both say so.
const status = (code, more = {}) => [{ kind: "status", status: code, ...more }];
const failures = [
	{ name: "refused", reason: "refused", nobody: true },
	{ name: "reset before the head", faults: [{ kind: "reset", at: "head" }], reason: "no_answer" },
	{ name: "closed before the head", faults: [{ kind: "close", at: "head" }], reason: "no_answer" },
	{ name: "reset behind the head", faults: [{ kind: "reset", at: "headers" }], reason: "incomplete" },
	{ name: "stall before the head", faults: [{ kind: "stall", at: "head" }],
		reason: ["answer_timeout", "first_token_timeout"], status: 504, stalls: true },
	{ name: "stall behind the head", faults: [{ kind: "stall", at: "headers" }],
		reason: ["answer_timeout", "first_token_timeout"], status: 504, stalls: true },
	{ name: "stall after a role-only chunk", faults: [{ kind: "stall", at: "role" }],
		reason: ["answer_timeout", "first_token_timeout"], status: 504, stalls: true },
	{ name: "comments and never a token", faults: [{ kind: "comments", at: "headers", interval_ms: 10 }],
		reason: ["answer_timeout", "first_token_timeout"], status: 504, stalls: true },
	{ name: "400", faults: status(400), reason: "bad_request", status: 400, passed: true },
	{ name: "401 invalid_api_key", faults: status(401), reason: "unauthorized" },
	{ name: "402 no balance", faults: status(402), reason: "no_balance" },
	{ name: "403", faults: status(403), reason: "unauthorized" },
	{ name: "404 model_not_found", faults: status(404), reason: "not_found", status: 404, passed: true },
	{ name: "413", faults: status(413), reason: "too_long", status: 413, passed: true },
	{ name: "422", faults: status(422), reason: "bad_request", status: 422, passed: true },
	{ name: "429", faults: status(429), reason: "rate_limited", status: 429 },
	{ name: "429 insufficient_quota", faults: status(429, { code: "insufficient_quota" }), reason: "no_quota", status: 429 },
	{ name: "500", faults: status(500), reason: "server_error", status: 500 },
	{ name: "502 of a proxy, as a page", faults: status(502, { body: "<html>Bad gateway</html>" }), reason: "server_error", status: 502 },
	{ name: "503", faults: status(503), reason: "overloaded", status: 503 },
	{ name: "529", faults: status(529, { retry_after: "0" }), reason: "overloaded", status: 529 },
	{ name: "a status that means nothing here", faults: status(302), reason: "bad_status" },
	{ name: "garbage that is no HTTP", faults: [{ kind: "garbage", variant: "http" }], reason: "bad_head" },
	{ name: "an impossible status line", faults: [{ kind: "status_line" }], reason: "bad_head" },
	{ name: "101", faults: [{ kind: "status_line", line: "HTTP/1.1 101 Switching Protocols" }], reason: "bad_head" },
	{ name: "5,000 times 100 Continue", faults: [{ kind: "informational" }], reason: "bad_head" },
	{ name: "a header of 120 KB", faults: [{ kind: "huge_header" }], reason: "bad_head" },
	{ name: "garbage that is no JSON", faults: [{ kind: "garbage", at: "headers" }],
		reason: ["garbage", "incomplete"] },
	{ name: "garbage among the events", faults: [{ kind: "garbage", variant: "sse", at: "role" }], reason: "garbage" },
	{ name: "cut before the content", faults: [{ kind: "cut", at: "role" }], reason: "incomplete" },
	{ name: "cut before the content, cleanly framed", faults: [{ kind: "cut", at: "role", end: "chunk" }],
		reason: "incomplete" },
	{ name: "reset inside the body", faults: [{ kind: "reset", at: "body", after: 40 }], reason: "incomplete" },
	{ name: "cut before the blank line of the first content", faults: [{ kind: "raw", body: [
		"HTTP/1.1 200 OK", "content-type: text/event-stream", "connection: close", "",
		'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}'].join("\r\n") }], reason: "incomplete", only: 1 },
	{ name: "empty content", faults: [{ kind: "empty", variant: "content" }], reason: "empty" },
	{ name: "no choices", faults: [{ kind: "empty", variant: "choices" }], reason: "empty" },
	{ name: "an empty body", faults: [{ kind: "empty", variant: "body" }], reason: ["empty", "incomplete"] },
	{ name: "role only", faults: [{ kind: "role_only" }], reason: "empty" },
	{ name: "truncated JSON", faults: [{ kind: "truncated_json" }], reason: "garbage" },
	{ name: "Content-Length too long", faults: [{ kind: "content_length", variant: "long" }],
		reason: ["incomplete", null] },
	{ name: "Content-Length too short", faults: [{ kind: "content_length", variant: "short" }],
		reason: ["garbage", "incomplete"] },
	{ name: "Content-Length twice", faults: [{ kind: "content_length", variant: "double" }], reason: "bad_head" },
	{ name: "two different Content-Lengths", faults: [{ kind: "content_length", variant: "differ" }], reason: "bad_head" },
	{ name: "a negative Content-Length", faults: [{ kind: "content_length", variant: "negative" }], reason: "bad_head" },
	{ name: "an error with status 200", faults: status(200, { code: "server_error", message: "sorry" }),
		reason: "error_event" },
	{ name: "an error event first", faults: [{ kind: "error_event", at: "headers" }], reason: ["incomplete", "error_event"] },
	{ name: "an error event behind the role", faults: [{ kind: "error_event", at: "role" }],
		reason: ["incomplete", "error_event"] },
];

const shapes = [["a whole answer", 0, message], ["a stream", 1, streamed]];
const reasonOf = (failure, shape) => (Array.isArray(failure.reason) ? failure.reason[shape] : failure.reason);
const isFailure = (failure, shape) => reasonOf(failure, shape) !== null && (failure.only ?? shape) === shape;
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

const wanted = (failure) => shapes.filter(([, index]) => isFailure(failure, index));
// {"incomplete":1,"error_event":1}: how often a failure's reasons come, each shape asked once.
function countReasons(failure) {
	const counts = {};
	for (const [, index] of wanted(failure)) {
		const reason = reasonOf(failure, index);
		counts[reason] = (counts[reason] ?? 0) + 1;
	}
	return counts;
}
const tableSize = failures.reduce((sum, failure) => sum + wanted(failure).length, 0);

// A release for each failure, in which the candidate "new-X" fails so; `both`: "old-X" likewise.
function startTable(both) {
	const script = { models: { good: {} } };
	const models = { good: { provider: "sim" } };
	const releases = {};
	for (const failure of failures) {
		const id = slug(failure.name);
		const limits = [failure.stalls ? STALL_MS : 30000, failure.stalls && both ? STALL_MS : 30000];
		for (const model of [`new-${id}`, `old-${id}`]) {
			models[model] = { provider: failure.nobody ? "nobody" : "sim" };
			script.models[model] = { faults: failure.faults ?? [] };
		}
		releases[id] = { stable: both ? `old-${id}` : "good", candidate: `new-${id}`, attempts: 2,
			timeouts: { first_token_ms: limits, answer_ms: limits } };
	}
	return startPair({ script, config: { providers: { nobody: { base_url: NOBODY_LISTENS } }, models, releases } });
}

// Waits until every request of the table has been made and has ended.
function tableEnd(pair) {
	return until("the whole table", async () => {
		const now = await stats(pair.grayd);
		return now.grayd.started >= tableSize && now.grayd.started === now.grayd.finished && now;
	}, patient(15));
}

describe("a failure of the candidate", { concurrency: 8 }, () => {
	let pair;
	before(async () => (pair = await startTable(false)));
	after(() => pair?.stop());

	for (const failure of failures) {
		const release = slug(failure.name);

		for (const [shape, index, make] of wanted(failure)) {
			test(`${failure.name}: ${shape} comes from stable`, async () => {
				const answer = await post(pair.grayd.url, make(release));
				assert.equal(answer.status, 200, answer.text);
				assert.ok(answer.complete);
				assert.equal(answer.headers["x-gray-arm"], "stable");
				assert.equal(answer.headers["x-gray-model"], "good");
				assert.equal(answer.headers["x-gray-fallback"], "1");
				assert.equal(answer.headers["x-gray-fallback-reason"], reasonOf(failure, index));
				assert.equal(answer.headers["x-gray-attempts"], "2");
				const attempts = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
				assert.deepEqual(attempts.map((attempt) => attempt.model),
					failure.nobody ? ["good"] : [`new-${release}`, "good"]);
				assert.equal(sha256(answer.bytes), attempts.at(-1).sha256, "stable's answer, byte for byte");
			});
		}
	}

	test("grayctl's figures and the provider's ledger tell the same", async () => {
		const { releases } = await tableEnd(pair);
		await pair.sim.settled();
		const { models } = await pair.sim.summary();
		for (const failure of failures) {
			const id = slug(failure.name);
			const n = wanted(failure).length;
			const reasons = countReasons(failure);
			const { candidate, stable } = releases[id].arms;
			assert.equal(candidate.requests, n, id);
			assert.equal(candidate.fallbacks, n, id);
			assert.deepEqual(candidate.fallback_reasons, reasons, id);
			assert.deepEqual(candidate.attempt_outcomes, reasons, id);
			assert.deepEqual(candidate.outcomes, { fallback: n }, id);
			assert.equal(candidate.attempts, n, id);
			assert.equal(candidate.sent, failure.nobody ? 0 : n, id);
			assert.equal(models[`new-${id}`]?.attempts ?? 0, candidate.sent, id);
			assert.deepEqual([stable.requests, stable.attempts, stable.sent], [0, n, n], id);
		}
		assert.equal(models.good.attempts, tableSize);
	});

	test("grayctl errors names the model, the outcome and the request, and that it was saved", async () => {
		await tableEnd(pair);
		const { json } = await pair.grayd.ctl(["-j", "errors", "500", "-n", 50]);
		const { errors, fallbacks, fallback_reasons: reasons } = json.releases["500"];
		assert.equal(fallbacks, 2);
		assert.deepEqual(reasons, { server_error: 2 });
		assert.equal(errors.length, 2);
		for (const error of errors) {
			assert.deepEqual([error.arm, error.model, error.provider, error.outcome, error.status, error.saved],
				["candidate", "new-500", "sim", "server_error", 500, true]);
			assert.ok(error.request_id.length > 0 && error.message.length > 0);
		}
		const words = (await pair.grayd.ctl(["errors", "500"])).stdout;
		assert.match(words, /new-500/);
		assert.match(words, /server_error/);
	});

	test("the log has one line a request, with the reason", async () => {
		await tableEnd(pair);
		const lines = await until("all lines", () => {
			const some = pair.grayd.logLines().filter((line) => line.event === "request" && line.release === "401-invalid-api-key");
			return some.length >= 2 && some;
		});
		assert.equal(lines.length, 2);
		for (const line of lines) {
			assert.deepEqual([line.assigned, line.arm, line.fallback, line.outcome, line.attempts, line.sent, line.status],
				["candidate", "stable", "unauthorized", "fallback", 2, 2, 200]);
		}
	});
});

describe("the same failure of both models", { concurrency: 8 }, () => {
	let pair;
	before(async () => (pair = await startTable(true)));
	after(() => pair?.stop());

	for (const failure of failures) {
		const release = slug(failure.name);

		for (const [shape, index, make] of wanted(failure)) {
			const reason = reasonOf(failure, index);

			test(`${failure.name}: ${shape} ends as ${failure.passed ? "stable's own words" : "one error with both causes"}`, async () => {
				const answer = await post(pair.grayd.url, make(release));
				assert.equal(answer.status, failure.status ?? 502, answer.text);
				assert.ok(answer.complete);
				assert.equal(answer.headers["content-type"], "application/json");
				assert.equal(answer.headers["x-should-retry"], "false", "grayd has tried again already");
				assert.equal(answer.headers["x-gray-attempts"], "2");
				assert.equal(answer.headers["x-gray-fallback"], "1");
				assert.equal(answer.headers["x-gray-fallback-reason"], reason);
				if (failure.passed) await assertPassedOn(answer, release);
				else assertBothCauses(answer.json.error, release, reason);
			});
		}
	}

	async function assertPassedOn(answer, release) {
		const attempts = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
		assert.equal(attempts.at(-1).model, `old-${release}`);
		assert.equal(sha256(answer.bytes), attempts.at(-1).sha256);
	}

	function assertBothCauses(error, release, reason) {
		assert.equal(error.code, "both_models_failed");
		assert.equal(typeof error.type, "string");
		assert.deepEqual(error.attempts.map(({ arm, model, outcome }) => [arm, model, outcome]),
			[["candidate", `new-${release}`, reason], ["stable", `old-${release}`, reason]]);
		for (const attempt of error.attempts) {
			assert.equal(typeof attempt.status, "number");
			assert.ok(attempt.message.length > 0);
		}
		assert.match(error.message, new RegExp(`new-${release}.*; .*old-${release}`));
	}

	test("attempts counted as sent are the provider's ledger, and no error counts as saved", async () => {
		const { releases } = await tableEnd(pair);
		await pair.sim.settled();
		const { models } = await pair.sim.summary();
		for (const failure of failures) {
			const id = slug(failure.name);
			const n = wanted(failure).length;
			for (const [arm, model] of [["candidate", "new"], ["stable", "old"]]) {
				const { attempts, sent, attempt_outcomes: outcomes } = releases[id].arms[arm];
				assert.equal(attempts, n, id);
				assert.equal(sent, failure.nobody ? 0 : n, id);
				assert.equal(models[`${model}-${id}`]?.attempts ?? 0, sent, id);
				assert.deepEqual(outcomes, countReasons(failure), id);
			}
			assert.equal(releases[id].arms.candidate.ok, 0, id);
		}
		const { errors } = (await pair.grayd.ctl(["-j", "errors", "500"])).json.releases["500"];
		assert.deepEqual(errors.map(({ arm, saved }) => [arm, saved]).sort(),
			[["candidate", false], ["candidate", false], ["stable", false], ["stable", false]]);
	});
});

describe("both models refuse", () => {
	test("a 400 of the candidate alone is a fallback; of both it is stable's own words", async (t) => {
		const pair = await startPair({
			t,
			script: { models: {
				"old-model": { match: [{ body_contains: "wrong", faults: [{ kind: "status", status: 400, message: "stable says no" }] }] },
				"new-model": { faults: [{ kind: "status", status: 400, message: "candidate says no" }] },
			} },
			config: chatConfig(),
		});
		const fine = await post(pair.grayd.url, message("chat"));
		assert.equal(fine.status, 200);
		assert.equal(fine.headers["x-gray-fallback-reason"], "bad_request");
		const wrong = await post(pair.grayd.url, message("chat", { user: "wrong" }));
		assert.equal(wrong.status, 400);
		assert.equal(wrong.json.error.message, "stable says no");
	});
});

describe("an error of stable alone", { concurrency: 8 }, () => {
	const told = { "retry-after": "7", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s",
		"x-request-id": "req_of_provider", "set-cookie": "a=b", server: "provider", "openai-organization": "org-secret" };
	const rows = {
		limited: { faults: status(429, { headers: told }), deadline_ms: 5000 },
		page: { faults: status(502, { body: "<html>Bad gateway</html>" }), attempts: 1 },
		stubborn: { faults: status(500, { headers: { "x-should-retry": "true" } }), attempts: 2, backoff_ms: 1 },
		eager: { faults: status(500, { headers: { "x-should-retry": "true" } }), attempts: 1 },
		final: { faults: status(500, { headers: { "x-should-retry": "false" } }), attempts: 1 },
	};
	let pair;
	before(async () => (pair = await startAlone(rows)));
	after(() => pair?.stop());

	test("keeps what the client must know, under its own name, and nothing else of the head", async () => {
		const { status: code, headers, json } = await post(pair.grayd.url, message("limited"));
		assert.equal(code, 429);
		assert.equal(json.error.code, "rate_limit_exceeded");
		for (const name of ["retry-after", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"]) {
			assert.equal(headers[name], told[name], name);
		}
		assert.equal(headers["x-upstream-request-id"], "req_of_provider");
		assert.notEqual(headers["x-request-id"], "req_of_provider");
		for (const name of ["set-cookie", "server", "openai-organization"]) assert.equal(headers[name], undefined, name);
	});

	test("a page of a proxy becomes an error that a client can read", async () => {
		const { status: code, headers, json } = await post(pair.grayd.url, message("page"));
		assert.equal(code, 502);
		assert.equal(headers["content-type"], "application/json");
		assert.equal(json.error.code, "upstream_error");
		assert.equal(json.error.attempts.length, 1);
	});

	for (const [model, hint] of [["stubborn", "false"], ["eager", "true"], ["final", "false"]]) {
		test(`x-should-retry: ${model}`, async () => {
			const { status: code, headers } = await post(pair.grayd.url, message(model));
			assert.equal(code, 500);
			assert.equal(headers["x-should-retry"], hint);
		});
	}
});

describe("a failure of the candidate, in the other APIs", { concurrency: 8 }, () => {
	const apis = {
		"/v1/completions": (model, stream) => ({ model, prompt: "hello", stream, ...(stream && { stream_options: { include_usage: true } }) }),
		"/v1/responses": (model, stream) => ({ model, input: "hello", stream }),
	};
	const faults = {
		500: [status(500), "server_error", "server_error"],
		reset: [[{ kind: "reset", at: "head" }], "no_answer", "no_answer"],
		cut: [[{ kind: "cut", at: "role" }], "incomplete", "incomplete"],
		empty: [[{ kind: "empty" }], "empty", "empty"],
		error: [[{ kind: "error_event", at: "role" }], "incomplete", "error_event"],
		truncated: [[{ kind: "truncated_json" }], "garbage", "garbage"],
		stall: [[{ kind: "stall", at: "role" }], "answer_timeout", "first_token_timeout"],
	};
	let pair;
	before(async () => {
		const script = { models: { good: {} } }, models = { good: { provider: "sim" } }, releases = {};
		for (const [name, [list]] of Object.entries(faults)) {
			script.models[name] = { faults: list };
			models[name] = { provider: "sim" };
			const limits = [name === "stall" ? STALL_MS : 30000, 30000];
			releases[name] = { stable: "good", candidate: name, timeouts: { first_token_ms: limits, answer_ms: limits } };
		}
		pair = await startPair({ script, config: { models, releases } });
	});
	after(() => pair?.stop());

	for (const [path, make] of Object.entries(apis)) {
		for (const [name, [, ...reasons]] of Object.entries(faults)) {
			for (const stream of [false, true]) {
				test(`${path}, ${name}${stream ? ", streamed" : ""}`, async () => {
					const answer = await post(pair.grayd.url, make(name, stream), { path });
					assert.equal(answer.status, 200, answer.text);
					assert.ok(answer.complete);
					assert.equal(answer.headers["x-gray-fallback-reason"], reasons[Number(stream)]);
					const attempts = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
					assert.deepEqual(attempts.map(({ model, path: at }) => [model, at]), [[name, path], ["good", path]]);
					assert.equal(sha256(answer.bytes), attempts[1].sha256);
				});
			}
		}
	}
});

// ---- many -----------------------------------------------------------------------------------

function chatConfig(release = {}, more = {}) {
	return {
		models: { old: { provider: "sim", name: "old-model" }, new: { provider: "sim", name: "new-model" } },
		releases: { chat: { stable: "old", candidate: "new", ...release } },
		...more,
	};
}

describe("half of the candidate's requests fail", () => {
	const total = long ? 20000 : 4000;
	const faults = [
		{ kind: "reset", at: "head", probability: 0.1 },
		{ kind: "close", at: "head", probability: 0.1 },
		{ kind: "status", status: 500, probability: 0.1 },
		{ kind: "status", status: 429, probability: 0.1 },
		{ kind: "cut", at: "role", probability: 0.1 },
		{ kind: "empty", probability: 0.1 },
		{ kind: "garbage", at: "headers", probability: 0.1 },
	];

	for (const [shape, stream] of [["whole answers", false], ["streams", true]]) {
		test(`${total} requests, ${shape}: no client sees it, and all counts agree`, async (t) => {
			const pair = await startPair({ t, script: { models: { "old-model": {}, "new-model": { faults } } }, config: chatConfig() });
			await setShare(pair.grayd, "chat", 50);
			const { summary, rows } = await load(pair.grayd.url, { m: "chat", n: total, c: 32, stream });
			assert.equal(summary.verdicts.ok, total);
			const { arms } = await assertLedger(pair.sim, pair.grayd, "chat");
			assert.equal(arms.candidate.requests + arms.stable.requests, total);
			const share = arms.candidate.requests;
			assert.ok(Math.abs(share - total / 2) <= 5 * Math.sqrt(total / 4), `${share} of ${total}`);
			assert.equal(arms.candidate.sent, share, "each candidate was asked once");
			assert.equal(arms.stable.sent, arms.stable.requests + arms.candidate.fallbacks);
			assert.equal(arms.candidate.fallbacks, summary.fallbacks);
			assert.deepEqual(arms.candidate.fallback_reasons, summary.fallback_reasons);
			assert.equal(arms.candidate.ok, summary.arms.candidate);
			const { fallbacks } = (await pair.grayd.ctl(["-j", "errors", "chat"])).json.releases.chat;
			assert.equal(fallbacks, summary.fallbacks);
			assert.ok(fallbacks > share / 3 && fallbacks < share * 2 / 3, `${fallbacks} fallbacks of ${share}`);
			await assertThreeWays(pair, rows, total);
		});
	}

	// The client's log, grayd's log and the provider's ledger, joined by request id.
	async function assertThreeWays(pair, rows, count) {
		const logged = await until("all log lines", () => {
			const requests = pair.grayd.logLines().filter((line) => line.event === "request");
			return requests.length >= count && requests;
		}, 20);
		assert.equal(logged.length, count);
		const seen = new Map();
		for (const attempt of await pair.sim.ledger()) seen.set(attempt.request_id, (seen.get(attempt.request_id) ?? 0) + 1);
		const byId = new Map(logged.map((line) => [line.id, line]));
		for (const row of rows) {
			const own = byId.get(row.id);
			assert.ok(own, `${row.id} is in grayd's log`);
			assert.deepEqual([own.arm, own.status, String(own.attempts), own.sent],
				[row.arm, row.status, row.attempts, seen.get(row.id)], row.id);
			assert.equal(own.fallback ?? "", row.fallback_reason);
		}
	}
});

test("a kept-alive connection that dies under a request: never sent twice by itself", async (t) => {
	const faults = [{ kind: "close", at: "head", reused: true, probability: 0.3 }];
	const pair = await startPair({ t, script: { models: { "old-model": {}, "new-model": { faults } } }, config: chatConfig() });
	const total = long ? 20000 : 2000;
	const { summary } = await load(pair.grayd.url, { m: "chat", n: total, c: 16 }, { log: false });
	assert.equal(summary.verdicts.ok, total);
	const { arms } = await assertLedger(pair.sim, pair.grayd, "chat");
	assert.equal(arms.candidate.sent, total);
	assert.ok(summary.fallback_reasons.no_answer > total / 10);
	assert.deepEqual(Object.keys(summary.fallback_reasons), ["no_answer"]);
});

// ---- retries --------------------------------------------------------------------------------

// One release with no candidate for each way of retrying; `faults` are of its model.
async function startAlone(rows, options = {}) {
	const models = {}, releases = {}, script = { models: {} };
	for (const [name, { behaviour = {}, faults, ...release }] of Object.entries(rows)) {
		models[name] = { provider: "sim", name };
		script.models[name] = { ...behaviour, ...(faults && { faults }) };
		releases[name] = { stable: name, ...release };
	}
	return startPair({ script, config: { models, releases }, ...options });
}

const gapsMs = (attempts) => attempts.slice(1).map((next, i) => (next.t_start_us - attempts[i].t_start_us) / 1000);

describe("retries of stable", { concurrency: 8 }, () => {
	const wish = patient(300);
	const rows = {
		twice: { faults: [{ kind: "status", status: 503, count: 2 }], backoff_ms: 40 },
		always: { faults: status(500), backoff_ms: 10, attempts: 3 },
		once: { faults: status(500), attempts: 1 },
		never: { faults: status(401) },
		quota: { faults: status(429, { code: "insufficient_quota" }), backoff_ms: 1 },
		sent: { faults: [{ kind: "reset", at: "head" }], backoff_ms: 1 },
		"retry-sent": { faults: [{ kind: "reset", at: "head", count: 1 }], backoff_ms: 1, retry_sent: true },
		seconds: { faults: status(429, { count: 1, retry_after: String(wish / 1000) }), backoff_ms: 1 },
		"whole-seconds": { faults: status(429, { count: 1, retry_after: "1" }), backoff_ms: 1 },
		milliseconds: { faults: status(429, { count: 1, retry_after_ms: wish }), backoff_ms: 1 },
		both: { faults: status(429, { count: 1, retry_after_ms: wish, retry_after: "30" }), backoff_ms: 1, deadline_ms: 20000 },
		date: { faults: status(503, { count: 1, retry_after_date_s: 2 }), backoff_ms: 1 },
		body: { faults: status(429, { count: 1, retry_after_body: wish / 1000 }), backoff_ms: 1 },
		"too-long": { faults: status(429, { retry_after: "3600" }), backoff_ms: 1, deadline_ms: 5000 },
		budget: { faults: status(503), backoff_ms: 150, attempts: 100, deadline_ms: patient(1000) },
		silent: { faults: [{ kind: "stall", at: "head" }], deadline_ms: patient(300) },
	};
	let pair;
	before(async () => (pair = await startAlone(rows)));
	after(() => pair?.stop());

	const ask = async (name, make = message) => {
		const answer = await post(pair.grayd.url, make(name));
		return { ...answer, attempts: await attemptsOf(pair.sim, answer.headers["x-request-id"]) };
	};

	test("two failures, then an answer: the client sees the answer, the waits grow", async () => {
		const { status: code, headers, attempts } = await ask("twice");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-attempts"], "3");
		assert.equal(headers["x-gray-fallback"], "0");
		assert.equal(attempts.length, 3);
		const [first, second] = gapsMs(attempts);
		assert.ok(first >= 19 && second >= 39, `waits of ${first} and ${second} ms`);
	});

	test("a stable that always fails is asked `attempts` times, then its own words are passed on", async () => {
		const { status: code, headers, attempts, bytes } = await ask("always", streamed);
		assert.equal(code, 500);
		assert.equal(attempts.length, 3);
		assert.equal(headers["x-gray-attempts"], "3");
		assert.equal(headers["x-should-retry"], "false");
		assert.equal(sha256(bytes), attempts.at(-1).sha256);
		const { stable } = (await stats(pair.grayd, "always")).releases.always.arms;
		assert.deepEqual([stable.requests, stable.attempts, stable.sent, stable.retries], [1, 3, 3, 2]);
	});

	test("attempts: 1 means one", async () => {
		const { status: code, attempts } = await ask("once");
		assert.equal(code, 500);
		assert.equal(attempts.length, 1);
	});

	test("a refused key is not tried again", async () => {
		const { status: code, json, attempts } = await ask("never");
		assert.equal(code, 502);
		assert.equal(json.error.code, "upstream_auth");
		assert.equal(json.error.attempts.length, 1);
		assert.equal(attempts.length, 1);
	});

	test("a 429 for want of quota is not tried again", async () => {
		const { status: code, json, attempts } = await ask("quota");
		assert.equal(code, 429);
		assert.equal(json.error.code, "insufficient_quota");
		assert.equal(attempts.length, 1);
	});

	test("a connection that died unanswered is not repeated: it may be at work", async () => {
		const { status: code, json, attempts } = await ask("sent");
		assert.equal(code, 502);
		assert.equal(json.error.code, "upstream_no_answer");
		assert.equal(attempts.length, 1);
	});

	test("unless retry_sent allows it", async () => {
		const { status: code, attempts } = await ask("retry-sent");
		assert.equal(code, 200);
		assert.equal(attempts.length, 2);
	});

	for (const [name, least, most] of [
		["seconds", wish, wish + patient(1500)], ["whole-seconds", 1000, 1000 + patient(1500)],
		["milliseconds", wish, wish + patient(1500)], ["both", wish, wish + patient(1500)],
		["date", 1000, 2000 + patient(1500)], ["body", wish, wish + patient(1500)],
	]) {
		test(`Retry-After is obeyed: ${name}`, async () => {
			const { status: code, attempts } = await ask(name);
			assert.equal(code, 200);
			assert.equal(attempts.length, 2);
			const [gap] = gapsMs(attempts);
			assert.ok(gap >= least - 2 && gap <= most, `${gap} ms, expected ${least}..${most}`);
		});
	}

	test("a Retry-After beyond the deadline is answered with, at once and under its own name", async () => {
		const begin = performance.now();
		const { status: code, headers, attempts } = await ask("too-long");
		assert.ok(performance.now() - begin < patient(3000));
		assert.equal(code, 429);
		assert.equal(headers["retry-after"], "3600");
		assert.equal(attempts.length, 1);
	});

	test("the deadline ends the retries", async () => {
		const begin = performance.now();
		const { status: code, attempts } = await ask("budget");
		const spent = performance.now() - begin;
		assert.equal(code, 503);
		assert.ok(spent < patient(2500), `${spent} ms`);
		assert.ok(attempts.length >= 2 && attempts.length <= 6, `${attempts.length} attempts`);
	});

	test("the deadline ends an attempt, too", async () => {
		const begin = performance.now();
		const { status: code, json, headers, attempts } = await ask("silent");
		assert.ok(performance.now() - begin < patient(2000));
		assert.equal(code, 504);
		assert.equal(json.error.code, "deadline_exceeded");
		assert.equal(headers["x-should-retry"], "false");
		assert.equal(attempts.length, 1);
		await until("the provider sees the close", async () => (await attemptsOf(pair.sim, headers["x-request-id"]))[0].t_close_us > 0);
	});
});

describe("attempts over both arms", { concurrency: 8 }, () => {
	const releases = {
		patient: { candidate_attempts: 3, attempts: 8 },
		tight: { candidate_attempts: 3, attempts: 2 },
		bounded: { candidate_attempts: 2, attempts: 4, stable: "bad", candidate: "new" },
		alone: { fallback: false },
		wait: { candidate: "limited", candidate_attempts: 5 },
		obey: { candidate: "limited-once", candidate_attempts: 2 },
	};
	const script = { models: {
		old: {}, new: { faults: status(500) }, bad: { faults: status(500) },
		limited: { faults: status(429, { retry_after: "3600" }) },
		"limited-once": { faults: status(429, { count: 1, retry_after_ms: patient(200) }) },
	} };
	let pair;
	before(async () => {
		const models = Object.fromEntries(Object.keys(script.models).map((name) => [name, { provider: "sim" }]));
		for (const [name, release] of Object.entries(releases)) {
			releases[name] = { stable: "old", candidate: "new", backoff_ms: 5, ...release };
		}
		pair = await startPair({ script, config: { models, releases } });
	});
	after(() => pair?.stop());

	const asked = async (release) => {
		const answer = await post(pair.grayd.url, message(release));
		const attempts = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
		return { ...answer, attempts, models: attempts.map((attempt) => attempt.model) };
	};

	test("candidate_attempts: the candidate is asked so often before stable", async () => {
		const { status: code, headers, models } = await asked("patient");
		assert.equal(code, 200);
		assert.deepEqual(models, ["new", "new", "new", "old"]);
		assert.equal(headers["x-gray-attempts"], "4");
		assert.equal(headers["x-gray-fallback-reason"], "server_error");
	});

	test("a fallback always has one attempt left", async () => {
		const { status: code, models } = await asked("tight");
		assert.equal(code, 200);
		assert.deepEqual(models, ["new", "new", "old"]);
	});

	test("both fail: all attempts together stay within the budget, and each is listed", async () => {
		const { status: code, json, models } = await asked("bounded");
		assert.equal(code, 500);
		assert.deepEqual(models, ["new", "new", "bad", "bad"]);
		assert.equal(json.error.code, "both_models_failed");
		assert.deepEqual(json.error.attempts.map(({ arm }) => arm), ["candidate", "candidate", "stable", "stable"]);
	});

	test("fallback: false leaves the candidate's error to the client", async () => {
		const { status: code, headers, models } = await asked("alone");
		assert.equal(code, 500);
		assert.equal(headers["x-gray-arm"], "candidate");
		assert.equal(headers["x-gray-fallback"], "0");
		assert.deepEqual(models, ["new"]);
	});

	test("a candidate that wants too long a wait is left for stable at once", async () => {
		const begin = performance.now();
		const { status: code, models } = await asked("wait");
		assert.equal(code, 200);
		assert.deepEqual(models, ["limited", "old"]);
		assert.ok(performance.now() - begin < patient(3000));
	});

	test("a wait that fits is obeyed before the candidate's next attempt", async () => {
		const { status: code, headers, attempts, models } = await asked("obey");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-arm"], "candidate");
		assert.deepEqual(models, ["limited-once", "limited-once"]);
		assert.ok(gapsMs(attempts)[0] >= patient(200) - 2);
	});

	test("a pinned test request does not fall back, and is not counted", async () => {
		const answer = await post(pair.grayd.url, message("patient"), { headers: { "x-gray-arm": "candidate" } });
		assert.equal(answer.status, 500);
		assert.equal(answer.headers["x-gray-arm"], "candidate");
		assert.equal(answer.headers["x-gray-pin"], "accepted");
		const { candidate } = (await stats(pair.grayd, "patient")).releases.patient.arms;
		assert.equal(candidate.pinned, 1);
		assert.ok(candidate.requests <= 1);
	});
});

describe("the retry budget", () => {
	async function storm(t, percent) {
		const pair = await startAlone({
			storm: { faults: status(503, { latency_ms: patient(200) }), backoff_ms: 50, retry_budget_percent: percent },
		}, { t });
		const { summary } = await load(pair.grayd.url, { m: "storm", n: 40, c: 40 }, { log: false });
		assert.equal(summary.verdicts.error, 40);
		return (await assertLedger(pair.sim, pair.grayd, "storm")).arms.stable;
	}

	test("keeps retries to a fifth of the active requests, where all fail", async (t) => {
		const { retries, sent } = await storm(t, 20);
		// Two workers; each may always have three under way, and each of them three times in turn.
		assert.ok(retries >= 2 && retries <= 3 * 14, `${retries} retries`);
		assert.equal(sent, 40 + retries);
	});

	test("and lets all of them be where it is wide", async (t) => {
		const { retries } = await storm(t, 100);
		assert.equal(retries, 120);
	});
});

// ---- timeouts -------------------------------------------------------------------------------

describe("timeouts", { concurrency: 8 }, () => {
	const short = patient(150);
	let pair, hole;
	before(async () => {
		hole = await blackHole();
		pair = await startPair({
			script: { models: {
				old: {}, hole: {}, slow: { latency_ms: 2 * short, first_token_ms: short / 2 },
				"slow-first": { first_token_ms: 2 * short },
				rusty: { faults: [{ kind: "stall", at: "role" }] },
				stops: { faults: [{ kind: "stall", at: "chunk", after: 2 }] },
				babbles: { faults: [{ kind: "comments", at: "headers", interval_ms: 10 }] },
				endless: { tokens: 100000, chunk_ms: 10 },
				thinks: { reasoning_tokens: 30, chunk_ms: short / 8, tokens: 3 },
			} },
			config: {
				providers: { hole: { base_url: `http://127.0.0.1:${hole.port}/v1` } },
				models: {
					...Object.fromEntries(["old", "slow", "slow-first", "rusty", "stops", "babbles", "endless", "thinks"]
						.map((name) => [name, { provider: "sim" }])),
					hole: { provider: "hole" },
				},
				releases: {
					connect: { stable: "old", candidate: "hole", timeouts: { connect_ms: short } },
					growing: { stable: "slow-first", attempts: 3, backoff_ms: 1, timeouts: { first_token_ms: [short, short, 20 * short] } },
					"growing-answer": { stable: "slow", attempts: 3, backoff_ms: 1, timeouts: { answer_ms: [short, 20 * short] } },
					across: { stable: "slow", candidate: "slow-first", timeouts: { first_token_ms: [short, 20 * short] } },
					"idle-before": { stable: "old", candidate: "rusty", timeouts: { idle_ms: short, first_token_ms: [20 * short] } },
					"idle-after": { stable: "old", candidate: "stops", timeouts: { idle_ms: short } },
					comments: { stable: "old", candidate: "babbles", timeouts: { idle_ms: short, first_token_ms: [3 * short] } },
					longest: { stable: "endless", stream_max_ms: 3 * short },
					beyond: { stable: "endless", deadline_ms: short, stream_max_ms: 5 * short },
					reasoning: { stable: "thinks", timeouts: { first_token_ms: [short] } },
				},
			},
		});
	});
	after(async () => {
		hole?.stop();
		await pair?.stop();
	});

	// A listener whose queue is full: the kernel drops further connections without a word.
	async function blackHole() {
		const child = spawn(process.execPath, ["-e",
			'require("net").createServer().listen({port:0,host:"127.0.0.1",backlog:1},function(){console.log(this.address().port)})'],
			{ stdio: ["ignore", "pipe", "inherit"] });
		process.on("exit", () => child.kill("SIGKILL"));
		child.unref();
		const port = Number(String((await once(child.stdout, "data"))[0]));
		child.kill("SIGSTOP");
		const fillers = Array.from({ length: 4 }, () => net.connect(port, "127.0.0.1").on("error", () => {}));
		await until("a full queue", () => fillers.filter((socket) => !socket.connecting).length >= 2);
		return { port, stop: () => {
			for (const socket of fillers) socket.destroy();
			child.kill("SIGKILL");
		} };
	}

	async function timed(release, make = streamed) {
		const begin = performance.now();
		const answer = await post(pair.grayd.url, make(release));
		return { ...answer, spent: performance.now() - begin };
	}

	test("connect: a provider that does not take the connection in time", async () => {
		for (const make of [message, streamed]) {
			const { status: code, headers, spent } = await timed("connect", make);
			assert.equal(code, 200);
			assert.equal(headers["x-gray-fallback-reason"], "connect_timeout");
			assert.ok(spent >= short && spent < short + patient(1500), `${spent} ms`);
		}
		const { candidate } = (await stats(pair.grayd, "connect")).releases.connect.arms;
		assert.deepEqual([candidate.attempts, candidate.sent], [2, 0]);
	});

	test("first token: the limit grows from attempt to attempt until the answer fits", async () => {
		const { status: code, headers, spent } = await timed("growing");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-attempts"], "3");
		assert.ok(spent >= 4 * short - 5, `${spent} ms`);
		const { stable } = (await stats(pair.grayd, "growing")).releases.growing.arms;
		assert.deepEqual(stable.attempt_outcomes, { first_token_timeout: 2, ok: 1 });
	});

	test("whole answer: likewise", async () => {
		const { status: code, headers } = await timed("growing-answer", message);
		assert.equal(code, 200);
		assert.equal(headers["x-gray-attempts"], "2");
		const { stable } = (await stats(pair.grayd, "growing-answer")).releases["growing-answer"].arms;
		assert.deepEqual(stable.attempt_outcomes, { answer_timeout: 1, ok: 1 });
	});

	test("the n-th limit is for the n-th attempt of the request, whichever arm it asks", async () => {
		const { status: code, headers } = await timed("across");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-arm"], "stable");
		assert.equal(headers["x-gray-fallback-reason"], "first_token_timeout");
	});

	test("idle before the first token falls back", async () => {
		const { status: code, headers, spent } = await timed("idle-before");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-fallback-reason"], "idle_timeout");
		assert.ok(spent < 10 * short, `${spent} ms`);
	});

	test("idle after the first token ends the stream with an error, not with [DONE]", async () => {
		const { status: code, headers, text, complete, spent } = await timed("idle-after");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-arm"], "candidate");
		assert.equal(complete, false);
		const events = eventsOf(text);
		assert.equal(JSON.parse(events.at(-1)).error.attempts[0].outcome, "idle_timeout");
		assert.ok(!events.includes("[DONE]"));
		assert.ok(spent >= short && spent < short + patient(1500), `${spent} ms`);
	});

	test("comments keep a connection from being idle, but are no first token", async () => {
		const { status: code, headers, spent } = await timed("comments");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-fallback-reason"], "first_token_timeout");
		assert.ok(spent >= 3 * short && spent < 3 * short + patient(1500), `${spent} ms`);
	});

	test("reasoning counts as a first token", async () => {
		const { status: code, headers, text } = await timed("reasoning");
		assert.equal(code, 200);
		assert.equal(headers["x-gray-attempts"], "1");
		assert.equal(eventsOf(text).at(-1), "[DONE]");
	});

	test("stream_max_ms ends the longest stream, with an error", async () => {
		const { text, complete, spent } = await timed("longest");
		assert.equal(complete, false);
		assert.equal(JSON.parse(eventsOf(text).at(-1)).error.attempts[0].outcome, "stream_timeout");
		assert.ok(spent >= 3 * short && spent < 3 * short + patient(1500), `${spent} ms`);
	});

	test("deadline_ms ends with the commit: it cuts no good long stream", async () => {
		const { text, spent } = await timed("beyond");
		assert.ok(spent >= 5 * short, `${spent} ms`);
		assert.equal(JSON.parse(eventsOf(text).at(-1)).error.attempts[0].outcome, "stream_timeout");
	});
});
