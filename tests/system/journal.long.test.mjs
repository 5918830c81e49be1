// SPDX-License-Identifier: MIT
// The master and the journal's writer killed at each system call of a raise, a rollback and a
// rotation: the next start finds the old state or the new one, never a higher share, and a journal
// that verifies. The calls of one quiet run are counted first; then each is made to kill.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { isRoot, smallConfig, until } from "./lib/grayd.mjs";
import { journalFiles, keptFolder, startIn, standing, writerPid } from "./lib/journal.mjs";

const canTrace = isRoot && spawnSync("strace", ["-V"]).status === 0;

// A tracer of one process; `args` say what it does there.
async function trace(t, pid, args) {
	const strace = spawn("strace", ["-p", String(pid), ...args], { stdio: ["ignore", "ignore", "pipe"] });
	const ended = once(strace, "close");

	t.after(() => strace.kill("SIGKILL"));
	await once(strace.stderr, "data");
	return { ended, stop: () => (strace.kill("SIGINT"), ended) };
}

// The scene: a journal on disk, and one command on it.
class Scene {
	constructor(t, { config = smallConfig(), command }) {
		this.t = t;
		this.config = config;
		this.command = command;
		this.template = mkdtempSync(join(tmpdir(), "grayd-template-"));
		t.after(() => rmSync(this.template, { recursive: true, force: true }));
	}

	// Plays `prepare` in a grayd and keeps what it leaves on disk.
	async keep(prepare) {
		const dir = keptFolder(this.t);
		const grayd = await startIn(this.t, dir, this.config);
		await prepare(grayd, dir);
		this.before = await standing(grayd);
		await grayd.stop();
		cpSync(join(dir, "state"), join(this.template, "state"), { recursive: true });
	}

	async begin() {
		const dir = mkdtempSync(join(tmpdir(), "grayd-kill-"));
		cpSync(join(this.template, "state"), join(dir, "state"), { recursive: true });
		const grayd = await startIn(this.t, dir, this.config);
		return { dir, grayd, pids: { master: grayd.pid, writer: await writerPid(grayd) } };
	}

	// Every system call of `who` from the command to its answer: ["fsync", 1], ["fsync", 2], ...
	async calls(who) {
		const { dir, grayd, pids } = await this.begin();
		const log = join(dir, "trace");
		const tracer = await trace(this.t, pids[who], ["-o", log]);
		const { code, stdout, stderr } = await grayd.ctl(["-j", ...this.command]);
		assert.equal(code, 0, stdout + stderr);
		this.after = await standing(grayd);
		await tracer.stop();
		await grayd.stop();
		const counts = new Map(), calls = [];
		for (const [, name] of readFileSync(log, "latin1").matchAll(/^([a-z_0-9]+)\(/gm)) {
			counts.set(name, (counts.get(name) ?? 0) + 1);
			if (name !== "restart_syscall") calls.push([name, counts.get(name)]);
		}
		rmSync(dir, { recursive: true, force: true });
		return calls;
	}

	// Kills `who` at one call, then all that is left, and looks at what the next grayd makes of it.
	//   frozen   the writer is stopped from the beginning, so that nothing reaches the disk
	//   at once  `who` is stopped at the call and killed together with the others, so that nobody
	//            does its work in its place
	async kill(who, [name, when], { frozen = false, atOnce = false } = {}) {
		const { dir, grayd, pids } = await this.begin();
		const what = `${who} killed at ${name} ${when}`;
		const log = join(dir, "trace");
		if (frozen) process.kill(pids.writer, "SIGSTOP");
		const tracer = await trace(this.t, pids[who], ["-o", log, "-e", `trace=${name}`, "-e",
			`inject=${name}:signal=${atOnce ? "SIGSTOP" : "SIGKILL"}:when=${when}`]);
		const answer = grayd.ctl(["-j", ...this.command, "--timeout", 3]);
		const stopped = atOnce && until("a stop", () => /stopped by SIGSTOP/.test(readFileSync(log, "latin1")), 4);
		// A call that did not come this time stops nobody; then it is the end of all that does.
		if (atOnce) await Promise.race([answer, stopped.catch(() => {})]);
		else await answer;
		if (frozen || atOnce) process.kill(pids.writer, "SIGKILL");
		grayd.child.kill("SIGKILL");
		const { code } = await answer;
		await grayd.exited;
		await tracer.ended;
		const next = await startIn(this.t, dir, this.config);
		const now = await standing(next);
		const wanted = [this.before, this.after].map((s) => JSON.stringify(s));

		assert.ok(now.set_percent <= Math.max(this.before.set_percent, this.after.set_percent));
		// A mark without a record: the share is 0 under a revision that nobody has seen.
		if (this.after.state === "rolled_back" && now.state === "rolled_back" && now.set_percent === 0)
			assert.ok(now.revision >= this.after.revision, `${what}: ${JSON.stringify(now)}`);
		else if (code === 0) assert.deepEqual(now, this.after, what);
		else assert.ok(wanted.includes(JSON.stringify(now)), `${what}: ${JSON.stringify(now)}`);
		const { code: verified, stderr } = await next.ctl(["verify"]);
		assert.equal(verified, 0, `${what}: ${stderr}`);
		await next.stop();
		rmSync(dir, { recursive: true, force: true });
		return code;
	}

	async killAtEach(who, options) {
		const calls = await this.calls(who);
		let answered = 0;

		assert.ok(calls.length > 3, `${who}: ${calls}`);
		for (const call of calls) answered += (await this.kill(who, call, options)) === 0;
		this.t.diagnostic(`${who}: ${calls.length} calls, the command was answered ${answered} times`);
	}
}

async function atTen(grayd) {
	assert.equal((await grayd.ctl(["stage", "chat", 10])).code, 0);
}

test("killed at each system call of a raise", { skip: !canTrace }, async (t) => {
	const scene = new Scene(t, { command: ["stage", "chat", 30] });
	await scene.keep(atTen);
	await scene.killAtEach("master");
	await scene.killAtEach("writer");
	await scene.killAtEach("writer", { atOnce: true });
});

test("killed at each system call of a rollback", { skip: !canTrace }, async (t) => {
	const scene = new Scene(t, { command: ["rollback", "chat"] });
	await scene.keep(atTen);
	await scene.killAtEach("master");
	await scene.killAtEach("writer");
	await scene.killAtEach("writer", { atOnce: true });
});

test("killed at each system call of a rollback whose record never reaches the disk",
	{ skip: !canTrace }, async (t) => {
		const scene = new Scene(t, { command: ["rollback", "chat"] });
		await scene.keep(atTen);
		await scene.killAtEach("master", { frozen: true });
	});

// As many and as long names as there may be, so that a file is soon full.
function wideConfig() {
	const config = smallConfig();

	for (let i = 0; i < 60; i++) config.releases[String(i).padEnd(120, "x")] = config.releases.chat;
	return config;
}

const lastFile = (dir) => statSync(join(dir, "state", journalFiles(dir).at(-1)));

test("killed at each system call of a rotation", { skip: !canTrace }, async (t) => {
	const scene = new Scene(t, { config: wideConfig(), command: ["stage", "chat", 30] });
	await scene.keep(async (grayd, dir) => {
		await atTen(grayd);
		for (let i = 0; lastFile(dir).size < 8 << 20; i++) {
			const { code, stderr } = await grayd.ctl(["weight", "chat", i % 2 === 0 ? 9.5 : 10]);
			assert.equal(code, 0, stderr);
		}
		assert.equal(journalFiles(dir).length, 1, "it must be the command that rotates");
	});
	const calls = await scene.calls("writer");
	assert.ok(calls.filter(([name]) => /^f.*sync$/.test(name)).length >= 5, `${calls}`);
	await scene.killAtEach("writer");
	await scene.killAtEach("writer", { atOnce: true });
	await scene.killAtEach("master");
});
