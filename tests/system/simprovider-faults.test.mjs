// SPDX-License-Identifier: MIT
// Every fault for every kind of provider, whole and streamed: it strikes, the attempt ends as the
// ledger says, and simprovider lives on.
import assert from "node:assert/strict";
import http from "node:http";
import { spawnSync } from "node:child_process";
import test, { after, before, describe } from "node:test";
import { binary, startSim, until } from "./lib/sim.mjs";

const list = spawnSync(binary("simprovider"), ["--list-faults"]).stdout.toString();
const FAULTS = list.split("\n").filter((line) => /^\w/.test(line)).map((line) => line.split(" ")[0]);
// Keys without which a fault does nothing or too much, and those that never end by themselves.
const KEYS = { raw: { body: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" }, huge_body: { bytes: 300000 },
	informational: { repeat: 3 }, trickle: { bytes: 200, gap_ms: 1 }, split: { at_byte: 20, gap_ms: 1 } };
const ENDLESS = ["stall", "comments"];
// What strikes in streams only.
const IN_STREAMS = ["cut", "error_event", "bad_chunk"];

const KINDS = {
	openai: { path: () => "/v1/chat/completions", headers: {},
		body: (stream) => ({ model: "m", stream, messages: [{ role: "user", content: "hi" }] }) },
	anthropic: { path: () => "/v1/messages", headers: { "x-api-key": "k", "anthropic-version": "2023-06-01" },
		body: (stream) => ({ model: "m", stream, max_tokens: 9, messages: [{ role: "user", content: "hi" }] }) },
	gemini: { path: (stream) => `/v1beta/models/m:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
		headers: { "x-goog-api-key": "k" }, body: () => ({ contents: [{ role: "user", parts: [{ text: "hi" }] }] }) },
};

// An exchange that may end in any way: { status, text, failed }. `leave(text)`: go when it holds.
function exchange(sim, { path, headers, body }, stream, leave) {
	return new Promise((resolve) => {
		const req = http.request(sim.url + path(stream), { method: "POST", headers, agent: false });
		const got = { text: "", failed: false };
		const end = () => resolve(got);
		req.on("response", (res) => {
			got.status = res.statusCode;
			res.setEncoding("utf8").on("data", (data) => (got.text += data)).on("error", () => (got.failed = true)).on("close", end);
		});
		req.on("upgrade", (res, socket) => {
			got.status = res.statusCode;
			socket.destroy();
			end();
		});
		req.on("error", () => {
			got.failed = true;
			end();
		});
		req.end(JSON.stringify(body(stream)));
		leave?.(() => req.destroy());
	});
}

for (const [kind, speaks] of Object.entries(KINDS))
	describe(`every fault of the kind ${kind}`, () => {
		let sim;
		before(async () => (sim = await startSim({ kind })));
		after(async () => assert.deepEqual(await sim.stop(), { code: 0, signal: null, stderr: "" }));

		for (const fault of FAULTS)
			for (const stream of [false, true])
				test(`${fault}, ${stream ? "streamed" : "whole"}`, async () => {
					await sim.setScript({ models: { "*": { tokens: 4, reasoning_tokens: 1,
						faults: [{ kind: fault, ...KEYS[fault] }] } } });
					await sim.reset();
					const answer = await exchange(sim, speaks, stream, ENDLESS.includes(fault) ? async (go) => {
						await until(async () => (await sim.summary()).total.active === 1);
						go();
					} : undefined);
					await sim.settled(1);
					const [entry] = await sim.ledger();
					assert.equal(entry.fault, fault);
					assert.equal(entry.model, "m");
					assert.equal(entry.stream, stream && fault !== "status");
					const expected = ENDLESS.includes(fault) ? ["cancelled"] : ["finished", "faulted", "cancelled"];
					assert.ok(expected.includes(entry.state), entry.state);
					if (IN_STREAMS.includes(fault) && stream) assert.equal(entry.state, "faulted");
					if (fault === "status") assert.deepEqual([answer.status, entry.input_tokens, entry.told], [500, 0, "none"]);
					if (fault === "no_usage") assert.equal(entry.told, "none");
					await sim.setScript({ models: { "*": {} } });
					const next = await exchange(sim, speaks, stream);
					assert.deepEqual([next.status, next.failed], [200, false]);
					assert.match(next.text, /m says:/);
				});

		test("what the ledger calls told adds up to what is in the answer", async () => {
			await sim.setScript({ models: { "*": { usage: { input: 70, cached: 20, output: 9, reasoning: 2 } } } });
			await sim.reset();
			for (const stream of [false, true]) {
				const more = kind === "openai" && stream ? { stream_options: { include_usage: true } } : {};
				const { text } = await exchange(sim, { ...speaks, body: (s) => ({ ...speaks.body(s), ...more }) }, stream);
				await sim.settled(stream ? 2 : 1);
				const entry = (await sim.ledger()).at(-1);
				assert.deepEqual([entry.input_tokens, entry.cached_tokens, entry.output_tokens, entry.reasoning_tokens,
					entry.told, entry.told_output_tokens], [70, 20, 9, 2, "all", 9]);
				assert.match(text, kind === "gemini" ? /"candidatesTokenCount":7.*"thoughtsTokenCount":2/
					: kind === "openai" ? /"completion_tokens":9/ : /"output_tokens":9/);
			}
		});
	});

test("all faults are in the table that this test goes through", () => {
	assert.ok(FAULTS.length >= 25, FAULTS.join());
	for (const name of ["refusal", "status", "error_event", "split"]) assert.ok(FAULTS.includes(name), name);
});
