// SPDX-License-Identifier: MIT
// Upgrade: a new binary takes over sockets, policy, sums and keys, without a failed request; one that
// cannot leaves the old one in office.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { build, isRoot, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, long, patience, sanitized, settledStats } from "./lib/load.mjs";
import { writerPid } from "./lib/journal.mjs";
import { workersOf } from "./lib/proc.mjs";
import { startSim } from "./lib/sim.mjs";
import {
	childrenOf, descriptors, events, isRunning, mixedLoad, mustReload, replaceProgram, startUpgradable,
	writeConfig,
} from "./lib/supervise.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const BODY = '{"model":"demo","messages":[{"role":"user","content":"hi"}]}';
const STREAM = '{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}';
const chat = (body = BODY) => requestText("POST", "/v1/chat/completions", { body });
const root = { skip: !isRoot && "needs root" };

async function startPair(t, { script, config = demoConfig, ...more } = {}) {
	const sim = await startSim({ script });

	t.after(() => sim.stop());
	return { sim, grayd: await startUpgradable(t, { config: config(sim), ...more }) };
}

test("a new binary takes everything over", async (t) => {
	const { sim, grayd } = await startPair(t, {});

	await grayd.ctl(["stage", "demo", 30]);
	for (let i = 0; i < 20; i++) await post(grayd.url, {});
	const before = await grayd.status();
	const counted = (await grayd.ctl(["-j", "stats"])).json;
	const pid = await grayd.mustUpgrade();
	const after = await grayd.status();
	assert.equal((await grayd.left).code, 0);
	assert.equal(after.grayd.pid, pid);
	assert.deepEqual(after.grayd.listen, before.grayd.listen);
	assert.equal(after.grayd.generation, before.grayd.generation + 1);
	for (const key of ["state", "stage", "set_percent", "published_percent", "revision", "measured_percent"])
		assert.equal(after.releases.demo[key], before.releases.demo[key], key);
	const now = (await grayd.ctl(["-j", "stats"])).json;
	assert.equal(now.grayd.started, counted.grayd.started);
	assert.equal(now.grayd.finished, counted.grayd.finished);
	assert.deepEqual(now.releases.demo.arms, counted.releases.demo.arms);
	assert.equal((await post(grayd.url, {})).status, 200);
	// And the new one is a whole one.
	assert.equal((await grayd.ctl(["stage", "demo", 50])).code, 0);
	await mustReload(grayd, { workers: 1 });
	assert.equal((await grayd.status()).releases.demo.set_percent, 50);
	assert.equal((await sim.summary()).total.attempts, 21);
});

test("SIGUSR2 does the same", async (t) => {
	const grayd = await startUpgradable(t, { config: smallConfig() });

	grayd.child.kill("SIGUSR2");
	await until("another master", async () => (await grayd.master().catch(() => grayd.pid)) !== grayd.pid);
	assert.equal((await grayd.left).code, 0);
});

test("nobody notices upgrades under load", async (t) => {
	const upgrades = long ? 50 : 5, seconds = long ? 110 : 14;
	const { grayd } = await startPair(t, {
		script: { models: { "*": { latency_ms: 5, first_token_ms: 20, tokens: 30, chunk_ms: 20 } } },
		config: (sim) => ({ ...demoConfig(sim), log: { requests: false } }),
	});
	const load = mixedLoad(grayd.url, { seconds, rate: sanitized ? 150 : long ? 2000 : 1000 });

	await grayd.ctl(["weight", "demo", 30]);
	const began = performance.now();
	for (let i = 0; i < upgrades; i++) await grayd.mustUpgrade();
	t.diagnostic(`${upgrades} upgrades in ${((performance.now() - began) / 1000).toFixed(1)} s`);
	const { short, long: streams } = await load.finish();
	const stats = await settledStats(grayd, until);
	assert.equal(stats.grayd.lost, 0);
	assert.equal(stats.grayd.started, short.rows.length + streams.rows.length);
	assert.equal((await grayd.status()).releases.demo.set_percent, 30);
	const pid = await grayd.master();
	if (isRoot) {
		await until("only its own children to be left", () => childrenOf(pid).length <= 4);
		t.diagnostic(`${descriptors(pid)} descriptors`);
		assert.ok(descriptors(pid) <= 30);
	}
});

test("a stream that began under the old binary ends under it", async (t) => {
	const { grayd } = await startPair(t, { script: { models: { "*": { tokens: 60, chunk_ms: 20 } } } });
	const wire = connect(grayd.url);

	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	await grayd.mustUpgrade(0);
	assert.equal(wire.answers.length, 0, "the stream was over too early for this test");
	assert.ok(isRunning(grayd.pid));
	assert.equal((await grayd.status()).grayd.draining_pid, grayd.pid);
	assert.match((await grayd.ctl(["status"])).stdout, new RegExp(`\\nthe grayd before the upgrade, pid ${grayd.pid}, still `));
	await wire.count(1);
	assert.ok(wire.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	wire.destroy();
	await grayd.left;
	const { grayd: sums } = await settledStats(grayd, until);
	assert.deepEqual([sums.started, sums.finished, sums.lost], [1, 1, 0]);
	assert.equal((await grayd.status()).grayd.draining_pid, undefined);
});

test("a rollback after the upgrade holds in the old workers, and its receipt counts them", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: { "*": { tokens: 80, chunk_ms: 20 } } } });
	const idle = connect(grayd.url), stream = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	idle.send(chat());
	await idle.count(1);
	assert.equal(idle.answers[0].headers["x-gray-model"], "new");
	stream.send(chat(STREAM));
	await stream.until(() => stream.receivedBytes > 600);
	await grayd.mustUpgrade(0);
	const { json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.ok(json.receipt.acknowledged > 2, JSON.stringify(json.receipt));
	assert.equal(json.receipt.killed, 0);
	t.diagnostic(`acknowledged after ${json.receipt.acknowledge_us} µs`);
	idle.send(chat());
	await idle.count(2);
	assert.equal(idle.answers[1].headers["x-gray-model"], "old");
	await stream.count(1);
	for (const wire of [idle, stream]) wire.destroy();
	assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 2);
});

test("two upgrades while the first binary still streams", async (t) => {
	const { grayd } = await startPair(t, { script: { models: { "*": { tokens: 100, chunk_ms: 20 } } } });
	const wire = connect(grayd.url), idle = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	idle.send(chat());
	await idle.count(1);
	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	await grayd.mustUpgrade(0);
	await grayd.mustUpgrade(0);
	const { json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.equal(json.receipt.killed, 0);
	idle.send(chat());
	await idle.count(2);
	assert.equal(idle.answers[1].headers["x-gray-model"], "old");
	await wire.count(1);
	assert.ok(wire.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	for (const each of [idle, wire]) each.destroy();
	await grayd.left;
	const { grayd: sums } = await settledStats(grayd, until);
	assert.deepEqual([sums.started, sums.finished, sums.lost], [3, 3, 0]);
});

test("stop ends the old binary's workers too, and waits for their streams", async (t) => {
	const { grayd } = await startPair(t, { script: { models: { "*": { tokens: 40, chunk_ms: 20 } } } });
	const wire = connect(grayd.url);

	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	const pid = await grayd.mustUpgrade(0);
	await grayd.ctl(["stop"]);
	assert.ok(isRunning(pid));
	await wire.count(1);
	assert.ok(wire.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	wire.destroy();
	await until("all to leave", () => !isRunning(pid) && !isRunning(grayd.pid), 10 * patience);
	assert.throws(() => readFileSync(grayd.socket), { code: "ENOENT" });
});

// ---- binaries that cannot take over ---------------------------------------------------------------------

// The answer to an upgrade that must fail, after which everything is as it was.
async function mustFail(grayd, pattern) {
	const before = await grayd.status();
	const pids = (await workersOf(grayd)).map(({ pid }) => pid);
	const { code, json } = await grayd.upgrade();

	assert.equal(code, 1, JSON.stringify(json));
	assert.equal(json.code, "refused");
	assert.match(json.error, pattern);
	assert.match(events(grayd, "upgrade_failed").at(-1).message, pattern);
	const after = await grayd.status();
	assert.equal(after.grayd.pid, before.grayd.pid);
	for (const [name, release] of Object.entries(before.releases)) {
		for (const key of ["state", "set_percent", "published_percent", "revision"])
			assert.equal(after.releases[name][key], release[key]);
	}
	assert.deepEqual((await workersOf(grayd)).map(({ pid }) => pid), pids);
}

const good = () => readFileSync(join(build, "grayd"));

test("a binary that exits, cannot be run, hangs, or speaks of another hand-over", async (t) => {
	const { grayd } = await startPair(t, {});
	const load = mixedLoad(grayd.url, { seconds: 16, rate: 200, streams: 5 });

	await grayd.ctl(["stage", "demo", 50]);
	replaceProgram(grayd, "#!/bin/sh\nexit 3\n");
	await mustFail(grayd, /(ended with status 3 before it served|has closed the connection)/);
	replaceProgram(grayd, "no program at all");
	await mustFail(grayd, /(ended with status 127|has closed the connection)/);
	replaceProgram(grayd, good().subarray(0, 5000));
	await mustFail(grayd, /before it served/);
	const title = Buffer.from("grayd-handover 3");
	const other = good();
	let at = -1, places = 0;
	while ((at = other.indexOf(title, at + 1)) !== -1) places += other.write("9", at + title.length - 1);
	assert.ok(places >= 1);
	replaceProgram(grayd, other);
	await mustFail(grayd, /understands "grayd-handover 9", and got "grayd-handover 3"/);
	replaceProgram(grayd, "#!/bin/sh\nexec sleep 60\n");
	await mustFail(grayd, /was not ready in time/);
	replaceProgram(grayd, good());
	await grayd.mustUpgrade();
	assert.equal((await grayd.status()).releases.demo.set_percent, 50);
	await load.finish();
});

test("a bad config, and one that an upgrade cannot bring, are named", async (t) => {
	const grayd = await startUpgradable(t, { config: smallConfig() });

	writeConfig(grayd, '{ "listen": 7 }');
	await mustFail(grayd, /listen: /);
	writeConfig(grayd, { state_dir: join(grayd.dir, "elsewhere") });
	await mustFail(grayd, /state_dir: an upgrade cannot change it/);
	writeConfig(grayd, { control_socket: join(grayd.dir, "other.sock") });
	await mustFail(grayd, /control_socket: an upgrade cannot change it/);
	writeConfig(grayd, { listen: ["unix:/nowhere/at/all.sock"] });
	await mustFail(grayd, /\/nowhere\/at\/all\.sock/);
	writeConfig(grayd);
	await grayd.mustUpgrade();
});

test("a rollback during an upgrade is not kept waiting", async (t) => {
	const { grayd } = await startPair(t, {});

	replaceProgram(grayd, "#!/bin/sh\nexec sleep 60\n");
	await grayd.ctl(["stage", "demo", 100]);
	const answering = grayd.upgrade();
	await until("the upgrade to begin", () => events(grayd, "upgrading").length > 0);
	assert.equal((await grayd.ctl(["reload"])).code, 1);
	const { code, json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.equal(code, 0);
	assert.equal(json.set_percent, 0);
	const { json: answer } = await answering;
	assert.match(answer.error, /was not ready in time/);
	replaceProgram(grayd, good());
	await grayd.mustUpgrade();
	assert.equal((await grayd.status()).releases.demo.state, "rolled_back");
});

// What a process has open; a descriptor may be gone before its name is read.
const filesOf = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => {
	try {
		return readlinkSync(`/proc/${pid}/fd/${fd}`);
	} catch {
		return "";
	}
});

test("keys reach the new binary, and nobody else", root, async (t) => {
	const sim = await startSim({});
	t.after(() => sim.stop());
	const key = "sk-canary-4711-of-this-test";
	const grayd = await startUpgradable(t, {
		config: { ...demoConfig(sim), providers: { sim: { base_url: `${sim.url}/v1`, api_key: { env: "GRAYD_TEST_KEY" } } } },
		env: { GRAYD_TEST_KEY: key },
	});

	await post(grayd.url, {});
	for (let i = 0; i < 2; i++) {
		const pid = await grayd.mustUpgrade();
		assert.equal((await post(grayd.url, {})).status, 200);
		for (const each of [pid, ...childrenOf(pid)]) {
			for (const file of ["environ", "cmdline"])
				assert.ok(!readFileSync(`/proc/${each}/${file}`).includes(key), `${file} of ${each}`);
			// The last sums of the old master may just be read.
			await until("no hand-over to be open", () => !filesOf(each).some((name) => /grayd-handover/.test(name)));
		}
	}
	assert.equal(new Set((await sim.ledger()).map(({ key_digest: digest }) => digest)).size, 1);
	assert.ok(!grayd.logLines().some((line) => JSON.stringify(line).includes(key)));
});

// ---- kills in the midst ---------------------------------------------------------------------------------

const pidIn = (line) => Number(/as pid (\d+)/.exec(line.message)[1]);

// Sends a signal to the old or the new master some time after an upgrade has begun. Then either one
// of them serves, or all processes leave and another start goes on; the share is never higher.
async function killInTheMidst(t, who, delayMs) {
	const grayd = await startUpgradable(t, { config: smallConfig() });
	await grayd.ctl(["stage", "chat", 30]);
	const first = childrenOf(grayd.pid);
	grayd.child.kill("SIGUSR2");
	const [line] = await until("the upgrade to begin", () => {
		const lines = events(grayd, "upgrading");
		return lines.length > 0 && lines;
	});
	const next = pidIn(line);
	const end = performance.now() + delayMs;
	await until("the moment", () => performance.now() >= end);
	try {
		process.kill(who === "old" ? grayd.pid : next, "SIGKILL");
	} catch {
		// It has left by itself: the new master serves.
	}
	const gone = () => !isRunning(grayd.pid) && !isRunning(next) && first.every((pid) => !isRunning(pid));
	const answer = await until("somebody to serve, or nobody to be left", async () => {
		const { json } = await grayd.ctl(["-j", "status", "--timeout", 1]);
		return json?.ok && json.grayd.serving ? json : gone() && "gone";
	}, 20 * patience);
	if (answer !== "gone") {
		assert.equal(answer.releases.chat.set_percent, 30);
		assert.equal((await grayd.ctl(["verify"])).code, 0);
		const { json } = await grayd.ctl(["-j", "workers"]);
		assert.equal(json.workers.filter(({ role }) => role === "journal").length, 1);
		return answer.grayd.pid === grayd.pid ? "the old one served" : "the new one served";
	}
	const again = await startGrayd({ config: grayd.config, dir: grayd.dir });
	try {
		assert.ok((await again.status()).releases.chat.set_percent <= 30);
		assert.equal((await again.ctl(["verify"])).code, 0);
	} finally {
		await again.stop();
	}
	return "all left";
}

for (const who of ["old", "new"]) {
	test(`the ${who} master is killed in the midst of an upgrade`, root, async (t) => {
		for (const delay of [0, 3, 6, 9, 12, 15, 20, 30, 60, 120])
			t.diagnostic(`${delay} ms: ${await killInTheMidst(t, who, delay)}`);
	});
}

// Without the providers' word the new master is ready as soon as its workers are.
const unasked = (sim) => demoConfig(sim, { providers: { sim: { base_url: `${sim.url}/v1`, validate: false } } });

// Upgrades until the old master has said its last word, with the new one stopped so that it does not
// hear it. That word waits for the journal's writer to leave, so this one sets the pace.
async function untilTheLastWord(grayd) {
	const writer = await writerPid(grayd);
	process.kill(writer, "SIGSTOP");
	const answering = grayd.upgrade();
	const [line] = await until("the upgrade to begin", () => {
		const lines = events(grayd, "upgrading");
		return lines.length > 0 && lines;
	});
	const next = pidIn(line);
	await until("the new workers", () => events(grayd, "child_ready").filter(({ pid }) => pid === next).length >= 2);
	// Its own message comes right behind; the writer is told to leave when it has arrived.
	await until("the old master to go quiet", async () => (await grayd.ctl(["-j", "unfreeze", "demo"])).json.code === "busy");
	process.kill(next, "SIGSTOP");
	process.kill(writer, "SIGCONT");
	await until("the last word", () => events(grayd, "handed_over").length > 0);
	return { answering, next };
}

test("a rollback between the last word of the old master and the first of the new", root, async (t) => {
	const { grayd } = await startPair(t, { config: unasked });
	await grayd.ctl(["stage", "demo", 100]);
	const { answering } = await untilTheLastWord(grayd);
	const began = performance.now();
	const { code, json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.equal(code, 0);
	assert.ok(performance.now() - began < 1000 * patience, "the rollback had to wait");
	assert.equal(json.set_percent, 0);
	const { json: answer } = await answering;
	assert.match(answer.error, /a rollback came first/);
	assert.equal(await grayd.master(), grayd.pid);
	await until("the record to be on disk", async () => (await grayd.ctl(["verify"])).code === 0);
	await grayd.mustUpgrade();
	assert.equal((await grayd.status()).releases.demo.state, "rolled_back");
});

// The old master is stopped before it hears that the new one serves; when it goes on, the first that
// it finds is a rollback. It must not take back what others rely on by now.
test("a rollback that reaches the old master when the new one serves already", root, async (t) => {
	const { grayd } = await startPair(t, { config: unasked });
	await grayd.ctl(["stage", "demo", 10]);
	const caller = createConnection({ path: grayd.socket });
	let answer = "";
	caller.on("data", (data) => (answer += data)).on("error", () => {});
	const ended = new Promise((done) => caller.on("close", done));
	await once(caller, "connect");
	const { answering, next } = await untilTheLastWord(grayd);
	process.kill(grayd.pid, "SIGSTOP");
	t.after(() => isRunning(grayd.pid) && process.kill(grayd.pid, "SIGCONT"));
	caller.write('{"v":1,"cmd":"rollback","args":{"release":"demo"}}\n');
	process.kill(next, "SIGCONT");
	await until("the new master to serve", () => events(grayd, "took_over").length > 0);
	const raise = grayd.ctl(["-j", "stage", "demo", 30]);
	await until("the raise", () => events(grayd, "transition").some(({ pid, message }) => pid === next && /30\.00 %, /.test(message)));
	process.kill(grayd.pid, "SIGCONT");
	await Promise.race([ended, until("an answer", () => answer.includes("\n"))]);
	assert.ok(answer === "" || JSON.parse(answer).code === "busy", answer);
	assert.equal((await raise).code, 0, (await raise).stdout);
	await answering;
	assert.ok(isRunning(next));
	const { grayd: { pid }, releases } = await grayd.status();
	assert.deepEqual([pid, releases.demo.set_percent], [next, 30]);
	assert.equal((await grayd.ctl(["rollback", "demo"])).code, 0);
	assert.equal((await grayd.ctl(["verify"])).code, 0);
	caller.destroy();
});

test("when the new master is killed, the old workers send nothing more to candidates", root, async (t) => {
	const { grayd } = await startPair(t, { script: { models: { "*": { tokens: 60, chunk_ms: 20 } } } });
	const stream = connect(grayd.url), idle = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	idle.send(chat());
	await idle.count(1);
	stream.send(chat(STREAM));
	await stream.until(() => stream.receivedBytes > 600);
	const pid = await grayd.mustUpgrade(0);
	process.kill(pid, "SIGKILL");
	await until("the old master to notice", () => events(grayd, "successor_gone").length > 0);
	idle.send(chat());
	await idle.count(2);
	assert.equal(idle.answers[1].headers["x-gray-model"], "old");
	await stream.count(1);
	assert.ok(stream.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	for (const wire of [idle, stream]) wire.destroy();
	await grayd.left;
});

test("an old master that hangs does not keep a rollback from being finished, nor the new one from leaving", root, async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { "*": { tokens: 200, chunk_ms: 20 } } },
		config: (sim) => ({ ...demoConfig(sim), limits: { drain_ms: 2000 } }),
	});
	const stream = connect(grayd.url), idle = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	idle.send(chat());
	await idle.count(1);
	stream.send(chat(STREAM));
	await stream.until(() => stream.receivedBytes > 600);
	const pid = await grayd.mustUpgrade(0);
	process.kill(grayd.pid, "SIGSTOP");
	const { json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.equal(json.ok, true);
	t.diagnostic(`acknowledged after ${json.receipt.acknowledge_us / 1000} ms`);
	await until("the old master to be gone", () => !isRunning(grayd.pid));
	// Its workers are without a master: none of them sends anything to the candidate.
	idle.send(chat());
	await idle.until(() => idle.answers.length > 1 || idle.closed);
	if (idle.answers.length > 1) assert.equal(idle.answers[1].headers["x-gray-model"], "old");
	for (const wire of [idle, stream]) wire.destroy();
	await grayd.ctl(["stop"]);
	await until("the new master to leave", () => !isRunning(pid), 10 * patience);
});
