// SPDX-License-Identifier: MIT
// Receipts at full load: two workers, an open loop at 5,000 and at 10,000 requests a second (or what
// leaves a fifth of the processors idle), 200 streams open beside it, 200 rollbacks at each rate. The
// clock that measures is grayd's own. The workers are pinned, as they would be on a machine of grayd's
// own; a shorter run without shows what that is worth.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { checkWindow, longestWay, tellReceipts, timedCtl, untilMore } from "./lib/drill.mjs";
import { until } from "./lib/grayd.mjs";
import { load, quantile, sanitized, startLoad, startPair } from "./lib/load.mjs";

const RATES = sanitized ? [300, 600] : [5000, 10000];
const STREAMS = sanitized ? 40 : 200;
const A_ROUND = 10;
const RUNS = [
	...RATES.map((wanted) => ({ wanted, pinned: true, rounds: 20 })),
	{ wanted: RATES[0], pinned: false, rounds: 5 },
];
const RELEASES = ["demo", "talk"];

function processorTicks() {
	const [user, nice, system, idle, wait, irq, soft, steal] = readFileSync("/proc/stat", "utf8")
		.split("\n", 1)[0].split(/\s+/).slice(1).map(Number);
	return { busy: user + nice + system + irq + soft + steal, all: user + nice + system + idle + wait + irq + soft + steal };
}

async function busyPercent(work) {
	const before = processorTicks();
	const result = await work();
	const after = processorTicks();
	return { result, percent: (100 * (after.busy - before.busy)) / (after.all - before.all) };
}

// The wanted rate, or the highest below it at which at most 80 % of the processors are busy.
async function fitRate(t, { grayd }, wanted) {
	for (let rate = wanted; ; rate = Math.round(rate * 0.8)) {
		const { percent } = await busyPercent(() =>
			load(grayd.url, { m: "demo", r: rate, poisson: true, c: 1024, d: 2 }, { log: false }));
		t.diagnostic(`${rate}/s: processors ${percent.toFixed(0)} % busy`);
		if (percent <= 80 || rate < 500) return rate;
	}
}

// Begin, wait until the candidate has work, roll everything back, wait until stable has had some time
// alone. Gives the receipt and the window in which no candidate may be asked.
async function rollBackOnce({ grayd }, rate) {
	for (const release of RELEASES) await timedCtl(grayd, ["restart", release]);
	await untilMore(grayd, "demo", "candidate", rate / 50);
	const { answer, atUs } = await timedCtl(grayd, ["rollback", "--all"]);
	await untilMore(grayd, "demo", "stable", rate / 10);
	return { receipt: answer.receipt, fromUs: atUs, toUs: Date.now() * 1000 };
}

async function round(pair, rate, number) {
	await pair.sim.reset();
	const client = startLoad(pair.grayd.url,
		{ m: "demo", "id-prefix": `r${number}-`, r: rate, poisson: true, c: 1024, d: 120 });
	const windows = [];

	for (let i = 0; i < A_ROUND; i++) windows.push(await rollBackOnce(pair, rate));
	client.child.kill("SIGINT");
	const { rows } = await client.done;
	await until("the attempts to end", async () => {
		const { models } = await pair.sim.summary();
		return ["old", "new"].every((model) => !models[model]?.active);
	});
	const ledger = await pair.sim.ledger(), asked = ledger.filter(({ model }) => model === "new");
	const rescued = new Set(asked.map(({ request_id }) => request_id));
	const lateUs = longestWay(rows, ledger.filter(({ model, request_id }) => model === "old" && !rescued.has(request_id)));
	for (const window of windows) checkWindow(window, rows, asked, lateUs);
	for (const { id, verdict } of rows)
		assert.ok(["ok", "stopped", "not_sent"].includes(verdict), `${id} ${verdict}`);
	return windows.map(({ receipt }) => receipt);
}

const configWith = (pin_workers) => (sim) => ({
	workers: 2,
	pin_workers,
	providers: { sim: { base_url: `${sim.url}/v1` } },
	models: Object.fromEntries(["old", "new", "old-talk", "new-talk"].map((name) => [name, { provider: "sim" }])),
	releases: {
		demo: { stable: "old", candidate: "new", stages: [50, 100] },
		talk: { stable: "old-talk", candidate: "new-talk", stages: [50, 100] },
	},
	log: { requests: false },
});
const short = { first_token_ms: { uniform: [0, 20] }, latency_ms: { uniform: [0, 20] } };
const talk = { tokens: 60, chunk_ms: 50 };

for (const { wanted, pinned, rounds } of RUNS) {
	test(`${rounds * A_ROUND} rollbacks at ${wanted} requests/s, workers ${pinned ? "" : "not "}pinned`, async (t) => {
		const pair = await startPair(t, { config: configWith(pinned),
			script: { models: { old: short, new: short, "old-talk": talk, "new-talk": talk } } });
		const streams = startLoad(pair.grayd.url, { m: "talk", s: true, c: STREAMS, d: 600, drain: 20 });
		const rate = await fitRate(t, pair, wanted);
		const receipts = [];

		for (const release of RELEASES) await pair.grayd.ctl(["rollback", release]);
		const { percent } = await busyPercent(async () => {
			for (let i = 0; i < rounds; i++) receipts.push(...await round(pair, rate, i));
		});
		streams.child.kill("SIGINT");
		const { rows } = await streams.done;

		tellReceipts(t, receipts);
		t.diagnostic(`at ${rate}/s, processors ${percent.toFixed(0)} % busy with all that watches`);
		assert.deepEqual(rows.filter(({ verdict }) => verdict !== "ok" && verdict !== "stopped"), []);
		assert.ok(receipts.reduce((sum, { rescued }) => sum + rescued, 0) > 0, "nobody was rescued");
		assert.ok(receipts.reduce((sum, { streaming }) => sum + streaming, 0) > 0, "nothing streamed");
		for (const receipt of receipts) assert.equal(receipt.killed, 0);
		const totals = receipts.map(({ publish_us, acknowledge_us }) => publish_us + acknowledge_us);
		assert.ok(sanitized || quantile(totals, 0.5) < 5000, "slower than anybody would call instant");
	});
}
