// SPDX-License-Identifier: MIT
// What the tests of routing have in common: a load whose three ledgers are compared, and sticky
// keys sent in headers.

import assert from "node:assert/strict";
import { until } from "./grayd.mjs";
import { attemptsById, countBy, load, settledStats } from "./load.mjs";
import { chatBody, connect, requestText } from "./wire.mjs";

const MODEL_ARM = { old: "stable", new: "candidate" };

export const shareOf = async (grayd, release = "demo") =>
	(await settledStats(grayd, until)).releases[release];

const pick = ({ arms: { stable, candidate } }) =>
	Object.fromEntries(Object.entries({ stable, candidate }).map(([name, arm]) => [name, {
		requests: arm.requests, ok: arm.ok, attempts: arm.attempts, sent: arm.sent,
		input: arm.tokens.input, output: arm.tokens.output,
	}]));

// Puts a load on the release "demo" of which nothing may go wrong, and checks that the client's
// log, the provider's ledger and grayd's counters tell the same. Resolves to the client's rows.
export async function loadAndCompare({ sim, grayd }, options) {
	const before = pick(await shareOf(grayd));

	await sim.reset();
	const { rows } = await load(grayd.url, { m: "demo", ...options });
	await sim.settled(rows.length);
	const attempts = attemptsById(await sim.ledger());
	const after = await shareOf(grayd);
	const counted = pick(after), byArm = countBy(rows, "arm");

	assert.equal(rows.length, options.n);
	assert.equal(countBy(rows, "verdict")("ok"), options.n);
	assert.equal(attempts.size, options.n);
	for (const { id, arm } of rows) assert.equal(MODEL_ARM[attempts.get(id)?.model], arm, id);
	for (const arm of ["stable", "candidate"]) {
		const mine = [...attempts.values()].filter(({ model }) => MODEL_ARM[model] === arm);
		const sum = (column) => mine.reduce((total, each) => total + each[column], 0);
		const grown = Object.fromEntries(
			Object.keys(counted[arm]).map((key) => [key, counted[arm][key] - before[arm][key]]));
		assert.deepEqual(grown, {
			requests: byArm(arm), ok: byArm(arm), attempts: mine.length, sent: mine.length,
			input: sum("input_tokens"), output: sum("output_tokens"),
		}, arm);
	}
	const window = ["stable", "candidate"].map((arm) => after.arms[arm].window);
	assert.ok(Math.abs(after.measured_percent - (100 * window[1]) / (window[0] + window[1])) < 0.00501,
		`${after.measured_percent} measured of ${window}`);
	return rows;
}

// One request for each key, with the key in a header; resolves to the arms that answered.
export async function stickyByHeader(url, name, keys, connections = 8) {
	const answered = new Array(keys.length);
	const share = Math.ceil(keys.length / connections);

	await Promise.all(Array.from({ length: connections }, async (_, i) => {
		const mine = keys.slice(i * share, (i + 1) * share);
		const wire = connect(url);
		for (const key of mine)
			wire.send(Buffer.from(requestText("POST", "/v1/chat/completions",
				{ headers: { [name]: key }, body: chatBody() })));
		await wire.count(mine.length);
		wire.destroy();
		assert.equal(wire.answers.length, mine.length);
		for (const [j, { status, headers }] of wire.answers.entries()) {
			assert.equal(status, 200);
			answered[i * share + j] = headers["x-gray-arm"];
		}
	}));
	return answered;
}
