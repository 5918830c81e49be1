// SPDX-License-Identifier: MIT
// The rows of data/malformed.json, each split at every place, over a Unix socket.

import test from "node:test";
import { join } from "node:path";
import { mkdtempSync, chmodSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { until } from "./lib/grayd.mjs";
import { settledStats, startPair } from "./lib/load.mjs";
import { checkCounters, cutAt, everywhere, inParallel, millisecond, newTally, rows, tryRow, turn,
	} from "./lib/malformed.mjs";
import { post } from "./lib/wire.mjs";

async function run(t, jobs, pause) {
	const dir = mkdtempSync(join(tmpdir(), "malformed-"));
	chmodSync(dir, 0o755);
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const pair = await startPair(t, {
		config: (sim) => ({
			listen: [`unix:${join(dir, "grayd.sock")}`],
			log: { requests: false },
			providers: { sim: { base_url: `${sim.url}/v1` } },
			models: { old: { provider: "sim" } },
			releases: { "gpt-4.1": { stable: "old" } },
		}),
	});
	const tally = newTally();

	await inParallel(jobs, 256, ({ row, cuts }) =>
		tryRow(pair.grayd.url, row, cutAt(row.bytes, cuts), tally, pause));
	await checkCounters(pair, tally, () => settledStats(pair.grayd, until),
		() => post(pair.grayd.url, { model: "gpt-4.1" }));
	t.diagnostic(`${tally.connections} connections, ${tally.malformed} refused as malformed`);
}

const jobs = (longEnough) => rows.filter(({ bytes }) => longEnough(bytes.length))
	.flatMap((row) => everywhere(row.bytes).map((at) => ({ row, cuts: [at] })));

test("malformed, short ones split at every place", (t) => run(t, jobs((n) => n < 2000), millisecond));

test("malformed, long ones split at every place", (t) => run(t, jobs((n) => n >= 2000), turn));

// Not byte by byte: that would be so slow that grayd rightly gives up on them.
test("malformed, long ones in pieces of four bytes", (t) =>
	run(t, rows.map((row) => ({ row, cuts: everywhere(row.bytes).filter((at) => at % 4 === 0) })), millisecond));
