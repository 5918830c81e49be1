// SPDX-License-Identifier: MIT
// Helpers of the tests that take a grayd down and look at what the next one makes of its journal.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smallConfig, startGrayd, until } from "./grayd.mjs";

const mounted = new Set();

// A folder that outlives the grayds that use it; removed, with what is mounted there, when the test
// ends.
export function keptFolder(t, mode = 0o700) {
	const dir = mkdtempSync(join(tmpdir(), "grayd-journal-"));
	chmodSync(dir, mode);
	mkdirSync(join(dir, "state"), { mode: 0o700 });
	t.after(() => {
		if (mounted.delete(join(dir, "state"))) spawnSync("umount", ["-l", join(dir, "state")]);
		rmSync(dir, { recursive: true, force: true });
	});
	return dir;
}

// A grayd in that folder, serving, whatever its releases are; killed at the end of the test if it
// still runs.
export async function startIn(t, dir, config = smallConfig()) {
	const grayd = await startGrayd({ dir, config, wait: false });
	let ended;
	t.after(() => grayd.stop("SIGKILL"));
	grayd.exited.then((end) => (ended = end));
	await until("a grayd that serves", async () => {
		if (ended) throw new Error(`grayd ended: ${JSON.stringify(ended)} ${grayd.stderr()}`);
		return (await grayd.status())?.grayd?.serving;
	}, 20);
	return grayd;
}

// What a release is, as far as a restart must keep it.
export async function standing(grayd, release = "chat") {
	const { releases } = await grayd.status();
	const { state, stage, set_percent, revision, rollout } = releases[release];
	return { state, stage, set_percent, revision, rollout };
}

export async function writerPid(grayd) {
	const { json } = await grayd.ctl(["-j", "workers"]);
	return json.workers.find(({ role }) => role === "journal").pid;
}

export const journalFiles = (dir) =>
	readdirSync(join(dir, "state")).filter((name) => /^journal-\d{20}\.jsonl$/.test(name)).sort();

export const journalRecords = (dir) =>
	journalFiles(dir).flatMap((name) =>
		readFileSync(join(dir, "state", name), "utf8").split("\n").slice(0, -1)
			.map((line) => JSON.parse(line)));

// Mounts a file system of its own as a kept folder's state_dir; false: not allowed here.
export function mountSmall(where, options) {
	const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", where]);
	if (status === 0) mounted.add(where);
	return status === 0;
}

export const remount = (where, options) =>
	spawnSync("mount", ["-o", `remount,${options}`, where]).status === 0;
