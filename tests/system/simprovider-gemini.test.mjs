// SPDX-License-Identifier: MIT
// simprovider --kind gemini: Google's own API as it is on the wire: paths, parts, usage so far,
// the end without a mark, errors with a status in words, faults, and the ledger. Then the habits of
// its compatible endpoint, of DeepSeek and of OpenAI, which are scripts of the kind `openai`.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import OpenAI from "openai";
import { request, startSim, until } from "./lib/sim.mjs";

let sim, plain;
before(async () => {
	sim = await startSim({ kind: "gemini", seed: 7 });
	plain = await startSim({ kind: "openai", seed: 7 });
});
after(async () => {
	for (const one of [sim, plain]) {
		const end = await one.stop();
		assert.equal(end.code, 0, end.stderr);
		assert.equal(end.stderr, "");
	}
});

const use = (behaviour, extra = {}) => sim.setScript({ models: { "*": behaviour }, ...extra });
const ask = (extra = {}) => ({ contents: [{ role: "user", parts: [{ text: "hi" }] }], ...extra });
const tools = [{ functionDeclarations: [{ name: "weather" }] }];
const head = { "x-goog-api-key": "AIza-test" };
const base = "/v1beta/models/gemini-x";
const post = (method, body = ask(), headers = head) => request(sim.url + base + method,
	{ method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
const whole = (body, headers) => post(":generateContent", body, headers);
const stream = (body, headers) => post(":streamGenerateContent?alt=sse", body, headers);
const json = (answer) => JSON.parse(answer.body.toString());
const last = async () => (await sim.ledger()).at(-1);
const get = (where) => request(sim.url + where, { headers: head });

function events(answer) {
	const text = typeof answer === "string" ? answer : answer.body.toString();
	return text.split("\r\n\r\n").filter((e) => e.startsWith("data: ")).map((e) => JSON.parse(e.slice(6)));
}
const parts = (list) => list.flatMap((e) => e.candidates[0].content.parts);

test("content, whole: parts, thoughts, finish reason, usage taken apart", async () => {
	await use({ tokens: 3, reasoning_tokens: 2, usage: { input: 100, cached: 60 } });
	await sim.reset();
	const answer = await whole();
	assert.equal(answer.status, 200);
	const body = json(answer);
	assert.deepEqual(body.candidates, [{ content: { role: "model", parts: [
		{ text: "thought0 thought1", thought: true },
		{ text: "gemini-x says: tok0 tok1 tok2" }] }, finishReason: "STOP", index: 0 }]);
	assert.deepEqual(body.usageMetadata, { promptTokenCount: 100, candidatesTokenCount: 3,
		totalTokenCount: 105, cachedContentTokenCount: 60, thoughtsTokenCount: 2 });
	assert.equal(body.modelVersion, "gemini-x");
	assert.equal(body.responseId, "sim1");
	const entry = await last();
	assert.equal(entry.model, "gemini-x");
	assert.equal(entry.path, `${base}:generateContent`);
	assert.match(entry.key_digest, /^[0-9a-f]{12}$/);
	assert.deepEqual([entry.input_tokens, entry.cached_tokens, entry.output_tokens,
		entry.reasoning_tokens, entry.told, entry.told_output_tokens], [100, 60, 5, 2, "all", 5]);
});

test("content, streamed: the same parts in pieces, usage so far, no end mark", async () => {
	await use({ tokens: 3, reasoning_tokens: 2, usage: { input: 100 } });
	const answer = await stream();
	assert.match(answer.headers["content-type"], /^text\/event-stream/);
	const list = events(answer);
	assert.equal(list.length, 6);
	assert.equal(parts(list).filter((p) => p.thought).map((p) => p.text).join(""), "thought0 thought1");
	assert.equal(parts(list).filter((p) => !p.thought).map((p) => p.text).join(""),
		"gemini-x says: tok0 tok1 tok2");
	assert.deepEqual(list.map((e) => e.candidates[0].finishReason),
		[undefined, undefined, undefined, undefined, undefined, "STOP"]);
	assert.deepEqual(list.map((e) => e.usageMetadata.thoughtsTokenCount), [1, 2, 2, 2, 2, 2]);
	assert.deepEqual(list.map((e) => e.usageMetadata.candidatesTokenCount),
		[undefined, undefined, 1, 2, 3, 3]);
	assert.ok(!answer.body.includes("[DONE]"));
	assert.ok(answer.body.toString().endsWith("}\r\n\r\n"));
	const array = json(await post(":streamGenerateContent"));
	assert.equal(array.length, 1);
	assert.equal(array[0].candidates[0].content.parts[1].text, "gemini-x says: tok0 tok1 tok2");
});

test("function calls are objects, and whole even in a stream", async () => {
	const args = { city: 'Zürich "west"', days: [1, 2] };
	await use({ tool_calls: [{ name: "weather", arguments: args, pieces: 5 }, { name: "clock" }] });
	const calls = [{ name: "weather", args }, { name: "clock", args: {} }];
	const body = json(await whole(ask({ tools })));
	assert.deepEqual(body.candidates[0].content.parts.map((p) => p.functionCall), calls);
	assert.equal(body.candidates[0].finishReason, "STOP");
	const list = events(await stream(ask({ tools })));
	assert.deepEqual(parts(list).filter((p) => p.functionCall).map((p) => p.functionCall), calls);
	assert.equal(list.length, 3);
	assert.ok(json(await whole()).candidates[0].content.parts[0].text);
	await use({ reasoning_tokens: 1, tool_calls: [{ name: "f" }, { name: "g" }] });
	const signed = json(await whole(ask({ tools }))).candidates[0].content.parts;
	assert.deepEqual(signed.map((p) => "thoughtSignature" in p), [false, true, false]);
});

test("finish reasons: from OpenAI's words, and Google's own; a prompt that is blocked", async () => {
	for (const [word, reason] of [["stop", "STOP"], ["length", "MAX_TOKENS"],
		["content_filter", "SAFETY"], ["RECITATION", "RECITATION"]]) {
		await use({ finish_reason: word });
		assert.equal(json(await whole()).candidates[0].finishReason, reason);
		assert.equal(events(await stream()).at(-1).candidates[0].finishReason, reason);
	}
	await use({ faults: [{ kind: "refusal" }] });
	for (const list of [[json(await whole())], events(await stream())]) {
		assert.equal(list.length, 1);
		assert.deepEqual(list[0].promptFeedback, { blockReason: "SAFETY" });
		assert.ok(!("candidates" in list[0]));
		assert.ok(list[0].usageMetadata.promptTokenCount > 0);
	}
});

test("a request without its key or contents, or to no path of the API, is refused", async () => {
	await use({});
	for (const [answer, status, word] of [
		[await whole(ask(), {}), 403, "PERMISSION_DENIED"],
		[await whole(ask(), { authorization: "Bearer x" }), 403, "PERMISSION_DENIED"],
		[await whole({}), 400, "INVALID_ARGUMENT"],
		[await whole("{"), 400, "INVALID_ARGUMENT"],
		[await whole(ask({ stream: true })), 400, "INVALID_ARGUMENT"],
		[await post(":nothing"), 404, "NOT_FOUND"],
		[await get("/v1beta/nothing"), 404, "NOT_FOUND"],
	]) {
		assert.equal(answer.status, status, answer.body.toString());
		assert.equal(json(answer).error.code, status);
		assert.equal(json(answer).error.status, word);
	}
	const own = await startSim({ kind: "gemini", args: ["--key", "good"] });
	try {
		const answer = (key) => request(`${own.url}${base}:generateContent`, { method: "POST",
			headers: { "x-goog-api-key": key }, body: JSON.stringify(ask()) });
		assert.equal((await answer("good")).status, 200);
		const bad = await answer("bad");
		assert.equal(bad.status, 400);
		assert.equal(json(bad).error.details[0].reason, "API_KEY_INVALID");
	} finally {
		await own.stop();
	}
});

for (const [status, word] of [[400, "INVALID_ARGUMENT"], [401, "UNAUTHENTICATED"],
	[403, "PERMISSION_DENIED"], [404, "NOT_FOUND"], [429, "RESOURCE_EXHAUSTED"], [500, "INTERNAL"],
	[503, "UNAVAILABLE"], [504, "DEADLINE_EXCEEDED"]])
	test(`an error before the answer: ${status} ${word}, as an object and in an array`, async () => {
		for (const array of [false, true]) {
			await use({ faults: [{ kind: "status", status, array, retry_after_body: 12.5 }] });
			for (const answer of [await whole(), await stream()]) {
				assert.equal(answer.status, status);
				const { error } = array ? json(answer)[0] : json(answer);
				assert.equal(error.code, status);
				assert.equal(error.status, word);
				assert.equal(typeof error.message, "string");
				assert.equal(error.details[0].retryDelay, "12.5s");
			}
		}
	});

const has = (what) => (t) => t.includes(what);
for (const [name, fault, streamed, check] of [
	["an error in the middle", { kind: "error_event", after: 2, status: 503 }, true, (t) => {
		const list = events(t);
		return list.length === 3 && list[2].error.status === "UNAVAILABLE";
	}],
	["an error in an array in the middle", { kind: "error_event", after: 2, status: 503, array: true },
		true, (t) => events(t)[2][0].error.code === 503],
	["no finish reason", { kind: "no_finish" }, true, (t) => !has("finishReason")(t) &&
		events(t).length === 8],
	["no finish reason in a whole answer", { kind: "no_finish" }, false, (t) => !has("finishReason")(t)],
	["no usage", { kind: "no_usage" }, true, (t) => !has("usageMetadata")(t)],
	["no end mark, which there never is", { kind: "no_done" }, true, has('"finishReason":"STOP"')],
	["role only", { kind: "role_only" }, true, (t) => {
		const list = events(t);
		return list.length === 1 && parts(list)[0].text === "" && !has("finishReason")(t);
	}],
	["empty", { kind: "empty" }, true, (t) => parts(events(t)).every((p) => p.text === "")],
	["empty, whole", { kind: "empty" }, false, (t) => parts([JSON.parse(t)]).length === 0],
	["no candidates", { kind: "empty", variant: "choices" }, false, (t) =>
		JSON.parse(t).candidates.length === 0],
	["a stream without an event", { kind: "empty", variant: "choices" }, true, (t) => t === ""],
	["broken arguments", { kind: "bad_tool_json" }, false, (t) =>
		typeof parts([JSON.parse(t)])[0].functionCall.args === "string"],
	["a truncated event", { kind: "truncated_json", after: 2 }, true, (t) => {
		assert.throws(() => events(t));
		return true;
	}],
	["cut", { kind: "cut", after: 2, end: "chunk" }, true, (t) => events(t).length === 2],
	["comments for a time", { kind: "comments", at: "role", for_ms: 60, interval_ms: 5 }, true, (t) =>
		t.match(/^: keep-alive\r\n\r\n/gm).length > 3 && has('"finishReason":"STOP"')(t)],
])
	test(`fault: ${name}`, async () => {
		await use({ faults: [fault] });
		const answer = await (streamed ? stream() : whole());
		assert.equal(answer.status, 200);
		assert.ok(check(answer.body.toString()), answer.body.toString());
	});

test("models: with `models/` before their ids, not listed, not there, no such endpoint", async () => {
	await sim.setScript({ models: { "gemini-a": {}, hidden: { listed: false }, gone: { found: false } } });
	const list = json(await get("/v1beta/models"));
	assert.deepEqual(list.models.map((m) => m.name), ["models/gemini-a"]);
	assert.equal(json(await get("/v1beta/models/gemini-a")).name, "models/gemini-a");
	assert.equal((await get("/v1beta/models/hidden")).status, 200);
	assert.equal((await get("/v1beta/models/gone")).status, 404);
	assert.equal((await whole()).status, 404);
	await use({}, { catalogue: { faults: [{ kind: "status", status: 404 }] } });
	assert.equal((await get("/v1beta/models")).status, 404);
	assert.equal((await request(`${sim.url}/v1beta/models`)).status, 403);
});

test("a stream's usage so far is what the ledger calls told", async () => {
	await use({ tokens: 5, usage: { input: 9 }, faults: [{ kind: "cut", after: 3 }] });
	await sim.reset();
	await stream().catch(() => {});
	await sim.settled(1);
	const entry = await last();
	assert.deepEqual([entry.state, entry.told, entry.told_output_tokens, entry.output_tokens],
		["faulted", "input", 3, 3]);
});

// ---- habits of others that speak OpenAI's format -----------------------------------------------

const chat = (extra = {}) => ({ model: "m", messages: [{ role: "user", content: "hi" }], ...extra });
const postPlain = (body) => request(`${plain.url}/v1beta/openai/chat/completions`,
	{ method: "POST", body: JSON.stringify(body) });
const client = () => new OpenAI({ apiKey: "k", baseURL: `${plain.url}/v1beta/openai`, maxRetries: 0 });

test("Gemini's compatible endpoint: ids with `models/`, errors in an array, usage with choices",
	async () => {
		await plain.setScript({ models: { "gemini-2.5-flash": { id: "models/gemini-2.5-flash",
			usage: "with_choices" } } });
		assert.deepEqual((await client().models.list()).data.map((m) => m.id),
			["models/gemini-2.5-flash"]);
		assert.equal((await client().models.retrieve("gemini-2.5-flash")).id, "models/gemini-2.5-flash");
		for (const model of ["gemini-2.5-flash", "models/gemini-2.5-flash"])
			assert.equal((await postPlain(chat({ model }))).status, 200);
		const list = [];
		const answer = await client().chat.completions.create(chat({ model: "gemini-2.5-flash",
			stream: true, stream_options: { include_usage: true } }));
		for await (const chunk of answer) list.push(chunk);
		assert.equal(list.at(-1).choices[0].finish_reason, "stop");
		assert.ok(list.at(-1).usage.total_tokens > 0);
		await plain.setScript({ models: { "*": { faults: [{ kind: "status", status: 429, array: true }] } } });
		assert.equal(json(await postPlain(chat()))[0].error.code, "rate_limit_exceeded");
		await plain.setScript({ models: { "*": { faults: [{ kind: "error_event", after: 1, array: true,
			status: 503 }] } } });
		const text = (await postPlain(chat({ stream: true }))).body.toString();
		assert.match(text, /^data: \[\{"error":\{"message":.*"code":"service_unavailable"\}\}\]$/m);
	});

test("DeepSeek: blank lines before a whole answer, comments before a stream, no balance", async () => {
	await plain.setScript({ models: { "*": { body_ms: 60, first_token_ms: 60, heartbeat_ms: 10 } } });
	const answer = await postPlain(chat());
	assert.match(answer.body.toString(), /^\n{3,}\{"id"/);
	assert.equal(json(answer).choices[0].finish_reason, "stop");
	assert.equal((await client().chat.completions.create(chat())).choices[0].finish_reason, "stop");
	const text = (await postPlain(chat({ stream: true }))).body.toString();
	assert.ok(text.match(/^: keep-alive\n\n/gm).length >= 3);
	assert.ok(text.endsWith("data: [DONE]\n\n"));
	await plain.setScript({ models: { "*": { faults: [{ kind: "status", status: 402 }] } } });
	await assert.rejects(client().chat.completions.create(chat()), { status: 402 });
});

test("blank lines before a whole answer are billed only with the answer", async () => {
	await plain.setScript({ models: { "*": { body_ms: 60000, heartbeat_ms: 5 } } });
	await plain.reset();
	const answer = await fetch(`${plain.url}/v1/chat/completions`,
		{ method: "POST", body: JSON.stringify(chat()) });
	const reader = answer.body.getReader();
	assert.equal(Buffer.from((await reader.read()).value).toString()[0], "\n");
	await reader.cancel();
	await plain.settled(1);
	const [entry] = await plain.ledger();
	assert.deepEqual([entry.state, entry.status, entry.output_tokens, entry.told],
		["cancelled", 200, 0, "none"]);
});

test("OpenAI: a name that stands for another, rate limits in headers, a spent quota", async () => {
	await plain.setScript({ models: { "*": { answers_as: "gpt-4.1-2025-04-14", headers:
		{ "x-ratelimit-limit-requests": 500, "x-ratelimit-reset-requests": "120ms" } } } });
	const { data, response } = await client().chat.completions.create(chat()).withResponse();
	assert.equal(data.model, "gpt-4.1-2025-04-14");
	assert.equal(data.choices[0].message.content.slice(0, 7), "m says:");
	assert.equal(response.headers.get("x-ratelimit-limit-requests"), "500");
	assert.equal(response.headers.get("x-ratelimit-reset-requests"), "120ms");
	await plain.setScript({ models: { "*": { faults: [{ kind: "status", status: 429,
		code: "insufficient_quota" }] } } });
	await assert.rejects(client().chat.completions.create(chat()), { status: 429,
		code: "insufficient_quota", type: "insufficient_quota", message: /exceeded your current quota/ });
});

test("a refusal in OpenAI's formats", async () => {
	await plain.setScript({ models: { "*": { faults: [{ kind: "refusal" }] } } });
	const { message } = (await client().chat.completions.create(chat())).choices[0];
	assert.deepEqual([message.content, message.refusal], [null, "I cannot help with that."]);
	let text = "";
	for await (const chunk of await client().chat.completions.create(chat({ stream: true })))
		text += chunk.choices[0].delta.refusal ?? "";
	assert.equal(text, "I cannot help with that.");
	const response = await client().responses.create({ model: "m", input: "hi" });
	assert.deepEqual(response.output[0].content,
		[{ type: "refusal", refusal: "I cannot help with that." }]);
	const types = [];
	for await (const event of await client().responses.create({ model: "m", input: "hi", stream: true }))
		types.push(event.type);
	assert.ok(types.includes("response.refusal.delta") && types.includes("response.refusal.done"));
	assert.ok(!types.includes("response.output_text.delta"));
});

test("a provider's own limit: exact in any window, told in the kind's own words", async () => {
	const limit = { requests: 3, window_ms: 400 };
	await plain.setScript({ models: { "*": { limit } } });
	const got = await Promise.all(Array.from({ length: 5 }, () => postPlain(chat())));
	assert.deepEqual(got.map((one) => one.status).sort(), [200, 200, 200, 429, 429]);
	const [refused] = got.filter((one) => one.status === 429);
	assert.equal(json(refused).error.code, "rate_limit_exceeded");
	assert.equal(refused.headers["x-ratelimit-limit-requests"], "3");
	assert.equal(refused.headers["x-ratelimit-remaining-requests"], "0");
	assert.match(refused.headers["x-ratelimit-reset-requests"], /^\d+ms$/);
	assert.equal(refused.headers["retry-after"], "1");
	const wait = Number(refused.headers["retry-after-ms"]);
	assert.ok(wait > 0 && wait <= 400, `${wait} ms`);
	// One more as soon as the oldest has left the window, and not earlier.
	const begun = Date.now();
	await until(async () => (await postPlain(chat())).status === 200, 5000, "place in the window");
	assert.ok(Date.now() - begun >= 250);
	const { attempts } = JSON.parse(await plain.ledgerText());
	const admitted = attempts.filter((one) => one.status === 200).map((one) => one.t_start_us).slice(-4);
	assert.ok(admitted[3] - admitted[0] >= 400000 - 50000, `${admitted[3] - admitted[0]} us`);
	await use({ limit: { requests: 1, window_ms: 60000 } });
	assert.equal((await whole()).status, 200);
	const { error } = json(await whole());
	assert.equal(error.status, "RESOURCE_EXHAUSTED");
	assert.match(error.details[0].retryDelay, /^(59|60)(\.\d+)?s$/);
});
