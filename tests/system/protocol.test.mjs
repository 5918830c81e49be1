// SPDX-License-Identifier: MIT
// The control protocol as grayd-control(7) tells it, spoken by a program that has read nothing else.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import test from "node:test";
import { until } from "./lib/grayd.mjs";
import { startPair } from "./lib/load.mjs";
import { post } from "./lib/wire.mjs";

const page = readFileSync("daemon/grayd-control.7", "utf8");
// Objects whose members are named by the config or by outcomes.
const OPEN = new Set(["releases", "outcomes", "attempt_outcomes", "fallback_reasons", "failed_attempts"]);

// A connection: say(...) sends commands in one write and gives their answers.
function dial(path) {
	const socket = net.connect(path);
	let text = "";
	socket.on("data", (data) => (text += data));
	return {
		async say(...commands) {
			text = "";
			socket.write(commands.map((one) => `${typeof one === "string" ? one : JSON.stringify(one)}\n`).join(""));
			await until("the answers", () => text.split("\n").length > commands.length);
			return text.trim().split("\n").map((line) => JSON.parse(line));
		},
		close: () => socket.destroy(),
	};
}

const cmd = (verb, args, more = {}) => ({ v: 1, cmd: verb, ...(args && { args }), ...more });

function* membersOf(value, open = false) {
	if (Array.isArray(value)) {
		for (const one of value) yield* membersOf(one);
	} else if (value !== null && typeof value === "object") {
		for (const [name, inner] of Object.entries(value)) {
			if (!open) yield name;
			yield* membersOf(inner, OPEN.has(name));
		}
	}
}

function assertTold(answer) {
	for (const name of membersOf(answer))
		assert.match(page, new RegExp(`^\\.(Cm|It Cm|Ss) (.*[ ,])?${name}\\b`, "m"), `grayd-control(7) does not tell ${name}`);
}

test("every member of every answer is told in the man page", async (t) => {
	const { grayd } = await startPair(t, { script: { models: { new: { faults: [{ kind: "status", status: 500 }] }, "*": {} } } });
	const caller = dial(grayd.socket);
	const told = async (verb, args) => {
		const [answer] = await caller.say(cmd(verb, args));
		assert.equal(answer.ok, true, `${verb}: ${answer.error}`);
		assertTold(answer);
		return answer;
	};

	for (const verb of ["status", "stats", "errors", "history", "verify", "workers"]) await told(verb);
	await told("start", { release: "demo", reason: "a test" });
	await told("stage", { release: "demo", percent: 100 });
	await post(grayd.url, {});
	await told("pause", { release: "demo" });
	for (const verb of ["status", "stats", "errors"]) await told(verb, { release: "demo" });
	await told("resume", { release: "demo", waive: "length", reason: "agreed" });
	await told("weight", { release: "demo", percent: 12.5 });
	await told("promote", { release: "demo", full: true });
	await told("freeze", { release: "demo", until: "+1h" });
	await told("status");
	await told("unfreeze");
	await told("route", { release: "demo", key: ["anna", "bob"] });
	await told("rollback", { release: "demo", cut: true });
	await told("rollback", { all: true });
	await told("restart", { release: "demo" });
	await told("history", { last: 50 });
	await told("reload");
	await told("reopen");
	await told("stop");
	caller.close();
});

test("what cannot be done says so in a code", async (t) => {
	const { grayd } = await startPair(t);
	const caller = dial(grayd.socket);
	const cases = [
		["nonsense", "usage"],
		[{ cmd: "status" }, "usage"],
		[{ v: 2, cmd: "status" }, "usage"],
		[cmd("dance"), "usage"],
		[cmd("stage", { release: "demo" }), "usage"],
		[cmd("stage", { release: "demo", percent: 101 }), "usage"],
		[cmd("status", { colour: "red" }), "usage"],
		[cmd("status", {}, { mood: 1 }), "usage"],
		[cmd("status", { release: "nobody" }), "refused"],
		[cmd("promote", { release: "demo", if_revision: 99 }), "conflict"],
		[cmd("restart", { release: "demo" }), "refused"],
	];

	for (const [line, code] of cases) {
		const [answer] = await caller.say(line);
		assert.equal(answer.ok, false, JSON.stringify(line));
		assert.equal(answer.code, code, JSON.stringify(answer));
		assertTold(answer);
	}
	// Several at once, answered in order, each with its id.
	const answers = await caller.say(...["a", "b", "c"].map((id) => cmd("status", {}, { id })));
	assert.deepEqual(answers.map(({ id }) => id), ["a", "b", "c"]);
	caller.close();
});

test("a command whose answer was lost can be sent again", async (t) => {
	const { grayd } = await startPair(t);
	const start = cmd("start", { release: "demo" }, { id: "job-7/start" });
	const first = dial(grayd.socket);
	assert.equal((await first.say(start))[0].changed, true);

	first.close();
	await grayd.ctl(["stage", "demo", 50]);
	const second = dial(grayd.socket);
	const [again] = await second.say(start);
	assert.deepEqual([again.ok, again.changed, again.stage], [true, false, 50]);
	const [other] = await second.say(cmd("pause", { release: "demo" }, { id: "job-7/start" }));
	assert.equal(other.code, "conflict");
	// Carelessness with ids does not stand in the way of a rollback.
	const [rolledBack] = await second.say(cmd("rollback", { release: "demo" }, { id: "job-7/start" }));
	assert.deepEqual([rolledBack.ok, rolledBack.state], [true, "rolled_back"]);
	second.close();
});
