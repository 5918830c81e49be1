// SPDX-License-Identifier: MIT
// Limits of clients and models, and models that cool down: exact over all workers, through kills,
// reloads and upgrades; who waits, who is refused, and what becomes of a candidate's share.

import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { blake2b256 } from "./lib/bucket.mjs";
import { ownProvider } from "./lib/expect.mjs";
import { startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, patience, startPair } from "./lib/load.mjs";
import { workersOf } from "./lib/proc.mjs";
import { chatBody, connect, post, requestText } from "./lib/wire.mjs";

const KEY = "a-key-of-the-team";
const headers = { Authorization: `Bearer ${KEY}` };
const team = (more) => ({ name: "team", key_hash: blake2b256(KEY).toString("hex"), ...more });
const withTeam = (more, config = {}) => (sim) => demoConfig(sim, { workers: 4, clients: [team(more)], ...config });
const ask = (grayd, more = {}, options = {}) => post(grayd.url, more, { headers, ...options });
const askMany = async (grayd, n) => (await Promise.all(Array.from({ length: n }, () => ask(grayd)))).map(({ status }) => status);
const good = (statuses) => statuses.filter((status) => status === 200).length;
const arms = async (grayd) => (await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo.arms;
const requestLines = (grayd) => grayd.logLines().filter(({ event }) => event === "request");

// Writes a changed config and reloads.
async function reload(grayd, change) {
	const file = join(grayd.dir, "grayd.json");

	change(grayd.config);
	writeFileSync(`${file}.new`, JSON.stringify(grayd.config));
	renameSync(`${file}.new`, file);
	const { code, stderr } = await grayd.ctl(["reload"]);
	assert.equal(code, 0, stderr);
}

// A request that stands in line: on a connection of its own, not answered yet.
async function queued(grayd, body = {}) {
	const wire = connect(grayd.url);

	await wire.ready;
	await wire.send(requestText("POST", "/v1/chat/completions", { headers, body: chatBody(body) }));
	return wire;
}

test("a client's limit holds over all workers, and its answers say so", async (t) => {
	const { sim, grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 20 }) });
	const first = await ask(grayd);

	assert.equal(first.status, 200);
	assert.equal(first.headers["x-ratelimit-limit-requests"], "20");
	assert.equal(first.headers["x-ratelimit-remaining-requests"], "19");
	assert.match(first.headers["x-ratelimit-reset-requests"], /^(1m0s|5\d\.\d{3}s)$/);
	assert.equal(good(await askMany(grayd, 60)), 19);
	assert.equal((await sim.ledger()).length, 20);

	const refused = await ask(grayd), ms = Number(refused.headers["retry-after-ms"]);
	assert.equal(refused.status, 429);
	assert.deepEqual([refused.json.error.code, refused.json.error.type], ["rate_limit_exceeded", "rate_limit_error"]);
	assert.match(refused.json.error.message, /client team may send 20 requests in any minute; there will be room in 5\d\.\d{3} s/);
	assert.ok(ms > 30000 && ms <= 60000, `${ms} ms`);
	assert.equal(Number(refused.headers["retry-after"]), Math.ceil(ms / 1000));
	assert.equal(refused.headers["x-ratelimit-remaining-requests"], "0");
	assert.match(refused.headers["x-ratelimit-reset-requests"], /^5\d(\.\d{3})?s$/);
	const anthropic = await ask(grayd, { max_tokens: 9 }, { path: "/v1/messages" });
	assert.deepEqual([anthropic.status, anthropic.json.type, anthropic.json.error.type], [429, "error", "rate_limit_error"]);

	await until("the log", () => requestLines(grayd).length === 63);
	const times = requestLines(grayd).map(({ admitted_us: us }) => us).filter((us) => us !== undefined);
	assert.equal(times.length, 20);
	assert.equal(requestLines(grayd).filter(({ outcome, status }) => outcome === "limited" && status === 429).length, 43);
	assert.equal((await arms(grayd)).stable.requests, 20);
});

test("what is refused for another reason, and the list of models, cost nothing", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 3 }) });

	for (let i = 0; i < 10; i++) {
		assert.equal((await ask(grayd, { model: "nothing" })).status, 404);
		assert.equal((await ask(grayd, "{")).status, 400);
	}
	assert.equal(good(await askMany(grayd, 10)), 3);
});

test("killed workers forget nothing", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 12 }) });

	assert.equal(good(await askMany(grayd, 8)), 8);
	for (let round = 0; round < 2; round++) {
		const before = await workersOf(grayd);
		for (const { pid } of before) process.kill(pid, "SIGKILL");
		await until("other workers", async () => (await workersOf(grayd)).every(({ pid, state }) =>
			state === "ready" && before.every((gone) => gone.pid !== pid)));
		assert.equal(good(await askMany(grayd, 30)), round === 0 ? 4 : 0);
	}
});

test("a reload keeps what was used, also when the rate changes", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 10 }) });
	const rate = (n) => reload(grayd, (config) => { config.clients[0].rate_per_minute = n; });

	assert.equal(good(await askMany(grayd, 30)), 10);
	for (const [n, more] of [[10, 0], [25, 15], [5, 0], [300, 275], [0, 400], [2, 2]]) {
		await rate(n);
		assert.equal(good(await askMany(grayd, n === 300 || n === 0 ? 400 : 40)), more, `after ${n}`);
	}
});

test("workers of an earlier generation obey the new rate", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 4 }, { workers: 1 }) });
	const old = await queued(grayd);

	await old.count(1);
	await reload(grayd, (config) => { config.clients[0].rate_per_minute = 2; });
	assert.equal((await ask(grayd)).status, 200);
	await old.send(requestText("POST", "/v1/chat/completions", { headers, body: chatBody() }));
	await old.count(2);
	assert.deepEqual(old.answers.map(({ status }) => status), [200, 429]);
	old.destroy();
});

test("an upgrade keeps what was used", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 10 }) });

	assert.equal(good(await askMany(grayd, 6)), 6);
	const { code, stderr } = await grayd.ctl(["upgrade"]);
	assert.equal(code, 0, stderr);
	try {
		assert.equal(good(await askMany(grayd, 30)), 4);
		await reload(grayd, (config) => { config.clients[0].rate_per_minute = 13; });
		assert.equal(good(await askMany(grayd, 30)), 3);
	} finally {
		await grayd.ctl(["stop"]); // the new one, which nobody else knows
	}
});

test("whoever would wait in vain is refused at once", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 2, queue_ms: 30000 }) });
	const begin = performance.now();

	assert.equal(good(await askMany(grayd, 6)), 2);
	assert.ok(performance.now() - begin < 5000);
});

test("a client that leaves the line frees its place; the others are answered when grayd stops", async (t) => {
	const { grayd } = await startPair(t, { config: withTeam({ rate_per_minute: 2, queue_ms: 70000 },
		{ workers: 1, limits: { drain_ms: 300 } }) });
	const waiting = async () => (await grayd.ctl(["-j", "stats"])).json.limits.clients[0].waiting;

	assert.equal(good(await askMany(grayd, 2)), 2);
	const wires = [];
	for (let i = 0; i < 3; i++) wires.push(await queued(grayd));
	// There is room for two more within 70 seconds and not for a third.
	await until("two in line and one refused", async () => await waiting() === 2 && wires.some(({ answers }) => answers.length === 1));
	const [stays, leaves] = wires.filter(({ answers }) => answers.length === 0);
	leaves.destroy();
	await until("one to be gone", async () => await waiting() === 1, 2);
	const comes = await queued(grayd);
	await until("another one in line", async () => await waiting() === 2);
	assert.equal((await grayd.stop()).code, 0);
	await Promise.all([stays.count(1), comes.count(1)]);
	assert.deepEqual([stays.answers[0].status, comes.answers[0].status], [503, 503]);
	assert.equal(JSON.parse(stays.answers[0].body).error.code, "shutting_down");
});

test("a candidate at its limit: stable takes its share, and it is nobody's failure", async (t) => {
	const { sim, grayd } = await startPair(t, { config: (s) => {
		const config = demoConfig(s, { workers: 2, release: { deadline_ms: 5000 } });
		config.models.new.rate_per_minute = 5;
		return config;
	} });

	assert.equal((await grayd.ctl(["stage", "demo", "100"])).code, 0);
	const answers = await Promise.all(Array.from({ length: 20 }, () => post(grayd.url, {})));
	assert.equal(good(answers.map(({ status }) => status)), 20);
	const diverted = answers.filter((answer) => answer.headers["x-gray-diverted"] === "rate");
	assert.equal(diverted.length, 15);
	for (const answer of diverted)
		assert.deepEqual([answer.headers["x-gray-arm"], answer.headers["x-gray-fallback"]], ["stable", "0"]);
	assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 5);
	const { stable, candidate } = await arms(grayd);
	assert.deepEqual([candidate.requests, candidate.diverted, candidate.fallbacks, stable.requests], [5, 15, 0, 15]);
	assert.deepEqual(candidate.outcomes, { ok: 5 });
	const stress = await grayd.ctl(["-j", "stress", "demo", "-n", "4"]);
	assert.deepEqual([stress.code, stress.json.diverted, stress.json.arms.stable.answered], [0, 4, 4]);
	assert.match((await grayd.ctl(["stress", "demo", "-n", "3"])).stdout,
		/^diverted: 3 to stable, since the candidate was at its limit or cooled down$/m);
	assert.equal((await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo.measured_percent, 100);
	// Who asks for the candidate is told that it cannot be had.
	const pinned = await post(grayd.url, {}, { headers: { "x-gray-arm": "candidate" } });
	assert.equal(pinned.status, 429);
	assert.ok(Number(pinned.headers["retry-after-ms"]) > 30000);
});

test("a stable model at its limit answers 429 with the time left", async (t) => {
	const { sim, grayd } = await startPair(t, { config: (s) => {
		const config = demoConfig(s, { workers: 2, clients: [team()], release: { deadline_ms: 20000 } });
		config.models.old.rate_per_minute = 5;
		return config;
	} });
	const answers = await Promise.all(Array.from({ length: 9 }, () => ask(grayd)));
	const refused = answers.filter(({ status }) => status === 429);

	assert.equal(refused.length, 4);
	for (const { json, headers: h } of refused) {
		assert.equal(json.error.code, "rate_limit_exceeded");
		assert.match(json.error.message, /the stable model old could not be asked: its limit is used up/);
		assert.ok(Number(h["retry-after-ms"]) > 30000 && Number(h["retry-after-ms"]) <= 60000);
		assert.equal(h["x-should-retry"], "true");
	}
	assert.equal((await sim.ledger()).length, 5);
	assert.deepEqual((await grayd.ctl(["-j", "errors"])).json.releases.demo.errors, []);
});

test("max_in_flight: the others wait, over all workers, and never are there more", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: { "*": { latency_ms: 60 } } }, config: (s) => {
		const config = demoConfig(s, { workers: 3 });
		config.models.old.max_in_flight = 3;
		return config;
	} });
	const answers = await Promise.all(Array.from({ length: 24 }, () => post(grayd.url, {})));
	assert.equal(good(answers.map(({ status }) => status)), 24);
	const edges = (await sim.ledger()).flatMap(({ t_start_us: from, t_end_us: to }) => [[from, 1], [to, -1]]);
	let now = 0, most = 0;
	for (const [, step] of edges.sort((a, b) => a[0] - b[0] || a[1] - b[1])) most = Math.max(most, now += step);
	assert.equal(most, 3);
});

// A model of which one request may be in flight, and a provider that keeps the first until letGo().
async function lineOf(t, workers) {
	const seen = [];
	let letGo;
	const held = new Promise((go) => (letGo = go));
	const provider = await ownProvider(async (req, res) => {
		seen.push(req.headers["x-request-id"]);
		if (seen.length === 1) await held;
		res.end('{"choices":[{"message":{"content":"hello"}}]}');
	});
	const grayd = await startGrayd({ config: { workers, providers: { own: { base_url: provider.url } },
		models: { old: { provider: "own", max_in_flight: 1 } }, releases: { demo: { stable: "old" } } } });
	t.after(async () => {
		await grayd.stop();
		await provider.stop();
	});
	const started = async () => new Map((await workersOf(grayd)).map(({ pid, started: n }) => [pid, n]));
	// Sends a request, waits until it is in flight or in line, and tells in which worker.
	const join = async (id) => {
		const before = await started(), wire = connect(grayd.url);
		await wire.ready;
		await wire.send(requestText("POST", "/v1/chat/completions", { headers: { "x-request-id": id }, body: chatBody() }));
		const pid = await until(`${id} at its worker`, async () => [...await started()].find(([one, n]) => n > before.get(one))?.[0]);
		return { id, wire, pid };
	};
	const holder = (await join("held")).pid;
	await until("the first attempt", () => seen.length === 1);
	return { seen, letGo, join, holder };
}

test("whoever waits goes in the order in which it came: exactly so within a worker", async (t) => {
	const { seen, letGo, join } = await lineOf(t, 1);
	const ids = Array.from({ length: 10 }, (_, i) => `r${i}`), wires = [];

	for (const id of ids) wires.push((await join(id)).wire);
	letGo();
	await Promise.all(wires.map((wire) => wire.count(1)));
	assert.deepEqual(seen, ["held", ...ids]);
});

test("whoever waits in another worker goes first, but a worker that hangs is not waited for", async (t) => {
	const { seen, letGo, join, holder } = await lineOf(t, 2);
	const all = [];

	// The first of the other worker, and behind it one of the worker that has the place.
	while (!all.some(({ pid }) => pid !== holder) || all.at(-1).pid !== holder) all.push(await join(`r${all.length}`));
	const other = all.find(({ pid }) => pid !== holder), near = all.filter(({ pid }) => pid === holder);
	process.kill(other.pid, "SIGSTOP");
	letGo();
	await Promise.all(near.map(({ wire }) => wire.count(1)));
	assert.deepEqual(seen, ["held", ...near.map(({ id }) => id)]);
	process.kill(other.pid, "SIGCONT");
	await Promise.all(all.map(({ wire }) => wire.count(1)));
	assert.deepEqual(seen.slice(1 + near.length), all.filter(({ pid }) => pid !== holder).map(({ id }) => id));
});

test("a killed worker's places in flight are free again", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: { "*": { latency_ms: 60000 } } }, config: (s) => {
		const config = demoConfig(s, { workers: 1 });
		config.models.old.max_in_flight = 4;
		return config;
	} });
	const wires = [];

	for (let i = 0; i < 4; i++) wires.push(await queued(grayd));
	await until("four attempts", async () => (await sim.ledger()).length === 4);
	await sim.setScript({ models: { "*": {} } });
	const [{ pid }] = await workersOf(grayd);
	process.kill(pid, "SIGKILL");
	await until("another worker", async () => (await workersOf(grayd)).every((w) => w.pid !== pid && w.state === "ready"));
	const statuses = await Promise.all(Array.from({ length: 4 }, async () => (await post(grayd.url, {})).status));
	assert.deepEqual(statuses, [200, 200, 200, 200]);
});

const tooMany = (more) => ({ faults: [{ kind: "status", status: 429, count: 1, ...more }] });
for (const [what, script] of Object.entries({
	"retry-after": tooMany({ retry_after: "2" }),
	"retry-after-ms": tooMany({ retry_after_ms: 2000 }),
	"a date": tooMany({ retry_after_date_s: 3 }),
	"retry_after in the body": tooMany({ retry_after_body: 2 }),
	"503 with retry-after": { faults: [{ kind: "status", status: 503, count: 1, retry_after: "2" }] },
	"529 without a time": { faults: [{ kind: "status", status: 529, count: 1 }] },
})) {
	test(`${what}: the candidate cools down for all workers, its share goes to stable`, async (t) => {
		const { sim, grayd } = await startPair(t, { script: { models: { new: script, "*": {} } },
			config: (s) => demoConfig(s, { workers: 4 }) });

		await grayd.ctl(["stage", "demo", "100"]);
		const first = await post(grayd.url, {});
		assert.deepEqual([first.status, first.headers["x-gray-fallback"]], [200, "1"]);
		const answers = await Promise.all(Array.from({ length: 20 }, () => post(grayd.url, {})));
		for (const answer of answers)
			assert.deepEqual([answer.status, answer.headers["x-gray-diverted"], answer.headers["x-gray-fallback"]],
				[200, "cool_down", "0"]);
		assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 1);
		const [model] = (await grayd.ctl(["-j", "stats"])).json.limits.models.filter(({ name }) => name === "new");
		assert.ok(model.cooling_ms > 0 && model.cooling_ms <= 3000, JSON.stringify(model));
		await until("the candidate again", async () => (await post(grayd.url, {})).headers["x-gray-arm"] === "candidate");
	});
}

test("a stable model that cools down: 429 with the time left, and a candidate is not touched", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: { old: { faults: [{ kind: "status", status: 429, retry_after: "40" }] }, "*": {} } },
		config: (s) => demoConfig(s, { workers: 2, clients: [team({ override: true })], release: { deadline_ms: 5000 } }) });

	assert.equal((await ask(grayd)).status, 429);
	const second = await ask(grayd), ms = Number(second.headers["retry-after-ms"]);
	assert.equal(second.status, 429);
	assert.match(second.json.error.message, /the stable model old was not asked: its provider wants a pause/);
	assert.ok(ms > 30000 && ms <= 40000, `${ms} ms`);
	assert.equal((await sim.ledger()).length, 1);
	const pinned = await ask(grayd, {}, { headers: { ...headers, "x-gray-arm": "candidate" } });
	assert.deepEqual([pinned.status, pinned.headers["x-gray-arm"]], [200, "candidate"]);
});

test("where there are no clients a long cool-down of stable is told at once, not waited for", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: { old: { faults: [{ kind: "status", status: 429, retry_after: "20" }] }, "*": {} } },
		config: (s) => demoConfig(s, { release: { attempts: 1, deadline_ms: 60000 } }) });

	assert.equal((await post(grayd.url, {})).status, 429);
	const began = performance.now(), { status, headers } = await post(grayd.url, {});
	assert.equal(status, 429);
	assert.ok(performance.now() - began < 1000 * patience, "it was waited for");
	assert.ok(Number(headers["retry-after-ms"]) > 15000, headers["retry-after-ms"]);
	assert.equal((await sim.ledger()).length, 1);
});

test("no quota and a refused key: no cool-down, whatever they say about time", async (t) => {
	const { sim, grayd } = await startPair(t, { script: { models: {
		old: { faults: [{ kind: "status", status: 429, code: "insufficient_quota", retry_after: "30" }] },
		"*": { faults: [{ kind: "status", status: 401, retry_after: "30" }] } } },
		config: (s) => demoConfig(s, { workers: 2, release: { attempts: 1 } }) });

	for (let i = 0; i < 3; i++) assert.equal((await post(grayd.url, {})).status, 429);
	for (let i = 0; i < 3; i++) assert.equal((await post(grayd.url, {}, { headers: { "x-gray-arm": "candidate" } })).status, 502);
	assert.equal((await sim.ledger()).length, 6);
	assert.deepEqual((await grayd.ctl(["-j", "status"])).json.limits.models, []);
});
