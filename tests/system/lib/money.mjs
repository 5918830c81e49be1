// SPDX-License-Identifier: MIT
// Money, computed once more from what simprovider says it billed: whole picodollars in BigInt, from
// its ledger and from nothing that grayd says.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./grayd.mjs";
import { load, patience, settledStats, startPair } from "./load.mjs";

const DIGITS = 12;
const UNIT = 10n ** BigInt(DIGITS);

// "1.25" -> 1250000000000n; numbers as grayd writes them, never through a double.
export function pico(usd) {
	const [whole, fraction = ""] = String(usd).split(".");
	assert.match(whole + fraction, /^\d+$/);
	return BigInt(whole) * UNIT + BigInt(fraction.padEnd(DIGITS, "0"));
}

export const usd = (amount) => `${amount / UNIT}.${String(amount % UNIT).padStart(DIGITS, "0")}`;

// Prices of a config, in USD per million tokens, as picodollars a token.
const perToken = (price) => BigInt(Math.round(price * 1e6));

export function costOf(tokens, price) {
	return BigInt(tokens.input) * perToken(price.input) +
		BigInt(tokens.cached) * perToken(price.cached_input ?? price.input) +
		BigInt(tokens.cache_write ?? 0) * perToken(price.cache_write ?? price.input) +
		BigInt(tokens.output) * perToken(price.output);
}

// What the provider had told of an attempt's usage.
function toldOf(attempt) {
	if (attempt.told === "none") return { input: 0, cached: 0, cache_write: 0, output: 0 };
	const { cached_tokens: cached, cache_write_tokens: cache_write } = attempt;
	return { input: attempt.input_tokens - cached - cache_write, cached, cache_write,
		output: attempt.told === "all" ? attempt.output_tokens : attempt.told_output_tokens };
}

const add = (a, b) => ({ input: a.input + b.input, cached: a.cached + b.cached,
	cache_write: a.cache_write + b.cache_write, output: a.output + b.output });
const NOTHING = { input: 0, cached: 0, cache_write: 0, output: 0 };
const loggedTokens = (line) => ({ input: line.tokens_input ?? 0, cached: line.tokens_cached ?? 0,
	cache_write: line.tokens_cache_write ?? 0, output: line.tokens_output ?? 0 });
const same = (a, b) => a.input === b.input && a.cached === b.cached && a.cache_write === b.cache_write && a.output === b.output;

// Two models that bill cached tokens, break, and forget their usage, at odd prices.
const MODELS = {
	old: { tokens: { uniform: [1, 40] }, chunk_ms: 1, usage: { mode: "present", input: 1003, cached: 401 },
		faults: [{ kind: "status", status: 503, probability: 0.02 }, { kind: "no_usage", probability: 0.03 }] },
	new: { tokens: { uniform: [1, 40] }, chunk_ms: 1, usage: { mode: "present", input: 997, cached: 53 },
		faults: [{ kind: "status", status: 429, probability: 0.05 }, { kind: "cut", at: "role", probability: 0.04 },
			{ kind: "cut", at: "chunk", after: 3, probability: 0.03 }, { kind: "reset", at: "head", probability: 0.03 },
			{ kind: "empty", probability: 0.02 }, { kind: "no_usage", probability: 0.03 }] },
};
const PRICES = {
	old: { input: 15.000001, cached_input: 7.13, output: 60.37 },
	new: { input: 0.14, cached_input: 0.014, output: 0.42 },
};
const BODY = (stream) => JSON.stringify({ model: "demo", ...(stream && { stream, stream_options: { include_usage: true } }),
	messages: [{ role: "user", content: "what does this cost, to the last digit?" }] });
// What of it reaches a provider: another model's name.
const inputEstimate = (stream, model) => Math.ceil(BODY(stream).replace('"demo"', JSON.stringify(model)).length / 4);

function mixedConfig(sim) {
	const models = Object.fromEntries(Object.entries(PRICES).map(([name, price]) => [name, { provider: "sim", price }]));
	return { providers: { sim: { base_url: `${sim.url}/v1` } }, models, workers: 4,
		releases: { demo: { stable: "old", candidate: "new", attempts: 3, backoff_ms: 1, retry_sent: true,
			retry_budget_percent: 100 } } };
}

// `count` requests of all kinds at once; resolves when grayd and the provider have ended them all.
async function sendMixed(grayd, count) {
	const file = (stream) => {
		const path = join(grayd.dir, `body-${stream}.json`);
		writeFileSync(path, BODY(stream));
		return path;
	};
	const part = (share) => Math.ceil(count * share);
	const common = { c: 32, path: "/v1/chat/completions" };
	const whole = { ...common, "body-file": file(false) }, stream = { ...common, s: true, "body-file": file(true) };

	const all = [
		{ ...whole, n: part(0.4), "id-prefix": "whole-" },
		{ ...stream, n: part(0.35), "id-prefix": "stream-" },
		{ ...stream, n: part(0.1), "id-prefix": "leave-", "abort-after": "chunks:4", "abort-every": 2 },
		{ ...whole, n: part(0.1), "id-prefix": "hurry-", "abort-after": "ms:3", "abort-every": 2, "abort-how": "rst" },
		{ ...stream, n: part(0.05), "id-prefix": "pinned-", H: "x-gray-arm: candidate" },
	];
	await Promise.all(all.map((options) => load(grayd.url, options)));
}

// Every attempt of the ledger against the request's line in the log, and all sums.
function compare({ attempts, lines, stats, cost, metrics }) {
	const byRequest = new Map();
	const sums = { old: { tokens: NOTHING, guessed: 0 }, new: { tokens: NOTHING, guessed: 0 } };
	let unread = 0;

	for (const attempt of attempts) {
		const list = byRequest.get(attempt.request_id) ?? [];
		list.push(attempt);
		byRequest.set(attempt.request_id, list);
	}
	for (const line of lines) {
		const list = byRequest.get(line.id) ?? [];
		assert.equal(line.sent, list.length, `${line.id}: as many attempts as the provider saw`);
		// What was billed without a word of usage is estimated; a refusal costs nothing.
		const told = list.map(toldOf);
		const guess = list.map((attempt, i) => same(told[i], NOTHING) && (attempt.status === 0 || attempt.status === 200));
		const input = () => list.reduce((sum, { stream, model }, i) => sum + (guess[i] ? inputEstimate(stream, model) : 0), 0);
		if (!same(told.reduce(add, NOTHING), loggedTokens(line)) || input() !== (line.estimated_tokens_input ?? 0)) {
			// The client left, and the last thing that the provider wrote was not read any more.
			assert.equal(line.outcome, "cancelled", `${JSON.stringify(line)}\n${JSON.stringify(list)}`);
			told[list.length - 1] = NOTHING;
			guess[list.length - 1] = true;
			unread++;
		}
		assert.deepEqual(loggedTokens(line), told.reduce(add, NOTHING), line.id);
		assert.equal(line.estimated_tokens_input ?? 0, input(), line.id);
		const exact = list.reduce((sum, { model }, i) => sum + costOf(told[i], PRICES[model]), 0n);
		list.forEach(({ model }, i) => {
			sums[model].tokens = add(sums[model].tokens, told[i]);
			sums[model].guessed += guess[i];
		});
		if (line.cost_usd !== undefined) assert.equal(pico(line.cost_usd.toFixed(DIGITS)), exact, line.id);
		assert.equal((line.estimated_cost_usd ?? 0) > 0, guess.includes(true), line.id);
	}
	for (const [arm, model] of [["stable", "old"], ["candidate", "new"]]) {
		const { tokens, guessed } = sums[model], exact = usd(costOf(tokens, PRICES[model]));
		assert.deepEqual(stats[arm].tokens, tokens);
		assert.equal(cost[arm].cost_usd, exact);
		assert.equal(stats[arm].estimated.attempts, guessed);
		assert.equal(Number(metrics(`grayd_cost_usd_total{release="demo",arm="${arm}"}`)), Number(exact));
		assert.equal(metrics(`grayd_cost_usd_total{release="demo",arm="${arm}"}`), exact);
	}
	return { unread, sums };
}

// The whole: a provider, a grayd, `count` mixed requests, and every sum recomputed.
export async function checkMixed(t, count) {
	const { sim, grayd } = await startPair(t, { script: { models: MODELS },
		config: (sim) => ({ ...mixedConfig(sim), admin_listen: "127.0.0.1:0" }) });

	assert.equal((await grayd.ctl(["weight", "demo", 50])).code, 0);
	await sendMixed(grayd, count);
	const { json: status } = await grayd.ctl(["-j", "status"]);
	await settledStats(grayd, until);
	await sim.settled();
	const lines = () => grayd.logLines().filter(({ event, release }) => event === "request" && release);
	const { grayd: overall } = (await grayd.ctl(["-j", "stats"])).json;
	await until("all lines in the log", () => lines().length === overall.started - overall.rejected, 20 * patience);

	const text = await (await fetch(`http://${status.grayd.admin_listen}/metrics`)).text();
	const found = compare({
		attempts: await sim.ledger("limit=2000000"),
		lines: lines(),
		stats: (await grayd.ctl(["-j", "stats"])).json.releases.demo.arms,
		cost: (await grayd.ctl(["-j", "cost"])).json.releases.demo.arms,
		metrics: (series) => text.split("\n").find((line) => line.startsWith(series)).slice(series.length + 1),
	});
	return { lines: lines(), ...found };
}

