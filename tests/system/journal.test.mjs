// SPDX-License-Identifier: MIT
// The journal in a real grayd: what a restart keeps, what `history` and `verify` tell, and that no
// disk, however slow, full or broken, stands in the way of a rollback.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { isRoot, smallConfig, until } from "./lib/grayd.mjs";
import { journalFiles, journalRecords, keptFolder, mountSmall, remount, standing, startIn,
	writerPid } from "./lib/journal.mjs";
import { patience } from "./lib/load.mjs";

const ok = async (promise) => {
	const result = await promise;
	assert.equal(result.code, 0, result.stdout + result.stderr);
	return result;
};
const change = (grayd, ...args) => ok(grayd.ctl(["-j", ...args]));
const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test("a restart goes on where the last one was, however it ended", async (t) => {
	const dir = keptFolder(t);
	let grayd = await startIn(t, dir);

	for (const [signal, ...args] of [
		["SIGTERM", "start", "chat", "--reason", "it begins"],
		["SIGKILL", "stage", "chat", 30],
		["SIGKILL", "weight", "chat", 12.34],
		["SIGTERM", "pause", "chat"],
		["SIGKILL", "rollback", "chat"],
		["SIGKILL", "restart", "chat"],
	]) {
		await change(grayd, ...args);
		const before = await standing(grayd);
		grayd.child.kill(signal);
		await grayd.exited;
		grayd = await startIn(t, dir);
		assert.deepEqual(await standing(grayd), before, `${args} and ${signal}`);
	}
	const next = (await change(grayd, "weight", "chat", 1)).json.revision;
	assert.equal(next, (await standing(grayd)).revision);
	const revisions = journalRecords(dir).map(({ policy }) => policy.revision);
	assert.deepEqual(revisions, [1, 2, 3, 4, 5, 6, 7, 8]);
	await ok(grayd.ctl(["verify"]));
});

test("history tells who changed what, when and why", async (t) => {
	const dir = keptFolder(t);
	const config = smallConfig();
	config.releases.other = config.releases.chat;
	const grayd = await startIn(t, dir, config);

	await change(grayd, "stage", "chat", 10, "--reason", 'looks "good"');
	await change(grayd, "weight", "other", 0.5);
	await change(grayd, "rollback", "--all", "--reason", "tired");
	const { history } = (await change(grayd, "history", "chat")).json;
	assert.deepEqual(history.map(({ command, from, to, reason, uid, revision }) =>
		[command, from.state, from.percent, to.state, to.percent, reason, uid, revision]), [
		["start", "idle", 0, "idle", 0, undefined, process.getuid(), 1],
		["stage", "idle", 0, "step", 10, 'looks "good"', process.getuid(), 2],
		["rollback", "step", 10, "rolled_back", 0, "tired", process.getuid(), 4],
	]);
	assert.ok(history.every(({ time }) => Math.abs(Date.parse(time) - Date.now()) < 60000));
	const all = (await change(grayd, "history", "-n", 3)).json.history;
	assert.deepEqual(all.map(({ release, revision }) => [release, revision]),
		[["other", 3], ["chat", 4], ["other", 4]]);
	const text = (await ok(grayd.ctl(["history", "chat"]))).stdout;
	assert.match(text, /^WHEN +RELEASE +FROM +TO +REVISION +WHO +COMMAND +WHY\n/);
	assert.match(text, /\n\S+ +chat +step 10 % +rolled back 0 % +4 +\S+ +rollback +tired *\n$/);
	assert.match((await ok(grayd.ctl(["history", "nobody"]))).stdout, /^the journal has nothing of a release "nobody"/);
	assert.equal((await grayd.ctl(["history", "-n", "0"])).code, 2);
});

test("verify finds a byte that was changed, and names the place", async (t) => {
	const dir = keptFolder(t);
	const grayd = await startIn(t, dir);

	await change(grayd, "stage", "chat", 10);
	await change(grayd, "stage", "chat", 30);
	assert.match((await ok(grayd.ctl(["verify"]))).stdout, /^the journal is as it was written: records 1 to 3/);
	assert.deepEqual((await ok(grayd.ctl(["-j", "verify"]))).json.journal,
		{ files: 1, records: 3, first: 1, last: 3, put_aside: 0 });
	const [name] = journalFiles(dir);
	const file = join(dir, "state", name);
	const good = readFileSync(file, "latin1");
	writeFileSync(file, good.replace('"share_bp":1000', '"share_bp":1001'), "latin1");
	const { code, stderr } = await grayd.ctl(["verify"]);
	assert.equal(code, 1);
	assert.match(stderr, new RegExp(`${name}: line 2: `));
	writeFileSync(file, good.split("\n").slice(0, 2).join("\n") + "\n", "latin1");
	assert.equal((await grayd.ctl(["verify"])).code, 1);
	writeFileSync(file, good, "latin1");
	await ok(grayd.ctl(["verify"]));
});

test("a journal that was tampered with means share 0, loudly", async (t) => {
	const harm = {
		edited: (text) => text.replaceAll('"share_bp":1000', '"share_bp":9000'),
		shortened: (text) => text.slice(0, text.indexOf("\n") + 1),
		torn: (text) => text.slice(0, -20),
		foreign: () => "something else\n",
		empty: () => "",
	};

	for (const [name, harmed] of Object.entries(harm)) {
		const dir = keptFolder(t);
		let grayd = await startIn(t, dir);
		const { revision } = (await change(grayd, "stage", "chat", 10)).json;
		await grayd.stop();
		const file = join(dir, "state", journalFiles(dir)[0]);
		writeFileSync(file, harmed(readFileSync(file, "latin1")), "latin1");
		grayd = await startIn(t, dir);
		const now = await standing(grayd);
		assert.deepEqual([now.state, now.set_percent], ["rolled_back", 0], name);
		assert.ok(now.revision > revision, "a revision is never used twice");
		assert.ok(grayd.logLines().some(({ level, event }) => level === "error" && event === "journal_broken"));
		// Until a new journal has its first record the alarm is on.
		await until("a journal that works", async () => (await grayd.status()).journal.ok);
		const aside = readdirSync(join(dir, "state")).filter((file) => file.includes(".jsonl.broken-"));
		assert.equal(aside.length, 1);
		assert.equal((await ok(grayd.ctl(["-j", "verify"]))).json.journal.put_aside, 1);
		await change(grayd, "restart", "chat");
		await grayd.stop();
	}
});

test("files are for the master alone", { skip: !isRoot }, async (t) => {
	const dir = keptFolder(t);
	const grayd = await startIn(t, dir);
	const state = join(dir, "state");

	for (const name of readdirSync(state)) assert.equal(statSync(join(state, name)).mode & 0o777, 0o600, name);
	const status = readFileSync(`/proc/${await writerPid(grayd)}/status`, "utf8");
	assert.match(status, /^Uid:\s+0\s+0\s+0\s+0$/m);
	assert.match(status, /^NoNewPrivs:\s+1$/m);
});

test("a state_dir that is not there is made", async (t) => {
	const dir = keptFolder(t);
	const grayd = await startIn(t, dir, { ...smallConfig(), state_dir: join(dir, "made") });

	assert.equal(statSync(join(dir, "made")).mode & 0o777, 0o700);
	await change(grayd, "stage", "chat", 10);
});

test("a disk that hangs delays no rollback, and never publishes the raise behind it", async (t) => {
	const dir = keptFolder(t);
	const config = smallConfig();
	config.releases.other = config.releases.chat;
	let grayd = await startIn(t, dir, config);
	const pid = await writerPid(grayd);

	await change(grayd, "stage", "chat", 10);
	await change(grayd, "stage", "other", 50);
	process.kill(pid, "SIGSTOP");
	t.after(() => existsSync(`/proc/${pid}`) && process.kill(pid, "SIGCONT"));
	const raise = grayd.ctl(["-j", "stage", "chat", 100]);
	await until("the raise in line", async () => (await grayd.status()).journal.waiting === 1);
	assert.equal((await standing(grayd)).set_percent, 10);
	const { receipt } = (await change(grayd, "rollback", "chat")).json;
	assert.ok(receipt.publish_us + receipt.acknowledge_us < 5000 * patience, JSON.stringify(receipt));
	assert.equal(receipt.journal_us, null);
	assert.equal((await standing(grayd)).set_percent, 0);
	assert.equal((await raise).code, 1);
	assert.match((await raise).json.error, /superseded/);
	await change(grayd, "weight", "other", 5);
	assert.equal((await standing(grayd, "other")).set_percent, 5);

	process.kill(pid, "SIGCONT");
	await until("the records", async () => (await grayd.status()).journal.waiting === 0);
	const last = journalRecords(dir).slice(-3).map(({ command, changes: [{ to }] }) => [command, to.share_bp]);
	assert.deepEqual(last, [["stage", 10000], ["rollback", 0], ["weight", 500]]);
	assert.equal((await standing(grayd)).state, "rolled_back");
	const before = [await standing(grayd), await standing(grayd, "other")];
	grayd.child.kill("SIGKILL");
	await grayd.exited;
	grayd = await startIn(t, dir, config);
	assert.deepEqual([await standing(grayd), await standing(grayd, "other")], before);
	await ok(grayd.ctl(["verify"]));
});

test("killed with a lowering that is not on disk: share 0 for that release", async (t) => {
	const dir = keptFolder(t);
	const config = smallConfig();
	config.releases.other = config.releases.chat;
	let grayd = await startIn(t, dir, config);
	const pid = await writerPid(grayd);

	await change(grayd, "stage", "chat", 50);
	await change(grayd, "stage", "other", 50);
	process.kill(pid, "SIGSTOP");
	await change(grayd, "stage", "chat", 30);
	const { revision } = await standing(grayd);
	// The master first: it would start another writer, which might still write.
	grayd.child.kill("SIGKILL");
	process.kill(pid, "SIGKILL");
	await grayd.exited;
	grayd = await startIn(t, dir, config);
	const now = await standing(grayd);
	assert.deepEqual([now.state, now.set_percent], ["rolled_back", 0]);
	assert.ok(now.revision > revision);
	assert.equal((await standing(grayd, "other")).set_percent, 50);
	assert.ok(grayd.logLines().some(({ level, event }) => level === "error" && event === "lowering_lost"));
});

test("a writer that dies is replaced, and nothing is lost", async (t) => {
	const dir = keptFolder(t);
	const grayd = await startIn(t, dir);

	for (let i = 1; i <= 4; i++) {
		const pid = await writerPid(grayd);
		process.kill(pid, "SIGSTOP");
		const raise = grayd.ctl(["-j", "weight", "chat", i]);
		await until("the raise in line", async () => (await grayd.status()).journal.waiting === 1);
		process.kill(pid, "SIGKILL");
		assert.equal((await raise).code, 0);
		assert.equal((await standing(grayd)).set_percent, i);
	}
	assert.equal(journalRecords(dir).length, 5);
	await ok(grayd.ctl(["verify"]));
});

// ---- disks that fail ----------------------------------------------------------------------------

async function checkAlarm(grayd, pattern) {
	const { journal } = await grayd.status();
	assert.equal(journal.ok, false);
	assert.match(journal.error, pattern);
	assert.ok(journal.errors > 0);
	const { stdout } = await grayd.ctl(["status"]);
	assert.match(stdout, /\nthe journal cannot be written: /);
}

test("a full disk: raising is refused, rollback works and stays", { skip: !isRoot }, async (t) => {
	const dir = keptFolder(t);
	const state = join(dir, "state");
	if (!mountSmall(state, "size=16k,mode=0700")) return t.skip("cannot mount here");
	let grayd = await startIn(t, dir);
	let refused;

	for (let i = 1; i < 100 && !refused; i++) {
		const { code, json } = await grayd.ctl(["-j", "weight", "chat", i / 100]);
		if (code !== 0) refused = json;
	}
	assert.match(refused.error, /No space left/);
	await checkAlarm(grayd, /No space left/);
	const { set_percent } = await standing(grayd);
	assert.ok(set_percent > 0);
	assert.equal((await grayd.ctl(["weight", "chat", 99])).code, 1);
	assert.equal((await standing(grayd)).set_percent, set_percent);
	await change(grayd, "rollback", "chat");
	assert.equal((await standing(grayd)).set_percent, 0);
	grayd.child.kill("SIGKILL");
	await grayd.exited;
	grayd = await startIn(t, dir);
	assert.deepEqual((await standing(grayd)).state, "rolled_back");
	assert.equal((await standing(grayd)).set_percent, 0);

	assert.ok(remount(state, "size=1m"));
	await until("a journal that works", async () => (await grayd.status()).journal.ok);
	await change(grayd, "restart", "chat");
	assert.equal((await standing(grayd)).set_percent, 10);
	await ok(grayd.ctl(["verify"]));
});

test("a disk that is full for a while loses no record of a lowering", { skip: !isRoot }, async (t) => {
	const dir = keptFolder(t);
	const state = join(dir, "state");
	if (!mountSmall(state, "size=1m,mode=0700")) return t.skip("cannot mount here");
	const grayd = await startIn(t, dir);

	await change(grayd, "stage", "chat", 50);
	writeFileSync(join(state, "ballast"), Buffer.alloc(900 << 10));
	while (spawnSync("sh", ["-c", `head -c 4096 /dev/zero >>${state}/ballast`]).status === 0);
	// What is left of the last page of the journal is used up first.
	for (let i = 49; i > 40; i--) await change(grayd, "weight", "chat", i);
	await until("the alarm", async () => !(await grayd.status()).journal.ok);
	await change(grayd, "rollback", "chat", "--reason", "while it was full");
	spawnSync("rm", [join(state, "ballast")]);
	await until("a journal that works", async () => {
		const { journal } = await grayd.status();
		return journal.ok && journal.waiting === 0;
	});
	const records = journalRecords(dir);
	assert.deepEqual(records.map(({ changes: [{ to }] }) => to.share_bp),
		[0, 5000, 4900, 4800, 4700, 4600, 4500, 4400, 4300, 4200, 4100, 0]);
	assert.equal(records.at(-1).reason, "while it was full");
	await ok(grayd.ctl(["verify"]));
});

test("a state_dir that cannot be written at the start: share 0, loudly", { skip: !isRoot }, async (t) => {
	const dir = keptFolder(t);
	const state = join(dir, "state");
	if (!mountSmall(state, "size=1m,mode=0700")) return t.skip("cannot mount here");
	let grayd = await startIn(t, dir);

	await change(grayd, "stage", "chat", 50);
	const { revision } = await standing(grayd);
	await grayd.stop();
	assert.ok(remount(state, "ro"));
	grayd = await startIn(t, dir);
	assert.deepEqual([(await standing(grayd)).state, (await standing(grayd)).set_percent], ["rolled_back", 0]);
	assert.ok((await standing(grayd)).revision > revision);
	await checkAlarm(grayd, /Read-only file system/);
	assert.ok(grayd.logLines().some(({ level, event }) => level === "error" && event === "journal_failed"));
	const { code, stderr } = await grayd.ctl(["restart", "chat"]);
	assert.equal(code, 1);
	assert.match(stderr, /Read-only file system/);
	await change(grayd, "rollback", "chat");
	assert.equal((await grayd.ctl(["history"])).code, 1);
});

test("a sync that fails: refused, and a new file as soon as there can be one",
	{ skip: !isRoot || !hasStrace }, async (t) => {
		const dir = keptFolder(t);
		let grayd = await startIn(t, dir);

		for (const call of ["fsync", "fdatasync", "pwrite64"]) {
			await change(grayd, "weight", "chat", 20);
			const pid = await writerPid(grayd);
			const strace = spawn("strace",
				["-p", String(pid), "-o", "/dev/null", "-e", `inject=${call}:error=EIO`],
				{ stdio: ["ignore", "ignore", "pipe"] });
			t.after(() => strace.kill("SIGKILL"));
			if (!/attached/.test(String((await once(strace.stderr, "data"))[0])))
				return t.skip("cannot trace here");
			const raise = await grayd.ctl(["-j", "weight", "chat", 30]);
			assert.equal(raise.code, 1, call);
			assert.match(raise.json.error, /Input\/output error/);
			await checkAlarm(grayd, /Input\/output error/);
			await change(grayd, "weight", "chat", 10);
			assert.equal((await standing(grayd)).set_percent, 10);
			strace.kill("SIGTERM");
			await once(strace, "close");
			await until("a journal that works", async () => {
				const { journal } = await grayd.status();
				return journal.ok && journal.waiting === 0;
			});
			await ok(grayd.ctl(["verify"]));
			const before = await standing(grayd);
			grayd.child.kill("SIGKILL");
			await grayd.exited;
			grayd = await startIn(t, dir);
			assert.deepEqual(await standing(grayd), before, call);
		}
		assert.ok(journalFiles(dir).length > 1);
	});
