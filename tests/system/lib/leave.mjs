// SPDX-License-Identifier: MIT
// Clients that leave, many of them, at one point of their request, and what must be true after:
// the provider has seen each go at once, and grayd holds nothing of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { patient, quiet, startPair } from "./expect.mjs";
import { load, long, quantile } from "./load.mjs";
import { descriptorsOf, memoryOf, workersOf } from "./proc.mjs";

const never = 3600000;
const WAYS = ["fin", "rst"];

// Where they leave; `load`: what loadgen is told; `seen`: how often the provider has been asked by
// each until then, and `cancelled`: how many of those attempts are still open. Some leave by the
// clock, and on a busy machine a few of those do it before they have come so far.
export const points = {
	"before the head of a whole answer": {
		models: { old: { latency_ms: never } }, load: { "abort-after": "ms:30" }, seen: 1, cancelled: 1,
	},
	"before the head of a stream": {
		models: { old: { latency_ms: never } }, load: { stream: true, "abort-after": "ms:30" }, seen: 1, cancelled: 1,
	},
	"before the first token": {
		models: { old: { first_token_ms: never } }, load: { stream: true, "abort-after": "ms:30" }, seen: 1, cancelled: 1,
	},
	"in the middle of a whole answer": {
		models: { old: { body_ms: never } }, load: { "abort-after": "ms:30" }, seen: 1, cancelled: 1,
	},
	"in the middle of a stream": {
		models: { old: { tokens: 1000000, chunk_ms: 4 } }, load: { stream: true, "abort-after": "chunks:3" }, seen: 1, cancelled: 1,
	},
	"while stable works behind a fallback": {
		models: { new: { faults: [{ kind: "status", status: 500 }] }, old: { latency_ms: never } }, candidate: true,
		load: { "abort-after": "ms:30" }, seen: 2, cancelled: 1,
	},
	"during backoff": {
		models: { old: { faults: [{ kind: "status", status: 503 }] } }, load: { "abort-after": "ms:30" }, seen: 1, cancelled: 0,
	},
	"between head and body": {
		models: { old: {} }, load: { "abort-after": "head-sent" }, seen: 0, cancelled: 0,
	},
};

// Sockets of a worker that lead to the provider, and everything else it holds.
function holdings(pid, providerPort) {
	const port = providerPort.toString(16).toUpperCase().padStart(4, "0");
	const toProvider = new Set(readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
		.filter((fields) => fields[2]?.endsWith(`:${port}`)).map((fields) => `socket:[${fields[9]}]`));
	const all = Object.values(descriptorsOf(pid));
	const leading = all.filter((target) => toProvider.has(target)).length;
	return { leading, other: all.length - leading };
}

// `count` clients leave by FIN and as many by RST. Resolves to { grown }, the kilobytes by which
// the workers have grown from the first half of each to the second.
export async function leave(t, name, count) {
	const point = points[name];
	const pair = await startPair({ t, script: { models: point.models }, config: {
		models: Object.fromEntries(Object.keys(point.models).map((model) => [model, { provider: "sim" }])),
		releases: { chat: { stable: "old", ...(point.candidate && { candidate: "new" }), backoff_ms: 20000,
			retry_budget_percent: 100, timeouts: { idle_ms: never, first_token_ms: [never], answer_ms: [never] } } },
	} });
	const workers = await workersOf(pair.grayd);
	const held = () => workers.map(({ pid }) => holdings(pid, pair.sim.port));
	const resident = () => workers.reduce((sum, { pid }) => sum + memoryOf(pid) / 1024, 0);
	const before = held();
	const delays = [];
	let middle = 0;

	for (const half of [1, 2]) {
		for (const how of WAYS) {
			const { summary, rows } = await load(pair.grayd.url,
				{ m: "chat", n: count / 2, c: 16, "abort-how": how, "id-prefix": `${how}-${half}-`, ...point.load });
			assert.equal(summary.verdicts.left, count / 2);
			delays.push(...await assertSeen(pair, point, rows));
		}
		if (half === 1) middle = resident();
	}
	await assertNothingLeft(pair, point, count * WAYS.length, held, before);
	if (point.cancelled > 0) {
		assert.ok(delays.length > count, `only ${delays.length} had come so far`);
		// The exact bound is for the long version, which has the machine for itself.
		const late = quantile(delays, long ? 0.99 : 0.95);
		assert.ok(late <= patient(long ? 200 : 500), `the provider saw the close after ${late} ms`);
	}
	return { grown: resident() - middle };
}

// Joins loadgen's rows with the ledger: how many milliseconds after each client had left its
// attempt was closed, for those that had come so far.
async function assertSeen(pair, point, rows) {
	const { releases } = await quiet(pair.grayd);
	await pair.sim.settled();
	const ledger = await pair.sim.ledger();
	const sent = Object.values(releases.chat.arms).reduce((sum, arm) => sum + (arm?.sent ?? 0), 0);
	assert.equal(ledger.length, sent, "attempts counted as sent");
	const attempts = new Map();
	for (const attempt of ledger) attempts.set(attempt.request_id, [...(attempts.get(attempt.request_id) ?? []), attempt]);
	return rows.flatMap((row) => {
		const own = attempts.get(row.id) ?? [];
		const cut = own.filter((attempt) => attempt.state === "cancelled");
		assert.ok(own.length <= point.seen, `${row.id}: ${own.length} attempts`);
		assert.ok(cut.length <= Math.max(point.cancelled, point.seen - 1), `${row.id}: ${cut.length} cancelled`);
		return own.length === point.seen && cut.length > 0 ? [(cut[0].t_close_us - Number(row.t_left_us)) / 1000] : [];
	});
}

async function assertNothingLeft(pair, point, total, held, before) {
	const { grayd, releases } = await quiet(pair.grayd);
	assert.equal(grayd.started, total);
	assert.equal(grayd.finished, total);
	assert.equal(grayd.open_connections, 0);
	if (point.seen > 0) {
		const arm = releases.chat.arms[point.candidate ? "candidate" : "stable"];
		assert.deepEqual([arm.requests, arm.cancelled, arm.outcomes], [total, total, { cancelled: total }]);
	}
	const now = held();
	assert.deepEqual(now.map(({ other }) => other), before.map(({ other }) => other), "descriptors");
	// A connection on which an answer was broken off is closed; others are kept for the next.
	if (point.seen === point.cancelled) assert.deepEqual(now.map(({ leading }) => leading), [0, 0]);
}
