// SPDX-License-Identifier: MIT
// Requests of data/malformed.json against the real daemon: what must be refused is, with the right
// status and a closed connection, however the bytes come in, and nothing smuggles a second request.

import test from "node:test";
import { until } from "./lib/grayd.mjs";
import { settledStats, startPair } from "./lib/load.mjs";
import { bothEnds, checkCounters, cutAt, inParallel, millisecond, newTally, rows, tryRow,
	} from "./lib/malformed.mjs";
import { post } from "./lib/wire.mjs";

const gateway = (sim) => ({
	providers: { sim: { base_url: `${sim.url}/v1` } },
	models: { old: { provider: "sim" } },
	releases: { "gpt-4.1": { stable: "old" } },
});

// Runs the rows with the ways to cut each that `cutsOf` gives.
async function run(t, cutsOf, pause, limit) {
	const pair = await startPair(t, { config: gateway });
	const tally = newTally();
	const jobs = rows.flatMap((row) => cutsOf(row.bytes).map((cuts) => ({ row, cuts })));

	await inParallel(jobs, limit, ({ row, cuts }) =>
		tryRow(pair.grayd.url, row, cutAt(row.bytes, cuts), tally, pause));
	await checkCounters(pair, tally, () => settledStats(pair.grayd, until),
		() => post(pair.grayd.url, { model: "gpt-4.1" }));
	t.diagnostic(`${tally.connections} connections, ${tally.malformed} refused as malformed`);
}

test("malformed, whole", (t) => run(t, () => [[]], millisecond, 32));

test("malformed, byte by byte", (t) => run(t, (bytes) => [bothEnds(bytes)], millisecond, 128));

test("malformed, split in two", (t) => run(t, ({ length }) =>
	[Math.ceil(length / 3), Math.ceil(length * 0.7), length - 1].map((at) => [at]), millisecond, 32));
