// SPDX-License-Identifier: MIT
// alone: it measures times.
// The control socket and grayctl against a real grayd: every verb and exit code, rights, races, and
// clients that are slow, rude, silent, or gone.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NOBODY, grayctl, isRoot, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { long, patience } from "./lib/load.mjs";

const STATUS = '{"v":1,"cmd":"status"}\n';

// A raw connection to the socket that collects lines. A full queue refuses at once (EAGAIN): again.
async function dial(grayd) {
	for (;;) {
		const socket = connect({ path: grayd.socket, allowHalfOpen: true });
		const raw = { socket, text: "", closed: false };
		socket.on("data", (data) => (raw.text += data));
		socket.on("end", () => (raw.ended = true));
		socket.on("close", () => (raw.closed = true));
		const error = await new Promise((done) => socket.once("connect", () => done()).on("error", done));
		if (error?.code === "EAGAIN") continue;
		if (error) throw error;
		raw.lines = () => raw.text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
		raw.answers = (n) => until(`${n} answers`, () => raw.lines().length >= n && raw.lines());
		raw.left = (seconds) => until("the end of the connection", () => raw.ended || raw.closed, seconds);
		return raw;
	}
}

async function ask(grayd, line) {
	const raw = await dial(grayd);
	raw.socket.write(line);
	const [answer] = await raw.answers(1);
	raw.socket.destroy();
	return answer;
}

const fresh = (state) => startGrayd({ config: { ...smallConfig(), ...state } });

// grayd is not dumpable: only root may look at its descriptors.
const root = { skip: !isRoot && "needs root" };

describe("verbs", () => {
	let grayd;
	before(async () => (grayd = await fresh()));
	after(() => grayd.stop());

	test("status tells what runs", async () => {
		const { code, json, stderr } = await grayd.ctl(["-j", "status"]);
		assert.equal(code, 0);
		assert.equal(stderr, "");
		assert.equal(json.ok, true);
		assert.equal(json.grayd.pid, grayd.pid);
		assert.equal(json.grayd.serving, true);
		assert.deepEqual(json.grayd.workers,
			{ configured: 2, alive: 2, ready: 2, draining: 0, acknowledged: 2, restarts: 0 });
		assert.match(json.grayd.listen[0], /^127\.0\.0\.1:[1-9]\d*$/);
		const { chat } = json.releases;
		assert.equal(chat.state, "idle");
		assert.deepEqual([chat.set_percent, chat.published_percent, chat.measured_percent], [0, 0, null]);
		assert.deepEqual(chat.stages, [10, 30, 50, 100]);
		const { asked, standing_text: why, ...candidate } = chat.arms.candidate;
		assert.match(asked, /^\d{4}-\d\d-\d\dT/);
		assert.match(why, /^models\.new: provider "nowhere" could not be asked for model "new-model": /);
		assert.deepEqual(candidate, { model: "new", name: "new-model", provider: "nowhere", standing: "unreachable",
			alarm: null, requests: 0, errors: 0, fallbacks: 0, in_flight: 0 });
		const text = await grayd.ctl(["status", "chat"]);
		assert.match(text.stdout, /^grayd \S+, pid \d+, up .+\nserving, 2 of 2 workers ready/);
		assert.match(text.stdout, /\nchat +idle +0 +0 % +0 % +- +1 /);
		assert.ok(!text.stdout.includes("\x1b"), "no colour where there is no terminal");
	});

	test("stage, weight and rollback change the share, and prove it", async () => {
		for (const [args, percent, stage, state] of [
			[["stage", "chat", "10", "--reason", "first"], 10, 10, "step"],
			[["weight", "chat", "12.34"], 12.34, 12, "step"],
			[["stage", "chat", "100"], 100, 100, "bake"],
			[["stage", "chat", "30"], 30, 30, "step"],
			[["rollback", "chat", "--reason", "tired"], 0, 0, "rolled_back"],
		]) {
			const before = (await grayd.status()).releases.chat.revision;
			const { code, json } = await grayd.ctl(["-j", ...args]);
			assert.equal(code, 0, args.join(" "));
			assert.equal(json.revision, before + 1);
			assert.equal(json.changed, true);
			assert.deepEqual([json.release, json.state, json.stage, json.set_percent, json.published_percent],
				["chat", state, stage, percent, percent]);
			assert.equal(json.receipt.acknowledged, 2);
			assert.equal(json.receipt.killed, 0);
			assert.ok(json.receipt.publish_us >= 0 && json.receipt.acknowledge_us >= 0);
			const { chat } = (await grayd.status()).releases;
			assert.deepEqual([chat.set_percent, chat.published_percent, chat.revision],
				[percent, percent, json.revision]);
		}
		const again = await grayd.ctl(["-j", "rollback", "--all"]);
		assert.equal(again.code, 0);
		assert.equal(again.json.changed, false);
		assert.equal(again.json.releases.chat.state, "rolled_back");
	});

	test("what was rolled back stays so", async () => {
		for (const args of [["stage", "chat", "10"], ["weight", "chat", "1"]]) {
			const { code, json } = await grayd.ctl(["-j", ...args]);
			assert.equal(code, 1);
			assert.equal(json.code, "refused");
			assert.match(json.error, /rolled back/);
		}
	});

	test("the log names who did what and why", () => {
		const commands = grayd.logLines().filter((line) => line.event === "command").map((line) => line.message);
		const who = isRoot ? "root \\(uid 0" : `\\(uid ${process.getuid()}`;
		assert.ok(commands.some((text) => new RegExp(`${who}.*stage chat 10: done, revision \\d+; reason: first`).test(text)));
		assert.ok(commands.some((text) => /rollback chat: done.*reason: tired/.test(text)));
		assert.ok(commands.some((text) => /weight chat 1: release "chat" was rolled back/.test(text)));
	});

	test("stats has everything that the contract names", async () => {
		const { code, json } = await grayd.ctl(["-j", "stats", "chat"]);
		assert.equal(code, 0);
		const { chat } = json.releases;
		for (const key of ["set_percent", "published_percent", "measured_percent", "revision", "state", "stage"])
			assert.ok(key in chat, key);
		for (const arm of [chat.arms.stable, chat.arms.candidate]) {
			for (const key of ["requests", "ok", "fallbacks", "retries", "cancelled", "rescued", "in_flight",
				"attempts", "sent"])
				assert.equal(arm[key], 0, key);
			assert.equal(arm.cost_usd, null); // the config names no price
			assert.deepEqual(arm.outcomes, {});
			assert.deepEqual(arm.fallback_reasons, {});
			assert.deepEqual(arm.attempt_outcomes, {});
			assert.deepEqual(arm.tokens, { input: 0, cached: 0, cache_write: 0, output: 0 });
			for (const key of ["latency_ms", "first_token_ms"])
				assert.deepEqual(arm[key], { p50: null, p95: null, p99: null, count: 0 });
		}
		for (const key of ["started", "finished", "lost", "rejected", "malformed"])
			assert.equal(json.grayd[key], 0, key);
		const text = await grayd.ctl(["stats"]);
		assert.match(text.stdout, /STABLE +CANDIDATE\nmodel +old +new\n/);
	});

	test("errors begins empty", async () => {
		const { code, json } = await grayd.ctl(["-j", "errors", "-n", "5"]);
		assert.equal(code, 0);
		assert.deepEqual(json.releases.chat,
			{ release: "chat", fallbacks: 0, fallback_reasons: {}, failed_attempts: {}, errors: [] });
		assert.equal((await grayd.ctl(["errors"])).stdout, "chat: 0 fallbacks\n");
	});

	test("workers lists the processes", async () => {
		const { code, json } = await grayd.ctl(["-j", "workers"]);
		const workers = json.workers.filter((child) => child.role === "worker");
		assert.equal(code, 0);
		assert.deepEqual(workers.map((worker) => worker.index).sort(), [0, 1]);
		for (const worker of workers) {
			assert.equal(worker.state, "ready");
			assert.ok(worker.heartbeat_ms < 2000);
			assert.equal(worker.acknowledged, json.revision);
			assert.equal(readFileSync(`/proc/${worker.pid}/status`, "utf8").match(/PPid:\s+(\d+)/)[1], `${grayd.pid}`);
		}
		assert.match((await grayd.ctl(["workers"])).stdout, /^WORKER +PID +STATE.*\nworker 0 /);
	});

	test("reopen writes to a new file after the old one was moved", async () => {
		const file = grayd.config.log.file;
		renameSync(file, `${file}.1`);
		const { code, stdout } = await grayd.ctl(["reopen"]);
		assert.equal(code, 0);
		assert.equal(stdout, "reopen: done\n");
		assert.ok(grayd.logLines().some((line) => line.event === "command"));
	});

	test("help and version need no grayd", async () => {
		const version = await grayctl(["-s", "/nowhere", "-j", "version"]);
		assert.match(version.json.version, /^\d+\.\d+\.\d+$/);
		const { json } = await grayctl(["-s", "/nowhere", "-j", "help"]);
		for (const verb of Object.keys(json.verbs)) {
			const help = await grayctl(["help", verb]);
			assert.equal(help.code, 0);
			assert.ok(help.stdout.replace(/\n +(?=\[)/g, " ").startsWith(`usage: ${json.verbs[verb].usage}\n`));
			assert.equal((await grayctl([verb, "--help"])).stdout, help.stdout);
		}
		const screen = (await grayctl(["--help"])).stdout.split("\n");
		assert.ok(screen.length <= 25 && screen.every((line) => line.length <= 80));
	});
});

describe("exit codes", () => {
	let grayd;
	before(async () => (grayd = await fresh()));
	after(() => grayd.stop());

	test("2: usage, judged here or there", async () => {
		for (const args of [[], ["stge", "chat", "10"], ["promote"], ["stage", "chat"], ["stage", "chat", "101"],
			["weight", "chat", "12.345"], ["errors", "-n", "51"], ["status", "--wait", "soon"], ["-x"],
			["rollback"], ["rollback", "chat", "--all"], ["rollback", "--all", "--if-revision", "1"]]) {
			const { code, stdout, stderr } = await grayd.ctl(args);
			assert.equal(code, 2, args.join(" "));
			assert.equal(stdout, "");
			assert.match(stderr, /^grayctl: .+\nusage: grayctl /);
			const { json } = await grayd.ctl(["-j", ...args]);
			assert.deepEqual([json.ok, json.code], [false, "usage"]);
		}
		assert.match((await grayd.ctl(["stge"])).stderr, /did you mean "stage"\?/);
	});

	test("1: refused, and what would work", async () => {
		for (const [args, reason] of [
			[["stage", "chat", "33"], /its plan has 10 30 50 100/],
			[["stage", "nobody", "10"], /there is no release "nobody"/],
			[["status", "nobody"], /there is no release "nobody"; there are: chat/],
			[["stats", "nobody"], /there are: chat/],
			[["errors", "nobody"], /there are: chat/],
		]) {
			const { code, stdout, stderr } = await grayd.ctl(args);
			assert.equal(code, 1);
			assert.equal(stdout, "");
			assert.match(stderr, reason);
		}
	});

	test("6: another revision", async () => {
		const { revision } = (await grayd.status()).releases.chat;
		assert.equal((await grayd.ctl(["stage", "chat", "10", "--if-revision", revision])).code, 0);
		const { code, json } = await grayd.ctl(["-j", "stage", "chat", "30", "--if-revision", revision]);
		assert.equal(code, 6);
		assert.equal(json.code, "conflict");
		assert.match(json.error, new RegExp(`revision ${revision + 1}`));
		assert.equal((await grayd.status()).releases.chat.set_percent, 10);
	});

	test("7: nobody there", async () => {
		const { code, stdout, stderr } = await grayctl(["-s", join(grayd.dir, "no.sock"), "status"]);
		assert.equal(code, 7);
		assert.equal(stdout, "");
		assert.match(stderr, /cannot reach grayd at .*no\.sock: No such file.*-s or GRAYD_SOCKET/);
		const json = await grayctl(["-j", "status"], { env: { GRAYD_SOCKET: join(grayd.dir, "no.sock") } });
		assert.equal(json.code, 7);
		assert.equal(json.json.code, "unreachable");
		assert.equal((await grayctl(["status"], { env: { GRAYD_SOCKET: grayd.socket } })).code, 0);
	});

	test("0, 3 and 5: waiting", async () => {
		const waiting = grayd.ctl(["-j", "status", "chat", "--wait", "stage=50", "--timeout", "20"]);
		await grayd.ctl(["stage", "chat", "50"]);
		const met = await waiting;
		assert.equal(met.code, 0);
		assert.deepEqual(met.json.wait, { condition: "stage=50", result: "met" });
		const late = await grayd.ctl(["-j", "status", "--wait", "share=77.77", "--timeout", "0.2"]);
		assert.equal(late.code, 5);
		assert.equal(late.json.wait.result, "timed_out");
		const vain = grayd.ctl(["-j", "status", "--wait", "stage=100"]);
		await grayd.ctl(["rollback", "chat"]);
		assert.equal((await vain).code, 3);
		assert.equal((await grayd.ctl(["status", "--wait", "state=rolled_back"])).code, 0);
		assert.equal((await grayd.ctl(["status", "--wait", "healthy"])).code, 3);
	});
});

test("a change is published only when every worker has acknowledged it", async () => {
	const grayd = await fresh();
	try {
		const { workers } = (await grayd.ctl(["-j", "workers"])).json;
		process.kill(workers[0].pid, "SIGSTOP");
		const hurried = await grayd.ctl(["-j", "stage", "chat", "30", "--timeout", "0.3"]);
		assert.equal(hurried.code, 5);
		assert.equal(hurried.json.code, "timed_out");
		const { chat } = (await grayd.status()).releases;
		assert.deepEqual([chat.set_percent, chat.published_percent], [30, 0]);
		assert.equal((await grayd.ctl(["status", "--wait", "stage=30", "--timeout", "0.3"])).code, 5);
		process.kill(workers[0].pid, "SIGCONT");
		assert.equal((await grayd.ctl(["status", "--wait", "stage=30", "--timeout", "20"])).code, 0);
	} finally {
		await grayd.stop();
	}
});

test("of two that name the same revision exactly one wins, each time", async () => {
	const grayd = await fresh();
	try {
		for (let round = 0; round < 20; round++) {
			const { revision, set_percent } = (await grayd.status()).releases.chat;
			const others = [10, 30, 50, 100].filter((stage) => stage !== set_percent);
			const two = [others[0], others[1]];
			const codes = await Promise.all(two.map(async (stage) =>
				(await grayd.ctl(["stage", "chat", stage, "--if-revision", revision])).code));
			assert.deepEqual([...codes].sort(), [0, 6]);
			// A raise that lost while it was being written has used up a revision.
			const { chat } = (await grayd.status()).releases;
			assert.ok(chat.revision === revision + 1 || chat.revision === revision + 2);
			assert.equal(chat.set_percent, two[codes.indexOf(0)]);
		}
	} finally {
		await grayd.stop();
	}
});

test("grayctl waits for a grayd that has yet to start", async () => {
	const first = await fresh();
	const waiting = first.stop().then(() =>
		grayctl(["-s", first.socket, "status", "--wait", "healthy", "--timeout", "0.3"]));
	assert.equal((await waiting).code, 7);
	const second = await startGrayd({ wait: false });
	assert.equal((await second.ctl(["status", "--wait", "healthy", "--timeout", "20"])).code, 0);
	await second.stop();
});

test("stop answers, then grayd leaves and takes its socket along", async () => {
	const grayd = await fresh();
	assert.equal((await grayd.ctl(["stop", "--reason", "enough"])).code, 0);
	assert.deepEqual(await grayd.exited, { code: 0, signal: null });
	assert.equal(existsSync(grayd.socket), false);
	assert.ok(grayd.logLines().some((line) => /stop: done; reason: enough/.test(line.message)));
	assert.equal((await grayd.ctl(["status"])).code, 7);
	await grayd.stop();
});

test("status --watch shows it again and again", async () => {
	const grayd = await fresh();
	try {
		const { code, stdout } = await grayd.ctl(["-j", "status", "--watch", "--timeout", "1.5"]);
		assert.equal(code, 0);
		const pages = stdout.trim().split("\n").map((line) => JSON.parse(line));
		assert.equal(pages.length, 2);
		assert.ok(pages[1].now > pages[0].now);
	} finally {
		await grayd.stop();
	}
});

test("what failed is told, for people and programs", async () => {
	const grayd = await startGrayd({ config: smallConfig({ attempts: 1 }) });
	try {
		await grayd.ctl(["stage", "chat", "100"]);
		const answer = await fetch(`${grayd.url}/v1/chat/completions`, {
			method: "POST",
			headers: { "content-type": "application/json", "x-request-id": "my-request" },
			body: JSON.stringify({ model: "chat", messages: [{ role: "user", content: "hello" }] }),
		});
		assert.equal(answer.status, 502);
		await answer.text();
		const { chat } = (await grayd.ctl(["-j", "errors"])).json.releases;
		assert.deepEqual([chat.fallbacks, chat.fallback_reasons, chat.failed_attempts], [1, { refused: 1 }, { refused: 2 }]);
		assert.deepEqual(chat.errors.map((e) => [e.request_id, e.arm, e.model, e.provider, e.outcome, e.attempt, e.saved]),
			[["my-request", "candidate", "new", "nowhere", "refused", 1, false],
				["my-request", "stable", "old", "nowhere", "refused", 2, false]]);
		assert.ok(Math.abs(Date.parse(chat.errors[0].time) - Date.now()) < 60000);
		assert.equal((await grayd.ctl(["-j", "errors", "-n", "1"])).json.releases.chat.errors[0].arm, "stable");
		assert.match((await grayd.ctl(["errors"])).stdout,
			/^chat: 1 fallback \(refused 1\); failed attempts: refused 2\nTIME .+\n.+ candidate +new +nowhere +1 +refused +- +- +no +my-request /);
		const { candidate, stable } = (await grayd.status()).releases.chat.arms;
		assert.deepEqual([candidate.requests, candidate.fallbacks, stable.requests], [1, 1, 0]);
	} finally {
		await grayd.stop();
	}
});

describe("the socket's file", () => {
	test("its folder is made, its mode lets nobody else in", async () => {
		const dir = mkdtempSync("/tmp/grayd-test-");
		const grayd = await fresh({ control_socket: join(dir, "made/control.sock") });
		assert.equal(statSync(join(dir, "made")).mode & 0o777, 0o755);
		assert.equal(statSync(grayd.socket).mode & 0o777, 0o660);
		await grayd.stop();
		rmSync(dir, { recursive: true });
	});

	test("a dead socket is replaced, a living one and a file are not", async () => {
		const grayd = await fresh();
		const again = async (end) => {
			const other = await startGrayd({ config: { ...smallConfig(), control_socket: grayd.socket }, wait: false });
			assert.equal((await other.exited).code, 1);
			assert.match(other.stderr(), end);
			await other.stop();
		};
		await again(/another grayd listens at/);
		assert.equal((await grayd.ctl(["status"])).code, 0);
		grayd.child.kill("SIGKILL");
		await grayd.exited;
		assert.equal(existsSync(grayd.socket), true);
		const next = await startGrayd({ config: grayd.config, dir: grayd.dir });
		assert.equal((await next.ctl(["status"])).code, 0);
		await next.stop();
		writeFileSync(grayd.socket, "precious");
		await again(/exists and is no socket/);
		assert.equal(readFileSync(grayd.socket, "utf8"), "precious");
		await grayd.stop();
	});
});

describe("rights", { skip: !isRoot && "needs root, to be somebody else" }, () => {
	const daemon = Number(spawnSync("getent", ["group", "daemon"], { encoding: "utf8" }).stdout.split(":")[2]);
	const member = { uid: NOBODY.uid, gid: daemon };
	const change = ["-j", "stage", "chat", "10"];

	test("strangers cannot even connect", async () => {
		const grayd = await fresh();
		const { code, stderr } = await grayd.ctl(["status"], NOBODY);
		assert.equal(code, 7);
		assert.match(stderr, /Permission denied.*"control_group" and "operators"/);
		await grayd.stop();
	});

	test("members of control_group look but do not change", async () => {
		const grayd = await fresh({ control_group: "daemon" });
		assert.equal(statSync(grayd.socket).gid, daemon);
		assert.equal((await grayd.ctl(["status"], member)).code, 0);
		for (const args of [["stage", "chat", "10"], ["weight", "chat", "10"], ["rollback", "--all"], ["reopen"], ["stop"]]) {
			const { code, json } = await grayd.ctl(["-j", ...args], member);
			assert.equal(code, 1);
			assert.equal(json.code, "denied");
			assert.match(json.error, /nobody \(uid 65534\) may look but not change: "operators" in .*grayd\.json/);
		}
		assert.equal((await grayd.status()).revision, 1);
		assert.ok(grayd.logLines().some((line) => line.level === "warn" && /uid 65534.*rollback all: .*may look/.test(line.message)));
		await grayd.stop();
	});

	test("operators change, by name or by group; others are told what to configure", async () => {
		for (const [operators, who, stranger] of [
			[["nobody"], NOBODY, { uid: 12345, gid: 12345 }],
			[["@daemon"], member, NOBODY],
		]) {
			const grayd = await fresh({ operators });
			assert.equal((await grayd.ctl(change, who)).code, 0);
			assert.ok(grayd.logLines().some((line) => /nobody \(uid 65534.*stage chat 10: done/.test(line.message)));
			const { code, json } = await grayd.ctl(["-j", "status"], stranger);
			assert.equal(code, 1);
			assert.equal(json.code, "denied");
			assert.match(json.error, new RegExp(`uid ${stranger.uid}.*may not use grayd: "operators"`));
			await grayd.stop();
		}
	});

	test("an operator or group that does not exist stops the start", async () => {
		for (const [config, error] of [
			[{ operators: ["root", "no-such-user"] }, /operators\[1\]: there is no user "no-such-user"/],
			[{ operators: ["@no-such-group"] }, /operators\[0\]: there is no group "no-such-group"/],
			[{ control_group: "no-such-group" }, /control_group: there is no group/],
		]) {
			const grayd = await startGrayd({ config: { ...smallConfig(), ...config }, wait: false });
			assert.equal((await grayd.exited).code, 1);
			assert.match(grayd.stderr(), error);
			await grayd.stop();
		}
	});
});

describe("rude clients", () => {
	let grayd;
	before(async () => (grayd = await fresh()));
	after(() => grayd.stop());

	test("garbage gets an error and harms nobody", async () => {
		for (const [line, error] of [
			["GET / HTTP/1.1\r\n", /./],
			["\n", /./],
			["{}\n", /version 1/],
			['{"v":1,"cmd":"stop","args":{"force":true}}\n', /args\.force: stop has no such argument/],
			['{"v":1,"cmd":"status","x":1}\n', /unknown member "x"/],
			['{"v":1,"cmd":"sttus"}\n', /did you mean "status"\?/],
			['{"v":1,"cmd":"stage","args":{"release":"chat","percent":10.001}}\n', /two decimals/],
			['{"v":1,"cmd":"status"}\0\n', /./],
			["\xff\xfe\x00\x01\n", /./],
			["[".repeat(60000) + "\n", /./],
			["x".repeat(70000), /longer than 65536/],
		]) {
			const answer = await ask(grayd, Buffer.from(line, "latin1"));
			assert.deepEqual([answer.ok, answer.code], [false, "usage"], line.slice(0, 60));
			assert.match(answer.error, error);
		}
		assert.equal((await grayd.status()).revision, 1);
	});

	test("lines in one write are answered in order, byte by byte as well", async () => {
		const raw = await dial(grayd);
		const ids = Array.from({ length: 50 }, (_, i) => `id-${i}`);
		raw.socket.write(ids.map((id) => `{"v":1,"cmd":"status","id":"${id}"}\n`).join(""));
		assert.deepEqual((await raw.answers(50)).map((answer) => answer.id), ids);
		for (const byte of '{"v":1,"cmd":"status","id":"slow"}\r\n') raw.socket.write(byte);
		assert.equal((await raw.answers(51))[50].id, "slow");
		raw.socket.destroy();
	});

	test("who closes its own half still gets the answers", async () => {
		const raw = await dial(grayd);
		raw.socket.end(STATUS + STATUS);
		assert.equal((await raw.answers(2)).length, 2);
		await raw.left();
	});

	test("a repeated id does a command once", async () => {
		const line = '{"v":1,"cmd":"stage","args":{"release":"chat","percent":10},"id":"once"}\n';
		const first = await ask(grayd, line);
		const second = await ask(grayd, line);
		assert.deepEqual([first.changed, second.changed], [true, false]);
		assert.equal(second.revision, first.revision);
	});

	test("who leaves in the middle of a command or an answer harms nobody", async () => {
		for (let i = 0; i < 100; i++) {
			const raw = await dial(grayd);
			const percent = i % 2 === 0 ? 30 : 50;
			raw.socket.write(`{"v":1,"cmd":"stage","args":{"release":"chat","percent":${percent}}}\n${STATUS}`);
			if (i % 3 === 0) await new Promise((wake) => setImmediate(wake));
			raw.socket.destroy();
		}
		assert.equal((await grayd.ctl(["status", "--wait", "healthy", "--timeout", "10"])).code, 0);
	});

	test("who never reads is dropped, and meanwhile nobody waits", async () => {
		const raw = await dial(grayd);
		raw.socket.pause();
		raw.socket.write(STATUS.repeat(20000));
		assert.equal((await grayd.ctl(["status"])).code, 0);
		await until("the connection to be dropped", () => raw.closed, 20);
	});

	test("a line that is not finished within 5 s ends the connection", async () => {
		const raw = await dial(grayd);
		const silent = await dial(grayd);
		const begin = performance.now();
		const trickle = setInterval(() => raw.socket.write(" "), 200);
		await raw.left(8);
		clearInterval(trickle);
		await silent.left(8);
		const took = performance.now() - begin;
		assert.ok(took > 4000 && took < 8000, `${took} ms`);
		raw.socket.destroy();
		silent.socket.destroy();
	});

	test("1,000 silent connections keep nobody out", async () => {
		const idle = [];
		for (let i = 0; i < 1000; i++) idle.push(await dial(grayd));
		assert.equal((await grayd.ctl(["stage", "chat", "100"])).code, 0);
		const times = [];
		for (let i = 0; i < 50; i++) {
			const begin = performance.now();
			assert.equal((await ask(grayd, STATUS)).ok, true);
			times.push(performance.now() - begin);
		}
		assert.ok(Math.max(...times) < 1000, `slowest answer: ${Math.max(...times)} ms`);
		// All but the newest few were sent away, and told so.
		await until("older ones to be sent away", () => idle.filter((raw) => raw.ended || raw.closed).length >= 900);
		assert.equal(idle[0].lines()[0].code, "busy");
		for (const raw of idle) raw.socket.destroy();
	});

	test("a hundred hostile ones at once keep nobody out", async () => {
		let going = true;
		const hostile = Array.from({ length: 100 }, async (_, i) => {
			while (going) {
				const raw = await dial(grayd).catch(() => undefined);
				if (!raw) continue;
				raw.socket.write(["{".repeat(5000) + "\n", STATUS.repeat(50), "\0".repeat(70000), "", '{"v":1'][i % 5]);
				await new Promise((wake) => setTimeout(wake, 10));
				raw.socket.destroy();
			}
		});
		try {
			for (let i = 0; i < 10; i++) assert.equal((await grayd.ctl(["status", "--timeout", "10"])).code, 0);
		} finally {
			going = false;
			await Promise.all(hostile);
		}
		assert.equal((await grayd.ctl(["status", "--wait", "healthy", "--timeout", "10"])).code, 0);
	});

	test("1,000 silent and 100 hostile ones: the master's longest stall", async () => {
		const grayd = await startGrayd({ config: { ...smallConfig(), admin_listen: "127.0.0.1:0" } });
		const admin = await until("the admin address", () =>
			grayd.logLines().find(({ event }) => event === "admin_listening")?.message);
		const stall_ms = async () =>
			Number(/^grayd_master_stall_seconds (\S+)$/m.exec(await (await fetch(`http://${admin}/metrics`)).text())[1]) * 1000;
		const idle = [];
		let going = true;
		for (let i = 0; i < 1000; i++) idle.push(await dial(grayd));
		const hostile = Array.from({ length: 100 }, async (_, i) => {
			while (going) {
				const raw = await dial(grayd).catch(() => undefined);
				if (!raw) continue;
				raw.socket.write(["{".repeat(5000) + "\n", STATUS.repeat(50), "\0".repeat(70000),
					'{"v":1,"cmd":"stats"}\n'.repeat(20), '{"v":1,"cmd":"history","args":{"last":1000}}\n',
					"[".repeat(60000) + "\n", '{"v":1'][i % 7]);
				await new Promise((wake) => setTimeout(wake, 10));
				raw.socket.destroy();
			}
		});
		try {
			for (let i = 0; i < 15; i++) {
				// Others than a rollback may have to come again.
				await until("a rollout", async () => (await grayd.ctl([i ? "restart" : "start", "chat"])).code === 0 ||
					(await grayd.ctl(["-j", "status", "chat"])).json?.releases?.chat.state === "step", 20 * patience);
				const { code, stdout } = await grayd.ctl(["-j", "rollback", "chat"]);
				assert.equal(code, 0, stdout);
			}
		} finally {
			going = false;
			await Promise.all(hostile);
		}
		// What the system does to the master beside a hundred clients counts too: the long form runs alone.
		const longest = await stall_ms();
		for (const raw of idle) raw.socket.destroy();
		await grayd.stop();
		assert.ok(longest <= (long ? 10 : 250) * patience, `${longest} ms`);
	});

	test("without descriptors it neither spins nor keeps anybody out", root, async () => {
		const { pid } = grayd;
		const limit = (n) => assert.equal(spawnSync("prlimit", ["--pid", pid, `--nofile=${n}:`]).status, 0);
		const ticks = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13)
			.reduce((sum, field) => sum + Number(field), 0);
		const open = readdirSync(`/proc/${pid}/fd`).length;
		const old = readFileSync(`/proc/${pid}/limits`, "utf8").match(/Max open files\s+(\d+)/)[1];
		limit(open + 4);
		const idle = [];
		for (let i = 0; i < 50; i++) idle.push(await dial(grayd));
		const begin = ticks();
		assert.equal((await grayd.ctl(["status", "--timeout", "10"])).code, 0);
		assert.equal((await grayd.ctl(["status", "--wait", "share=33.33", "--timeout", "1"])).code, 5);
		assert.ok(ticks() - begin < 50, `${ticks() - begin} hundredths of a second of work in 1 s of waiting`);
		for (const raw of idle) raw.socket.destroy();
		limit(old);
	});

	test("nothing is left behind", root, async () => {
		const open = () => readdirSync(`/proc/${grayd.pid}/fd`).length;
		await until("all clients to be gone", () => open() < 30, 20);
		assert.deepEqual((await grayd.ctl(["-j", "workers"])).json.workers
			.filter(({ role }) => role === "worker").map((worker) => worker.restarts), [0, 0]);
	});
});
