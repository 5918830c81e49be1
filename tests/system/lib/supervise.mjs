// SPDX-License-Identifier: MIT
// What the tests of reload and upgrade share: changing the config of a running grayd, looking at its
// processes, and a mixed load (short answers and streams) that must not notice anything.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
	chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, startGrayd, until } from "./grayd.mjs";
import { startLoad } from "./load.mjs";
import { workersOf } from "./proc.mjs";

export const configFile = (grayd) => join(grayd.dir, "grayd.json");

// Writes another config: an object that is laid over the one that grayd was started with, or text.
export function writeConfig(grayd, next = {}) {
	const text = typeof next === "string" ? next : JSON.stringify({ ...grayd.config, ...next }, null, "\t");

	writeFileSync(configFile(grayd), text);
}

// Writes a config and reloads: the answer of grayctl.
export function reload(grayd, next) {
	writeConfig(grayd, next);
	return grayd.ctl(["-j", "reload", "--timeout", 30]);
}

export async function mustReload(grayd, next) {
	const { code, json, stderr } = await reload(grayd, next);

	assert.equal(code, 0, `${stderr} ${JSON.stringify(json)}`);
	return json;
}

export const events = (grayd, name) => grayd.logLines().filter(({ event }) => event === name);
export const isAlive = (pid) => existsSync(`/proc/${pid}/stat`);
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

// Pids of the direct children of a process that are still there, zombies left out.
export function childrenOf(pid) {
	return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

// Waits until the workers of only one generation are there.
export const oneGeneration = (grayd, seconds = 40) => until("older generations to leave", async () => {
	const all = await workersOf(grayd);
	return all.length > 0 && all.every(({ generation }) => generation === all[0].generation) && all;
}, seconds);

// Short answers at a rate and streams beside them, for so many seconds. finish() checks that each
// was answered whole and gives the summaries.
export function mixedLoad(url, { model = "demo", seconds, rate = 1000, streams = 20 }) {
	const common = { m: model, d: seconds, drain: 20, timeout: 60, k: 100 };
	const short = startLoad(url, { ...common, r: rate, c: 64, poisson: true, "id-prefix": "s" });
	const long = startLoad(url, { ...common, c: streams, s: true, "id-prefix": "l" });

	return {
		async finish() {
			const [a, b] = [await short.done, await long.done];

			for (const { rows } of [a, b]) {
				const bad = rows.filter(({ verdict }) => verdict !== "ok");
				assert.deepEqual(bad.slice(0, 3), [], `${bad.length} of ${rows.length} failed`);
			}
			return { short: a, long: b };
		},
	};
}

// ---- upgrade ---------------------------------------------------------------------------------------

// A grayd that runs from a copy of the binary, which a test can replace. Whoever has taken over from
// it in the end is stopped with it. Adds to what startGrayd() gives:
//   program          where the copy is
//   master()         the pid of the master that answers now
//   upgrade()        the answer of `grayctl upgrade`
//   mustUpgrade()    the same, and waits until the old master has left
//   left             a promise of { code, signal } of the first master (`exited` waits for the last)
export async function startUpgradable(t, options) {
	const bin = mkdtempSync(join(tmpdir(), "grayd-bin-"));
	const program = join(bin, "grayd");

	chmodSync(bin, 0o755);
	copyFileSync(join(build, "grayd"), program);
	const grayd = await startGrayd({ ...options, program });
	Object.assign(grayd, {
		program,
		left: once(grayd.child, "exit").then(([code, signal]) => ({ code, signal })),
		master: async () => (await grayd.status()).grayd.pid,
		upgrade: () => grayd.ctl(["-j", "upgrade", "--timeout", 30]),
		async mustUpgrade(seconds = 40) {
			const before = await grayd.master();
			const { code, json, stderr } = await grayd.upgrade();

			assert.equal(code, 0, `${stderr} ${JSON.stringify(json)}`);
			assert.equal(await grayd.master(), json.pid);
			assert.notEqual(json.pid, before);
			if (seconds > 0) await until("the old master to leave", () => !isRunning(before), seconds);
			return json.pid;
		},
	});
	t.after(async () => {
		const pid = (await grayd.status().catch(() => undefined))?.grayd?.pid;

		if (pid !== undefined && pid !== grayd.pid) {
			await grayd.ctl(["stop"]);
			await until("the last master to leave", () => !isRunning(pid), 40);
		}
		await grayd.stop();
		rmSync(bin, { recursive: true, force: true });
	});
	return grayd;
}

// Whether a process is there and not only waits to be reaped.
export function isRunning(pid) {
	try {
		return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
	} catch {
		return false;
	}
}

// Puts other bytes where the program was, under a new inode, as an installation does.
export function replaceProgram(grayd, bytes) {
	writeFileSync(`${grayd.program}.new`, bytes, { mode: 0o755 });
	renameSync(`${grayd.program}.new`, grayd.program);
}
