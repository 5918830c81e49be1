// SPDX-License-Identifier: MIT
// Reload: a new generation under a new config, without a failed request, a cut stream, or a rollout
// that means something else afterwards.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { build, isRoot, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, long, patience, sanitized, settledStats, startPair } from "./lib/load.mjs";
import { workersOf } from "./lib/proc.mjs";
import {
	childrenOf, configFile, descriptors, events, isAlive, mixedLoad, mustReload, oneGeneration, reload,
	writeConfig,
} from "./lib/supervise.mjs";
import { startSim } from "./lib/sim.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const BODY = '{"model":"demo","messages":[{"role":"user","content":"hi"}]}';
const STREAM = '{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}';
const chat = (body = BODY) => requestText("POST", "/v1/chat/completions", { body });
const root = { skip: !isRoot && "needs root" };

async function startSmall(t, config = smallConfig()) {
	const grayd = await startGrayd({ config });
	t.after(() => grayd.stop());
	return grayd;
}

test("a reload brings new workers and keeps the sockets", async (t) => {
	const grayd = await startSmall(t);
	const before = await workersOf(grayd);
	const answer = await mustReload(grayd, { workers: 3 });
	const after = await oneGeneration(grayd);

	assert.equal(answer.generation, 2);
	assert.equal(after.length, 3);
	assert.ok(after.every(({ generation }) => generation === 2));
	assert.ok(before.every(({ pid }) => !isAlive(pid)));
	assert.equal((await grayd.status()).grayd.listen[0], grayd.url.replace("http://", ""));
	assert.match(events(grayd, "reloaded")[0].message, /generation 2 serves/);
});

test("SIGHUP does the same, and twice in a row is not once too few", async (t) => {
	const grayd = await startSmall(t);

	grayd.child.kill("SIGHUP");
	await until("the first reload to begin", () => events(grayd, "reloading").length > 0);
	grayd.child.kill("SIGHUP");
	await until("two reloads", () => events(grayd, "reloaded").length === 2);
	assert.equal((await oneGeneration(grayd))[0].generation, 3);
});

test("nobody notices a reload each 500 ms", async (t) => {
	const seconds = 20;
	const { grayd } = await startPair(t, {
		script: { models: { "*": { latency_ms: 5, first_token_ms: 20, tokens: 30, chunk_ms: 20 } } },
		config: (sim) => ({ ...demoConfig(sim), log: { requests: false } }),
	});
	await grayd.ctl(["weight", "demo", 30]);
	const fds = isRoot ? descriptors(grayd.pid) : 0;
	const load = mixedLoad(grayd.url, { seconds, rate: sanitized ? 200 : 1000 });
	const end = performance.now() + seconds * 1000;
	let reloads = 0;

	while (performance.now() < end) {
		const next = performance.now() + 500;
		await mustReload(grayd, { workers: 2 + (reloads++ % 2) });
		await until("half a second", () => performance.now() >= next);
	}
	const { short, long: streams } = await load.finish();
	await oneGeneration(grayd);
	t.diagnostic(`${reloads} reloads, ${short.rows.length} requests, ${streams.rows.length} streams`);
	assert.ok(reloads >= seconds, `${reloads} reloads in ${seconds} s`);
	const stats = await settledStats(grayd, until);
	assert.equal(stats.grayd.lost, 0);
	assert.equal(stats.grayd.started, short.rows.length + streams.rows.length);
	assert.equal((await grayd.status()).releases.demo.set_percent, 30);
	if (isRoot) {
		await until("only the new workers to be left", () => childrenOf(grayd.pid).length <= 5);
		assert.ok(descriptors(grayd.pid) <= fds + 2, `${fds} descriptors became ${descriptors(grayd.pid)}`);
	}
	assert.deepEqual(events(grayd, "child_ended").filter(({ level }) => level !== "info"), []);
});

test("a connection that is open when its worker retires gets its answer, and then its end", async (t) => {
	const { grayd } = await startPair(t, { config: (sim) => demoConfig(sim, { workers: 1 }) });
	const idle = connect(grayd.url), used = connect(grayd.url);

	used.send(chat());
	await used.count(1);
	assert.notEqual(used.answers[0].headers.connection, "close");
	await until("both to be accepted", async () => (await workersOf(grayd))[0].open_connections === 2);
	await mustReload(grayd);
	// Longer than anybody's request is on its way: the old worker is patient.
	const later = performance.now() + 300;
	await until("a while", () => performance.now() > later);
	for (const wire of [idle, used]) {
		const had = wire.answers.length;
		wire.send(chat());
		await wire.count(had + 1);
		assert.equal(wire.answers[had].status, 200);
		assert.equal(wire.answers[had].headers.connection, "close");
		wire.destroy();
	}
	await oneGeneration(grayd, 5 * patience);
});

test("a stream that began under the old config ends under it", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { "*": { tokens: 60, chunk_ms: 20 } } },
	});
	const wire = connect(grayd.url);

	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	await mustReload(grayd);
	assert.equal(wire.answers.length, 0, "the stream was over too early for this test");
	assert.ok((await workersOf(grayd)).some(({ generation }) => generation === 1));
	await wire.count(1);
	assert.ok(wire.answers[0].body.toString().endsWith("data: [DONE]\n\n"));
	wire.destroy();
	await oneGeneration(grayd, 5 * patience);
});

test("the drain ends after drain_ms, and says so to who still streams", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { "*": { tokens: 100000, chunk_ms: 20 } } },
		config: (sim) => ({ ...demoConfig(sim), limits: { drain_ms: 500 } }),
	});
	const wire = connect(grayd.url);

	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	await mustReload(grayd);
	await oneGeneration(grayd, 3 * patience);
	await wire.until(() => wire.ended || wire.closed);
	wire.destroy();
});

test("listen addresses come and go", async (t) => {
	const { grayd } = await startPair(t, {});
	const unix = `unix:${join(grayd.dir, "more.sock")}`;
	const kept = grayd.config.listen[0];

	await mustReload(grayd, { listen: [kept, unix] });
	const status = await grayd.status();
	assert.equal(status.grayd.listen[0], grayd.url.replace("http://", ""));
	assert.equal(status.grayd.listen[1], unix);
	for (const url of [grayd.url, unix]) {
		const wire = connect(url);
		wire.send(chat());
		await wire.count(1);
		assert.equal(wire.answers[0].status, 200);
		wire.destroy();
	}
	await mustReload(grayd, { listen: [unix] });
	await oneGeneration(grayd);
	await assert.rejects(post(grayd.url, {}), /ECONNREFUSED/);
	await mustReload(grayd, { listen: [kept] });
	assert.throws(() => readFileSync(unix.slice(5)), { code: "ENOENT" });
});

test("an address that cannot be had changes nothing", async (t) => {
	const grayd = await startSmall(t);
	const { code, json } = await reload(grayd, { listen: ["127.0.0.1:0", "unix:/nowhere/at/all.sock"] });

	assert.equal(code, 1);
	assert.match(json.error, /listen: cannot listen on unix:\/nowhere\/at\/all\.sock: No such file/);
	assert.equal((await workersOf(grayd))[0].generation, 1);
	if (isRoot) assert.equal(childrenOf(grayd.pid).length, (await grayd.ctl(["-j", "workers"])).json.workers.length);
});

// ---- bad configs ----------------------------------------------------------------------------------

// The cases of tests/config/bad.txt: a name, a text (with marks for what every good config has), and
// the message behind the file's name.
function badConfigs() {
	const text = readFileSync(new URL("../config/bad.txt", import.meta.url), "utf8");
	const parts = {
		"@P": '"providers": { "p": { "base_url": "http://127.0.0.1:1/v1" } }',
		"@M": '"models": { "a": { "provider": "p" }, "b": { "provider": "p" } }',
		"@R": '"releases": { "r": { "stable": "a", "candidate": "b" } }',
	};
	parts["@B"] = Object.values(parts).join(", ");
	parts["@H"] = "0123456789abcdef".repeat(4);

	return text.split(/^=== /m).slice(1).map((one) => {
		const [name, ...lines] = one.trimEnd().split("\n");
		const message = lines.pop().replace(/^--- /, "");
		const body = lines.join("\n").replace(/@[PMRBH]/g, (word) => parts[word]);
		return { name, body, message };
	});
}

test("no bad config changes anything, and each is named", async (t) => {
	const grayd = await startSmall(t);
	const all = badConfigs();
	const some = long ? all : all.filter((_, i) => i % 2 === 0);
	const before = JSON.stringify(await workersOf(grayd).then((all) => all.map(({ pid }) => pid)));
	const { revision } = (await grayd.status()).grayd;

	assert.ok(some.length >= 50);
	for (const { name, body, message } of some) {
		const { code, json } = await reload(grayd, body);

		assert.equal(code, 1, name);
		assert.equal(json.code, "refused", name);
		assert.equal(json.error, `${configFile(grayd)}:${message}`, name);
	}
	assert.equal(JSON.stringify(await workersOf(grayd).then((all) => all.map(({ pid }) => pid))), before);
	assert.equal((await grayd.status()).grayd.revision, revision);
	writeConfig(grayd, grayd.config);
});

test("what a reload cannot change is refused by name", async (t) => {
	const grayd = await startSmall(t);

	for (const [key, value] of [
		["control_socket", join(grayd.dir, "other.sock")],
		["state_dir", join(grayd.dir, "elsewhere")],
		["user", isRoot ? "daemon" : "root"],
	]) {
		const { code, json } = await reload(grayd, { [key]: value });
		assert.equal(code, 1);
		assert.ok(json.error.includes(`${key}: a reload cannot change it`), json.error);
	}
});

test("a missing key of a provider is named, a remembered one is found again", async (t) => {
	const provider = { base_url: "http://127.0.0.1:1/v1" };
	const withKey = (env) => ({ nowhere: { ...provider, api_key: { env } } });
	const grayd = await startGrayd({
		config: { ...smallConfig(), providers: withKey("GRAYD_TEST_KEY") },
		env: { GRAYD_TEST_KEY: "sk-remembered" },
	});
	t.after(() => grayd.stop());

	await mustReload(grayd, { workers: 1 });
	const { code, json } = await reload(grayd, { providers: withKey("GRAYD_TEST_NO_KEY") });
	assert.equal(code, 1);
	assert.match(json.error, /providers\.nowhere\.api_key: environment variable GRAYD_TEST_NO_KEY is not set/);
});

test("a generation that cannot start is given up", root, async (t) => {
	const { grayd } = await startPair(t, {});
	const pids = (await workersOf(grayd)).map(({ pid }) => pid);
	const used = new Set(readdirSync(`/proc/${grayd.pid}/fd`).map(Number));
	let limit = 0;

	// Room for this command's connection and for the config's file, but not for a pair of sockets.
	for (let free = 0; free < 2; limit++) free += !used.has(limit);
	execFileSync("prlimit", ["--pid", grayd.pid, `--nofile=${limit}:`]);
	const { code, json } = await reload(grayd, { workers: 3 });
	execFileSync("prlimit", ["--pid", grayd.pid, "--nofile=1024:"]);
	assert.equal(code, 1);
	assert.equal(json.code, "refused");
	assert.match(json.error, /did not become ready/);
	assert.deepEqual((await oneGeneration(grayd)).map(({ pid }) => pid), pids);
	assert.equal((await post(grayd.url, {})).status, 200);
	await mustReload(grayd, { workers: 3 });
	assert.equal((await oneGeneration(grayd)).length, 3);
});

// ---- rollouts ---------------------------------------------------------------------------------------

const threeModels = (sim, release = {}) => ({
	...demoConfig(sim, { release }),
	models: { old: { provider: "sim" }, new: { provider: "sim" }, third: { provider: "sim" } },
});

test("a rollout goes on through a reload, by name", async (t) => {
	const { sim, grayd } = await startPair(t, { config: (sim) => threeModels(sim) });
	const other = { stable: "old", candidate: "new" };

	await grayd.ctl(["stage", "demo", 30]);
	const before = (await grayd.status()).releases.demo;
	await mustReload(grayd, { releases: { another: other, demo: { ...other, attempts: 2 } } });
	const after = await grayd.status();
	for (const key of ["state", "stage", "set_percent", "published_percent", "revision"])
		assert.equal(after.releases.demo[key], before[key], key);
	assert.deepEqual([after.releases.another.state, after.releases.another.set_percent], ["idle", 0]);
	await mustReload(grayd, { releases: { another: other } });
	assert.deepEqual(Object.keys((await grayd.status()).releases), ["another"]);
	assert.match(events(grayd, "release_removed")[0].message, /^demo: /);
	assert.equal((await post(grayd.url, {})).status, 404);
	assert.ok(sim);
});

test("the share of one candidate is never passed on to another", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { "*": { tokens: 40, chunk_ms: 10 } } },
		config: (sim) => threeModels(sim),
	});

	await grayd.ctl(["stage", "demo", 100]);
	assert.equal((await post(grayd.url, {})).headers["x-gray-model"], "new");
	const wire = connect(grayd.url);
	wire.send(chat(STREAM));
	await wire.until(() => wire.receivedBytes > 600);
	writeConfig(grayd, { releases: { demo: { stable: "old", candidate: "third" } } });
	const { stdout } = await grayd.ctl(["reload", "--reason", "a better one", "--timeout", 30]);
	assert.match(stdout, /\ndemo: its rollout is over, since the config has other models for it;/);
	const { history } = (await grayd.ctl(["-j", "history", "demo"])).json;
	assert.equal(history.at(-1).reason, "a better one");
	const { demo } = (await grayd.status()).releases;
	assert.deepEqual([demo.state, demo.set_percent, demo.stage], ["idle", 0, 0]);
	assert.match(events(grayd, "rollout_ended")[0].message, /its models have changed/);
	assert.equal((await post(grayd.url, {})).headers["x-gray-model"], "old");
	await wire.count(1);
	// The old worker, which still has the old candidate, does not give it anything either.
	wire.destroy();
	assert.equal((await sim.ledger()).filter(({ model }) => model === "third").length, 0);
});

test("whoever was on the new stable model before the reload stays there", async (t) => {
	const { grayd } = await startPair(t, { config: (sim) => ({ ...threeModels(sim), workers: 1 }) });
	const wire = connect(grayd.url);

	await grayd.ctl(["stage", "demo", 100]);
	wire.send(chat());
	await wire.count(1);
	await mustReload(grayd, { releases: { demo: { stable: "new", candidate: "third" } } });
	// This connection is still with a worker for which "new" is the candidate.
	wire.send(chat());
	await wire.count(2);
	assert.equal(wire.answers[1].headers["x-gray-model"], "new");
	wire.destroy();
	assert.equal((await post(grayd.url, {})).headers["x-gray-model"], "new");
	assert.equal((await grayd.status()).releases.demo.state, "idle");
});

test("a rollback during a reload holds in the old workers too", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { "*": { tokens: 60, chunk_ms: 20 } } },
	});
	const wires = [connect(grayd.url), connect(grayd.url), connect(grayd.url), connect(grayd.url)];

	await grayd.ctl(["stage", "demo", 100]);
	for (const wire of wires) wire.send(chat(STREAM));
	for (const wire of wires) await wire.until(() => wire.receivedBytes > 600);
	const idle = connect(grayd.url);
	idle.send(chat());
	await idle.count(1);
	assert.equal(idle.answers[0].headers["x-gray-model"], "new");
	await mustReload(grayd, { workers: 1 });
	const { json } = await grayd.ctl(["-j", "rollback", "demo"]);
	assert.ok(json.receipt.acknowledged >= 2, JSON.stringify(json.receipt));
	idle.send(chat());
	await idle.count(2);
	assert.equal(idle.answers[1].headers["x-gray-model"], "old");
	for (const wire of wires) await wire.count(1);
	for (const wire of [idle, ...wires]) wire.destroy();
	assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 5);
});

test("when the master is killed in the midst of a reload, every process leaves", root, async (t) => {
	const grayd = await startSmall(t);

	writeConfig(grayd, { workers: 4 });
	grayd.child.kill("SIGHUP");
	await until("the new workers to be there", () => childrenOf(grayd.pid).length > 2);
	const children = childrenOf(grayd.pid);
	grayd.child.kill("SIGKILL");
	await grayd.exited;
	await until("all children to leave", () => children.every((pid) => !isAlive(pid)), 5 * patience);
	const again = await startGrayd({ config: { ...grayd.config, workers: 1 } });
	await again.stop();
});

// ---- the service manager ------------------------------------------------------------------------------

test("a socket that the service manager has opened is used, before and after a reload", async (t) => {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const at = `127.0.0.1:${server.address().port}`;
	const sim = await startSim({});
	t.after(() => sim.stop());
	// A shell puts its own pid where systemd would put that of the service.
	const program = join(mkdtempSync(join(tmpdir(), "grayd-bin-")), "grayd");
	writeFileSync(program,
		`#!/bin/sh\nLISTEN_PID=$$ LISTEN_FDS=1 exec "${join(build, "grayd")}" "$@"\n`, { mode: 0o755 });
	chmodSync(dirname(program), 0o755);
	const grayd = await startGrayd({
		config: { ...demoConfig(sim), listen: [at, "127.0.0.1:0"] }, program, fds: [server._handle.fd],
	});
	t.after(async () => {
		await grayd.stop();
		rmSync(dirname(program), { recursive: true });
	});

	server.close();
	assert.equal((await post(`http://${at}`, {})).status, 200);
	await mustReload(grayd);
	await oneGeneration(grayd);
	assert.equal((await post(`http://${at}`, {})).status, 200);
	assert.equal((await post(grayd.urls[1], {})).status, 200);
});
