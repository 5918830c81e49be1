// SPDX-License-Identifier: MIT
// alone: it measures times.
// Clients that leave, wherever their request is.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { attemptsOf, message, ownProvider, patient, portOf, quiet, requestText, startPair, streamed, wire,
	writeAll } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";
import { leave, points } from "./lib/leave.mjs";

for (const name of Object.keys(points)) {
	test(`100 clients each by FIN and RST leave ${name}`, (t) => leave(t, name, 100));
}

const one = (model, release = {}) => ({
	script: { models: { chat: model } },
	config: { models: { chat: { provider: "sim" } }, releases: { chat: { stable: "chat", ...release } } },
});

test("a client that leaves in the middle of its body: no request is made of it", async (t) => {
	const pair = await startPair({ t, ...one({}) });
	const socket = net.connect(portOf(pair.grayd.url), "127.0.0.1");
	await once(socket, "connect");
	socket.write(requestText(message("chat")).slice(0, -10));
	await until("the request", async () => (await pair.grayd.ctl(["-j", "stats"])).json.grayd.started === 1);
	socket.destroy();
	const { grayd, releases } = await quiet(pair.grayd);
	assert.equal(grayd.finished, 1);
	assert.equal(releases.chat.arms.stable.requests, 0);
	assert.equal((await pair.sim.ledger()).length, 0);
});

test("a client that has its answer and leaves disturbs nobody: the provider's connection is kept", async (t) => {
	const pair = await startPair({ t, ...one({ tokens: 3 }) });
	for (const text of [requestText(message("chat")), requestText(streamed("chat"))]) {
		const { text: answer } = await wire(pair.grayd.url, text, { stop: (so) => so.includes("[DONE]") || so.includes("finish_reason\":\"stop") });
		assert.match(answer, /^HTTP\/1\.1 200/);
	}
	const { releases } = await quiet(pair.grayd);
	assert.equal(releases.chat.arms.stable.ok, 2);
	assert.equal((await pair.sim.summary()).total.cancelled, 0);
});

test("retries end with the client", async (t) => {
	const pair = await startPair({ t, ...one({ faults: [{ kind: "status", status: 503 }] }, { backoff_ms: 30, attempts: 100 }) });
	const socket = net.connect(portOf(pair.grayd.url), "127.0.0.1");
	await once(socket, "connect");
	socket.write(requestText(message("chat"), { headers: { "x-request-id": "leaver" } }));
	await until("a few attempts", async () => (await attemptsOf(pair.sim, "leaver")).length >= 3);
	socket.resetAndDestroy();
	const { releases } = await quiet(pair.grayd);
	const { attempts, outcomes } = releases.chat.arms.stable;
	assert.deepEqual(outcomes, { cancelled: 1 });
	assert.equal((await attemptsOf(pair.sim, "leaver")).length, attempts);
});

test("a client that leaves while its stream is held back for it is noticed", async (t) => {
	let socket, closed = 0;
	const provider = await ownProvider(async (req, res) => {
		res.writeHead(200, { "content-type": "text/event-stream" });
		socket = res.socket;
		res.on("close", () => (closed = performance.now()));
		const piece = `data: {"choices":[{"index":0,"delta":{"content":"${"x".repeat(65536)}"}}]}\n\n`;
		while (await writeAll(res, piece));
	});
	t.after(() => provider.stop());
	const pair = await startPair({ t, config: { providers: { own: { base_url: provider.url } },
		models: { chat: { provider: "own" } }, releases: { chat: { stable: "chat" } } } });
	for (const how of ["destroy", "resetAndDestroy"]) {
		const client = net.connect(portOf(pair.grayd.url), "127.0.0.1");
		await once(client, "connect");
		client.pause();
		socket = undefined;
		closed = 0;
		client.write(requestText(streamed("chat")));
		let last = -1, since = 0;
		await until("a provider that waits", () => {
			const taken = socket ? socket.bytesWritten - socket.writableLength : 0;
			if (taken !== last) [last, since] = [taken, performance.now()];
			return taken > 0 && performance.now() - since > patient(200);
		});
		const left = performance.now();
		client[how]();
		await until("the provider to see it", () => closed > 0, patient(2000) / 1000);
		assert.ok(closed - left < patient(500), `${closed - left} ms`);
	}
	const { releases } = await quiet(pair.grayd);
	assert.deepEqual(releases.chat.arms.stable.outcomes, { cancelled: 2 });
});
