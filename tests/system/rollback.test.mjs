// SPDX-License-Identifier: MIT
// alone: it measures times.
// A share that is lowered or rolled back under load: from grayctl's answer on nobody is sent to the
// candidate, nobody notices anything else, and what waited for the candidate is rescued.

import assert from "node:assert/strict";
import test from "node:test";
import { checkDrill, drill, manyReleases, tellReceipts } from "./lib/drill.mjs";
import { patience, sanitized, startPair } from "./lib/load.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const RATE = sanitized ? 800 : 2000;
const LOAD = { r: RATE, poisson: true, c: 256 };

test("rolled back again and again under load", async (t) => {
	const pair = await startPair(t, { config: (sim) => manyReleases(sim, 6) });
	const receipts = [];

	for (let i = 0; i < 6; i++) {
		const drilled = await drill(pair, { release: `r${i}`, down: ["rollback"], load: LOAD });
		checkDrill(drilled, `r${i}`);
		receipts.push(drilled.receipt);
	}
	tellReceipts(t, receipts);
});

test("lowered to 0 and raised again and again under load", async (t) => {
	const pair = await startPair(t, { config: (sim) => manyReleases(sim, 1) });
	const receipts = [];

	for (let i = 0; i < 6; i++) {
		const drilled = await drill(pair,
			{ release: "r0", down: ["weight", 0], load: { ...LOAD, "id-prefix": `t${i}-` } });
		const asked = new Set(drilled.attempts.map(({ request_id }) => request_id));
		assert.deepEqual(drilled.rows.filter(({ id, start }) => start > drilled.atUs && asked.has(id)), []);
		assert.ok(drilled.rows.every(({ verdict }) => ["ok", "stopped", "not_sent"].includes(verdict)));
		receipts.push(drilled.receipt);
	}
	tellReceipts(t, receipts);
});

test("requests that wait for the candidate are rescued by stable", async (t) => {
	const slow = { first_token_ms: 150, latency_ms: 150 };
	const pair = await startPair(t, {
		config: (sim) => manyReleases(sim, 4),
		script: { models: { new0: slow, new1: slow, new2: slow, new3: slow, "*": {} } },
	});

	for (let i = 0; i < 4; i++) {
		const load = { ...LOAD, r: sanitized ? 300 : 600, ...(i % 2 === 1 && { stream: true }) };
		const drilled = await drill(pair, { release: `r${i}`, down: ["rollback"], load, some: 200 });
		const { rescued } = checkDrill(drilled, `r${i}`);
		const { candidate } = drilled.arms;

		assert.ok(rescued.length > 0, "nothing was on its way to the candidate");
		assert.ok(rescued.every(({ verdict, fallback }) => verdict === "ok" && fallback === "0"));
		for (const { id } of rescued) {
			const { state, t_end_us: endUs } = drilled.attempts
				.find(({ request_id }) => request_id === id);
			// An answer may have been on its way when its request was taken back.
			assert.ok(state === "cancelled" || drilled.atUs - endUs < 50000 * patience, `${id} ${state}`);
		}
		assert.ok(candidate.rescued >= rescued.length);
		assert.equal(candidate.requests, candidate.ok + candidate.rescued);
		assert.equal(candidate.attempt_outcomes.rescued ?? 0, rescued.length);
		t.diagnostic(`${rescued.length} rescued, ${drilled.receipt.candidate_in_flight} were in flight`);
	}
});

test("a stream that has begun is left to finish", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { new: { tokens: 40, chunk_ms: 10 }, "*": {} } },
	});
	const wire = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	wire.send(requestText("POST", "/v1/chat/completions",
		{ body: '{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}' }));
	await wire.until(() => wire.receivedBytes > 600);
	const { json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.equal(json.receipt.candidate_in_flight, 1);
	assert.equal((await post(grayd.url, {})).headers["x-gray-arm"], "stable");
	assert.equal(wire.answers.length, 0, "the stream was over too early for this test");
	await wire.count(1);
	wire.destroy();
	assert.equal(wire.answers[0].headers["x-gray-arm"], "candidate");
	assert.ok(wire.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	const [streamed] = (await sim.ledger()).filter(({ model }) => model === "new");
	assert.equal(streamed.state, "finished");
});

test("a request that waits to try the candidate again is rescued at once", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { new: { faults: [{ kind: "status", status: 503 }] }, "*": {} } },
		config: (sim) => ({
			...manyReleases(sim, 0),
			models: { old: { provider: "sim" }, new: { provider: "sim" } },
			releases: { demo: { stable: "old", candidate: "new", candidate_attempts: 3,
				attempts: 6, fallback: false, backoff_ms: 30000 } },
		}),
	});

	await grayd.ctl(["stage", "demo", 100]);
	const answer = post(grayd.url, {});
	await sim.settled(1);
	await grayd.ctl(["rollback", "demo"]);
	const { status, headers } = await answer;
	assert.equal(status, 200);
	assert.equal(headers["x-gray-arm"], "stable");
	assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 1);
});
