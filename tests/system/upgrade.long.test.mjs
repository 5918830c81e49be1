// SPDX-License-Identifier: MIT
// Upgrades to a binary whose shared memory is laid out differently, and back. (Fifty upgrades under
// load: upgrade.test.mjs does that in its long form.)

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build, until } from "./lib/grayd.mjs";
import { demoConfig, settledStats } from "./lib/load.mjs";
import { startSim } from "./lib/sim.mjs";
import { mixedLoad, replaceProgram, startUpgradable } from "./lib/supervise.mjs";
import { post } from "./lib/wire.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

// The sources with other sizes in the map of shared memory, built: the bytes of that grayd.
function buildAnother(dir) {
	for (const folder of ["common", "daemon", "worker", "Makefile", "etc", "ctl"])
		cpSync(join(root, folder), join(dir, folder), { recursive: true });
	const map = join(dir, "common/shm.h");
	const text = readFileSync(map, "utf8");
	const changed = text
		.replace(/#define SHM_LAYOUT +(\d+)u/, (_, n) => `#define SHM_LAYOUT ${Number(n) + 1}u`)
		.replace(/#define POLICY_SLOTS +8/, "#define POLICY_SLOTS 16")
		.replace(/#define ERRORS_KEPT +50/, "#define ERRORS_KEPT 40")
		.replace(/#define HIST_SUB_BITS +4/, "#define HIST_SUB_BITS 3")
		.replace(/(struct slot_arm \{\n)/, "$1\t_Atomic uint64_t in_the_way[7];\n");
	assert.notEqual(changed, text);
	writeFileSync(map, changed);
	execFileSync("make", ["-j2", "-C", dir, "build/grayd"], { stdio: "pipe" });
	return readFileSync(join(dir, "build/grayd"));
}

test("to another layout of shared memory, and back", async (t) => {
	const dir = mkdtempSync(join(tmpdir(), "grayd-layout-"));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const other = buildAnother(dir), own = readFileSync(join(build, "grayd"));
	const sim = await startSim({ script: { models: { "*": { first_token_ms: 20, tokens: 30, chunk_ms: 20 } } } });
	t.after(() => sim.stop());
	const grayd = await startUpgradable(t, { config: demoConfig(sim) });

	await grayd.ctl(["stage", "demo", 30]);
	for (let i = 0; i < 50; i++) await post(grayd.url, {});
	const before = (await grayd.ctl(["-j", "stats"])).json.releases.demo.arms;
	const load = mixedLoad(grayd.url, { seconds: 12, rate: 500 });
	for (const bytes of [other, own, other]) {
		replaceProgram(grayd, bytes);
		await grayd.mustUpgrade();
		assert.equal((await grayd.status()).releases.demo.set_percent, 30);
	}
	const { short, long } = await load.finish();
	const stats = await settledStats(grayd, until);
	assert.equal(stats.grayd.lost, 0);
	assert.equal(stats.grayd.started, 50 + short.rows.length + long.rows.length);
	for (const arm of ["stable", "candidate"])
		assert.ok(stats.releases.demo.arms[arm].requests > before[arm].requests);
	assert.equal((await grayd.ctl(["rollback", "demo"])).code, 0);
});
