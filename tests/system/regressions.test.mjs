// SPDX-License-Identifier: MIT
// One test for each bug that a review found in the data plane, named after what must hold instead.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import {
	contentOf, eventsOf, message, ownProvider, patient, portOf, post, quiet, startPair, startProvider, stats, stopClean,
	streamed,
} from "./lib/expect.mjs";
import { smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { statusOf, workersOf } from "./lib/proc.mjs";
import { chatBody, connect, requestText } from "./lib/wire.mjs";

const MODELS = requestText("GET", "/v1/models");
const LAST_MODELS = requestText("GET", "/v1/models", { headers: { Connection: "close" } });
const PATIENCE_MS = patient(4000);

// `promise`, or an error once it has taken too long.
function inTime(what, promise, ms = PATIENCE_MS) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const openConnections = async (grayd) => (await stats(grayd)).grayd.open_connections;
const untilOpen = (grayd, count, ms = PATIENCE_MS) =>
	until(`${count} open connections`, async () => (await openConnections(grayd)) === count, ms / 1000);

// A client that is gone at the end of the test, whatever became of it.
function client(t, url) {
	const wire = connect(url);
	t.after(() => wire.destroy());
	return wire;
}

const stableAlone = { models: { good: { provider: "sim" } }, releases: { chat: { stable: "good" } }, workers: 1 };

// A grayd of one worker that ends with the test. Left out, its provider is nobody.
async function startAlone(t, config, env) {
	const grayd = await startGrayd({ config: { ...smallConfig(), workers: 1, ...config }, env });
	t.after(() => stopClean(grayd));
	return grayd;
}

test("a failed name look-up leaves other connections alone", async (t) => {
	const pair = await startPair({ t, script: { models: { good: { latency_ms: 5 } } }, config: {
		...stableAlone,
		// No name server is asked: the resolver itself refuses a label of 64 bytes.
		providers: { lost: { base_url: `http://${"x".repeat(64)}.invalid:1/v1` } },
		models: { good: { provider: "sim" }, lost: { provider: "lost" } },
		releases: { chat: { stable: "good", candidate: "lost", attempts: 1 } },
		limits: { drain_ms: 1000 },
	} });
	// A look-up alone, and then more clients than it had descriptors, whose numbers they get.
	for (const count of [1, 12, 1, 24, 1, 24]) {
		const answers = await inTime(`${count} answers`, Promise.all(Array.from({ length: count },
			() => post(pair.grayd.url, message("chat")))));
		for (const { status, headers } of answers) {
			assert.equal(status, 200);
			assert.equal(headers["x-gray-arm"], "stable");
			assert.equal(headers["x-gray-fallback-reason"], "unresolved");
		}
	}
	const { candidate } = (await quiet(pair.grayd)).releases.chat.arms;
	assert.equal(candidate.fallbacks, 63);
	assert.equal(candidate.sent, 0);
});

test("unread answers and Connection: close do not keep a connection for ever", async (t) => {
	const ms = patient(1000);
	const dir = mkdtempSync(join(tmpdir(), "grayd-regressions-"));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	chmodSync(dir, 0o755);
	const names = Array.from({ length: 64 }, (_, i) => `r${i}-${"x".repeat(50)}`);
	const grayd = await startAlone(t, {
		// What the kernel takes for a client of a Unix socket that reads nothing does not grow.
		listen: [`unix:${join(dir, "grayd.sock")}`],
		releases: Object.fromEntries(names.map((name) => [name, { stable: "old" }])),
		limits: { write_stall_ms: ms, idle_timeout_ms: ms, header_timeout_ms: ms, drain_ms: 1000 },
	});
	// One worker takes what comes in turn: behind this answer it has looked at all that came before.
	const lookedAt = async () => {
		const last = client(t, grayd.url);
		last.send(LAST_MODELS);
		await inTime("an answer", last.end());
		assert.equal(last.answers[0]?.status, 200);
		return last.receivedBytes;
	};
	// In steps smaller than what grayd queues itself, up to more than it and the kernel take.
	const perStep = Math.floor(60000 / await lookedAt());
	const sockets = [];
	for (let i = 1; i <= 24; i++) {
		const socket = net.connect(grayd.url.slice("unix:".length));
		t.after(() => socket.destroy());
		socket.on("error", () => {});
		socket.pause();
		await once(socket, "connect");
		socket.write(MODELS.repeat(i * perStep));
		sockets.push(socket);
	}
	for (let i = 0; i < 3; i++) await lookedAt();
	for (const socket of sockets) socket.write(LAST_MODELS);
	await untilOpen(grayd, 0, 5 * ms);
});

test("a proxy's answer to CONNECT is not the provider's", async (t) => {
	const dir = mkdtempSync(join(tmpdir(), "grayd-regressions-"));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	chmodSync(dir, 0o755);
	const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
	const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
		"-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
	if (made.status !== 0) return t.skip("no openssl to make a certificate with");
	chmodSync(cert, 0o644);

	let seen = 0, connects = 0;
	const provider = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (req, res) => {
		const parts = [];
		req.on("data", (part) => parts.push(part)).on("end", () => {
			seen++;
			if (JSON.parse(Buffer.concat(parts)).model === "silent") return req.socket.destroy();
			const body = JSON.stringify({ id: "1", object: "chat.completion", model: "good", choices: [
				{ index: 0, message: { role: "assistant", content: "by way of a proxy" }, finish_reason: "stop" }],
			usage: { prompt_tokens: 1, completion_tokens: 4, total_tokens: 5 } });
			// A length that contradicts the one in the proxy's answer.
			res.writeHead(200, { "content-type": "application/json", "content-length": body.length, connection: "close" });
			res.end(body);
		});
	});
	const proxy = http.createServer();
	proxy.on("connect", (req, near) => {
		const far = net.connect(provider.address().port, "127.0.0.1", () => {
			connects++;
			near.write("HTTP/1.1 200 Connection established\r\nContent-Length: 0\r\nX-Request-Id: of-the-proxy\r\n\r\n");
			near.pipe(far).pipe(near);
		});
		for (const [one, other] of [[near, far], [far, near]]) one.on("error", () => {}).on("close", () => other.destroy());
	});
	for (const server of [provider, proxy]) {
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		t.after(() => server.close());
	}
	const grayd = await startAlone(t, {
		providers: { tls: { base_url: `https://127.0.0.1:${provider.address().port}/v1`, ca_file: cert, validate: false,
			proxy: `http://127.0.0.1:${proxy.address().port}` } },
		models: { good: { provider: "tls" }, silent: { provider: "tls" } },
		releases: { good: { stable: "good" }, silent: { stable: "silent", attempts: 3, backoff_ms: 5 } },
	});

	const good = await post(grayd.url, message("good"));
	assert.equal(good.status, 200, good.text);
	assert.equal(contentOf(good), "by way of a proxy");
	assert.equal(seen, 1);
	// A provider that closes without a word may have worked on it: it is not asked again.
	const silent = await post(grayd.url, message("silent"));
	assert.equal(silent.status, 502);
	assert.deepEqual(silent.json.error.attempts.map(({ outcome }) => outcome), ["no_answer"]);
	assert.equal(seen, 2);
	assert.equal(connects, 2);
});

test("a provider's key with JSON escapes is not passed on", async (t) => {
	const key = "Zq7canary/Of+The\"Escapes0123456789";
	const plain = JSON.stringify(`no such key: ${key}`);
	const every = (text) => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
	const written = {
		quote: plain,
		slash: plain.replace("/", "\\/"),
		number: plain.replace("/", "\\u002F"),
		numbers: `"no such key: ${every(key)}"`,
	};
	const fault = (text) => ({ faults: [{ kind: "status", status: 400, body: `{"error":{"message":${text},"code":"x"}}` }] });
	const names = Object.keys(written);
	const sim = await startProvider({ script: { models: Object.fromEntries(names.map((name) => [name, fault(written[name])])) } });
	t.after(() => sim.stop());
	const grayd = await startAlone(t, {
		providers: { keyed: { base_url: `${sim.url}/v1`, api_key: { env: "GRAYD_TEST_KEY" } } },
		models: Object.fromEntries(names.map((name) => [name, { provider: "keyed" }])),
		releases: Object.fromEntries(names.map((name) => [name, { stable: name, attempts: 1 }])),
	}, { GRAYD_TEST_KEY: key });
	for (const name of names) {
		const answer = await post(grayd.url, message(name));
		assert.equal(answer.status, 400, name);
		assert.ok(answer.json.error.message.length > 0, name);
		assert.ok(!JSON.stringify(answer.json).includes("Zq7canary"), `${name}: ${answer.text}`);
		const { stdout } = await grayd.ctl(["errors", name]);
		assert.ok(!stdout.includes("Zq7canary"), stdout);
	}
	assert.equal((await sim.summary()).total.attempts, names.length);
});

test("a request that has arrived when the drain begins is answered", async (t) => {
	const grayd = await startGrayd({ config: { ...smallConfig(), workers: 1 } });
	t.after(() => grayd.stop("SIGKILL"));
	const wire = client(t, grayd.url);
	wire.send(MODELS);
	await inTime("the first answer", wire.count(1));
	const [{ pid }] = await workersOf(grayd);
	process.kill(pid, "SIGSTOP");
	await until("the worker to stand", () => statusOf(pid).State.startsWith("T"));
	grayd.child.kill("SIGTERM");
	await until("the drain", () => grayd.logLines().some(({ event }) => event === "stopping"));
	await wire.send(MODELS);
	process.kill(pid, "SIGCONT");
	await inTime("the second answer", wire.end());
	assert.deepEqual(wire.answers.map(({ status }) => status), [200, 200]);
	assert.deepEqual(await inTime("the end of grayd", grayd.exited), { code: 0, signal: null });
	assert.doesNotMatch(grayd.stderr(), /Sanitizer|runtime error|assert/i);
});

test("a keep-alive connection lives on after a blocked answer", async (t) => {
	const pair = await startPair({ t, script: { models: { good: { pad_bytes: 9000000 } } }, config: {
		...stableAlone, limits: { write_stall_ms: patient(700), idle_timeout_ms: 60000 } } });
	// Asks, and reads nothing until grayd has the whole answer, more than the kernel takes.
	const askBlocked = async (count) => {
		const wire = client(t, pair.grayd.url);
		await wire.ready;
		wire.socket.pause();
		wire.send(requestText("POST", "/v1/chat/completions", { body: chatBody({ model: "chat" }) }));
		await until("the whole answer", async () => (await stats(pair.grayd)).grayd.finished === count);
		return wire;
	};
	const patientOne = await askBlocked(1);
	patientOne.socket.resume();
	await inTime("the blocked answer", patientOne.count(1));
	assert.ok(patientOne.answers[0].body.length > 8000000);
	// Another one never reads. When its stall is over, so would be that of the first one.
	await askBlocked(2);
	await untilOpen(pair.grayd, 1);
	patientOne.send(MODELS);
	await inTime("one more answer", patientOne.count(2));
	assert.deepEqual(patientOne.answers.map(({ status }) => status), [200, 200]);
	assert.equal(patientOne.closed, false);
});

test("max_connections below eight serves more than one client", async (t) => {
	const grayd = await startAlone(t, { limits: { max_connections: 7 } });
	const wires = Array.from({ length: 7 }, () => client(t, grayd.url));
	for (const wire of wires) wire.send(MODELS);
	await inTime("seven answers", Promise.all(wires.map((wire) => wire.count(1))));
	assert.deepEqual(wires.map(({ answers }) => answers[0]?.status), Array(7).fill(200));
	assert.equal(await openConnections(grayd), 7);
});

test("an empty stream that was committed by its length does not end with [DONE]", async (t) => {
	let committed;
	const headCame = new Promise((done) => (committed = done));
	const provider = await ownProvider(async (req, res) => {
		const role = { choices: [{ index: 0, delta: { role: "assistant", content: "" } }] };
		res.writeHead(200, { "content-type": "text/event-stream" });
		res.write(`data: ${JSON.stringify(role)}\n\n`.repeat(20));
		res.write(`: ${"x".repeat(1000)}\n\n`.repeat(80));
		await headCame;
		res.end("data: [DONE]\n\n");
	});
	t.after(() => provider.stop());
	const grayd = await startAlone(t, { providers: { own: { base_url: provider.url } },
		models: { own: { provider: "own" } }, releases: { chat: { stable: "own" } } });
	const req = http.request(`${grayd.url}/v1/chat/completions`, { method: "POST", agent: false });
	t.after(() => req.destroy());
	req.end(JSON.stringify(streamed("chat")));
	const [res] = await inTime("the head", once(req, "response"));
	assert.equal(res.statusCode, 200);
	committed();
	let text = "";
	res.on("data", (part) => (text += part)).on("error", () => {});
	await inTime("the end", new Promise((done) => res.on("close", done)));
	const events = eventsOf(text);
	assert.ok(!events.includes("[DONE]"));
	assert.equal(JSON.parse(events.at(-1)).error.attempts[0].outcome, "empty");
	assert.equal(res.complete, false);
	assert.equal((await quiet(grayd)).releases.chat.arms.stable.ok, 0);
});

// ---- Gemini's end of a stream ------------------------------------------------------------------

const geminiEvent = (text, more = {}) => `data: ${JSON.stringify({ candidates: [{ index: 0,
	content: { role: "model", parts: [{ text }] }, finishReason: "STOP", ...more }],
usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 } })}\r\n\r\n`;

// A stream of a provider of Gemini's kind, piece by piece; "cut" breaks the connection.
async function askGemini(t, pieces) {
	const provider = await ownProvider(async (req, res) => {
		res.writeHead(200, { "content-type": "text/event-stream" });
		for (const piece of pieces) {
			if (typeof piece === "number") await new Promise((wake) => setTimeout(wake, piece));
			else if (piece === "cut") res.destroy();
			else res.write(piece);
		}
		if (!res.destroyed) res.end();
	});
	t.after(() => provider.stop());
	const grayd = await startAlone(t, {
		providers: { google: { base_url: provider.url, kind: "gemini", api_key: { env: "REGRESSION_API_KEY" } } },
		models: { gemini: { provider: "google" } },
		releases: { chat: { stable: "gemini", attempts: 1 } },
	}, { ...process.env, REGRESSION_API_KEY: "k-0123456789" });
	return post(grayd.url, message("chat", { stream: true }));
}

test("a finish reason in each event: the stream goes on until it closes, however long it pauses", async (t) => {
	const answer = await askGemini(t, [geminiEvent("one "), 1500, geminiEvent("two "), 1500, geminiEvent("three")]);

	assert.equal(contentOf(answer), "one two three");
	assert.match(answer.text, /data: \[DONE\]/);
});

test("a finish reason in each event: a stream that breaks is not told as whole", async (t) => {
	const { text } = await askGemini(t, [geminiEvent("one "), 50, geminiEvent("two "), 50, "cut"]);

	assert.match(text, /one /);
	assert.match(text, /"error"/);
	assert.doesNotMatch(text, /\[DONE\]/);
});

test("an empty event with a finish reason before all content is no empty answer", async (t) => {
	const answer = await askGemini(t, [geminiEvent(""), 1500, geminiEvent("late")]);

	assert.equal(answer.status, 200);
	assert.equal(contentOf(answer), "late");
});

test("an answer by a schema is no call of a tool that nobody offered", async (t) => {
	const said = { old: { choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: '{"age":7}' } }] },
		new: { type: "message", role: "assistant", stop_reason: "tool_use",
			content: [{ type: "tool_use", id: "toolu_1", name: "answer", input: { age: 7 } }],
			usage: { input_tokens: 3, output_tokens: 2 } } };
	const provider = await ownProvider((req, res, body) => {
		const { model, tools } = JSON.parse(body);
		const answer = structuredClone(said[model]);
		if (tools) answer.content[0].name = tools[0].name;
		res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id: "x1", model, ...answer }));
	});
	t.after(() => provider.stop());
	const grayd = await startAlone(t, {
		providers: { us: { base_url: provider.url }, claude: { base_url: provider.url, kind: "anthropic", api_key: { env: "REGRESSION_API_KEY" } } },
		models: { old: { provider: "us" }, new: { provider: "claude", max_tokens: 100 } },
		releases: { chat: { stable: "old", candidate: "new", stages: [50, 100], guard: { mode: "watch" } } },
	}, { ...process.env, REGRESSION_API_KEY: "k-0123456789" });
	await grayd.ctl(["start", "chat"]);
	for (let i = 0; i < 40; i++) {
		const { status } = await post(grayd.url, message("chat", { response_format: { type: "json_schema",
			json_schema: { name: "person", schema: { type: "object", properties: { age: { type: "integer" } } } } } }));
		assert.equal(status, 200);
	}
	await until("the guard to see them", async () =>
		(await grayd.ctl(["-j", "explain", "chat"])).json.coverage?.candidate.requests > 5, 20);
	const { symptoms } = (await grayd.ctl(["-j", "explain", "chat"])).json;
	assert.equal(symptoms.find(({ name }) => name === "bad_tool")?.candidate.bad, 0, JSON.stringify(symptoms));
});
