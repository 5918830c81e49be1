// SPDX-License-Identifier: MIT
// Sends the rows of data/malformed.json, cut into pieces, each on a connection of its own, and checks
// the verdict. What follows from the answers for grayd's counters is kept in a tally.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, requestText } from "./wire.mjs";

const file = new URL("../data/malformed.json", import.meta.url);
const LAST = Buffer.from(requestText("GET", "/v1/models", { headers: { Connection: "close" } }));

function bytesOf(piece) {
	if (typeof piece === "string") return Buffer.from(piece, "latin1");
	if (piece.hex !== undefined) return Buffer.from(piece.hex, "hex");
	return Buffer.from(piece.repeat.repeat(piece.times), "latin1");
}

export const rows = JSON.parse(readFileSync(file, "utf8")).cases.map((row) => ({
	...row,
	bytes: Buffer.concat(row.bytes.map(bytesOf)),
}));

// The pieces between the cuts (places in rising order).
export function cutAt(bytes, cuts) {
	const at = [0, ...cuts, bytes.length];

	return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

export const everywhere = (bytes) => Array.from({ length: bytes.length - 1 }, (_, i) => i + 1);

// Every byte on its own at both ends, where something is decided; the rest of a long one whole.
export function bothEnds(bytes, each = 400) {
	return everywhere(bytes).filter((at) => at <= each || at >= bytes.length - each);
}

export const newTally = () => ({ connections: 0, started: 0, malformed: 0, routed: 0 });

const codeOf = (answer) => {
	try {
		return JSON.parse(answer.body).error.code;
	} catch {
		return undefined;
	}
};

function checkAnswered(wire, row, tally, expected, what) {
	assert.equal(wire.answers.length, expected, `${what}: answers; ${wire.error ?? ""}`);
	for (const answer of wire.answers.slice(0, row.requests)) {
		assert.notEqual(codeOf(answer), "malformed_request", what);
		assert.ok(!answer.body.includes("smuggled"), what);
		if (answer.headers["x-gray-model"]) tally.routed++;
	}
	assert.equal(wire.rest().length, 0, `${what}: bytes behind the answers`);
}

// One more request shows that the connection stands where it should: it is the next one answered.
async function checkOk(wire, row, tally, what) {
	await wire.count(row.requests);
	const closes = wire.answers.at(-1)?.headers.connection === "close";
	const expected = row.requests + (closes ? 0 : 1);

	if (!closes) wire.send(LAST);
	await wire.end();
	checkAnswered(wire, row, tally, expected, what);
	tally.started += expected;
}

async function checkRefused(wire, row, tally, what) {
	await wire.end();
	checkAnswered(wire, row, tally, row.requests + 1, what);
	const last = wire.answers.at(-1);
	assert.equal(last.status, row.expect, what);
	assert.equal(last.headers.connection, "close", what);
	assert.ok(codeOf(last), `${what}: no error in the answer`);
	// Errors of a body belong to a request that has begun, and 413 is no fault of the bytes.
	tally.started += row.requests + (last.status === 413 || last.headers["x-request-id"] ? 1 : 0);
	tally.malformed += last.status === 413 ? 0 : 1;
}

// Sends one row in these pieces; `pause` resolves when the next one may be sent.
async function sendRow(url, row, pieces, pause) {
	const wire = connect(url);

	if (row.bytes.subarray(0, 5).toString() === "HEAD ") wire.expectBodyless();
	await wire.ready;
	for (const [i, piece] of pieces.entries()) {
		if (i > 0) await pause();
		if (wire.socket.destroyed || wire.socket.writableEnded) break;
		wire.send(piece);
	}
	return wire;
}

const wait = (ms) => new Promise((next) => setTimeout(next, ms));

// Sends one row and checks what comes back.
export async function tryRow(url, row, pieces, tally, pause) {
	const what = `${row.name}, in ${pieces.length} pieces (first of ${pieces[0].length})`;
	let wire = await sendRow(url, row, pieces, pause);

	// Writing to a connection that was rightly closed meanwhile makes node throw away the answer
	// that came before: again, with more time to see the end.
	for (let tries = 1; row.expect === "ok" && tries < 5; tries++) {
		await wire.count(row.requests);
		if (!wire.error || wire.answers.length === row.requests) break;
		tally.connections++;
		tally.started += row.requests;
		wire = await sendRow(url, row, pieces, () => wait(tries * 30));
	}
	tally.connections++;
	await (row.expect === "ok" ? checkOk : checkRefused)(wire, row, tally, what);
	wire.destroy();
}

// Runs jobs, `limit` at a time.
export async function inParallel(jobs, limit, run) {
	const queue = jobs[Symbol.iterator]();

	await Promise.all(Array.from({ length: limit }, async () => {
		for (let next = queue.next(); !next.done; next = queue.next()) await run(next.value);
	}));
}

export const turn = () => new Promise((next) => setImmediate(next));
export const millisecond = () => wait(1);

// That grayd counted what the answers say, that no request but the expected ones was begun or
// reached the provider, and that it serves on.
export async function checkCounters({ sim, grayd }, tally, settledStats, post) {
	const { grayd: counted } = await settledStats();
	const { attempts } = (await sim.summary()).total;

	assert.equal(counted.started, tally.started, "requests begun");
	assert.equal(counted.malformed, tally.malformed, "malformed");
	assert.equal(counted.connections, tally.connections, "connections");
	assert.equal(counted.restarts, 0, "a worker died");
	assert.equal(attempts, tally.routed, "attempts at the provider");
	assert.equal((await post()).status, 200);
}
