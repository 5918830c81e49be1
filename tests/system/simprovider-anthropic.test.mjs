// SPDX-License-Identifier: MIT
// simprovider --kind anthropic: the shapes of the Messages API as Anthropic's own SDK reads them,
// its errors, its list of models, its faults, and what the ledger says about each.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { request, startSim, until } from "./lib/sim.mjs";

let sim, client;
before(async () => {
	sim = await startSim({ kind: "anthropic", seed: 7 });
	client = new Anthropic({ apiKey: "sk-ant-test", baseURL: sim.url, maxRetries: 0 });
});
after(async () => {
	const end = await sim.stop();
	assert.equal(end.code, 0, end.stderr);
	assert.equal(end.stderr, "");
});

const use = (behaviour, extra = {}) => sim.setScript({ models: { "*": behaviour }, ...extra });
const ask = (extra = {}) => ({ model: "claude-x", max_tokens: 100,
	messages: [{ role: "user", content: "hi" }], ...extra });
const tools = [{ name: "weather", input_schema: { type: "object" } }];
const head = { "x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01" };
const post = (body, headers = head) => request(`${sim.url}/v1/messages`, { method: "POST", headers,
	body: typeof body === "string" ? body : JSON.stringify(body) });
const json = (answer) => JSON.parse(answer.body.toString());
const last = async () => (await sim.ledger()).at(-1);

function events(text) {
	return text.split("\n\n").filter(Boolean).map((event) => {
		const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event);
		assert.equal(JSON.parse(data).type, name);
		return JSON.parse(data);
	});
}

test("a message, whole: text, stop reason, usage taken apart", async () => {
	await use({ tokens: 3, usage: { input: 100, cached: 60, cache_write: 30 } });
	await sim.reset();
	const { data, response } = await client.messages.create(ask()).withResponse();
	assert.equal(data.type, "message");
	assert.equal(data.role, "assistant");
	assert.equal(data.model, "claude-x");
	assert.deepEqual(data.content, [{ type: "text", text: "claude-x says: tok0 tok1 tok2" }]);
	assert.equal(data.stop_reason, "end_turn");
	assert.equal(data.stop_sequence, null);
	assert.deepEqual(data.usage, { input_tokens: 10, cache_creation_input_tokens: 30,
		cache_read_input_tokens: 60, output_tokens: 3 });
	assert.equal(response.headers.get("request-id"), "req_sim1");
	const entry = await last();
	assert.deepEqual([entry.input_tokens, entry.cached_tokens, entry.cache_write_tokens,
		entry.output_tokens, entry.told, entry.told_output_tokens], [100, 60, 30, 3, "all", 3]);
});

test("a message, streamed: every event in its place, and the same message in the end", async () => {
	await use({ tokens: 3, reasoning_tokens: 2, usage: { input: 100, cached: 60 } });
	const text = (await post(ask({ stream: true }))).body.toString();
	const list = events(text);
	assert.deepEqual(list.map((e) => e.type), ["message_start",
		"content_block_start", "ping", "content_block_delta", "content_block_delta",
		"content_block_delta", "content_block_stop",
		"content_block_start", "content_block_delta", "content_block_delta", "content_block_delta",
		"content_block_stop", "message_delta", "message_stop"]);
	assert.equal(list[0].message.usage.input_tokens, 40);
	assert.equal(list[0].message.usage.output_tokens, 1);
	assert.equal(list[0].message.stop_reason, null);
	assert.deepEqual(list.slice(3, 6).map((e) => e.delta.type),
		["thinking_delta", "thinking_delta", "signature_delta"]);
	assert.deepEqual(list.slice(1, -2).filter((e) => "index" in e).map((e) => e.index),
		[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
	assert.equal(list.at(-2).usage.output_tokens, 5);

	const whole = await client.messages.create(ask());
	const streamed = await client.messages.stream(ask()).finalMessage();
	assert.deepEqual(streamed.content, whole.content);
	assert.equal(streamed.content[0].thinking, "thought0 thought1");
	assert.equal(streamed.stop_reason, "end_turn");
	assert.deepEqual(streamed.usage, whole.usage);
});

test("tool calls: an object in a whole message, pieces of JSON in a stream", async () => {
	const input = { city: 'Zürich "west"', days: [1, 2], nested: { deep: null } };
	await use({ tool_calls: [{ name: "weather", arguments: input, pieces: 5 }, { name: "clock" }] });
	const whole = await client.messages.create(ask({ tools }));
	assert.equal(whole.stop_reason, "tool_use");
	assert.deepEqual(whole.content.map((b) => [b.type, b.name, b.input]),
		[["tool_use", "weather", input], ["tool_use", "clock", {}]]);
	const streamed = await client.messages.stream(ask({ tools })).finalMessage();
	assert.deepEqual(streamed.content.map((b) => [b.type, b.name, b.input]),
		whole.content.map((b) => [b.type, b.name, b.input]));
	const list = events((await post(ask({ tools, stream: true }))).body.toString());
	const pieces = list.filter((e) => e.delta?.type === "input_json_delta" && e.index === 0)
		.map((e) => e.delta.partial_json);
	assert.equal(pieces[0], "");
	assert.equal(pieces.length, 6);
	assert.deepEqual(JSON.parse(pieces.join("")), input);
	assert.equal((await client.messages.create(ask())).content[0].type, "text");
});

test("stop reasons: from OpenAI's words, and Anthropic's own", async () => {
	for (const [word, reason] of [["stop", "end_turn"], ["length", "max_tokens"],
		["content_filter", "refusal"], ["pause_turn", "pause_turn"]]) {
		await use({ finish_reason: word });
		assert.equal((await client.messages.create(ask())).stop_reason, reason);
		assert.equal((await client.messages.stream(ask()).finalMessage()).stop_reason, reason);
	}
	await use({ finish_reason: "stop_sequence" });
	await use({ finish_reason: "stop_sequence", latency_ms: 20 });
	const stopped = await client.messages.create(ask({ stop_sequences: ["\nHuman:", "x"] }));
	assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ["stop_sequence", "\nHuman:"]);
	await use({ faults: [{ kind: "refusal" }] });
	const refused = await client.messages.create(ask());
	assert.deepEqual([refused.stop_reason, refused.content], ["refusal", []]);
	const streamed = await client.messages.stream(ask()).finalMessage();
	assert.deepEqual([streamed.stop_reason, streamed.content], ["refusal", []]);
});

test("a request without its key, version, messages or limit is refused", async () => {
	await use({});
	const without = (name) => Object.fromEntries(Object.entries(ask()).filter(([k]) => k !== name));
	for (const [answer, status, type, message] of [
		[await post(ask(), { "anthropic-version": "2023-06-01" }), 401, "authentication_error",
			/x-api-key header is required/],
		[await post(ask(), { "x-api-key": "k" }), 400, "invalid_request_error", /anthropic-version/],
		[await post(ask(), { authorization: "Bearer k", "anthropic-version": "x" }), 401,
			"authentication_error", /x-api-key/],
		[await post(without("messages")), 400, "invalid_request_error", /messages: Field required/],
		[await post(without("max_tokens")), 400, "invalid_request_error", /max_tokens: Field/],
		[await post(without("model")), 400, "invalid_request_error", /model/],
		[await post(ask({ stream_options: {} })), 400, "invalid_request_error",
			/^stream_options: Extra inputs are not permitted$/],
		[await post(ask({ mes: 1 })), 400, "invalid_request_error", /^mes: Extra/],
		[await post(ask({ [`x${"y".repeat(500)}`]: 1 })), 400, "invalid_request_error", /: Extra/],
		[await post("{"), 400, "invalid_request_error", /JSON/],
		[await request(`${sim.url}/v1/nothing`, { headers: head }), 404, "not_found_error", /URL/],
	]) {
		assert.equal(answer.status, status, answer.body.toString());
		assert.equal(json(answer).type, "error");
		assert.equal(json(answer).error.type, type);
		assert.match(json(answer).error.message, message);
	}
	const own = await startSim({ kind: "anthropic", args: ["--key", "good"] });
	try {
		const status = async (key) => (await request(`${own.url}/v1/messages`, { method: "POST",
			headers: { ...head, "x-api-key": key }, body: JSON.stringify(ask()) })).status;
		assert.deepEqual([await status("good"), await status("bad")], [200, 401]);
	} finally {
		await own.stop();
	}
});

for (const [status, type] of [[400, "invalid_request_error"], [401, "authentication_error"],
	[402, "billing_error"], [403, "permission_error"], [404, "not_found_error"],
	[413, "request_too_large"], [429, "rate_limit_error"], [500, "api_error"],
	[504, "timeout_error"], [529, "overloaded_error"]])
	test(`an error before the answer: ${status} ${type}`, async () => {
		await use({ faults: [{ kind: "status", status, retry_after: 3 }] });
		await sim.reset();
		for (const stream of [false, true])
			await assert.rejects(client.messages.create(ask({ stream })), (error) => {
				assert.ok(error instanceof Anthropic.APIError);
				assert.equal(error.status, status);
				assert.equal(error.error.type, "error");
				assert.equal(error.error.error.type, type);
				assert.match(error.error.request_id, /^req_sim[12]$/);
				assert.equal(error.requestID, error.error.request_id);
				assert.equal(error.headers.get("retry-after"), "3");
				return true;
			});
	});

test("an error in the middle of a stream is an event `error` behind a 200", async () => {
	await use({ faults: [{ kind: "error_event", after: 2, status: 529 }] });
	await sim.reset();
	const text = [];
	const stream = client.messages.stream(ask());
	stream.on("text", (piece) => text.push(piece));
	await assert.rejects(stream.finalMessage(), (error) => {
		assert.match(error.message, /overloaded_error/);
		return true;
	});
	assert.equal(text.join(""), "claude-x says: tok0 tok1");
	const list = events((await post(ask({ stream: true }))).body.toString());
	assert.equal(list.at(-1).type, "error");
	assert.equal(list.at(-1).error.type, "overloaded_error");
	const entry = await last();
	assert.deepEqual([entry.status, entry.state, entry.told, entry.output_tokens],
		[200, "faulted", "input", 2]);
});

// fault, streamed, what the text must be like.
const has = (what) => (t) => t.includes(what);
for (const [name, fault, stream, check] of [
	["no message_stop", { kind: "no_done" }, true, (t) => !has("message_stop")(t) &&
		has("message_delta")(t)],
	["no message_delta", { kind: "no_finish" }, true, (t) => !has("message_delta")(t) &&
		has("message_stop")(t)],
	["no usage", { kind: "no_usage" }, true, (t) => !has("usage")(t)],
	["no usage in a whole message", { kind: "no_usage" }, false, (t) => !has("usage")(t)],
	["role only", { kind: "role_only" }, true, (t) =>
		events(t).map((e) => e.type).join() === "message_start,message_stop"],
	["empty", { kind: "empty" }, true, (t) =>
		events(t).map((e) => e.type).join() === "message_start,message_delta,message_stop"],
	["an empty message", { kind: "empty" }, false, (t) => JSON.parse(t).content.length === 0],
	["no body", { kind: "empty", variant: "body" }, false, (t) => t === ""],
	["broken tool input", { kind: "bad_tool_json" }, false, (t) =>
		typeof JSON.parse(t).content[0].input === "string"],
	["broken tool input in pieces", { kind: "bad_tool_json" }, true, (t) => {
		const text = events(t).map((e) => e.delta?.partial_json ?? "").join("");
		assert.throws(() => JSON.parse(text));
		return text.startsWith("{");
	}],
	["truncated JSON", { kind: "truncated_json" }, false, (t) => {
		assert.throws(() => JSON.parse(t));
		return true;
	}],
	["cut", { kind: "cut", after: 2, end: "chunk" }, true, (t) =>
		!has("message_stop")(t) && events(t).filter((e) => e.delta?.text).length === 2],
	["cut, with its end mark", { kind: "cut", after: 2, end: "done" }, true, (t) =>
		has("message_stop")(t) && !has("message_delta")(t)],
	["an error event first", { kind: "error_event", at: "headers", status: 500 }, true, (t) =>
		events(t).map((e) => e.type).join() === "error"],
	["an error in an array", { kind: "status", status: 500, array: true }, false, (t) =>
		JSON.parse(t)[0].error.type === "api_error"],
	["comments for a time", { kind: "comments", at: "role", for_ms: 60, interval_ms: 5 }, true, (t) =>
		events(t).filter((e) => e.type === "ping").length > 3 && has("message_stop")(t)],
])
	test(`fault: ${name}`, async () => {
		await use({ faults: [fault] });
		const answer = await post(ask({ stream }));
		assert.ok(check(answer.body.toString()), answer.body.toString());
	});

test("a long content block keeps its event whole", async () => {
	await use({ pad_bytes: 5000, tokens: 2 });
	const message = await client.messages.stream(ask()).finalMessage();
	assert.ok(message.content[0].text.length > 9000);
	assert.match(message.content[0].text, /^claude-x says: tok0x+ tok1x+$/);
});

test("the answer is the same at every split of its bytes", async () => {
	await use({ tokens: 2, reasoning_tokens: 1 });
	await sim.reset();
	const usual = (await post(ask({ stream: true }))).body.toString();
	for (let at = 1; at < usual.length + 200; at += 97) {
		await use({ tokens: 2, reasoning_tokens: 1, split: { at_byte: at, gap_ms: 0 } });
		await sim.reset();
		assert.equal((await post(ask({ stream: true }))).body.toString(), usual);
	}
});

test("models: listed, by an alias only, not there, no such endpoint, an error, slow", async () => {
	await sim.setScript({ models: { "claude-a": {}, "claude-b": { id: "claude-b-20250929" },
		alias: { listed: false, id: "claude-a" }, gone: { found: false } } });
	await sim.reset();
	const page = await client.models.list();
	assert.deepEqual(page.data.map((m) => m.id), ["claude-a", "claude-b-20250929"]);
	assert.equal(page.has_more, false);
	assert.equal((await client.models.retrieve("alias")).id, "claude-a");
	assert.equal((await client.models.retrieve("claude-b-20250929")).id, "claude-b-20250929");
	await assert.rejects(client.models.retrieve("gone"), { status: 404 });
	await assert.rejects(client.models.retrieve("nobody"), { status: 404 });
	const catalogue = (behaviour) => sim.setScript({ models: { "*": {} }, catalogue: behaviour });
	await catalogue({ faults: [{ kind: "status", status: 404 }] });
	await assert.rejects(client.models.list(), { status: 404 });
	await assert.rejects(client.models.retrieve("claude-a"), { status: 404 });
	await catalogue({ faults: [{ kind: "status", status: 529 }] });
	await assert.rejects(client.models.list(), { status: 529 });
	await catalogue({ latency_ms: 80 });
	const from = Date.now();
	await client.models.list();
	assert.ok(Date.now() - from >= 79);
	assert.equal((await sim.ledger()).length, 0);
	// A model's own faults, and their counts, are not for the catalogue.
	await use({ faults: [{ kind: "status", count: 1 }] });
	await client.models.retrieve("m");
	await assert.rejects(client.messages.create(ask()), { status: 500 });
});

test("a client that leaves in a stream: what was told, and what was made", async () => {
	await use({ chunk_ms: 5, tokens: 100000, usage: { input: 50, cached: 20 } });
	await sim.reset();
	const stream = client.messages.stream(ask());
	let pieces = 0;
	stream.on("text", () => { if (++pieces === 5) stream.abort(); });
	await stream.done().catch(() => {});
	await sim.settled(1);
	const entry = await last();
	assert.deepEqual([entry.state, entry.input_tokens, entry.cached_tokens, entry.told],
		["cancelled", 50, 20, "input"]);
	assert.ok(entry.output_tokens >= 5 && entry.output_tokens < 1000);
	assert.equal(entry.told_output_tokens, 1);
	await until(async () => (await sim.summary()).total.active === 0);
});

test("a provider's own limit is told in Anthropic's words", async () => {
	await use({ limit: { requests: 2, window_ms: 60000 } });
	const left = [];
	for (let i = 0; i < 2; i++) {
		const { response } = await client.messages.create(ask()).withResponse();
		left.push(response.headers.get("anthropic-ratelimit-requests-remaining"));
	}
	assert.deepEqual(left, ["1", "0"]);
	await assert.rejects(client.messages.create(ask()), (error) => {
		assert.ok(error instanceof Anthropic.RateLimitError);
		assert.equal(error.error.error.type, "rate_limit_error");
		assert.match(error.headers.get("retry-after"), /^(59|60)$/);
		assert.equal(error.headers.get("anthropic-ratelimit-requests-limit"), "2");
		const reset = Date.parse(error.headers.get("anthropic-ratelimit-requests-reset"));
		assert.ok(Math.abs(reset - Date.now() - 60000) < 3000);
		return true;
	});
});
