// SPDX-License-Identifier: MIT
// What the tests of the data plane share: a provider and a grayd in front of it, requests as a
// client sends them (through node's http, over a bare socket), and the three ledgers that must
// agree: what clients saw, what the provider saw, what grayd counted.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { startGrayd, until } from "./grayd.mjs";
import { patience } from "./load.mjs";
import { startSim } from "./sim.mjs";

// Sanitizers slow everything down; what a test waits for may take longer then.
export const patient = (ms) => ms * patience;

export const CHAT = "/v1/chat/completions";
// No socket listens there; connecting is refused at once.
export const NOBODY_LISTENS = "http://127.0.0.1:1/v1";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
export const portOf = (url) => Number(new URL(url).port);

const sims = new Set();
process.on("exit", () => {
	for (const sim of sims) sim.child.kill("SIGKILL");
});

// A simprovider that ends with the test process at the latest, and must end well.
export async function startProvider(options) {
	const sim = await startSim(options);
	sims.add(sim);
	sim.child.unref();
	return { ...sim, stop: async () => {
		sim.child.ref();
		const end = await sim.stop();
		sims.delete(sim);
		assert.equal(end.code, 0, end.stderr);
		assert.equal(end.stderr, "");
	} };
}

// A simprovider and a grayd in front of it. `script` is of the provider; `config` is added to
// grayd's, whose provider "sim" is there already. `share`: of each candidate, in percent. With a
// test context `t` the two end with that test, otherwise by stop().
export async function startPair({ t, script, config, share = 100, provider = {}, env } = {}) {
	const sim = await startProvider({ script, ...provider });
	const pair = { sim };
	pair.stop = async () => {
		try {
			if (pair.grayd) await stopClean(pair.grayd);
		} finally {
			await sim.stop();
		}
	};
	t?.after(pair.stop);
	pair.grayd = await startGrayd({
		config: { ...config, providers: { sim: { base_url: `${sim.url}/v1`, ...(provider.kind &&
			{ kind: provider.kind, api_key: { env: "KEY_OF_SIM" } }) }, ...config.providers } },
		env: { KEY_OF_SIM: "key-of-sim-0123456789", ...env },
	});
	for (const [name, release] of Object.entries(config.releases)) {
		if (release.candidate && share > 0) await setShare(pair.grayd, name, share);
	}
	return pair;
}

export async function setShare(grayd, release, percent) {
	const { code, stderr } = await grayd.ctl(["weight", release, percent]);
	assert.equal(code, 0, stderr);
}

// Stops a grayd that must have nothing to complain about: every request begun was ended, no
// process died, no sanitizer spoke.
export async function stopClean(grayd) {
	const { grayd: overall } = (await grayd.ctl(["-j", "stats"])).json ?? {};
	const end = await grayd.stop();
	assert.doesNotMatch(grayd.stderr(), /Sanitizer|runtime error|assert/i);
	assert.deepEqual(end, { code: 0, signal: null }, grayd.stderr());
	assert.ok(overall, "grayd answered grayctl until the end");
	assert.equal(overall.lost, 0);
	assert.equal(overall.restarts, 0);
	assert.equal(overall.bad_policy, 0);
	assert.equal(overall.insane_slots, 0);
}

// ---- clients --------------------------------------------------------------------------------

// An exchange on a connection of its own: { status, headers, bytes, text, json, complete }.
// `complete`: the answer ended as HTTP says it must.
export function post(base, body, { path = CHAT, headers = {}, method = "POST" } = {}) {
	const payload = body === undefined || typeof body === "string" || Buffer.isBuffer(body)
		? body : JSON.stringify(body);
	return new Promise((resolve, reject) => {
		const req = http.request(base + path, { method, headers, agent: false }, (res) => {
			const parts = [];
			const done = () => {
				const bytes = Buffer.concat(parts);
				const text = bytes.toString();
				let json;
				try {
					json = JSON.parse(text);
				} catch {
					json = undefined;
				}
				resolve({ status: res.statusCode, headers: res.headers, bytes, text, json, complete: res.complete });
			};
			res.on("data", (part) => parts.push(part));
			res.on("error", () => {});
			res.on("close", done);
		});
		req.on("error", reject);
		req.end(payload);
	});
}

export const message = (model, more = {}) =>
	({ model, messages: [{ role: "user", content: "hello" }], ...more });
export const streamed = (model, more = {}) =>
	message(model, { stream: true, stream_options: { include_usage: true }, ...more });

// The text of a whole answer or of a stream, whichever it is.
export function contentOf(answer) {
	if (answer.json) return answer.json.choices[0].message.content;
	return eventsOf(answer.text).filter((event) => event !== "[DONE]")
		.map((event) => JSON.parse(event).choices?.[0]?.delta?.content ?? "").join("");
}

// The data of each event of a stream.
export function eventsOf(text) {
	return text.split(/\r\n\r\n|\n\n|\r\r/).filter(Boolean).map((event) =>
		event.split(/\r\n|\n|\r/).filter((line) => line.startsWith("data:"))
			.map((line) => line.slice(5).replace(/^ /, "")).join("\n")).filter(Boolean);
}

// The head of a request as text, for bare sockets.
export function requestText(body, { path = CHAT, headers = {} } = {}) {
	const payload = typeof body === "string" ? body : JSON.stringify(body);
	const lines = Object.entries({ host: "localhost", "content-length": Buffer.byteLength(payload), ...headers })
		.map(([name, value]) => `${name}: ${value}\r\n`);
	return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${payload}`;
}

// Sends text over a bare socket and collects what comes until the other side ends it, or until
// `stop(text)` holds: { text, end: "fin" | "reset" | "us" }.
export function wire(url, text, { stop, seconds = 30 } = {}) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(portOf(url), "127.0.0.1");
		const parts = [];
		const timer = setTimeout(() => {
			socket.destroy();
			reject(new Error(`the exchange does not end; so far: ${Buffer.concat(parts)}`));
		}, seconds * 1000);
		const finish = (end) => {
			clearTimeout(timer);
			socket.destroy();
			resolve({ end, text: Buffer.concat(parts).toString("latin1") });
		};
		socket.on("data", (part) => {
			parts.push(part);
			if (stop?.(Buffer.concat(parts).toString("latin1"))) finish("us");
		});
		socket.on("end", () => finish("fin"));
		socket.on("error", (error) => finish(error.code === "ECONNRESET" ? "reset" : error.code));
		socket.on("connect", () => socket.write(text));
	});
}

// ---- counts ---------------------------------------------------------------------------------

export async function stats(grayd, release) {
	const { json, stderr } = await grayd.ctl(["-j", "stats", ...(release ? [release] : [])]);
	assert.ok(json?.ok, stderr);
	return json;
}

// Waits until grayd has nothing under way, and returns its stats.
export function quiet(grayd) {
	return until("the end of all requests", async () => {
		const now = await stats(grayd);
		const arms = Object.values(now.releases).flatMap((release) => Object.values(release.arms)).filter(Boolean);
		return now.grayd.started === now.grayd.finished && arms.every((arm) => arm.in_flight === 0) && now;
	}, patient(5000) / 1000);
}

// What grayd counted as sent is what the provider saw, model by model.
export async function assertLedger(sim, grayd, release) {
	const now = await quiet(grayd);
	await sim.settled();
	const { models } = await sim.summary();
	for (const arm of Object.values(now.releases[release].arms).filter(Boolean)) {
		assert.equal(arm.sent, models[arm.name]?.attempts ?? 0, `sent to ${arm.name} = its ledger`);
	}
	return now.releases[release];
}

export const attemptsOf = async (sim, requestId) =>
	(await sim.ledger()).filter((attempt) => attempt.request_id === requestId);

// A provider inside the test process, for what simprovider's ledger does not tell: handle(req, res,
// body) answers. Gives { url, stop }.
export async function ownProvider(handle) {
	const server = http.createServer({ noDelay: true }, async (req, res) => {
		const parts = [];
		for await (const part of req) parts.push(part);
		// It has no list of models.
		if (req.method === "GET") {
			res.writeHead(404).end();
			return;
		}
		await handle(req, res, Buffer.concat(parts));
	});
	await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
	return {
		url: `http://127.0.0.1:${server.address().port}/v1`,
		stop: () => new Promise((done) => {
			server.close(done);
			server.closeAllConnections();
		}),
	};
}

// Writes to a response and waits until it takes more; false: the other side has gone.
export async function writeAll(res, bytes) {
	if (!res.write(bytes) && !res.destroyed) {
		await new Promise((go) => {
			const on = () => {
				res.off("drain", on);
				res.off("close", on);
				go();
			};
			res.on("drain", on);
			res.on("close", on);
		});
	}
	return !res.destroyed;
}
