// SPDX-License-Identifier: MIT
// alone: it measures times.
// Changes that meet each other while one of them waits for the disk: what each of them was told must
// be true, and nobody gets a share that nobody asked for.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import test from "node:test";
import { NOBODY, isRoot, smallConfig, until } from "./lib/grayd.mjs";
import { keptFolder, standing, startIn, writerPid } from "./lib/journal.mjs";
import { events, writeConfig } from "./lib/supervise.mjs";

// A connection to the control socket: send() writes lines at once, `lines` are the answers so far.
// A full queue refuses at once (EAGAIN): again.
async function dial(grayd) {
	const socket = connect({ path: grayd.socket, allowHalfOpen: true });
	const failure = await new Promise((done) => socket.once("connect", () => done()).once("error", done));
	if (failure?.code === "EAGAIN") return dial(grayd);
	if (failure) throw failure;
	const raw = { socket, lines: [], closed: false };
	let text = "";
	socket.on("data", (data) => {
		text += data;
		const whole = text.split("\n");
		text = whole.pop();
		raw.lines.push(...whole.map((line) => JSON.parse(line)));
	});
	socket.on("error", () => {});
	socket.on("close", () => (raw.closed = true));
	raw.send = (...commands) => socket.write(commands.map((each) => JSON.stringify({ v: 1, ...each }) + "\n").join(""));
	raw.answers = (n) => until(`${n} answers`, () => raw.lines.length >= n && raw.lines);
	return raw;
}

const verb = (cmd, args, id) => ({ cmd, args: { release: "chat", ...args }, ...(id && { id }) });
const waiting = async (grayd) => (await grayd.status()).journal.waiting;

// A grayd at 10 % whose disk hangs; go() lets it go on.
async function startStuck(t, config = smallConfig()) {
	let pid = 0;
	const go = () => existsSync(`/proc/${pid}/stat`) && process.kill(pid, "SIGCONT");
	t.after(go); // also before grayd is taken down: a stopped writer would outlive it
	const grayd = await startIn(t, keptFolder(t), config);
	assert.equal((await grayd.ctl(["stage", "chat", 10])).code, 0);
	pid = await writerPid(grayd);
	process.kill(pid, "SIGSTOP");
	return { grayd, go };
}

async function checkSame(grayd) {
	assert.equal((await grayd.ctl(["verify"])).code, 0);
	assert.ok(!events(grayd, "crash").length);
	assert.equal((await grayd.status()).grayd.pid, grayd.pid);
}

test("a promote that is repeated with its id while it waits for the disk promotes once", async (t) => {
	const { grayd, go } = await startStuck(t);
	const [one, two] = [await dial(grayd), await dial(grayd)];

	one.send(verb("promote", {}, "again"));
	await until("the raise in line", async () => (await waiting(grayd)) === 1);
	two.send(verb("promote", {}, "again"));
	assert.equal((await grayd.status()).grayd.serving, true);
	go();
	const [first] = await one.answers(1);
	const [second] = await two.answers(1);
	assert.deepEqual([first.changed, first.set_percent], [true, 30]);
	assert.deepEqual([second.ok, second.changed, second.set_percent], [true, false, 30]);
	assert.equal((await standing(grayd)).set_percent, 30);
	await checkSame(grayd);
});

test("a command that waited behind a raise is not run while a reload supersedes it", async (t) => {
	const config = smallConfig();
	config.models.third = { provider: "nowhere", name: "third-model" };
	const { grayd, go } = await startStuck(t, config);
	const raw = await dial(grayd);

	raw.send(verb("stage", { percent: 30 }), verb("pause"), verb("stage", { percent: 50 }));
	await until("the raise in line", async () => (await waiting(grayd)) === 1);
	writeConfig(grayd, { releases: { chat: { stable: "old", candidate: "third" } } });
	grayd.child.kill("SIGHUP");
	const [stage, pause, again] = await raw.answers(2);
	assert.deepEqual([stage.ok, stage.code], [false, "refused"]);
	assert.match(stage.error, /superseded/);
	assert.equal(pause.ok, false, "of a rollout that is over");
	assert.equal(again, undefined);
	go();
	const { ok, changed, set_percent } = (await raw.answers(3))[2];
	assert.deepEqual([ok, changed, set_percent], [true, true, 50]);
	await checkSame(grayd);
});

test("callers that wait for the disk keep no rollback out", async (t) => {
	const { grayd, go } = await startStuck(t);
	const all = [];

	for (let i = 0; i < 100; i++) {
		const raw = await dial(grayd);
		raw.send(verb("stage", { percent: 30 }));
		all.push(raw);
	}
	const { code, json } = await grayd.ctl(["-j", "rollback", "chat"]);
	assert.equal(code, 0, JSON.stringify(json));
	assert.equal(json.set_percent, 0);
	await until("answers", () => all.every(({ lines, closed }) => lines.length > 0 || closed));
	const codes = new Set(all.flatMap(({ lines }) => lines.map((line) => line.code)));
	assert.deepEqual([...codes].sort(), ["busy", "refused"]);
	go();
	await until("the records", async () => (await waiting(grayd)) === 0);
	assert.equal((await standing(grayd)).state, "rolled_back");
	await checkSame(grayd);
	for (const { socket } of all) socket.destroy();
});

// Keeps 80 connections busy with questions, as fast as they are answered.
const PESTER = `
	const { connect } = require("node:net");
	const line = '{"v":1,"cmd":"status"}\\n'.repeat(200);
	function begin() {
		const socket = connect(process.argv[1]);
		socket.on("connect", () => socket.write(line)).on("data", () => socket.write(line.slice(0, 23)));
		socket.on("error", () => {}).on("close", () => setTimeout(begin, 5));
	}
	for (let i = 0; i < 80; i++) begin();
	setTimeout(() => console.log("on"), 500);
`;

test("those who may only look keep no rollback out", { skip: !isRoot && "needs root" }, async (t) => {
	const gid = Number(/^daemon:[^:]*:(\d+):/m.exec(spawnSync("getent", ["group", "daemon"]).stdout)[1]);
	const grayd = await startIn(t, keptFolder(t, 0o755), { ...smallConfig(), control_group: "daemon" });
	const crowd = spawn(process.execPath, ["-e", PESTER, grayd.socket],
		{ uid: NOBODY.uid, gid, stdio: ["ignore", "pipe", "ignore"] });
	t.after(() => crowd.kill("SIGKILL"));
	await new Promise((on) => crowd.stdout.once("data", on));
	for (let i = 0; i < 50; i++) {
		const { code, json } = await grayd.ctl(["-j", ...(i % 2 ? ["rollback", "chat"] : [i ? "restart" : "start", "chat"])]);
		assert.equal(code, 0, JSON.stringify(json));
	}
	assert.equal((await standing(grayd)).state, "rolled_back");
	await checkSame(grayd);
});

test("who takes an answer byte by byte is sent away in time", async (t) => {
	const grayd = await startIn(t, keptFolder(t));
	const raw = await dial(grayd), reason = "x".repeat(500);

	await grayd.ctl(["start", "chat"]);
	for (let i = 0; i < 1000; i += 50)
		raw.send(...Array.from({ length: 50 }, (_, k) => verb(k % 2 ? "resume" : "pause", { reason })));
	await until("the changes", () => raw.lines.length === 1000, 60);
	await until("the records", async () => (await waiting(grayd)) === 0, 60);
	raw.socket.pause();
	raw.send({ cmd: "history", args: { last: 1000 } });
	const began = performance.now();
	const sip = setInterval(() => raw.socket.read(512), 20);
	await until("the end", () => raw.closed || raw.socket.destroyed || !raw.socket.readable, 25);
	clearInterval(sip);
	assert.ok(performance.now() - began < 20000);
	await checkSame(grayd);
	raw.socket.destroy();
});

test("changes without number whose callers have left do not bring the master down", async (t) => {
	const { grayd, go } = await startStuck(t);

	for (let i = 0; i < 3000; i++) {
		const raw = await dial(grayd);
		raw.send(verb("stage", { percent: 30 }));
		raw.socket.destroy();
	}
	assert.equal((await grayd.status()).grayd.serving, true);
	go();
	await until("the line to be empty", async () => (await waiting(grayd)) === 0);
	assert.equal((await standing(grayd)).set_percent, 30);
	await checkSame(grayd);
});

test("a command whose answer was lost with its grayd is not carried out twice", async (t) => {
	const dir = keptFolder(t);
	let grayd = await startIn(t, dir), raw = await dial(grayd);

	raw.send(verb("start"), verb("promote", {}, "lost"));
	assert.equal((await raw.answers(2))[1].set_percent, 30);
	grayd.child.kill("SIGKILL");
	await grayd.exited;
	grayd = await startIn(t, dir);
	raw = await dial(grayd);
	raw.send(verb("promote", {}, "lost"), verb("stage", { percent: 50 }, "lost"), verb("promote", {}, "new"));
	const [again, other, next] = await raw.answers(3);
	assert.deepEqual([again.ok, again.changed, again.set_percent], [true, false, 30]);
	assert.equal(other.code, "conflict");
	assert.deepEqual([next.changed, next.set_percent], [true, 50]);
	await checkSame(grayd);
	raw.socket.destroy();
});
