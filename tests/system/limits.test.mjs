// SPDX-License-Identifier: MIT
// Clients that are slow, greedy, old-fashioned or in a hurry: deadlines, back-pressure, pipelining,
// refusals before reading, connection limits, and the corners of HTTP that users meet.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, chmodSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { blake2b256 } from "./lib/bucket.mjs";
import { until } from "./lib/grayd.mjs";
import { demoConfig, patience, settledStats, startPair } from "./lib/load.mjs";
import { memoryOf, workersOf } from "./lib/proc.mjs";
import { chatBody, connect, post, requestText } from "./lib/wire.mjs";

const CHAT = "/v1/chat/completions";
const MODELS = requestText("GET", "/v1/models");
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
const withLimits = (limits, more = {}) => (sim) => demoConfig(sim, { limits, ...more });

// Sends one byte each `ms` until the other side closes.
async function trickle(wire, bytes, ms) {
	for (let i = 0; !wire.closed && !wire.socket.destroyed; i++) {
		wire.send(bytes.subarray(i % bytes.length, (i % bytes.length) + 1));
		await wait(ms);
	}
}

// The milliseconds that `what` takes, of which there must be at least `low` and little more.
async function takes(low, what) {
	const begin = performance.now();
	await what();
	const ms = performance.now() - begin;
	assert.ok(ms >= low - 20, `only ${ms.toFixed(0)} ms`);
	assert.ok(ms <= low + 700 * patience, `${ms.toFixed(0)} ms instead of ${low}`);
}

const codeOf = (answer) => JSON.parse(answer.body).error.code;

// Deadlines are waited for side by side.
test("deadlines", { concurrency: true }, async (t) => {
	const { sim, grayd } = await startPair(t, {
		config: withLimits({ header_timeout_ms: 600, body_timeout_ms: 1200, idle_timeout_ms: 500 }),
	});
	const patient = await startPair(t);

	const all = {
		"a head that comes slowly is refused, whatever trickles in": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			wire.send("GET /v1/models HTTP/1.1\r\n");
			await takes(600, () => trickle(wire, Buffer.from("x"), 20));
			assert.equal(wire.answers[0]?.status, 408);
			assert.equal(wire.answers[0].headers.connection, "close");
		},
		"a head that stops is refused": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			wire.send("GET /v1/mod");
			await takes(600, () => wire.end());
			assert.equal(wire.answers[0]?.status, 408);
		},
		"a connection on which nothing comes is closed without a word": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			await takes(500, () => wire.end());
			assert.equal(wire.receivedBytes, 0);
		},
		"a connection is kept for idle_timeout_ms after each answer": async () => {
			const wire = connect(grayd.url);
			for (let i = 1; i <= 3; i++) {
				wire.send(MODELS);
				await wire.count(i);
				assert.equal(wire.answers[i - 1]?.status, 200);
				await wait(250);
			}
			await takes(250, () => wire.end());
			assert.equal(wire.answers.length, 3);
		},
		"a body that stops is refused": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			wire.send(requestText("POST", CHAT, { headers: { "Content-Length": 1000 } }));
			await takes(1200, () => wire.end());
			assert.equal(wire.answers[0]?.status, 408);
			assert.equal(wire.answers[0].headers.connection, "close");
		},
		"a body that trickles is refused": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			wire.send(requestText("POST", CHAT, { headers: { "Content-Length": 1000 } }));
			await takes(1200, () => trickle(wire, Buffer.from("x"), 20));
			assert.equal(wire.answers[0]?.status, 408);
		},
		"a body in slow chunks is refused": async () => {
			const wire = connect(grayd.url);
			await wire.ready;
			wire.send(requestText("POST", CHAT, { headers: { "Transfer-Encoding": "chunked" } }));
			await takes(1200, () => trickle(wire, Buffer.from("1\r\nx\r\n"), 20));
			assert.equal(wire.answers[0]?.status, 408);
		},
		"a body far below the minimum rate is refused long before body_timeout_ms": async () => {
			const wire = connect(patient.grayd.url);
			await wire.ready;
			wire.send(requestText("POST", CHAT, { headers: { "Content-Length": 1000000 } }));
			await takes(5000, () => trickle(wire, Buffer.from("x"), 20));
			assert.equal(wire.answers[0]?.status, 408);
		},
	};
	await Promise.all(Object.entries(all).map(([name, run]) => t.test(name, run)));
	assert.equal((await sim.summary()).total.attempts, 0);
	await settledStats(grayd, until);
});

// A stream of many and large events, more than any buffer on the way.
const flood = { models: { old: { tokens: 4000, chunk_ms: 0, pad_bytes: 0, token: "x".repeat(32768) } } };
const ask = (more) => requestText("POST", CHAT, { body: chatBody(more) });

test("a client that never reads holds back the provider, then is cut off", async (t) => {
	const { sim, grayd } = await startPair(t, { script: flood, config: withLimits({ write_stall_ms: 1500 }) });
	const workers = await workersOf(grayd);
	const before = workers.reduce((sum, { pid }) => sum + memoryOf(pid), 0);
	const socket = net.connect(Number(new URL(grayd.url).port), "127.0.0.1");

	t.after(() => socket.destroy());
	socket.pause();
	socket.write(ask({ stream: true }));
	const peak = await until("the client to be cut off", async () => {
		const now = workers.reduce((sum, { pid }) => sum + memoryOf(pid), 0);
		const [attempt] = await sim.ledger();
		assert.ok(now - before < (16 << 20) * patience, `${(now - before) >> 20} MB more`);
		return attempt?.state === "cancelled" && now;
	}, 15 * patience);
	const [{ bytes_out: taken }] = await sim.ledger();
	assert.ok(taken < 40 << 20, `the provider could send ${taken >> 20} MB`);
	t.diagnostic(`${(peak - before) >> 10} KB more memory, ${taken >> 20} MB taken from the provider`);
	const { stable } = (await settledStats(grayd, until)).releases.demo.arms;
	assert.equal(stable.cancelled, 1);
});

test("a client that reads a byte now and then is cut off too", async (t) => {
	const { sim, grayd } = await startPair(t, { script: flood, config: withLimits({ write_stall_ms: 700 }) });
	const socket = net.connect({ port: Number(new URL(grayd.url).port), host: "127.0.0.1",
		readableHighWaterMark: 1 });
	const reader = setInterval(() => socket.read(1), 50);

	t.after(() => (clearInterval(reader), socket.destroy()));
	socket.on("error", () => {});
	socket.write(ask({ stream: true }));
	await until("the client to be cut off", async () => (await sim.ledger())[0]?.state === "cancelled",
		15 * patience);
});

test("a client that reads slowly but steadily gets everything", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { old: { tokens: 400, token: "x".repeat(32768) } } },
		config: withLimits({ write_stall_ms: 1500 }),
	});
	const wire = connect(grayd.url);
	let held = 0;

	await wire.ready;
	wire.socket.on("data", () => {
		if (++held % 20 !== 0) return;
		wire.socket.pause();
		setTimeout(() => wire.socket.resume(), 30);
	});
	wire.send(ask({ stream: true }));
	await wire.count(1);
	wire.destroy();
	assert.ok(wire.answers[0].body.length > 400 * 32768);
	assert.ok(wire.answers[0].body.toString("latin1").endsWith("data: [DONE]\n\n"));
});

test("1,000 pipelined requests in one write are answered in order", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { old: { latency_ms: { uniform: [0, 1] } } } },
	});
	const wire = connect(grayd.url);
	const some = (i) => (i % 3 === 0 ? requestText("GET", "/v1/models", { headers: { "x-request-id": `p-${i}` } })
		: requestText("POST", CHAT, { headers: { "x-request-id": `p-${i}` },
			body: chatBody(i % 3 === 1 ? { stream: true } : {}) }));

	wire.send(Array.from({ length: 1000 }, (_, i) => some(i)).join(""));
	await wire.count(1000);
	wire.destroy();
	assert.equal(wire.answers.length, 1000);
	for (const [i, { status, headers }] of wire.answers.entries()) {
		assert.equal(status, 200);
		assert.equal(headers["x-request-id"], `p-${i}`);
	}
});

const KEY = "gk-limits-0123456789";
const guarded = withLimits({ max_body_bytes: 4096 },
	{ clients: [{ name: "us", key_hash: blake2b256(KEY).toString("hex") }] });
const authorized = { Authorization: `Bearer ${KEY}` };

test("Expect: 100-continue is answered once the head is accepted", async (t) => {
	const { grayd } = await startPair(t, { config: guarded });
	const wire = connect(grayd.url);
	const body = chatBody();

	wire.send(requestText("POST", CHAT,
		{ headers: { ...authorized, Expect: "100-continue", "Content-Length": body.length } }));
	await wire.interim(1);
	assert.equal(wire.interims[0].status, 100);
	assert.equal(wire.answers.length, 0);
	wire.send(body + MODELS.replace("\r\n\r\n", `\r\nAuthorization: ${authorized.Authorization}\r\n\r\n`));
	await wire.count(2);
	wire.destroy();
	assert.deepEqual(wire.answers.map(({ status }) => status), [200, 200]);
	assert.equal(wire.interims.length, 1);
});

// What the head alone decides: [what, status, path, headers].
const REFUSED_BY_HEAD = [
	["no key", 401, CHAT, {}],
	["no such path", 404, "/v1/nothing", authorized],
	["a method that does not fit", 405, "/v1/models", authorized],
	["a body too large", 413, CHAT, { ...authorized, "Content-Length": 4097 }],
	["an encoded body", 415, CHAT, { ...authorized, "Content-Encoding": "gzip" }],
];

test("what the head decides is answered before the body is read", async (t) => {
	const { sim, grayd } = await startPair(t, { config: guarded });

	for (const expect of [{}, { Expect: "100-continue" }]) {
		for (const [what, status, path, headers] of REFUSED_BY_HEAD) {
			const wire = connect(grayd.url);
			wire.send(requestText("POST", path, { headers: { "Content-Length": 100, ...expect, ...headers } }));
			await wire.end();
			assert.equal(wire.interims.length, 0, what);
			assert.equal(wire.answers.length, 1, what);
			assert.equal(wire.answers[0].status, status, what);
			assert.equal(wire.answers[0].headers.connection, "close", what);
		}
	}
	assert.equal((await sim.summary()).total.attempts, 0);
});

test("every answer to a request has its x-request-id", async (t) => {
	const { grayd } = await startPair(t, { config: guarded });

	for (const [what, status, path, headers] of [...REFUSED_BY_HEAD,
		["served", 200, CHAT, { ...authorized, "Content-Length": chatBody().length }],
		["bad JSON", 400, CHAT, { ...authorized, "Content-Length": 2 }]]) {
		const wire = connect(grayd.url);
		wire.send(requestText("POST", path,
			{ headers: { "Content-Length": 100, ...headers, "x-request-id": "mine-1" } }));
		wire.send(chatBody());
		await wire.count(1);
		wire.destroy();
		assert.equal(wire.answers[0].status, status, what);
		assert.equal(wire.answers[0].headers["x-request-id"], "mine-1", what);
	}
});

const padded = (length) => {
	const body = chatBody({ user: "" });
	return body.replace('"user":""', `"user":"${"u".repeat(length - body.length)}"`);
};
const chunked = (body) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

test("max_body_bytes is exact, however the body is framed", async (t) => {
	const { sim, grayd } = await startPair(t, { config: withLimits({ max_body_bytes: 4096 }) });
	const te = { "Transfer-Encoding": "chunked" };

	for (const [length, status] of [[4096, 200], [4097, 413]]) {
		const counted = await post(grayd.url, padded(length));
		const inChunks = await post(grayd.url, chunked(padded(length)), { headers: te });
		assert.deepEqual([counted.status, inChunks.status], [status, status], `${length}`);
	}
	const wire = connect(grayd.url);
	wire.send(`${requestText("POST", CHAT, { headers: te })}1001\r\n`);
	await wire.end();
	assert.equal(wire.answers[0].status, 413);
	assert.equal((await sim.summary()).total.attempts, 2);
});

test("bodies up to the limit arrive byte for byte", async (t) => {
	const { sim, grayd } = await startPair(t);
	const body = padded(8 << 20);

	assert.equal((await post(grayd.url, body)).status, 200);
	const [{ bytes_in: bytesIn }] = await sim.ledger();
	assert.ok(bytesIn > body.length - 10 && bytesIn < body.length + 1000, `${bytesIn}`);
});

test("connections above max_connections wait, and are served when others leave", async (t) => {
	const { grayd } = await startPair(t, { config: withLimits({ max_connections: 64 }) });
	const wires = Array.from({ length: 100 }, () => connect(grayd.url));

	t.after(() => wires.forEach((wire) => wire.destroy()));
	await Promise.all(wires.map(({ ready }) => ready));
	for (const wire of wires) wire.send(MODELS);
	const open = await until("some to be served", async () => {
		const served = wires.filter(({ answers }) => answers.length === 1).length;
		const { open_connections: now } = (await grayd.status()).grayd;
		assert.ok(now <= 64, `${now} open`);
		return served >= 40 && served === now && served;
	}, 10 * patience);
	assert.ok(open < 100);
	for (const wire of wires.filter(({ answers }) => answers.length === 1)) wire.destroy();
	await Promise.all(wires.map((wire) => wire.count(1)));
	t.diagnostic(`${open} served at first`);
	assert.ok(wires.every(({ answers }) => answers[0]?.status === 200));
});

test("a Unix socket serves like a port, and is removed at the end", async (t) => {
	const dir = mkdtempSync(join(tmpdir(), "grayd-unix-"));
	const path = join(dir, "http.sock");

	chmodSync(dir, 0o755);
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const { grayd } = await startPair(t, {
		config: (sim) => demoConfig(sim, { listen: [`unix:${path}`, "127.0.0.1:0"] }),
	});
	assert.deepEqual(grayd.urls.map((url) => url.split(":")[0]), ["unix", "http"]);
	for (const url of grayd.urls) {
		assert.equal((await post(url, {})).status, 200);
		assert.ok((await post(url, { stream: true })).body.toString().endsWith("data: [DONE]\n\n"));
		assert.equal((await post(url, {}, { headers: { "x-gray-arm": "candidate" } })).headers["x-gray-arm"],
			"candidate");
	}
	assert.ok(statSync(path).isSocket());
	await grayd.stop();
	assert.ok(!existsSync(path));
});

const old = (method, path, headers = "", body = "") =>
	`${method} ${path} HTTP/1.0\r\n${headers}${body && `Content-Length: ${body.length}\r\n`}\r\n${body}`;

test("HTTP/1.0 is answered in its own way", async (t) => {
	const { grayd } = await startPair(t);
	const talk = async (text) => {
		const wire = connect(grayd.url);
		wire.send(text);
		await wire.end();
		return wire;
	};

	const plain = await talk(old("POST", CHAT, "", chatBody()));
	assert.deepEqual([plain.answers[0].status, plain.answers[0].headers.connection], [200, "close"]);
	const streamed = await talk(old("POST", CHAT, "", chatBody({ stream: true })));
	assert.equal(streamed.answers[0].headers["transfer-encoding"], undefined);
	assert.ok(streamed.answers[0].body.toString().startsWith("data: {"));
	assert.ok(streamed.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	const kept = await talk(old("POST", CHAT, "Connection: keep-alive\r\n", chatBody()) + old("GET", "/v1/models"));
	assert.deepEqual(kept.answers.map(({ status }) => status), [200, 200]);
	assert.equal(kept.answers[0].headers.connection, "keep-alive");
	// A stream of unknown length can only end with its connection.
	const last = await talk(old("POST", CHAT, "Connection: keep-alive\r\n", chatBody({ stream: true })) +
		old("GET", "/v1/models"));
	assert.equal(last.answers.length, 1);
	assert.ok(last.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
});

test("HEAD and OPTIONS", async (t) => {
	const { sim, grayd } = await startPair(t);
	const wire = connect(grayd.url);
	const send = async (method, path) => {
		const at = wire.answers.length;
		if (method === "HEAD") wire.expectBodyless();
		wire.send(requestText(method, path));
		await wire.count(at + 1);
		return wire.answers[at];
	};

	const got = await send("GET", "/v1/models"), head = await send("HEAD", "/v1/models");
	assert.equal(head.status, 200);
	assert.equal(head.headers["content-length"], String(got.body.length));
	assert.equal((await send("HEAD", "/v1/models/demo")).status, 200);
	assert.equal((await send("HEAD", "/v1/models/none")).status, 404);
	for (const [method, path, status, allow] of [
		["OPTIONS", "/v1/models", 204, "GET, HEAD, OPTIONS"], ["OPTIONS", CHAT, 204, "POST, OPTIONS"],
		["HEAD", CHAT, 405, "POST, OPTIONS"], ["GET", CHAT, 405, "POST, OPTIONS"]]) {
		const answer = await send(method, path);
		assert.deepEqual([answer.status, answer.headers.allow], [status, allow], `${method} ${path}`);
	}
	assert.equal((await send("GET", "/v1/models")).status, 200);
	wire.destroy();
	assert.equal((await sim.summary()).total.attempts, 0);
});

test("a client that stops sending has left: the provider sees it at once", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { old: { latency_ms: 20000, first_token_ms: 20000 } } },
	});

	for (const leave of ["end", "destroy", "resetAndDestroy"]) {
		const wire = connect(grayd.url, { allowHalfOpen: leave === "end" });
		await sim.reset();
		wire.send(requestText("POST", CHAT, { body: chatBody() }));
		await until("the attempt", async () => (await sim.ledger()).length === 1);
		const leftUs = Date.now() * 1000;
		wire.socket[leave]();
		const { t_close_us: seenUs } = await until("the provider to see the close", async () =>
			(await sim.ledger()).find(({ state }) => state === "cancelled"), 10);
		assert.ok(seenUs - leftUs < 200000 * patience, `${leave}: ${(seenUs - leftUs) / 1000} ms`);
		if (leave === "end") await wire.end();
		assert.equal(wire.answers.length, 0);
	}
	const { stable } = (await settledStats(grayd, until)).releases.demo.arms;
	assert.deepEqual([stable.requests, stable.cancelled], [3, 3]);
});

test("a client that stops sending behind a whole pipelined request loses nothing before it", async (t) => {
	const { grayd } = await startPair(t);
	const wire = connect(grayd.url, { allowHalfOpen: true });

	wire.send(MODELS);
	await wire.count(1);
	wire.socket.end();
	await wire.end();
	assert.deepEqual(wire.answers.map(({ status }) => status), [200]);
});
