// SPDX-License-Identifier: MIT
// alone: it measures times.
// Master and workers: deaths of every kind, stopping, draining, logs, and what a worker may not have.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, closeSync, readSync, constants, readFileSync, renameSync, statSync } from "node:fs";
import net from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { isRoot, NOBODY, startGrayd, until } from "./lib/grayd.mjs";
import { countBy, demoConfig, load, patience, sanitized, settledStats, startLoad, startPair } from "./lib/load.mjs";
import { descriptorsOf, isAlive, listeningInodes, processorMs, runAs, statusOf, titleOf, unixPaths,
	workersOf } from "./lib/proc.mjs";
import { chatBody, connect, post, requestText } from "./lib/wire.mjs";

const CHAT = "/v1/chat/completions";
const withConfig = (more) => (sim) => demoConfig(sim, more);
const pidsOf = async (grayd) => (await workersOf(grayd)).map(({ pid }) => pid);
const rootOnly = { skip: !isRoot && "needs root" };

const timeOf = (event) => Date.parse(event.time);
const eventsOf = (grayd, name) => grayd.logLines().filter(({ event }) => event === name);

// The log's event of the worker that took the place `index`, once it is ready.
async function untilReplaced(grayd, index, oldPid) {
	const { pid } = await until("a new worker", async () =>
		(await workersOf(grayd)).find((w) => w.index === index && w.pid !== oldPid && w.state === "ready"),
	20 * patience);
	return eventsOf(grayd, "child_ready").find(({ message }) => message.includes(`(pid ${pid})`));
}

// Watches the totals until stopped; they may never fall.
function watchTotals(grayd) {
	let stop = false, last = {}, looks = 0;
	const watching = (async () => {
		while (!stop || looks < 5) {
			const { json } = await grayd.ctl(["-j", "stats"]);
			const { stable, candidate } = json.releases.demo.arms;
			const now = { started: json.grayd.started, finished: json.grayd.finished + json.grayd.lost,
				connections: json.grayd.connections, stable: stable.requests, candidate: candidate.requests,
				stableOk: stable.ok, candidateOk: candidate.ok };
			for (const key of Object.keys(last))
				assert.ok(now[key] >= last[key], `${key} fell from ${last[key]} to ${now[key]}`);
			last = now;
			looks++;
		}
	})();
	return async () => {
		stop = true;
		await watching;
	};
}

const CONNECTIONS = 32;
const busy = { script: { models: { "*": { latency_ms: { uniform: [0, 30] } } } } };

for (const signal of ["SIGKILL", "SIGSEGV"]) {
	test(`a worker dies of ${signal} under load`, async (t) => {
		const { grayd } = await startPair(t, busy);
		await grayd.ctl(["stage", "demo", 50]);
		const client = startLoad(grayd.url, { m: "demo", c: CONNECTIONS, d: 60 });
		await until("some requests", async () =>
			(await grayd.ctl(["-j", "stats"])).json.grayd.finished > 200, 20);
		const stopWatching = watchTotals(grayd);
		const [{ index, pid, open_connections: its }] = await workersOf(grayd);

		const killedMs = Date.now();
		process.kill(pid, signal);
		const ready = await untilReplaced(grayd, index, pid);
		const respawnMs = timeOf(ready) - killedMs;
		const { finished } = (await grayd.ctl(["-j", "stats"])).json.grayd;
		await until("more requests", async () =>
			(await grayd.ctl(["-j", "stats"])).json.grayd.finished > finished + 200, 20);
		await stopWatching();
		client.child.kill("SIGINT");
		const { rows } = await client.done;
		const { grayd: totals } = await settledStats(grayd, until);
		const verdicts = countBy(rows, "verdict");
		const broken = rows.filter(({ verdict }) => !["ok", "stopped"].includes(verdict));

		t.diagnostic(`ready after ${respawnMs} ms, ${totals.lost} lost, ${broken.length} broken for clients, ` +
			`of ${its} connections`);
		// The sanitizers make a report of a SIGSEGV before they let go.
		const reportMs = sanitized && signal === "SIGSEGV" ? 5000 : 0;
		assert.ok(respawnMs <= 200 * patience + reportMs, `${respawnMs} ms`);
		assert.equal(totals.started, totals.finished + totals.lost);
		assert.ok(totals.lost <= its, `${totals.lost} lost`);
		assert.equal(totals.restarts, 1);
		// Whoever is connected to the others notices nothing.
		assert.ok(broken.length <= its, `${broken.length} broken`);
		for (const { verdict, status } of broken)
			assert.ok(["no_answer", "incomplete", "connect_error"].includes(verdict) && status < 400, verdict);
		assert.equal(verdicts("truncated") + verdicts("mixed") + verdicts("extra"), 0);
		if (signal === "SIGSEGV")
			assert.match(grayd.stderr(), sanitized ? /AddressSanitizer/ : /worker 0 \(pid \d+\) dies of signal 11/);
	});
}

test("a worker that is stopped is replaced, and others serve meanwhile", async (t) => {
	const { grayd } = await startPair(t, { config: withConfig({ workers: 3 }) });
	const [{ index, pid }] = await workersOf(grayd);

	process.kill(pid, "SIGSTOP");
	const stoppedMs = Date.now();
	const client = startLoad(grayd.url, { m: "demo", r: 100, d: 4, close: true });
	const ready = await untilReplaced(grayd, index, pid);
	const replacedMs = timeOf(ready) - stoppedMs;
	const { rows } = await client.done;
	const slowest = Math.max(...rows.map(({ start, end }) => end - start));

	t.diagnostic(`replaced after ${replacedMs} ms; slowest of ${rows.length} answers ${slowest} us`);
	assert.ok(replacedMs >= 1500, "too early: it may only have been slow");
	assert.ok(replacedMs <= 3500, `${replacedMs} ms`);
	assert.equal(countBy(rows, "verdict")("ok"), rows.length);
	assert.ok(slowest < 500000 * patience, `${slowest} us`);
	assert.ok(!isAlive(pid));
});

test("all workers die at once: who connects meanwhile is served by the next ones", async (t) => {
	const { grayd } = await startPair(t);
	const old = await pidsOf(grayd);

	for (const pid of old) process.kill(pid, "SIGKILL");
	const answers = await Promise.all(Array.from({ length: 50 }, () => post(grayd.url, {})));
	assert.ok(answers.every(({ status }) => status === 200));
	const now = await pidsOf(grayd);
	assert.ok(now.every((pid) => !old.includes(pid)));
	assert.equal((await settledStats(grayd, until)).grayd.restarts, 2);
});

test("a worker that dies again and again is started more and more slowly", async (t) => {
	const { grayd } = await startPair(t);
	const delays = [];
	let [{ index, pid }] = await workersOf(grayd);

	for (let i = 0; i < 4; i++) {
		const killed = Date.now();
		process.kill(pid, "SIGKILL");
		const ready = await untilReplaced(grayd, index, pid);
		delays.push(timeOf(ready) - killed);
		({ pid } = (await workersOf(grayd)).find((worker) => worker.index === index));
	}
	t.diagnostic(`ready after ${delays.join(", ")} ms`);
	for (const [i, least] of [0, 100, 200, 400].entries()) {
		assert.ok(delays[i] >= least - 5, `${delays}`);
		assert.ok(delays[i] <= least + 200 * patience, `${delays}`);
	}
	assert.equal((await post(grayd.url, {})).status, 200);
});

const SLOW = { models: { "*": { tokens: 20, chunk_ms: 50 } } };

async function beginStream(url, more) {
	const wire = connect(url);

	wire.send(requestText("POST", CHAT, { body: chatBody({ stream: true, ...more }) }));
	await wire.until(() => wire.receivedBytes > 600);
	assert.equal(wire.answers.length, 0, "the stream was over too early");
	return wire;
}

const isWhole = (wire) => wire.answers[0]?.body.toString().endsWith("data: [DONE]\n\n");

async function isRefused(url) {
	const socket = net.connect({ host: "127.0.0.1", port: Number(new URL(url).port) });
	const connected = await new Promise((done) => {
		socket.once("connect", () => done(true));
		socket.once("error", () => done(false));
	});
	socket.destroy();
	return !connected;
}

test("SIGTERM lets streams end, and takes nobody new", async (t) => {
	const { sim, grayd } = await startPair(t, { script: SLOW });
	const pids = await pidsOf(grayd);
	const idle = connect(grayd.url);
	await idle.ready;
	const streams = await Promise.all(Array.from({ length: 8 }, () => beginStream(grayd.url)));

	grayd.child.kill("SIGTERM");
	await idle.end();
	await until("the port to be closed", () => isRefused(grayd.url));
	assert.ok(streams.every(({ answers }) => answers.length === 0));
	await Promise.all(streams.map((wire) => wire.end()));
	assert.ok(streams.every(isWhole));
	assert.deepEqual(await grayd.exited, { code: 0, signal: null });
	assert.ok(pids.every((pid) => !isAlive(pid)));
	assert.ok(!existsSync(grayd.socket));
	assert.ok((await sim.ledger()).every(({ state }) => state === "finished"));
});

test("a second SIGTERM ends everything at once", async (t) => {
	const { grayd } = await startPair(t, { script: SLOW });
	const pids = await pidsOf(grayd);
	const wire = await beginStream(grayd.url);

	grayd.child.kill("SIGTERM");
	await until("it to be stopping", () => eventsOf(grayd, "stopping").length === 1);
	const begin = performance.now();
	grayd.child.kill("SIGTERM");
	await grayd.exited;
	assert.ok(performance.now() - begin < 500 * patience);
	await wire.end();
	assert.ok(!isWhole(wire));
	assert.ok(pids.every((pid) => !isAlive(pid)));
});

test("drain_ms bounds the end: what is left then is told so", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { old: { tokens: 2000, chunk_ms: 50 }, new: { latency_ms: 60000 } } },
		config: withConfig({ limits: { drain_ms: 400 } }),
	});
	const stream = await beginStream(grayd.url);
	const whole = connect(grayd.url);
	whole.send(requestText("POST", CHAT, { headers: { "x-gray-arm": "candidate" }, body: chatBody() }));
	await until("both", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.started === 2);

	const begin = performance.now();
	grayd.child.kill("SIGTERM");
	await Promise.all([stream.end(), whole.end(), grayd.exited]);
	const ms = performance.now() - begin;
	assert.ok(ms >= 380 && ms < 400 + 1000 * patience, `${ms} ms`);
	assert.equal(whole.answers[0].status, 503);
	assert.equal(JSON.parse(whole.answers[0].body).error.code, "shutting_down");
	const text = stream.rest().toString() + (stream.answers[0]?.body ?? "");
	assert.match(text, /data: \{"error":/);
	assert.doesNotMatch(text, /\[DONE\]/);
});

test("the master is killed: streams end well, a new master starts at once in its place", async (t) => {
	const { sim, grayd } = await startPair(t, { script: SLOW });
	const pids = await pidsOf(grayd);
	const stream = await beginStream(grayd.url);

	grayd.child.kill("SIGKILL");
	await once(grayd.child, "exit"); // its workers still hold its standard error
	const begin = performance.now();
	const next = await startGrayd({ dir: grayd.dir,
		config: { ...demoConfig(sim), listen: [new URL(grayd.url).host] } });
	t.after(() => next.stop());
	t.diagnostic(`ready after ${(performance.now() - begin).toFixed(0)} ms`);
	assert.equal(next.url, grayd.url);
	assert.equal(stream.answers.length, 0, "the stream was over too early");
	for (let i = 0; i < 20; i++) assert.equal((await post(next.url, {})).status, 200);
	assert.equal((await settledStats(next, until)).grayd.finished, 20);
	await stream.end();
	assert.ok(isWhole(stream));
	await until("the old workers to leave", () => pids.every((pid) => !isAlive(pid)), 5 * patience);
});

test("the master is killed: its workers leave within drain_ms", async (t) => {
	const { grayd } = await startPair(t, {
		script: { models: { "*": { latency_ms: 60000 } } },
		config: withConfig({ limits: { drain_ms: 500 } }),
	});
	const pids = await pidsOf(grayd);
	const answer = post(grayd.url, {});
	await until("the request", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.started === 1);

	grayd.child.kill("SIGKILL");
	const begin = performance.now();
	assert.equal((await answer).status, 503);
	await until("all workers to leave", () => pids.every((pid) => !isAlive(pid)), 5 * patience);
	const ms = performance.now() - begin;
	assert.ok(ms < 500 + 1000 * patience, `${ms} ms`);
});

test("without a master no new attempt goes to the candidate", async (t) => {
	const { sim, grayd } = await startPair(t);
	const wire = connect(grayd.url);
	const text = requestText("POST", CHAT, { body: chatBody() });

	await grayd.ctl(["stage", "demo", 100]);
	wire.send(text.slice(0, -10));
	await until("the request", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.started === 1);
	grayd.child.kill("SIGKILL");
	await until("the workers to notice", () => eventsOf(grayd, "master_gone").length === 2);
	wire.send(text.slice(-10));
	await wire.end();
	assert.equal(wire.answers[0].status, 200);
	assert.equal(wire.answers[0].headers["x-gray-arm"], "stable");
	assert.deepEqual((await sim.ledger()).map(({ model }) => model), ["old"]);
});

for (const how of ["SIGUSR1", "grayctl reopen"]) {
	test(`${how}: every process logs into the new file`, rootOnly, async (t) => {
		const { grayd } = await startPair(t);
		const log = grayd.config.log.file;
		const pids = [grayd.pid, ...(await pidsOf(grayd))];
		const logsOf = (pid) => Object.values(descriptorsOf(pid)).filter((path) => path.startsWith(log));

		const count = (file) => readFileSync(file, "utf8").match(/"event":"request"/g)?.length ?? 0;

		await load(grayd.url, { m: "demo", n: 200, c: 8 });
		await until("all lines", () => count(log) === 200);
		renameSync(log, `${log}.1`);
		for (const pid of pids) assert.deepEqual(logsOf(pid), [`${log}.1`]);
		if (how === "SIGUSR1") grayd.child.kill("SIGUSR1");
		else assert.equal((await grayd.ctl(["reopen"])).code, 0);
		await until("all to have the new file", () =>
			existsSync(log) && pids.every((pid) => logsOf(pid).join() === log));
		await load(grayd.url, { m: "demo", n: 300, c: 8 });
		await until("all lines", () => count(log) === 300);
		assert.equal(count(`${log}.1`), 200);
		assert.equal(eventsOf(grayd, "reopened").length, 1);
		assert.equal(statSync(log).mode & 0o777, 0o640);
	});
}

test("workers run as another user and cannot become root again", rootOnly, async (t) => {
	const { grayd } = await startPair(t);

	for (const pid of await pidsOf(grayd)) {
		const status = statusOf(pid);
		assert.equal(status.Uid, "65534\t65534\t65534\t65534");
		assert.equal(status.Gid, "65534\t65534\t65534\t65534");
		assert.equal(status.Groups, "");
		for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
			assert.equal(parseInt(status[set], 16), 0, set);
		assert.equal(status.NoNewPrivs, "1");
	}
	assert.equal(statusOf(grayd.pid).Uid, "0\t0\t0\t0");
});

test("nobody but root can read the memory of any process, and there are no cores", rootOnly, async (t) => {
	const { grayd } = await startPair(t, { env: { SOME_API_KEY: "canary-0123456789" } });

	for (const pid of [grayd.pid, ...(await pidsOf(grayd))]) {
		for (const file of ["mem", "environ", "maps", "fd/0", "auxv"])
			assert.match(await runAs(NOBODY, "cat", `/proc/${pid}/${file}`), /Permission denied/, file);
		assert.match(readFileSync(`/proc/${pid}/limits`, "utf8"), /Max core file size\s+0\s+0/);
		assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, "utf8"), /[=]|canary/);
	}
});

test("a worker has no descriptor that is not its own", rootOnly, async (t) => {
	const { grayd } = await startPair(t, { config: withConfig({ workers: 3 }) });
	const listening = listeningInodes(), paths = unixPaths();
	const owners = new Map();
	const all = [grayd.pid, ...(await pidsOf(grayd))];

	for (const pid of all) {
		const mine = new Set();
		for (const [fd, target] of Object.entries(descriptorsOf(pid))) {
			const [, kind, inode] = /^(socket|pipe):\[(\d+)\]$/.exec(target) ?? [];
			if (fd <= 2 || listening.has(inode)) continue;
			if (inode !== undefined) {
				mine.add(inode);
				assert.ok(pid === grayd.pid || paths[inode] !== grayd.socket, "the control socket");
			} else if (pid !== grayd.pid) {
				assert.ok([grayd.config.log.file, "anon_inode:[eventpoll]", "anon_inode:[eventfd]"]
					.includes(target), `worker ${pid} has ${fd} -> ${target}`);
			}
		}
		// One end of its pair at least; and no end of anybody else's.
		assert.ok(mine.size >= 1);
		for (const inode of mine) {
			assert.ok(!owners.has(inode), `${inode} of ${owners.get(inode)} is also ${pid}'s`);
			owners.set(inode, pid);
		}
	}
});

test("64 descriptors and 500 connections: no spinning, and all is well when they leave", async (t) => {
	const { grayd } = await startPair(t, { wrap: ["prlimit", "--nofile=64:64"] });
	const pids = [grayd.pid, ...(await pidsOf(grayd))];
	const clients = Array.from({ length: 500 }, () => connect(grayd.url));

	t.after(() => clients.forEach((wire) => wire.destroy()));
	for (const wire of clients) wire.send("GET /v1/mod");
	await until("the descriptors to be used up", () =>
		eventsOf(grayd, "descriptors_exhausted").length > 0, 10);
	const before = pids.map(processorMs), from = performance.now();
	let answered = 0;
	while (performance.now() - from < 1500) {
		assert.equal((await grayd.ctl(["status"])).code, 0);
		answered++;
		await new Promise((next) => setTimeout(next, 20));
	}
	const wall = performance.now() - from;
	for (const [i, pid] of pids.entries()) {
		const share = (100 * (processorMs(pid) - before[i])) / wall;
		assert.ok(share < 20 * Math.min(patience, 3), `${titleOf(pid)}: ${share.toFixed(0)} % of a processor`);
	}
	assert.ok(answered > 10);
	for (const wire of clients) wire.destroy();
	const left = performance.now();
	assert.equal((await post(grayd.url, {})).status, 200);
	const ms = performance.now() - left;
	t.diagnostic(`grayctl answered ${answered} times; recovered after ${ms.toFixed(0)} ms`);
	assert.ok(ms < 1000 * patience, `${ms} ms`);
	const { rows } = await load(grayd.url, { m: "demo", n: 500, c: 16 });
	assert.equal(countBy(rows, "verdict")("ok"), 500);
	assert.deepEqual([grayd.pid, ...(await pidsOf(grayd))], pids);
});

const LINES = 3000;

// Reads what waits in a FIFO and what still comes, until `enough` says so.
async function drainFifo(path, enough) {
	const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
	const chunk = Buffer.alloc(65536);
	let text = "";

	try {
		await until("the rest of the log", () => {
			for (;;) {
				let n = 0;
				try {
					n = readSync(fd, chunk);
				} catch (error) {
					if (error.code !== "EAGAIN") throw error;
				}
				if (n <= 0) return enough(text);
				text += chunk.toString("utf8", 0, n);
			}
		}, 10 * patience);
	} finally {
		closeSync(fd);
	}
	return text;
}

async function loadWithStalledLog(t, grayd) {
	const { rows } = await load(grayd.url, { m: "demo", n: LINES, c: 8 });
	const slowest = Math.max(...rows.map(({ start, end }) => end - start));

	assert.equal(countBy(rows, "verdict")("ok"), LINES);
	t.diagnostic(`slowest answer: ${slowest} us`);
	assert.ok(slowest < 500000 * patience, `${slowest} us`);
	const { log_dropped: dropped } = await until("the drops to be counted", async () => {
		const { json } = await grayd.ctl(["-j", "stats"]);
		return json.grayd.log_dropped > 0 && json.grayd;
	});
	return dropped;
}

const requestLines = (text) => text.match(/"event":"request"/g)?.length ?? 0;

test("a log that nobody reads stalls no request, and drops are counted", async (t) => {
	let fifo;
	const { grayd } = await startPair(t, {
		config: (sim) => {
			fifo = join(execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim(), "log");
			t.after(() => execFileSync("rm", ["-r", join(fifo, "..")]));
			execFileSync("mkfifo", [fifo]);
			return demoConfig(sim, { log: { file: fifo } });
		},
	});
	const dropped = await loadWithStalledLog(t, grayd);

	t.diagnostic(`${dropped} lines dropped`);
	// With a reader the log goes on, says how much is missing, and adds up.
	const lostIn = (text) => [...text.matchAll(/"message":"(\d+) lines were lost/g)]
		.reduce((sum, [, n]) => sum + Number(n), 0);
	let more = 0;
	const text = await drainFifo(fifo, async (now) => {
		if (lostIn(now) >= dropped) return requestLines(now) + lostIn(now) === LINES + more;
		await post(grayd.url, {});
		more++;
		return false;
	});
	for (const line of text.split("\n").slice(0, -1)) JSON.parse(line);
});

test("a reader of standard error that has stopped stalls no request", async (t) => {
	const { grayd } = await startPair(t, { config: withConfig({ log: { file: "stderr" } }) });

	grayd.child.stderr.pause();
	const dropped = await loadWithStalledLog(t, grayd);
	assert.equal((await grayd.ctl(["weight", "demo", 5])).code, 0);
	t.diagnostic(`${dropped} lines dropped`);
	grayd.child.stderr.resume();
	await until("the log to go on", async () => {
		await post(grayd.url, {});
		return /lines were lost/.test(grayd.stderr());
	});
});

test("a pinned worker has a processor to itself, others go where they may", async (t) => {
	const [pinned, free] = await Promise.all([true, false].map((pin_workers) =>
		startPair(t, { config: withConfig({ workers: 2, pin_workers }) })));
	const own = statusOf(process.pid).Cpus_allowed_list;
	const lists = async ({ grayd }) => (await pidsOf(grayd)).map((pid) => statusOf(pid).Cpus_allowed_list);

	assert.equal(statusOf(pinned.grayd.pid).Cpus_allowed_list, own);
	assert.deepEqual(await lists(free), [own, own]);
	for (const list of await lists(pinned)) assert.match(list, /^\d+$/);
	if (availableParallelism() > 1) assert.equal(new Set(await lists(pinned)).size, 2);
	assert.deepEqual(eventsOf(pinned.grayd, "pin_workers"), []);
});

test("titles tell what a process is and does", async (t) => {
	const { grayd } = await startPair(t, { script: SLOW });
	const workers = await workersOf(grayd);

	assert.equal(titleOf(grayd.pid), `grayd: master ${join(grayd.dir, "grayd.json")}`);
	for (const { index, pid } of workers) assert.equal(titleOf(pid), `grayd: worker ${index}`);
	const stream = await beginStream(grayd.url);
	grayd.child.kill("SIGTERM");
	await until("the title to tell", () => titleOf(grayd.pid) === "grayd: master, stopping");
	await stream.end();
});
