// SPDX-License-Identifier: MIT
// simprovider by itself: the shapes of its answers, every fault at the level of bytes, the ledger,
// a script that changes under way, and runs that repeat.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { spawnSync } from "node:child_process";
import test, { after, before } from "node:test";
import { binary, request, startSim, until } from "./lib/sim.mjs";

let sim;
before(async () => { sim = await startSim({ script: { models: { "*": {} } }, seed: 7 }); });
after(async () => {
	const end = await sim.stop();
	assert.equal(end.code, 0, end.stderr);
	assert.equal(end.stderr, "");
});

const chat = "/v1/chat/completions";
const post = (path_, body, headers = {}) => request(sim.url + path_, { method: "POST", headers,
	body: typeof body === "string" ? body : JSON.stringify(body) });
const json = (answer) => JSON.parse(answer.body.toString());

// One request over a bare socket. `stop(text)`: close when the bytes so far satisfy it. The result:
// all bytes, the single reads, and who ended it: 'fin', 'reset' or 'us'.
// node calls a reset an end when it comes together with less data than its buffer holds, so where a
// reset is awaited (`careful`) the buffer holds one byte.
function wire(body, { where = chat, stop, head = "", careful = false } = {}) {
	const text = JSON.stringify(body);
	return new Promise((resolve, reject) => {
		const reads = [];
		const onread = { buffer: Buffer.alloc(1), callback: (n, buffer) => {
			reads.push(Buffer.from(buffer.subarray(0, n)));
			return true;
		} };
		const socket = net.connect({ port: sim.port, host: "127.0.0.1",
			...(careful ? { onread } : {}) });
		const finish = (end) => {
			socket.destroy();
			clearTimeout(timer);
			resolve({ end, reads, bytes: Buffer.concat(reads), text: Buffer.concat(reads).toString() });
		};
		const timer = setTimeout(() => reject(new Error("the exchange does not end")), 20000);
		socket.setNoDelay(true);
		socket.on("data", (data) => {
			reads.push(data);
			if (stop?.(Buffer.concat(reads).toString("latin1"))) finish("us");
		});
		socket.on("end", () => finish("fin"));
		socket.on("error", (error) => error.code === "ECONNRESET" ? finish("reset") : reject(error));
		socket.write(`POST ${where} HTTP/1.1\r\nhost: sim\r\n${head}` +
			`content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
	});
}

function split(text) {
	const at = text.indexOf("\r\n\r\n");
	return { head: text.slice(0, at + 2), body: text.slice(at + 4) };
}

// The body of a chunked answer, and whether its last chunk was there.
function unchunk(body) {
	let out = "", rest = body;
	for (;;) {
		const line = /^([0-9a-f]+)\r\n/.exec(rest);
		if (!line) return { body: out, complete: false };
		const size = parseInt(line[1], 16);
		if (size === 0) return { body: out, complete: rest === "0\r\n\r\n" };
		out += rest.slice(line[0].length, line[0].length + size);
		rest = rest.slice(line[0].length + size + 2);
	}
}

function events(answer) {
	const body = typeof answer === "string" ? answer : answer.body.toString();
	return body.split("\n\n").filter((e) => e.startsWith("data: ")).map((e) => e.slice(6));
}
const chunks = (answer) => events(answer).filter((e) => e !== "[DONE]").map((e) => JSON.parse(e));
const lastEntry = async () => (await sim.ledger()).at(-1);
const ask = (extra = {}) => ({ model: "m", messages: [{ role: "user", content: "hi" }], ...extra });
const streamed = (extra = {}) => ask({ stream: true, ...extra });
const use = (behaviour, extra = {}) => sim.setScript({ models: { "*": behaviour }, ...extra });

// ---- shapes ------------------------------------------------------------------------------------

test("a chat answer names the model that was asked for", async () => {
	await use({ tokens: 3, usage: { input: 11, cached: 4 } });
	for (const prefix of ["", "/v1", "/v1beta/openai"]) {
		const answer = await post(`${prefix}/chat/completions`, ask({ model: "some/model" }));
		assert.equal(answer.status, 200);
		assert.equal(answer.headers["content-type"], "application/json");
		const body = json(answer);
		assert.equal(body.object, "chat.completion");
		assert.equal(body.model, "some/model");
		assert.deepEqual(body.choices[0].message,
			{ role: "assistant", content: "some/model says: tok0 tok1 tok2", refusal: null });
		assert.equal(body.choices[0].finish_reason, "stop");
		assert.equal(body.usage.prompt_tokens, 11);
		assert.equal(body.usage.prompt_tokens_details.cached_tokens, 4);
		assert.equal(body.usage.completion_tokens, 3);
		assert.equal(body.usage.total_tokens, 14);
	}
});

test("a stream is role, content, finish, usage when asked for, [DONE]", async () => {
	await use({ tokens: 3, reasoning_tokens: 2 });
	const plain = await post(chat, streamed());
	assert.match(plain.headers["content-type"], /^text\/event-stream/);
	assert.equal(events(plain).at(-1), "[DONE]");
	const list = chunks(plain);
	assert.deepEqual(list[0].choices[0].delta, { role: "assistant", content: "" });
	assert.deepEqual(list.slice(1, 3).map((c) => c.choices[0].delta.reasoning_content),
		["thought0", " thought1"]);
	const whole = json(await post(chat, ask()));
	assert.equal(list.slice(3, 6).map((c) => c.choices[0].delta.content).join(""),
		whole.choices[0].message.content);
	assert.equal(whole.choices[0].message.reasoning_content, "thought0 thought1");
	assert.equal(list[6].choices[0].finish_reason, "stop");
	assert.equal(list.length, 7);
	assert.ok(list.every((c) => c.object === "chat.completion.chunk" && !("usage" in c)));

	const asked = chunks(await post(chat, streamed({ stream_options: { include_usage: true } })));
	assert.equal(asked.length, 8);
	assert.deepEqual(asked[7].choices, []);
	assert.equal(asked[7].usage.completion_tokens, 5);
	assert.equal(asked[7].usage.completion_tokens_details.reasoning_tokens, 2);
	assert.equal(asked[3].usage, null);
});

test("usage: missing, always, on a chunk with choices, with members of its own", async () => {
	const option = { stream_options: { include_usage: true } };
	await use({ usage: "missing" });
	assert.ok(!("usage" in json(await post(chat, ask()))));
	assert.ok(chunks(await post(chat, streamed(option))).every((c) => !c.usage));
	await use({ usage: "always" });
	assert.ok(chunks(await post(chat, streamed())).at(-1).usage.total_tokens > 0);
	await use({ usage: { mode: "with_choices", output: 99, extra: { cost: 0.5 } } });
	const last = chunks(await post(chat, streamed(option))).at(-1);
	assert.equal(last.choices[0].finish_reason, "stop");
	assert.equal(last.usage.completion_tokens, 99);
	assert.equal(last.usage.cost, 0.5);
});

test("tool calls come whole or in pieces, when the request has tools", async () => {
	const args = { city: 'Zürich "west"', days: [1, 2] };
	await use({ tool_calls: [{ name: "weather", arguments: args, pieces: 5 }, { name: "clock" }] });
	const tools = [{ type: "function", function: { name: "weather" } }];
	const [choice] = json(await post(chat, ask({ tools }))).choices;
	assert.equal(choice.finish_reason, "tool_calls");
	assert.equal(choice.message.content, null);
	assert.deepEqual(choice.message.tool_calls.map((c) => c.function.name), ["weather", "clock"]);
	assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), args);

	const calls = [];
	for (const chunk of chunks(await post(chat, streamed({ tools }))))
		for (const call of chunk.choices[0].delta.tool_calls ?? []) {
			if (call.id) calls[call.index] = { id: call.id, name: call.function.name, text: "" };
			calls[call.index].text += call.function.arguments;
		}
	assert.deepEqual(calls.map((c) => c.name), ["weather", "clock"]);
	assert.deepEqual(JSON.parse(calls[0].text), args);
	assert.deepEqual(JSON.parse(calls[1].text), {});
	assert.equal(json(await post(chat, ask())).choices[0].message.tool_calls, undefined);
});

test("legacy completions, whole and streamed", async () => {
	await use({ tokens: 2 });
	const body = { model: "m", prompt: "x" };
	const whole = json(await post("/v1/completions", body));
	assert.equal(whole.object, "text_completion");
	assert.equal(whole.choices[0].text, "m says: tok0 tok1");
	const list = chunks(await post("/v1/completions", { ...body, stream: true }));
	assert.equal(list.map((c) => c.choices[0].text).join(""), "m says: tok0 tok1");
	assert.equal(list.at(-1).choices[0].finish_reason, "stop");
});

test("embeddings are the same for the same text, as numbers and in base64", async () => {
	await use({ dimensions: 5 });
	const where = "/v1/embeddings";
	const both = json(await post(where, { model: "e", input: ["one", "two"] }));
	const one = json(await post(where, { model: "e", input: "one", dimensions: 5 }));
	assert.equal(both.data.length, 2);
	assert.deepEqual(both.data[0].embedding, one.data[0].embedding);
	assert.notDeepEqual(both.data[1].embedding, one.data[0].embedding);
	assert.equal(one.data[0].embedding.length, 5);
	const coded = json(await post(where, { model: "e", input: "one", encoding_format: "base64" }));
	const bytes = Buffer.from(coded.data[0].embedding, "base64");
	assert.equal(bytes.length, 20);
	one.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - bytes.readFloatLE(4 * i)) < 1e-6));
	assert.equal(json(await post(where, { model: "e", input: [1, 2, 3] })).data.length, 1);
});

test("responses: one object, or typed events that end with it", async () => {
	await use({ tokens: 3, reasoning_tokens: 1 });
	const body = { model: "m", input: "hi" };
	const whole = json(await post("/v1/responses", body));
	assert.equal(whole.status, "completed");
	assert.deepEqual(whole.output.map((o) => o.type), ["reasoning", "message"]);
	assert.equal(whole.output[1].content[0].text, "m says: tok0 tok1 tok2");
	assert.equal(whole.usage.output_tokens, 4);

	const answer = await post("/v1/responses", { ...body, stream: true });
	const list = answer.body.toString().trim().split("\n\n").map((event) => {
		const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(event);
		assert.equal(JSON.parse(data).type, name);
		return JSON.parse(data);
	});
	assert.deepEqual(list.map((e) => e.sequence_number), list.map((_, i) => i));
	assert.equal(list[0].type, "response.created");
	assert.equal(list.filter((e) => e.type === "response.output_text.delta")
		.map((e) => e.delta).join(""), "m says: tok0 tok1 tok2");
	assert.equal(list.at(-1).type, "response.completed");
	assert.equal(list.at(-1).response.usage.output_tokens, 4);
	assert.ok(!answer.body.includes("[DONE]"));

	await use({ tool_calls: [{ name: "f", arguments: { a: 1 } }, { name: "g", arguments: { b: 2 } }] });
	const asked = { ...body, stream: true, tools: [{ type: "function", name: "f" }] };
	const done = (await post("/v1/responses", asked)).body.toString().split("\n\n")
		.filter((e) => e.startsWith("event: response.function_call_arguments.done"))
		.map((e) => JSON.parse(e.split("data: ")[1]));
	assert.deepEqual(done.map((e) => JSON.parse(e.arguments)), [{ a: 1 }, { b: 2 }]);
});

test("the list of models: listed, not listed, not there", async () => {
	await sim.setScript({ models: { "gpt-4.1": {}, "org/name": {}, hidden: { listed: false },
		gone: { found: false } } });
	const list = json(await request(`${sim.url}/v1/models`));
	assert.equal(list.object, "list");
	assert.deepEqual(list.data.map((m) => m.id), ["gpt-4.1", "org/name"]);
	const status = async (id) => (await request(`${sim.url}/v1/models/${id}`)).status;
	assert.equal(await status("hidden"), 200);
	assert.equal(await status("org%2Fname"), 200);
	assert.equal(await status("gone"), 404);
	assert.equal(await status("nobody"), 404);
	const missing = await post(chat, ask({ model: "nobody" }));
	assert.equal(missing.status, 404);
	assert.equal(json(missing).error.code, "model_not_found");
	await sim.setScript({ models: {}, catalogue: { faults: [{ kind: "status", status: 404 }] } });
	assert.equal((await request(`${sim.url}/v1/models`)).status, 404);
});

test("requests that are wrong get the errors of OpenAI", async () => {
	await use({});
	for (const [body, status] of [['{"model":', 400], ["[]", 400], ['{"messages":[]}', 400],
		['{"model":7}', 400], ['{"model":"m"} x', 400]])
		assert.equal((await post(chat, body)).status, status, body);
	assert.equal((await post("/v1/nothing", {})).status, 404);
	const bad = await wire(ask(), { head: "content-length: 1\r\n" });
	assert.match(bad.text, /^HTTP\/1\.1 400 /);
	assert.equal(bad.end, "fin");
});

test("a key that is not the right one is refused", async () => {
	const own = await startSim({ args: ["--key", "hs_good", "--key", "hs_other"] });
	try {
		const status = async (headers) => (await request(own.url + chat,
			{ method: "POST", headers, body: JSON.stringify(ask()) })).status;
		assert.equal(await status({ authorization: "Bearer hs_good" }), 200);
		assert.equal(await status({ authorization: "Bearer hs_other" }), 200);
		assert.equal(await status({ authorization: "Bearer hs_bad" }), 401);
		assert.equal(await status({ "x-api-key": "hs_good" }), 401);
		assert.equal(await status({}), 401);
	} finally {
		await own.stop();
	}
});

// ---- connections -------------------------------------------------------------------------------

test("request bodies by length and in chunks, at every split, and pipelined", async () => {
	await use({ tokens: 1 });
	const body = JSON.stringify(ask());
	const half = body.length >> 1;
	const chunked = `POST ${chat} HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n` +
		`${half.toString(16)};x=y\r\n${body.slice(0, half)}\r\n` +
		`${(body.length - half).toString(16)}\r\n${body.slice(half)}\r\n0\r\ntrailer: x\r\n\r\n`;
	const plain = `POST ${chat} HTTP/1.1\r\nhost: s\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
	const closing = plain.replace("host: s", "connection: close");
	const all = chunked + plain + closing;
	const exchange = (...writes) => new Promise((resolve, reject) => {
		const socket = net.connect(sim.port, "127.0.0.1");
		let text = "";
		socket.setNoDelay(true);
		socket.on("data", (data) => { text += data; });
		socket.on("end", () => { socket.destroy(); resolve(text); });
		socket.on("error", reject);
		const next = () => writes.length && socket.write(writes.shift(), () => setImmediate(next));
		next();
	});
	const answers = (text) => text.match(/HTTP\/1\.1 200 OK/g)?.length;
	assert.equal(answers(await exchange(all)), 3);
	for (let at = 1; at < all.length; at += 1)
		assert.equal(answers(await exchange(all.slice(0, at), all.slice(at))), 3, `split at ${at}`);
});

test("Expect: 100-continue is answered before the body is sent", async () => {
	await use({});
	const body = JSON.stringify(ask());
	const text = await new Promise((resolve, reject) => {
		const socket = net.connect(sim.port, "127.0.0.1");
		let seen = "";
		socket.on("error", reject);
		socket.on("end", () => { socket.destroy(); resolve(seen); });
		socket.on("data", (data) => {
			seen += data;
			if (seen === "HTTP/1.1 100 Continue\r\n\r\n") socket.write(body);
		});
		socket.write(`POST ${chat} HTTP/1.1\r\nhost: s\r\nexpect: 100-continue\r\n` +
			`connection: close\r\ncontent-length: ${body.length}\r\n\r\n`);
	});
	assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
});

test("HTTP/1.0 gets an answer without chunks and a closed connection", async () => {
	await use({ tokens: 2 });
	const body = JSON.stringify(streamed());
	const text = await new Promise((resolve, reject) => {
		const socket = net.connect(sim.port, "127.0.0.1");
		let seen = "";
		socket.on("error", reject);
		socket.on("data", (data) => { seen += data; });
		socket.on("end", () => { socket.destroy(); resolve(seen); });
		socket.write(`POST ${chat} HTTP/1.0\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
	});
	assert.doesNotMatch(text, /chunked/);
	assert.ok(text.endsWith("data: [DONE]\n\n"));
});

test("kept requests show what was sent, with the key masked", async () => {
	await use({});
	await sim.reset();
	await post(chat, ask(), { authorization: "Bearer canary-key", "x-request-id": "r-1" });
	const kept = await sim.request(1);
	assert.match(kept, /^POST \/v1\/chat\/completions HTTP\/1\.1\r\n/);
	assert.match(kept, /Bearer \*{10}\r\n/i);
	assert.ok(kept.endsWith(JSON.stringify(ask())));
});

// ---- faults ------------------------------------------------------------------------------------

const done = "data: [DONE]";
const terminal = (t) => t.endsWith("0\r\n\r\n");
const contents = (t) => (t.match(/"content":"[^"]/g) ?? []).length;

// fault, request, how it ends, state in the ledger, and what the bytes must be like.
const faultCases = [
	["reset before the head", { kind: "reset" }, ask(), "reset", "faulted", (t) => t === ""],
	["close before the head", { kind: "close" }, ask(), "fin", "faulted", (t) => t === ""],
	["reset behind the head", { kind: "reset", at: "headers" }, ask(), "reset", "faulted",
		(t) => t.endsWith("\r\n\r\n")],
	["reset in the body", { kind: "reset", at: "body" }, ask(), "reset", "faulted", (t) => {
		const { head, body } = split(t);
		const length = Number(/content-length: (\d+)/.exec(head)[1]);
		return body.length === Math.floor(length / 2);
	}],
	["close after 10 bytes of the body", { kind: "close", at: "body", after: 10 }, ask(), "fin",
		"faulted", (t) => split(t).body.length === 10],
	["reset after the role chunk", { kind: "reset", at: "role" }, streamed(), "reset", "faulted",
		(t) => /"role":"assistant"/.test(t) && contents(t) === 0],
	["reset between chunks", { kind: "reset", at: "chunk", after: 3 }, streamed(), "reset", "faulted",
		(t) => contents(t) === 3 && !terminal(t)],
	["close before the finish chunk", { kind: "close", at: "finish" }, streamed(), "fin", "faulted",
		(t) => contents(t) === 8 && !/"finish_reason":"/.test(t)],
	["close before the end mark", { kind: "close", at: "end" }, streamed(), "fin", "faulted",
		(t) => /"finish_reason":"stop"/.test(t) && !t.includes(done)],
	["reset inside a chunk of HTTP", { kind: "reset", at: "body", after: 50 }, streamed(), "reset",
		"faulted", (t) => /\r\n\r\n[0-9a-f]+\r\n[^]{50}$/.test(t)],
	["a whole answer cut where a stream would be", { kind: "reset", at: "chunk", after: 2 }, ask(),
		"reset", "faulted", (t) => split(t).body.length > 0],
	["cut", { kind: "cut", after: 2 }, streamed(), "fin", "faulted",
		(t) => contents(t) === 2 && !terminal(t)],
	["cut with the last chunk", { kind: "cut", after: 2, end: "chunk" }, streamed(), "us", "faulted",
		(t) => contents(t) === 2 && terminal(t) && !t.includes(done)],
	["cut with the end mark", { kind: "cut", after: 2, end: "done" }, streamed(), "us", "faulted",
		(t) => contents(t) === 2 && terminal(t) && t.includes(done) &&
			!/"finish_reason":"/.test(t)],
	["an error event first", { kind: "error_event", at: "headers", status: 429 }, streamed(), "us",
		"faulted", (t) => {
			const [first, ...rest] = events(unchunk(split(t).body).body);
			return JSON.parse(first).error.code === "rate_limit_exceeded" && rest.length === 0;
		}],
	["an error event in the middle", { kind: "error_event", after: 3, message: "oh", end: "none" },
		streamed(), "fin", "faulted", (t) => contents(t) === 3 && /"message":"oh"/.test(t)],
	["an error event of its own", { kind: "error_event", body: "event: x\ndata: y\n\n" }, streamed(),
		"us", "faulted", (t) => t.includes("event: x\ndata: y\n\n")],
	["an error event, then on", { kind: "error_event", end: "continue" }, streamed(), "us", "finished",
		(t) => contents(t) === 8 && t.includes("server_error") && t.includes(done)],
	["garbage for JSON", { kind: "garbage" }, ask(), "us", "finished", (t) => {
		assert.throws(() => JSON.parse(split(t).body));
		return /^HTTP\/1\.1 200 OK/.test(t);
	}],
	["garbage for HTTP", { kind: "garbage", variant: "http", bytes: 99 }, ask(), "fin", "finished",
		(t, bytes) => bytes.length === 99 && !t.includes("HTTP")],
	["garbage events", { kind: "garbage", variant: "sse", at: "role" }, streamed(), "us", "finished",
		(t) => t.includes("this is no field") && t.includes(done) && contents(t) === 8],
	["a page for a stream", { kind: "garbage" }, streamed(), "us", "faulted",
		(t) => unchunk(split(t).body).body.startsWith("<html>")],
	["a broken chunk size", { kind: "bad_chunk", after: 2, line: "-5" }, streamed(), "fin", "faulted",
		(t) => contents(t) === 2 && t.includes("\r\n-5\r\n")],
	["empty content", { kind: "empty" }, ask(), "us", "finished",
		(t) => JSON.parse(split(t).body).choices[0].message.content === ""],
	["no choices", { kind: "empty", variant: "choices" }, ask(), "us", "finished",
		(t) => JSON.parse(split(t).body).choices.length === 0],
	["no body", { kind: "empty", variant: "body" }, ask(), "us", "finished",
		(t) => /content-length: 0\r\n/.test(t) && split(t).body === ""],
	["a stream without content", { kind: "empty" }, streamed(), "us", "finished",
		(t) => contents(t) === 0 && /"finish_reason":"stop"/.test(t) && t.includes(done)],
	["a stream of nothing but its end", { kind: "empty", variant: "choices" }, streamed(), "us",
		"finished", (t) => unchunk(split(t).body).body === `${done}\n\n`],
	["a stream without a byte", { kind: "empty", variant: "body" }, streamed(), "us", "finished",
		(t) => split(t).body === "0\r\n\r\n"],
	["role only", { kind: "role_only" }, streamed(), "us", "finished", (t) => {
		const list = events(unchunk(split(t).body).body);
		return list.length === 2 && JSON.parse(list[0]).choices[0].delta.role === "assistant";
	}],
	["no usage", { kind: "no_usage" }, ask(), "us", "finished", (t) => !t.includes("usage")],
	["no end mark", { kind: "no_done" }, streamed(), "us", "finished",
		(t) => /"finish_reason":"stop"/.test(t) && !t.includes(done)],
	["no finish reason", { kind: "no_finish" }, streamed(), "us", "finished",
		(t) => t.includes(done) && !/"finish_reason":"/.test(t)],
	["broken tool arguments", { kind: "bad_tool_json" }, ask(), "us", "finished", (t) => {
		const [call] = JSON.parse(split(t).body).choices[0].message.tool_calls;
		assert.throws(() => JSON.parse(call.function.arguments));
		return call.function.arguments.startsWith("{");
	}],
	["truncated JSON", { kind: "truncated_json" }, ask(), "us", "finished", (t) => {
		const { head, body } = split(t);
		assert.throws(() => JSON.parse(body));
		return Number(/content-length: (\d+)/.exec(head)[1]) === body.length;
	}],
	["a truncated event", { kind: "truncated_json", after: 4 }, streamed(), "us", "finished", (t) => {
		const bad = events(unchunk(split(t).body).body).filter((e) => {
			try { JSON.parse(e); return false; } catch { return e !== "[DONE]"; }
		});
		return bad.length === 1;
	}],
	["a length too long", { kind: "content_length", variant: "long" }, ask(), "fin", "finished",
		(t) => lengthOf(t) === split(t).body.length + 100],
	["a length too short", { kind: "content_length", variant: "short" }, ask(), "fin", "finished",
		(t) => lengthOf(t) === Math.floor(split(t).body.length / 2)],
	["two lengths", { kind: "content_length", variant: "double" }, ask(), "fin", "finished",
		(t) => t.match(/content-length: \d+\r\n/g).length === 2],
	["two lengths that differ", { kind: "content_length", variant: "differ" }, ask(), "fin",
		"finished", (t) => new Set(t.match(/content-length: \d+\r\n/g)).size === 2],
	["a negative length", { kind: "content_length", variant: "negative" }, ask(), "fin", "finished",
		(t) => t.includes("content-length: -1\r\n")],
	["both framings", { kind: "content_length", variant: "both" }, ask(), "fin", "finished",
		(t) => /content-length: \d+\r\ntransfer-encoding: chunked/.test(t) && terminal(t)],
	["any length", { kind: "content_length", variant: "value", value: "0x10" }, ask(), "fin",
		"finished", (t) => t.includes("content-length: 0x10\r\n")],
	["a bad status line", { kind: "status_line", line: "HTTP/1.1 OK" }, ask(), "us", "finished",
		(t) => t.startsWith("HTTP/1.1 OK\r\n")],
	["many 1xx", { kind: "informational", repeat: 5000 }, ask(), "us", "finished",
		(t) => t.match(/HTTP\/1\.1 100 Continue\r\n\r\n/g).length === 5000],
	["101", { kind: "informational", status: 101, repeat: 1 }, ask(), "us", "finished",
		(t) => t.startsWith("HTTP/1.1 101 Switching Protocols\r\nupgrade: sim\r\n")],
	["a huge header", { kind: "huge_header" }, ask(), "us", "finished",
		(t) => /x-huge: x{122880}\r\n/.test(t)],
	["a huge body", { kind: "huge_body", bytes: 5000000 }, ask(), "us", "finished",
		(t) => split(t).body.length === 5000000 && JSON.parse(split(t).body).choices.length === 1],
	["a huge event", { kind: "huge_body", bytes: 3000000 }, streamed(), "us", "finished", (t) => {
		const { body, complete } = unchunk(split(t).body);
		return complete && JSON.parse(events(body)[1]).choices[0].delta.content.length > 2999000;
	}],
	["raw bytes", { kind: "raw", hex: "48 00 ff" }, ask(), "fin", "finished",
		(t, bytes) => bytes.equals(Buffer.from([0x48, 0, 0xff]))],
	["raw text, then a reset", { kind: "raw", body: "HTTP/1.1 200 OK\r\n", then: "reset" }, ask(),
		"reset", "finished", (t) => t === "HTTP/1.1 200 OK\r\n"],
];

const lengthOf = (t) => Number(/content-length: (\d+)/.exec(t)[1]);

// Where the answer is whole for this test: the provider keeps the connection then.
function wholeAnswer(t) {
	const at = t.lastIndexOf("HTTP/1.1 200") >= 0 ? t.lastIndexOf("HTTP/1.1 200") : 0;
	const { head, body } = split(t.slice(at));
	if (/chunked/.test(head)) return unchunk(body).complete;
	return /content-length/.test(head) && body.length >= lengthOf(head);
}

for (const [name, fault, body, end, state, check] of faultCases)
	test(`fault: ${name}`, async () => {
		await use({ faults: [fault] });
		await sim.reset();
		const answer = await wire(body, { stop: end === "us" ? wholeAnswer : undefined,
			careful: end === "reset" });
		assert.equal(answer.end, end);
		assert.ok(check(answer.text, answer.bytes), answer.text.slice(0, 2000));
		await sim.settled(1);
		const entry = await lastEntry();
		assert.equal(entry.state, state);
		assert.equal(entry.fault, fault.kind);
		if (end !== "us") assert.equal(entry.bytes_out, answer.bytes.length);
	});

const stallCases = [
	["before the head", { kind: "stall" }, ask(), null],
	["behind the head", { kind: "stall", at: "headers" }, streamed(), (t) => t.endsWith("\r\n\r\n")],
	["in the body", { kind: "stall", at: "body", after: 20 }, ask(), (t) => split(t).body.length === 20],
	["after the role chunk", { kind: "stall", at: "role" }, streamed(),
		(t) => /"role"/.test(t) && t.endsWith("\n\n\r\n")],
	["after 2 chunks", { kind: "stall", at: "chunk", after: 2 }, streamed(), (t) => contents(t) === 2],
	["with comments", { kind: "comments", at: "role", interval_ms: 5 }, streamed(),
		(t) => (t.match(/: keep-alive\n\n/g) ?? []).length > 3],
	["with blank lines before a whole answer", { kind: "comments", interval_ms: 5 }, ask(),
		(t) => (t.match(/1\r\n\n\r\n/g) ?? []).length > 3],
	["behind a raw answer", { kind: "raw", body: "HTTP/1.1 200 OK\r\n\r\n", then: "stall" }, ask(),
		(t) => t === "HTTP/1.1 200 OK\r\n\r\n"],
];

for (const [name, fault, body, arrived] of stallCases)
	test(`stall: ${name}; the client's leaving is noticed at once`, async () => {
		await use({ faults: [fault] });
		await sim.reset();
		const socket = net.connect(sim.port, "127.0.0.1");
		const text = JSON.stringify(body);
		let seen = "";
		socket.on("data", (data) => { seen += data; });
		socket.write(`POST ${chat} HTTP/1.1\r\nhost: s\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
		await until(async () => (await sim.summary()).total.active === 1);
		if (arrived) await until(() => arrived(seen));
		const left = Date.now() * 1000;
		socket.destroy();
		await sim.settled(1);
		const entry = await lastEntry();
		assert.equal(entry.state, "cancelled");
		assert.equal(entry.fault, fault.kind);
		assert.ok(entry.t_close_us >= left - 1000 && entry.t_close_us - left < 200000,
			`noticed after ${entry.t_close_us - left} us`);
		if (arrived && fault.kind === "stall") assert.ok(arrived(seen), seen);
		if (!arrived) assert.equal(seen, "");
	});

test("a stall for a time goes on afterwards, and loses nothing", async () => {
	for (const [fault, body] of [
		[{ kind: "stall", for_ms: 60 }, ask()],
		[{ kind: "stall", at: "body", after: 100, for_ms: 60 }, ask()],
		[{ kind: "stall", at: "body", after: 100, for_ms: 60 }, streamed()],
		[{ kind: "stall", at: "chunk", after: 2, for_ms: 60 }, streamed()],
	]) {
		await use({});
		await sim.reset();
		const usual = await post(chat, body);
		await use({ faults: [fault] });
		await sim.reset();
		const from = Date.now();
		const stalled = await post(chat, body);
		assert.ok(Date.now() - from >= 55);
		assert.equal(stalled.body.toString(), usual.body.toString());
	}
});

const statusCases = [
	[{ status: 401 }, 401, "invalid_api_key"],
	[{ status: 404 }, 404, "model_not_found"],
	[{ status: 429 }, 429, "rate_limit_exceeded"],
	[{ status: 429, code: "insufficient_quota", type: "insufficient_quota" }, 429, "insufficient_quota"],
	[{ status: 500 }, 500, null],
	[{ status: 503 }, 503, "service_unavailable"],
	[{ status: 529 }, 529, "overloaded"],
	[{ status: 418, code: "teapot" }, 418, "teapot"],
];

for (const [keys, status, code] of statusCases)
	test(`status ${status} ${code}`, async () => {
		await use({ faults: [{ kind: "status", ...keys }] });
		for (const body of [ask(), streamed()]) {
			const answer = await post(chat, body);
			assert.equal(answer.status, status);
			assert.equal(answer.headers["content-type"], "application/json");
			const { error } = json(answer);
			assert.equal(error.code, code);
			assert.equal(typeof error.message, "string");
			assert.equal(typeof error.type, "string");
		}
	});

test("a status with its own headers, body and every form of Retry-After", async () => {
	const fail = async (keys) => {
		await use({ faults: [{ kind: "status", status: 429, ...keys }] });
		return post(chat, ask());
	};
	const own = await fail({ headers: { "x-ratelimit-reset-requests": "6m0s", "x-n": 5 },
		body: { any: ["thing"] } });
	assert.equal(own.headers["x-ratelimit-reset-requests"], "6m0s");
	assert.equal(own.headers["x-n"], "5");
	assert.deepEqual(json(own), { any: ["thing"] });
	assert.equal((await fail({ body: "plain text" })).body.toString(), "plain text");
	assert.equal((await fail({ retry_after: 1.5 })).headers["retry-after"], "1.5");
	assert.equal((await fail({ retry_after: "soon" })).headers["retry-after"], "soon");
	assert.equal((await fail({ retry_after_ms: 250 })).headers["retry-after-ms"], "250");
	assert.equal(json(await fail({ retry_after_body: 7.5 })).error.retry_after, 7.5);
	assert.equal(json(await fail({ array: true }))[0].error.code, "rate_limit_exceeded");
	const date = Date.parse((await fail({ retry_after_date_s: 30 })).headers["retry-after"]);
	assert.ok(Math.abs(date - Date.now() - 30000) < 3000);
});

test("split: two pieces at a byte, and a trickle", async () => {
	await use({});
	await sim.reset();
	const usual = await wire(ask(), { stop: wholeAnswer });
	await use({ split: { at_byte: 40, gap_ms: 30 } });
	await sim.reset();
	const two = await wire(ask(), { stop: wholeAnswer });
	assert.equal(two.text, usual.text);
	assert.equal(two.reads[0].length, 40);
	await use({ faults: [{ kind: "trickle", bytes: 50, gap_ms: 12 }] });
	await sim.reset();
	const drops = await wire(ask(), { stop: wholeAnswer });
	assert.equal(drops.text, usual.text);
	// A busy machine joins some of them.
	assert.ok(drops.reads.length > 5, `${drops.reads.length} reads`);
});

test("the answer is the same at every split", async () => {
	await use({ tokens: 2 });
	await sim.reset();
	const usual = await wire(streamed(), { stop: wholeAnswer });
	for (let at = 1; at < usual.bytes.length; at += 7) {
		await use({ tokens: 2, faults: [{ kind: "split", at_byte: at, gap_ms: 0 }] });
		await sim.reset();
		assert.equal((await wire(streamed(), { stop: wholeAnswer })).text, usual.text);
	}
});

test("a connection that is refused, closed or reset", async () => {
	const code = () => new Promise((resolve) => {
		const socket = net.connect(sim.port, "127.0.0.1");
		socket.on("error", (error) => resolve(error.code));
		socket.on("end", () => { socket.destroy(); resolve("END"); });
		socket.on("connect", () => socket.resume());
	});
	await use({}, { accept: "refuse" });
	assert.equal(await code(), "ECONNREFUSED");
	await use({}, { accept: "close" });
	assert.equal(await code(), "END");
	await use({}, { accept: "reset" });
	assert.equal(await code(), "ECONNRESET");
	await use({});
	assert.equal((await post(chat, ask())).status, 200);

	const body = '{"accept":"refuse","models":{}}';
	const alone = await request(`${sim.url}/sim/script`, { method: "POST", body });
	assert.equal(alone.status, 200);
	assert.equal(await code(), "ECONNREFUSED");
	await use({});
	assert.equal((await post(chat, ask())).status, 200);
});

// ---- when faults strike ------------------------------------------------------------------------

test("match steers single requests", async () => {
	await use({ match: [
		{ body_contains: "please fail", faults: [{ kind: "status", status: 503 }] },
		{ request_id_contains: "slow", behaviour: { latency_ms: 80, tokens: 1 } }] });
	const status = async (content, headers) =>
		(await post(chat, ask({ messages: [{ role: "user", content }] }), headers)).status;
	assert.equal(await status("fine"), 200);
	assert.equal(await status("please fail"), 503);
	const from = Date.now();
	assert.equal(await status("fine", { "x-request-id": "a-slow-one" }), 200);
	assert.ok(Date.now() - from >= 79);
});

test("skip, count, only and reused decide when a fault strikes", async () => {
	const statuses = async (n, body = ask()) => {
		const list = [];
		for (let i = 0; i < n; i++) list.push((await post(chat, body)).status);
		return list;
	};
	await use({ faults: [{ kind: "status", skip: 1, count: 2 }] });
	assert.deepEqual(await statuses(5), [200, 500, 500, 200, 200]);
	await use({ faults: [{ kind: "status", only: "stream" }] });
	assert.deepEqual([...await statuses(1), ...await statuses(1, streamed())], [200, 500]);
	await use({ faults: [{ kind: "close", reused: true }] });
	const body = JSON.stringify(ask());
	const one = `POST ${chat} HTTP/1.1\r\nhost: s\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
	const text = await new Promise((resolve, reject) => {
		const socket = net.connect(sim.port, "127.0.0.1");
		let seen = "";
		socket.on("error", reject);
		socket.on("data", (data) => {
			seen += data;
			if (wholeAnswer(seen)) socket.write(one);
		});
		socket.on("end", () => { socket.destroy(); resolve(seen); });
		socket.write(one);
	});
	assert.equal(text.match(/200 OK/g).length, 1);
});

test("a run repeats with its seed, and not with another", async () => {
	const script = (seed) => ({ seed, models: { "*": { tokens: { uniform: [1, 20] },
		latency_ms: { exp: 1 }, faults: [{ kind: "status", probability: 0.3 },
			{ kind: "reset", probability: 0.2 }] } } });
	const run = async (seed) => {
		await sim.setScript(script(seed));
		await sim.reset();
		for (let i = 0; i < 60; i++) await post(chat, ask()).catch(() => {});
		await sim.settled(60);
		return (await sim.ledger()).map((e) => [e.state, e.status, e.output_tokens, e.sha256].join());
	};
	const first = await run(5);
	assert.deepEqual(await run(5), first);
	assert.notDeepEqual(await run(6), first);
	assert.equal(new Set(first.map((line) => line.split(",")[0])).size, 2);
});

test("the waits follow their distributions", async () => {
	await use({ latency_ms: { uniform: [20, 40] }, first_token_ms: 40, chunk_ms: 10, tokens: 5 });
	const from = Date.now();
	await post(chat, streamed());
	const took = Date.now() - from;
	assert.ok(took >= 20 + 40 + 40 - 2, `${took} ms`);
	await use({ latency_ms: 0, heartbeat_ms: 10, first_token_ms: 100 });
	const answer = await post(chat, streamed());
	const text = answer.body.toString();
	assert.ok(text.match(/: keep-alive\n\n/g).length >= 5);
	assert.equal(contents(text), 8);
});

// ---- ledger ------------------------------------------------------------------------------------

test("the ledger tells of each attempt, and never the key", async () => {
	await sim.setScript({ models: { a: { tokens: 2 }, b: { usage: { input: 100, cached: 40 } } } });
	await sim.reset();
	const from = Date.now() * 1000;
	const answer = await post(chat, ask({ model: "a" }),
		{ authorization: "Bearer canary-key-1", "x-request-id": 'req "1"' });
	await post(chat, streamed({ model: "b" }));
	await post(chat, ask({ model: "c" }));
	await request(`${sim.url}/v1/models`);
	await sim.settled(3);
	const text = await sim.ledgerText();
	const { attempts, last, dropped } = JSON.parse(text);
	assert.equal(attempts.length, 3);
	assert.deepEqual([last, dropped], [3, 0]);
	assert.ok(!text.includes("canary"));
	const [one, two, three] = attempts;
	assert.equal(one.id, 1);
	assert.equal(one.request_id, 'req "1"');
	assert.equal(one.path, chat);
	assert.equal(one.model, "a");
	assert.match(one.key_digest, /^[0-9a-f]{12}$/);
	assert.equal(one.sha256, crypto.createHash("sha256").update(answer.body).digest("hex"));
	assert.ok(one.t_start_us >= from - 1000 && one.t_end_us >= one.t_start_us);
	assert.equal(one.output_tokens, 2);
	assert.deepEqual([two.stream, two.input_tokens, two.cached_tokens, two.chunks],
		[true, 100, 40, 8]);
	assert.deepEqual([three.status, three.input_tokens], [404, 0]);
	assert.deepEqual((await sim.ledger("since=2")).map((e) => e.id), [3]);
	assert.deepEqual((await sim.ledger("since=0&limit=2")).map((e) => e.id), [1, 2]);
	const summary = await sim.summary();
	assert.equal(summary.models.b.cached_tokens, 40);
	assert.equal(summary.total.finished, 3);
	assert.deepEqual(summary.statuses, { 200: 2, 404: 1 });
	assert.equal(summary.catalogue_requests, 1);
	assert.equal(summary.keys[one.key_digest], 1);
});

test("the ledger as lines and as CSV", async () => {
	await use({});
	await sim.reset();
	for (let i = 0; i < 3; i++) await post(chat, ask(), { "x-request-id": `r,"${i}` });
	const lines = (await sim.ledgerText("format=ndjson")).trim().split("\n").map((l) => JSON.parse(l));
	assert.deepEqual(lines.map((e) => e.request_id), ['r,"0', 'r,"1', 'r,"2']);
	const csv = (await sim.ledgerText("format=csv")).trim().split("\n");
	assert.equal(csv.length, 4);
	assert.match(csv[0], /^id,request_id,model,key_digest,/);
	assert.deepEqual(csv[0].split(","), Object.keys(lines[0]));
});

test("a client that leaves early is in the ledger: in the request, while it waits, in a stream",
	async () => {
		await use({ latency_ms: 60000 });
		await sim.reset();
		const leave = async (bytes, ready) => {
			const socket = net.connect(sim.port, "127.0.0.1");
			let seen = "";
			socket.on("data", (data) => { seen += data; });
			await new Promise((resolve) => socket.write(bytes, resolve));
			await until(() => ready(seen));
			socket.destroy();
		};
		const full = (text) => `POST ${chat} HTTP/1.1\r\nhost: s\r\nx-request-id: me\r\n` +
			`content-length: ${text.length}\r\n\r\n${text}`;
		await leave(full(JSON.stringify(ask())).slice(0, -5), () => true);
		await sim.settled(1);
		let entry = await lastEntry();
		assert.deepEqual([entry.state, entry.status, entry.request_id, entry.model],
			["cancelled", 0, "me", ""]);
		await leave(full(JSON.stringify(ask())), async () => (await sim.summary()).total.active === 1);
		await sim.settled(2);
		entry = await lastEntry();
		assert.deepEqual([entry.state, entry.status, entry.model, entry.output_tokens],
			["cancelled", 0, "m", 0]);
		await use({ chunk_ms: 5, tokens: 100000, usage: { input: 7 } });
		await leave(full(JSON.stringify(streamed())), (seen) => contents(seen) >= 3);
		await sim.settled(3);
		entry = await lastEntry();
		assert.equal(entry.state, "cancelled");
		assert.equal(entry.input_tokens, 7);
		assert.ok(entry.output_tokens >= 3 && entry.output_tokens < 90000);
	});

test("the ledger is bounded, and says what it dropped", async () => {
	const own = await startSim({ args: ["--ledger", "1"] });
	try {
		const body = JSON.stringify(ask());
		const one = `POST ${chat} HTTP/1.1\r\nhost: s\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
		const socket = net.connect(own.port, "127.0.0.1");
		socket.resume();
		const total = 4096 * 3 + 5;
		for (let i = 0; i < total; i++) socket.write(one);
		await own.settled(total);
		const { attempts, last, dropped } = JSON.parse(await own.ledgerText());
		assert.equal(last, total);
		assert.equal(dropped + attempts.length, total);
		assert.ok(attempts.length <= 8192);
		assert.equal(attempts[0].id, dropped + 1);
		assert.equal((await own.summary()).total.finished, total);
		socket.destroy();
	} finally {
		await own.stop();
	}
});

test("without a ledger the sums are still right", async () => {
	const own = await startSim({ args: ["--no-ledger"] });
	try {
		for (let i = 0; i < 3; i++)
			await request(own.url + chat, { method: "POST", body: JSON.stringify(ask()) });
		assert.deepEqual(await own.ledger(), []);
		assert.equal((await own.summary()).models.m.finished, 3);
	} finally {
		await own.stop();
	}
});

test("a million events and a slow reader leave the memory bounded", async () => {
	await use({ tokens: 1000000 });
	await sim.reset();
	const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${sim.pid}/status`))[1]);
	const base = rss();
	const socket = net.connect(sim.port, "127.0.0.1");
	const text = JSON.stringify(streamed());
	socket.pause();
	socket.write(`POST ${chat} HTTP/1.1\r\nhost: s\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
	await until(async () => (await sim.summary()).total.active === 1);
	for (let i = 0; i < 20; i++) await sim.summary();
	assert.ok(rss() - base < 32768, `${rss() - base} KiB more`);
	let bytes = 0, end = "";
	socket.on("data", (data) => { bytes += data.length; end = (end + data).slice(-40); });
	socket.resume();
	await until(() => end.endsWith(`${done}\n\n\r\n0\r\n\r\n`), 120000);
	assert.ok(bytes > 150e6);
	socket.destroy();
	await sim.settled(1);
	assert.equal((await lastEntry()).chunks, 1000000);
});

// ---- script ------------------------------------------------------------------------------------

test("a new script takes hold at once; streams under way keep the old one", async () => {
	await use({ token: "old", chunk_ms: 15, tokens: 12 });
	const body = streamed();
	const running = wire(body, { stop: wholeAnswer });
	await until(async () => (await sim.summary()).total.active === 1);
	await use({ token: "new", tokens: 2 });
	assert.match((await post(chat, ask())).body.toString(), /says: new0 new1"/);
	assert.equal((await running).text.match(/old\d+"/g).length, 12);
	assert.match(await sim.script(), /"new"/);
});

const badScripts = [
	['{"models": {\n  "m": {,}\n}}', /line 2, column \d+: not valid JSON/],
	[{ models: { m: { latency: 1 } } }, /models\.m\.latency: unknown key/],
	[{ models: { m: { latency_ms: "x" } } }, /models\.m\.latency_ms: expected a number/],
	[{ models: { m: { latency_ms: { normal: [1] } } } }, /models\.m\.latency_ms: expected/],
	[{ models: { m: { latency_ms: -1 } } }, /models\.m\.latency_ms: expected a number from 0/],
	[{ models: { m: { faults: [{ kind: "x" }] } } }, /models\.m\.faults\[0\]\.kind: expected a kind/],
	[{ models: { m: { faults: [{ kind: "reset" }, { kind: "reset", status: 500 }] } } },
		/models\.m\.faults\[1\]\.status: not a key of the fault "reset"/],
	[{ models: { m: { faults: [{ kind: "empty", variant: "x" }] } } },
		/faults\[0\]\.variant: expected one of: content choices body/],
	[{ models: { m: { faults: [{ kind: "reset", probability: 2 }] } } }, /probability: expected/],
	[{ models: { m: { match: [{ body_contains: "x", behaviour: { no: 1 } }] } } },
		/models\.m\.match\[0\]\.behaviour\.no: unknown key/],
	[{ models: [] }, /models: expected an object/],
	[{ modles: {} }, /modles: unknown key/],
	["[]", /script: expected an object/],
];

test("a bad script is refused with its place, and changes nothing", async () => {
	await use({ token: "kept" });
	for (const [script, message] of badScripts)
		await assert.rejects(sim.setScript(script), message);
	assert.match((await post(chat, ask())).body.toString(), /kept0/);
});

test("comments, texts, padding, framing and headers of a script", async () => {
	await sim.setScript(`{ // a comment with "quotes"
		"models": { "*": { "text": "An \\"own\\" text // kept", // and another
			"headers": { "x-own": "1" }, "finish_reason": "length" } } }`);
	const own = await post(chat, ask());
	assert.equal(json(own).choices[0].message.content, 'An "own" text // kept');
	assert.equal(json(own).choices[0].finish_reason, "length");
	assert.equal(own.headers["x-own"], "1");
	assert.deepEqual(chunks(await post(chat, streamed())).slice(1, -1)
		.map((c) => c.choices[0].delta.content), ["An", ' "own"', " text", " //", " kept"]);
	await use({ pad_bytes: 32768 });
	const padded = await post(chat, ask());
	assert.equal(padded.body.length, 32768);
	assert.equal(json(padded).object, "chat.completion");
	await use({ pad_bytes: 1000, framing: "chunked" });
	assert.equal((await post(chat, ask())).headers["transfer-encoding"], "chunked");
	assert.ok(events(await post(chat, streamed())).slice(1, 9)
		.every((e) => e.length === 1000 - "data: \n\n".length));
	await use({ framing: "close" });
	assert.equal((await wire(ask())).end, "fin");
});

test("the command line: help, version, what is wrong with it, and the port file", async () => {
	const run = (...args) => spawnSync(binary("simprovider"), args, { encoding: "utf8" });
	assert.match(run("--help").stdout, /--listen ADDR/);
	assert.match(run("--version").stdout, /^simprovider \d+\.\d+\.\d+\n$/);
	assert.match(run("--list-faults").stdout, /^reset .*RST/m);
	for (const [args, message] of [
		[[], /--listen ADDR is missing/],
		[["--listen"], /a value is missing/],
		[["--wat"], /--wat: no such option/],
		[["--listen", "127.0.0.1:0", "--kind", "smoke"], /--kind: "smoke" is not understood/],
		[["--listen", "127.0.0.1:0", "--seed", "-1"], /--seed: "-1" is not understood/],
	]) {
		const bad = run(...args);
		assert.equal(bad.status, 2);
		assert.match(bad.stderr, message);
	}
	const missing = run("--listen", "127.0.0.1:0", "--script", "/no/such/file");
	assert.equal(missing.status, 1);
	assert.match(missing.stderr, /\/no\/such\/file: No such file/);
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sim-"));
	const script = path.join(folder, "script.json");
	fs.writeFileSync(script, '{"accept": "refuse", "models": {}}');
	const locked = run("--listen", "127.0.0.1:0", "--script", script);
	assert.equal(locked.status, 1);
	assert.match(locked.stderr, /accept: needs --admin-listen/);
	const file = path.join(folder, "ports");
	const own = await startSim({ args: ["--port-file", file] });
	try {
		assert.equal(fs.readFileSync(file, "utf8").split("\n")[0], String(own.port));
	} finally {
		await own.stop();
		fs.rmSync(folder, { recursive: true });
	}
});
