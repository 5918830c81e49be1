// SPDX-License-Identifier: MIT
// alone: it measures times.
// Answers on their way through: byte for byte what the provider sent, each token at once, no more
// in memory than the client takes, and never an end that looks whole where it is not.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import {
	assertLedger, attemptsOf, contentOf, eventsOf, message, ownProvider, patient, portOf, post, quiet, requestText, sha256,
	startPair, stats, streamed, wire, writeAll,
} from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";
import { load, long, sanitized } from "./lib/load.mjs";
import { memoryOf, workersOf } from "./lib/proc.mjs";

// Models of the provider, each a release of grayd with the same name, alone.
function alone(behaviours, release = {}) {
	const names = Object.keys(behaviours);
	return {
		script: { models: behaviours },
		config: {
			models: Object.fromEntries(names.map((name) => [name, { provider: "sim" }])),
			releases: Object.fromEntries(names.map((name) => [name, { stable: name, attempts: 1, ...release }])),
		},
	};
}

const raw = (body, head = []) => ({ faults: [{ kind: "raw", body: ["HTTP/1.1 200 OK", "content-type: text/event-stream",
	...head, "", body].join("\r\n") }] });
const event = (delta, more = {}) => `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}`;
const tools = [{ name: "lookup", arguments: '{"city":"Montréal","days":3}', pieces: 5 }, { name: "now", arguments: "{}" }];

describe("an answer is what the provider sent, byte for byte", () => {
	const behaviours = {
		plain: {},
		unicode: { text: ["na\u00efve ", "漢字 😀", " \u2028 \"quoted\" \\ / \u0001 end"] },
		long: { tokens: 300, pad_bytes: 3000 },
		tools: { tool_calls: tools },
		reasoning: { reasoning_tokens: 5 },
		length: { framing: "length", finish_reason: "length" },
		chunked: { framing: "chunked", finish_reason: "content_filter" },
		close: { framing: "close" },
		cached: { usage: { input: 1000, cached: 900, output: 7, extra: { cost: 0.001, prompt_cache_hit_tokens: 900 } } },
		comments: { heartbeat_ms: 1, chunk_ms: 3, body_ms: 20 },
		huge: { faults: [{ kind: "huge_body", bytes: 5000000 }] },
		trickle: { tokens: 2, faults: [{ kind: "trickle", bytes: 40, gap_ms: 1 }] },
		"eight-1xx": { faults: [{ kind: "informational", repeat: 8 }] },
		filtered: { finish_reason: "content_filter", faults: [{ kind: "empty", variant: "content" }] },
		"at-its-limit": { finish_reason: "length", faults: [{ kind: "empty", variant: "content" }] },
		both: { faults: [{ kind: "content_length", variant: "both", then: "close", only: "whole" }] },
	};
	let pair;
	before(async () => (pair = await startPair(alone(behaviours))));
	after(() => pair?.stop());

	for (const name of Object.keys(behaviours)) {
		for (const [shape, make] of [["whole", message], ["stream", streamed]]) {
			test(`${name}, ${shape}`, async () => {
				const asked = name === "tools" ? { tools: [{ type: "function", function: { name: "lookup" } }] } : {};
				const answer = await post(pair.grayd.url, make(name, asked));
				assert.equal(answer.status, 200, answer.text);
				assert.ok(answer.complete);
				const [attempt] = await until("the end of the attempt", async () => {
					const all = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
					return all.every((one) => one.state !== "active") && all;
				});
				assert.equal(sha256(answer.bytes), attempt.sha256);
				if (make === streamed) assert.equal(eventsOf(answer.text).at(-1), "[DONE]");
			});
		}
	}

	test("tokens and cached tokens are counted from it", async () => {
		const { stable } = (await quiet(pair.grayd)).releases.cached.arms;
		assert.deepEqual(stable.tokens, { input: 200, cached: 1800, cache_write: 0, output: 14 });
		const summary = (await pair.sim.summary()).models.unicode;
		const { tokens } = (await stats(pair.grayd, "unicode")).releases.unicode.arms.stable;
		assert.deepEqual(tokens, { input: summary.input_tokens, cached: 0, cache_write: 0, output: summary.output_tokens });
	});
});

describe("wherever the provider's bytes are split", () => {
	for (const [shape, make] of [["a whole answer", message], ["a stream", streamed]]) {
		test(`${shape} arrives the same, at each byte`, async (t) => {
			const base = { tokens: 2 };
			const probe = await startPair({ t, ...alone({ split: base }) });
			const whole = await wire(probe.sim.url, requestText(make("split"), { headers: { connection: "close" } }));
			const length = whole.text.length;
			assert.ok(length > 300 && length < 3000, `${length} bytes`);
			// The rules are tried in order; the longer numbers come first.
			const match = Array.from({ length }, (_, i) => length - i).map((at) => ({
				request_id_contains: `at-${at}`, behaviour: { ...base, split: { at_byte: at, gap_ms: 1 } },
			}));
			await probe.sim.setScript({ models: { split: { ...base, match } } });
			await probe.sim.reset();
			const answers = await inParallel(48, length, (i) =>
				post(probe.grayd.url, make("split"), { headers: { "x-request-id": `at-${i + 1}` } }));
			await probe.sim.settled();
			const ledger = new Map((await probe.sim.ledger()).map((attempt) => [attempt.request_id, attempt]));
			for (const [i, answer] of answers.entries()) {
				assert.equal(answer.status, 200, `split at ${i + 1}: ${answer.text}`);
				assert.equal(sha256(answer.bytes), ledger.get(`at-${i + 1}`).sha256, `split at ${i + 1}`);
			}
			const { arms } = await assertLedger(probe.sim, probe.grayd, "split");
			assert.equal(arms.stable.ok, length);
		});
	}
});

// Calls work(0) .. work(count - 1), `width` at a time.
async function inParallel(width, count, work) {
	const results = new Array(count);
	let next = 0;
	await Promise.all(Array.from({ length: width }, async () => {
		while (next < count) {
			const i = next++;
			results[i] = await work(i);
		}
	}));
	return results;
}

describe("events in every form that the standard allows", () => {
	const parts = [event({ role: "assistant", content: "" }), event({ content: "one" }), event({ content: " two" }),
		event({}, { finish_reason: "stop" }), "data: [DONE]"];
	const forms = {
		lf: parts.map((part) => `${part}\n\n`).join(""),
		crlf: parts.map((part) => `${part}\r\n\r\n`).join(""),
		cr: parts.map((part) => `${part}\r\r`).join(""),
		mixed: parts.map((part, i) => part + ["\n\n", "\r\n\n", "\n\r\n", "\r\r", "\r\n\r\n"][i]).join(""),
		"no space behind the colon": parts.map((part) => `${part.replace("data: ", "data:")}\n\n`).join(""),
		"a byte order mark": `\ufeff${parts.map((part) => `${part}\n\n`).join("")}`,
		"comments, names and ids": parts.map((part, i) => `: ping\nid: ${i}\nevent: message\nretry: 5\n${part}\n\n: pong\n\n`).join(""),
		"data over several lines": parts.map((part) => `${part.replace('{"choices"', '{\ndata: "choices"')}\n\n`).join(""),
		"no blank line at the end": parts.map((part) => `${part}\n\n`).join("").trimEnd(),
	};
	let pair;
	before(async () => {
		const behaviours = Object.fromEntries(Object.values(forms).map((body, i) => [`form-${i}`, raw(body)]));
		pair = await startPair(alone(behaviours));
	});
	after(() => pair?.stop());

	for (const [i, [name, body]] of Object.entries(forms).entries()) {
		test(name, async () => {
			const answer = await post(pair.grayd.url, streamed(`form-${i}`));
			assert.equal(answer.status, 200, answer.text);
			assert.ok(answer.complete);
			const sent = name === "comments, names and ids" ? body.slice(0, body.indexOf("[DONE]\n\n") + 8) : body;
			assert.equal(answer.text, sent);
		});
	}
});

describe("usage", () => {
	const chunks = [event({ content: "one" }), event({}, { finish_reason: "stop" })].map((part) => `${part}\n\n`).join("");
	const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 };
	const only = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;
	const nothing = `data: ${JSON.stringify({ usage })}\r\n\r\n`;
	const beside = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: " two" } }], usage })}\n\n`;
	const done = "data: [DONE]\n\n";
	let pair;
	before(async () => (pair = await startPair(alone({
		only: raw(chunks + only + done), nothing: raw(chunks + nothing + done), beside: raw(chunks + beside + done),
		early: raw(only + chunks + done), plain: {},
	}))));
	after(() => pair?.stop());

	const cases = [
		["a chunk of usage only, not asked for, is removed", "only", {}, chunks + done],
		["also where it came with CRLF and without choices", "nothing", {}, chunks + done],
		["also before the content", "early", {}, chunks + done],
		["also where the client said no", "only", { stream_options: { include_usage: false } }, chunks + done],
		["asked for, it passes", "only", { stream_options: { include_usage: true } }, chunks + only + done],
		["beside choices it passes, asked for or not", "beside", {}, chunks + beside + done],
		["also where its options are null", "only", { stream_options: null }, chunks + done],
		["other stream options leave it at that", "only", { stream_options: { include_obfuscation: false } }, chunks + done],
	];
	for (const [name, model, more, expected] of cases) {
		test(name, async () => {
			const answer = await post(pair.grayd.url, message(model, { stream: true, ...more }));
			assert.equal(answer.text, expected);
			const [attempt] = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
			const asked = JSON.parse((await pair.sim.request(attempt.id)).split("\r\n\r\n")[1]);
			assert.equal(asked.stream_options.include_usage, true, "grayd asks for it in any case");
			for (const [key, value] of Object.entries(more.stream_options ?? {})) {
				if (key !== "include_usage") assert.equal(asked.stream_options[key], value);
			}
		});
	}

	test("counted in each case", async () => {
		const { releases } = await quiet(pair.grayd);
		assert.deepEqual(releases.only.arms.stable.tokens, { input: 55, cached: 0, cache_write: 0, output: 15 });
		for (const name of ["nothing", "early", "beside"]) {
			assert.deepEqual(releases[name].arms.stable.tokens, { input: 11, cached: 0, cache_write: 0, output: 3 }, name);
		}
	});
});

test("the request goes to the provider byte for byte, but for the model's name", async (t) => {
	const bodies = [
		'{"model":"chat","messages":[{"role":"user","content":"x"}]}',
		' \n{ "n" : 9007199254740993 , "model"\t:\t"chat" , "big": 1e400, "messages": [ ] }\r\n ',
		'{"messages":[{"role":"user","content":"\\u0000 \\ud83d\\ude00 \\/ / é 漢"}],"seed":-0.10e+5,"model":"ch\\u0061t"}',
		'{"metadata":{"model":"chat","stream":true},"model":"chat","x":[[[[]]]],"model2":"chat","":null}',
		`{"model":"chat","user":"u","messages":[{"role":"user","content":"${"long ".repeat(20000)}"}]}`,
	];
	const pair = await startPair({ t, script: { models: { "a-rather-longer-name": {} } }, config: {
		models: { long: { provider: "sim", name: "a-rather-longer-name" } }, releases: { chat: { stable: "long" } } } });
	for (const body of bodies) {
		const answer = await post(pair.grayd.url, body, { headers: { "content-type": "application/json" } });
		assert.equal(answer.status, 200, answer.text);
		const [attempt] = await attemptsOf(pair.sim, answer.headers["x-request-id"]);
		const received = await pair.sim.request(attempt.id);
		const expected = body.replace(/("model"\s*:\s*)"(chat|ch\\u0061t)"(?=[^}]*("x"|"messages"|"big"|"user"|$|}))/, '$1"a-rather-longer-name"');
		assert.equal(received.slice(received.indexOf("\r\n\r\n") + 4), body.startsWith('{"metadata"')
			? body.replace('},"model":"chat"', '},"model":"a-rather-longer-name"') : expected);
	}
});

// ---- broken ends ----------------------------------------------------------------------------

describe("a stream that breaks after its first token", { concurrency: 4 }, () => {
	const faults = {
		"cut behind the first token": { kind: "cut", at: "chunk", after: 1 },
		"cut, cleanly framed": { kind: "cut", at: "chunk", after: 2, end: "chunk" },
		"cut inside an event": { kind: "close", at: "body", after: 700 },
		"reset behind the third token": { kind: "reset", at: "chunk", after: 3 },
		"cut before the finish": { kind: "cut", at: "finish" },
		"cut behind the finish": { kind: "cut", at: "end" },
		"no [DONE]": { kind: "no_done" },
		"a broken chunk": { kind: "bad_chunk", after: 2 },
		"garbage among the events": { kind: "garbage", variant: "sse", at: "chunk", after: 2 },
		"a truncated event": { kind: "truncated_json", after: 3 },
		"an error event": { kind: "error_event", at: "chunk", after: 2 },
		"an error event and [DONE]": { kind: "error_event", at: "chunk", after: 2, end: "done" },
	};
	const slug = (name) => name.toLowerCase().replace(/[^a-z]+/g, "-");
	let pair;
	before(async () => {
		const script = { models: { good: {} } }, models = { good: { provider: "sim" } }, releases = {};
		for (const [name, fault] of Object.entries(faults)) {
			script.models[`new${slug(name)}`] = { tokens: 6, chunk_ms: 2, faults: [fault] };
			models[`new${slug(name)}`] = { provider: "sim" };
			releases[slug(name)] = { stable: "good", candidate: `new${slug(name)}` };
		}
		pair = await startPair({ script, config: { models, releases } });
	});
	after(() => pair?.stop());

	for (const name of Object.keys(faults)) {
		test(`${name}: an error event, no [DONE], no clean end, no other model's text`, async () => {
			const release = slug(name);
			const { text, end } = await wire(pair.grayd.url, requestText(streamed(release)));
			assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
			assert.match(text, /\r\nx-gray-arm: candidate\r\n/);
			assert.match(text, /\r\ntransfer-encoding: chunked\r\n/i);
			assert.ok(["fin", "reset"].includes(end));
			assert.doesNotMatch(text, /\[DONE\]/);
			assert.doesNotMatch(text, /\r\n0\r\n/, "the last chunk of HTTP would say that all is well");
			const events = eventsOf(dechunk(text.slice(text.indexOf("\r\n\r\n") + 4))).map((data) => JSON.parse(data));
			const { error } = events.pop();
			assert.equal(typeof error.message, "string");
			assert.equal(error.attempts.length, 1);
			assert.equal(error.attempts[0].model, `new${release}`);
			const words = events.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
			assert.ok(words.startsWith(`new${release} says:`), words);
			assert.doesNotMatch(words, /good says/);
			const { candidate, stable } = (await quiet(pair.grayd)).releases[release].arms;
			assert.deepEqual([candidate.ok, candidate.fallbacks, stable.attempts], [0, 0, 0]);
			assert.equal(candidate.outcomes[error.attempts[0].outcome], 1);
			const { errors } = (await pair.grayd.ctl(["-j", "errors", release])).json.releases[release];
			assert.deepEqual(errors.map(({ saved, outcome }) => [saved, outcome]), [[false, error.attempts[0].outcome]]);
		});
	}
});

// The body of a chunked answer, as far as it came.
function dechunk(text) {
	let body = "";
	for (let at = 0; at < text.length;) {
		const line = text.indexOf("\r\n", at);
		const size = line < 0 ? NaN : parseInt(text.slice(at, line), 16);
		if (!(size > 0)) break;
		body += text.slice(line + 2, line + 2 + size);
		at = line + 2 + size + 2;
	}
	return body;
}

test("what is held back for the first token is bounded: more than 64 KiB commits", async (t) => {
	const comments = `: ${"x".repeat(1000)}\n\n`;
	const head = ["HTTP/1.1 200 OK", "content-type: text/event-stream", "", ""].join("\r\n");
	const body = (count) => ({ faults: [{ kind: "raw", body: head + comments.repeat(count) }] });
	const pair = await startPair({ t, script: { models: { good: {}, little: body(60), much: body(80) } }, config: {
		models: { good: { provider: "sim" }, little: { provider: "sim" }, much: { provider: "sim" } },
		releases: { little: { stable: "good", candidate: "little" }, much: { stable: "good", candidate: "much" } } } });
	const little = await post(pair.grayd.url, streamed("little"));
	assert.equal(little.headers["x-gray-fallback-reason"], "incomplete");
	assert.ok(contentOf(little).startsWith("good says:"));
	const much = await post(pair.grayd.url, streamed("much"));
	assert.equal(much.headers["x-gray-arm"], "candidate");
	assert.equal(much.complete, false);
	assert.equal(JSON.parse(eventsOf(much.text).at(-1)).error.attempts[0].outcome, "incomplete");
});

test("a client of HTTP/1.0 gets a stream without chunks that ends with the connection", async (t) => {
	const pair = await startPair({ t, ...alone({ chat: { tokens: 3 } }) });
	const text = requestText(streamed("chat")).replace("HTTP/1.1", "HTTP/1.0");
	const answer = await wire(pair.grayd.url, text);
	assert.equal(answer.end, "fin");
	assert.doesNotMatch(answer.text, /transfer-encoding/i);
	const body = answer.text.slice(answer.text.indexOf("\r\n\r\n") + 4);
	const [attempt] = await pair.sim.ledger();
	assert.equal(sha256(Buffer.from(body, "latin1")), attempt.sha256);
});

// ---- flow -----------------------------------------------------------------------------------

const oneOwn = (url, release = {}, more = {}) => ({
	providers: { own: { base_url: url } }, models: { own: { provider: "own" } },
	releases: { chat: { stable: "own", ...release } }, workers: 1, ...more,
});

const beginStream = (res) => res.writeHead(200, { "content-type": "text/event-stream" });

// Opens a stream and hands out the response as soon as its head is there.
function openStream(url, body = streamed("chat")) {
	return new Promise((resolve, reject) => {
		const req = http.request(`${url}/v1/chat/completions`, { method: "POST", agent: false }, resolve);
		req.on("error", reject);
		req.end(JSON.stringify(body));
	});
}

describe("the flow of a stream", () => {
	test("nothing comes before the first token, and each token at once", async (t) => {
		const count = 100, written = [];
		const provider = await ownProvider(async (req, res) => {
			beginStream(res);
			res.write(`${event({ role: "assistant", content: "" })}\n\n`);
			res.write(": keep-alive\n\n");
			await new Promise((go) => setTimeout(go, 60));
			for (let i = 0; i < count; i++) {
				written.push(performance.now());
				res.write(`${event({ content: `<${i}>` })}\n\n`);
				await new Promise((go) => setTimeout(go, 10));
			}
			res.end("data: [DONE]\n\n");
		});
		t.after(() => provider.stop());
		const pair = await startPair({ t, config: oneOwn(provider.url) });
		const res = await openStream(pair.grayd.url);
		assert.ok(performance.now() >= written[0], "the head came with the first token");
		const delays = [];
		for await (const part of res) {
			for (const [, i] of String(part).matchAll(/<(\d+)>/g)) delays.push(performance.now() - written[i]);
		}
		assert.equal(delays.length, count);
		delays.sort((a, b) => a - b);
		const [half, most] = [delays[count / 2], delays[Math.floor(count * 0.9)]];
		// Whoever waits for more bytes, or for an acknowledgement, needs 10 ms or 40 ms for each.
		assert.ok(half < 5 && most < patient(30), `p50 ${half} ms, p90 ${most} ms`);
	});

	test("a client that does not read 100 MB: the provider waits, memory stays, and then all of it comes", async (t) => {
		const total = 100 << 20, piece = `${event({ content: "x".repeat(65536) })}\n\n`;
		const sent = createHash("sha256");
		let socket, finished = false;
		const provider = await ownProvider(async (req, res) => {
			beginStream(res);
			socket = res.socket;
			for (let bytes = 0; bytes < total; bytes += piece.length) {
				sent.update(piece);
				await writeAll(res, piece);
			}
			sent.update("data: [DONE]\n\n");
			res.end("data: [DONE]\n\n");
			finished = true;
		});
		t.after(() => provider.stop());
		// The provider is quiet for as long as the client is: that is no idle timeout of it.
		const pair = await startPair({ t, config: oneOwn(provider.url, { timeouts: { idle_ms: patient(200) } }, { limits: { drain_ms: 1000 } }) });
		const [worker] = await workersOf(pair.grayd);
		const before = memoryOf(worker.pid);
		const res = await openStream(pair.grayd.url);
		res.pause();
		const taken = () => (socket ? socket.bytesWritten - socket.writableLength : 0);
		let last = -1, since = 0;
		await until("a provider that waits", () => {
			const now = performance.now();
			if (taken() !== last) [last, since] = [taken(), now];
			return last > 0 && now - since > patient(600);
		}, 30);
		assert.equal(finished, false);
		// What the four sockets between may hold is the kernel's affair.
		assert.ok(last < 40 << 20, `the provider got rid of ${last} bytes`);
		const grown = (memoryOf(worker.pid) - before) / 1024;
		assert.ok(grown < (sanitized ? 40 : 3) * 1024, `the worker grew by ${grown} KB`);
		const got = createHash("sha256");
		for await (const part of res) got.update(part);
		assert.ok(res.complete);
		assert.equal(got.digest("hex"), sent.digest("hex"));
		const after = (memoryOf(worker.pid) - before) / 1024;
		// A sanitizer keeps what was freed.
		assert.ok(sanitized || after < 3 * 1024, `the worker grew by ${after} KB`);
		const { stable } = (await quiet(pair.grayd)).releases.chat.arms;
		assert.equal(stable.ok, 1);
	});

	test("a client that never reads is left after write_stall_ms, and the provider with it", async (t) => {
		let closed = 0;
		const provider = await ownProvider(async (req, res) => {
			beginStream(res);
			res.on("close", () => (closed = performance.now()));
			const piece = `${event({ content: "x".repeat(65536) })}\n\n`;
			while (await writeAll(res, piece));
		});
		t.after(() => provider.stop());
		const pair = await startPair({ t, config: oneOwn(provider.url, {}, { limits: { write_stall_ms: patient(300) } }) });
		const res = await openStream(pair.grayd.url);
		res.on("error", () => {});
		res.pause();
		await until("the end of the provider's connection", () => closed > 0, patient(5000) / 1000);
		const { stable } = (await quiet(pair.grayd)).releases.chat.arms;
		assert.equal(stable.in_flight, 0);
		assert.equal(stable.ok, 0);
		res.destroy();
	});

	test("a slow reader gets everything", async (t) => {
		const pair = await startPair({ t, ...alone({ chat: { tokens: 1500, pad_bytes: 4096 } }),
			config: { ...alone({ chat: {} }).config, limits: { write_stall_ms: patient(400) } } });
		const res = await openStream(pair.grayd.url);
		const got = createHash("sha256");
		let bytes = 0, rest = 0;
		for await (const part of res) {
			got.update(part);
			bytes += part.length;
			rest += part.length;
			// Slower than the provider for longer than the limit, but never still.
			if (rest > 1 << 18) {
				rest = 0;
				await new Promise((go) => setTimeout(go, patient(40)));
			}
		}
		assert.ok(res.complete && bytes > 6000000);
		const [attempt] = await until("the end", async () => {
			const all = await pair.sim.ledger();
			return all[0].state === "finished" && all;
		});
		assert.equal(got.digest("hex"), attempt.sha256);
	});
});

test("a stream as fast as it goes keeps nobody else waiting", async (t) => {
	const pair = await startPair({ t, script: { models: { fast: { tokens: 2000, pad_bytes: 65536 }, small: {} } }, config: {
		workers: 1, models: { fast: { provider: "sim" }, small: { provider: "sim" } },
		releases: { fast: { stable: "fast" }, small: { stable: "small" } },
	} });
	const streams = load(pair.grayd.url, { m: "fast", stream: true, n: 2, c: 2 }, { log: false });
	await until("the streams", async () => (await stats(pair.grayd)).releases.fast.arms.stable.in_flight === 2);
	const { summary } = await load(pair.grayd.url, { m: "small", n: 100, c: 1 }, { log: false });
	assert.equal(summary.verdicts.ok, 100);
	assert.ok(summary.latency_us.p95 < patient(300) * 1000, `p95 ${summary.latency_us.p95} us`);
	assert.equal((await streams).summary.verdicts.ok, 2);
});

test("a client that asks and asks and never reads is asked to wait", async (t) => {
	const pair = await startPair({ t, ...alone({ chat: {} }), config: { ...alone({ chat: {} }).config, workers: 1 } });
	const [worker] = await workersOf(pair.grayd);
	const before = memoryOf(worker.pid);
	const socket = net.connect(portOf(pair.grayd.url), "127.0.0.1");
	t.after(() => socket.destroy());
	socket.pause();
	const many = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(2000);
	const total = 100;
	let written = 0, answered = 0, text = "";
	(function more() {
		while (written++ < total) if (!socket.write(many)) return socket.once("drain", more);
	})();
	let last = -1, since = 0;
	await until("a grayd that reads no more", () => {
		const taken = socket.bytesWritten - socket.writableLength;
		if (taken !== last) [last, since] = [taken, performance.now()];
		return performance.now() - since > patient(200);
	});
	assert.ok(last < many.length * total, "not all of it was read");
	const grown = (memoryOf(worker.pid) - before) / 1024;
	assert.ok(grown < (sanitized ? 40 : 3) * 1024, `the worker grew by ${grown} KB`);
	// Once it reads, it gets every answer.
	socket.on("data", (data) => {
		text += data;
		answered += text.split("HTTP/1.1 200 OK").length - 1;
		text = text.slice(-"HTTP/1.1 200 OK".length + 1);
	});
	socket.resume();
	await until("all answers", () => answered === 2000 * total, patient(20000) / 1000);
});

test("many streams at once: none holds a byte of another", async (t) => {
	const count = long ? 2000 : 200;
	const names = Array.from({ length: 8 }, (_, i) => `model-${i}`);
	const pair = await startPair({ t, ...alone(Object.fromEntries(names.map((name) => [name, { tokens: 20, chunk_ms: 2 }]))) });
	const answers = await inParallel(100, count, (i) => post(pair.grayd.url, streamed(names[i % 8]), { headers: { "x-request-id": `mine-${i}` } }));
	await pair.sim.settled();
	const ledger = new Map((await pair.sim.ledger()).map((attempt) => [attempt.request_id, attempt]));
	for (const [i, answer] of answers.entries()) {
		assert.equal(answer.headers["x-request-id"], `mine-${i}`);
		assert.ok(contentOf(answer).startsWith(`model-${i % 8} says:`));
		assert.equal(sha256(answer.bytes), ledger.get(`mine-${i}`).sha256);
	}
});
