// SPDX-License-Identifier: MIT
// Models are asked for at their providers: before grayd serves, before a config or a binary takes
// over, before a rollout begins, again and again, and by `grayctl check`. An unknown stable model
// refuses, an unknown candidate keeps its release on stable, and trouble holds nothing up.

import assert from "node:assert/strict";
import http from "node:http";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { message, post, startProvider, stopClean } from "./lib/expect.mjs";
import { startGrayd, until } from "./lib/grayd.mjs";
import { journalRecords, keptFolder, standing, startIn } from "./lib/journal.mjs";
import { patience } from "./lib/load.mjs";
import { adminOf, scrape } from "./lib/metrics.mjs";
import { events, mustReload, reload, startUpgradable, writeConfig } from "./lib/supervise.mjs";

const PAIR = { old: {}, new: {} };
const BOTH = { models: PAIR };
const OLD_ONLY = { models: { old: {}, "new-2": {}, other: {} } };
const failing = (fault, models = PAIR) => ({ models, catalogue: { faults: [fault] } });
const STALLING = failing({ kind: "stall" });

// What grayd is told of one simprovider: release "chat", stable "old", candidate "new".
function chatConfig(sim, { provider, release, ...more } = {}) {
	return {
		providers: { sim: { base_url: `${sim.url}/v1`, ...provider } },
		models: { old: { provider: "sim" }, new: { provider: "sim" } },
		releases: { chat: { stable: "old", candidate: "new", ...release } },
		...more,
	};
}

async function startSim(t, script) {
	const sim = await startProvider({ script });
	t.after(sim.stop);
	return sim;
}

async function startBoth(t, script, more) {
	const sim = await startSim(t, script);
	const grayd = await startGrayd({ config: chatConfig(sim, more) });

	t.after(() => stopClean(grayd));
	return { sim, grayd };
}

// A grayd that is not waited for, and whose end is told with all it said.
async function startUnwaited(t, config, options = {}) {
	const grayd = await startGrayd({ config, wait: false, ...options });

	t.after(() => grayd.stop("SIGKILL"));
	return grayd;
}

const chat = async (grayd) => (await grayd.status()).releases.chat;
const standingsOf = (json) => Object.fromEntries(json.models.map(({ model, standing }) => [model, standing]));
const proberOf = async (grayd) =>
	(await grayd.ctl(["-j", "workers"])).json.workers.find(({ role, state }) => role === "prober" && state === "ready");

async function check(grayd, code, ...args) {
	const answer = await grayd.ctl(["-j", "check", ...args]);

	assert.equal(answer.code, code, `${answer.stdout}${answer.stderr}`);
	return answer.json;
}

// ---- the start ------------------------------------------------------------------------------

test("known models: grayd serves, and check says so, a line for each", async (t) => {
	const { sim, grayd } = await startBoth(t, BOTH);
	const { code, stdout } = await grayd.ctl(["check"]);
	const lines = stdout.trimEnd().split("\n");

	assert.equal(code, 0);
	assert.match(lines[0], /^PROVIDER +MODEL +NAME +ASKED +STANDING$/);
	assert.match(lines[1], /^sim +old +old +just now +verified$/);
	assert.match(lines[2], /^sim +new +new +just now +verified$/);
	assert.equal(lines.length, 3);
	const json = await check(grayd, 0, "chat");
	assert.deepEqual(standingsOf(json), { old: "verified", new: "verified" });
	assert.deepEqual(json.models[1].used_by, [{ release: "chat", arm: "candidate" }]);
	assert.equal(json.passed, true);
	assert.ok(json.models[0].age_s < 5 * patience);
	const { stable } = (await chat(grayd)).arms;
	assert.equal(stable.standing, "verified");
	assert.equal(stable.standing_text, undefined);
	// Nothing of all that is a request that a provider bills.
	const { total, catalogue_requests } = await sim.summary();
	assert.equal(total.attempts, 0);
	assert.ok(catalogue_requests >= 3);
	assert.equal((await grayd.ctl(["check", "nowhere"])).code, 1);
});

test("an unknown stable model refuses the start, names what looks like it, and leaves no trace", async (t) => {
	const sim = await startSim(t, { models: { "gpt-4.1": {}, "gpt-4.1-mini": {}, whisper: {} } });
	const dir = keptFolder(t);
	const config = chatConfig(sim, { models: { old: { provider: "sim", name: "gpt-4.l" }, new: { provider: "sim", name: "gpt-4.1-mini" } } });
	const grayd = await startUnwaited(t, config, { dir });

	assert.deepEqual(await grayd.exited, { code: 2, signal: null });
	const said = grayd.stderr();
	assert.match(said, /^grayd: .*grayd\.json: releases\.chat\.stable: models\.old: provider "sim" has no model "gpt-4\.l"/);
	assert.match(said, /did you mean "gpt-4\.1" or "gpt-4\.1-mini"\?/);
	assert.match(said, /correct models\.old\.name; or set providers\.sim\.validate to false/);
	assert.deepEqual(readdirSync(join(dir, "state")).filter((name) => name.startsWith("journal")), []);
	assert.equal(events(grayd, "model_verified").length, 1, "what else is known is in the log");
});

test("a refused start does not end the rollout that was under way", async (t) => {
	const sim = await startSim(t, { models: { old: {}, new: {} } });
	const dir = keptFolder(t), config = chatConfig(sim);
	const first = await startIn(t, dir, config);

	assert.equal((await first.ctl(["stage", "chat", 30])).code, 0);
	const before = await standing(first);
	await first.stop();
	const mistaken = { ...config, models: { ...config.models, old: { provider: "sim", name: "odl" } } };
	const refused = await startUnwaited(t, mistaken, { dir });
	assert.equal((await refused.exited).code, 2);
	const records = journalRecords(dir).length;
	const second = await startIn(t, dir, config);
	assert.deepEqual(await standing(second), before);
	assert.equal(journalRecords(dir).length, records);
});

test("an unknown candidate keeps all traffic on stable, with a warning", async (t) => {
	const { sim, grayd } = await startBoth(t, OLD_ONLY);
	const before = await chat(grayd);

	assert.match(events(grayd, "model_unknown")[0].message, /^models\.new: provider "sim" has no model "new".*candidate of chat/);
	assert.equal(before.arms.candidate.standing, "unknown");
	assert.match((await grayd.ctl(["status"])).stdout, /\nchat: candidate: models\.new: provider "sim" has no model "new"/);
	for (const args of [["start"], ["stage", 10], ["weight", 5]]) {
		const { code, stderr } = await grayd.ctl([args[0], "chat", ...args.slice(1)]);
		assert.equal(code, 1);
		assert.match(stderr, /stays on stable.*has no model "new".*did you mean "new-2"\?/);
	}
	const after = await chat(grayd);
	assert.deepEqual([after.state, after.set_percent, after.revision], ["idle", 0, before.revision]);
	const json = await check(grayd, 1);
	assert.deepEqual(standingsOf(json), { old: "verified", new: "unknown" });
	assert.deepEqual(json.models[1].alike, ["new-2"]);
	assert.match((await grayd.ctl(["check"])).stdout, /unknown \(did you mean new-2\?\)/);
	const answer = await post(grayd.url, message("chat"));
	assert.equal(answer.status, 200);
	assert.equal(answer.headers["x-gray-model"], "old");
	assert.deepEqual((await sim.ledger()).map(({ model }) => model), ["old"]);
});

test("an alias is not listed, but known by its name", async (t) => {
	const { grayd } = await startBoth(t, { models: { old: { listed: false }, new: { listed: false } } });

	assert.deepEqual(standingsOf(await check(grayd, 0)), { old: "verified", new: "verified" });
});

for (const [kind, base] of [["anthropic", "/v1"], ["gemini", "/v1beta"]]) {
	test(`kind ${kind}: known, unknown, an alias, and a key that is refused`, async (t) => {
		const sim = await startProvider({ kind, script: { models: { old: {}, alias: { listed: false }, "old-2": {} } } });
		const models = { old: { provider: "sim" }, alias: { provider: "sim" }, odl: { provider: "sim" } };
		const grayd = await startGrayd({
			config: {
				providers: { sim: { kind, base_url: sim.url + base, api_key: { env: "KEY_OF_SIM" } } }, models,
				releases: { a: { stable: "old", candidate: "alias" }, b: { stable: "old", candidate: "odl" } },
			},
			env: { KEY_OF_SIM: "key-of-sim-0123456789" },
		});
		t.after(async () => {
			await stopClean(grayd);
			await sim.stop();
		});

		assert.deepEqual(standingsOf(await check(grayd, 0, "a")), { old: "verified", alias: "verified" });
		const json = await check(grayd, 1, "b");
		assert.deepEqual(standingsOf(json), { old: "verified", odl: "unknown" });
		assert.deepEqual(json.models[1].alike, ["old"]);
		await sim.setScript({ models: { old: {} }, catalogue: { faults: [{ kind: "status", status: 401 }] } });
		assert.match((await check(grayd, 1, "a")).models[0].why, /it answers with 401/);
		assert.equal((await sim.summary()).total.attempts, 0);
	});
}

describe("a provider that cannot tell holds nothing up", () => {
	const cases = [
		["has no list", failing({ kind: "status", status: 404 }, { old: {} }), "unverified", /no list of models \(404\)/],
		["has no such method", failing({ kind: "status", status: 405 }), "unverified", /no list of models \(405\)/],
		["sends no JSON", failing({ kind: "garbage" }), "unverified", /is no model/],
		["refuses the key", failing({ kind: "status", status: 401, message: "Bad key.", code: "invalid_api_key" }),
			"unreachable", /401 invalid_api_key: Bad key\./],
		["forbids it", failing({ kind: "status", status: 403 }), "unreachable", /403/],
		["has too many requests", failing({ kind: "status", status: 429 }), "unreachable", /429/],
		["fails", failing({ kind: "status", status: 500 }), "unreachable", /500/],
		["is down", failing({ kind: "status", status: 503 }), "unreachable", /503/],
		["leads elsewhere", failing({ kind: "status", status: 301, headers: { location: "http://127.0.0.1:1/" } }),
			"unreachable", /301, which leads elsewhere and is not followed/],
		["hangs up", failing({ kind: "reset" }), "unreachable", /reset/i],
		["closes in mid-answer", failing({ kind: "close", at: "body" }), "unreachable", /./],
	];

	for (const [what, script, expected, why] of cases) {
		test(`it ${what}`, async (t) => {
			const { grayd } = await startBoth(t, script);
			const json = await check(grayd, expected === "unverified" ? 0 : 1);

			assert.deepEqual(standingsOf(json), { old: expected, new: expected });
			assert.match(json.models[0].why, why);
			assert.match(events(grayd, `model_${expected}`)[0].message, why);
			const { code, json: begun } = await grayd.ctl(["-j", "start", "chat"]);
			assert.equal(code, 0);
			assert.equal(begun.set_percent, 10);
			assert.match(begun.warning, why);
		});
	}
});

// A provider of our own making: answer(url) gives { status, body }; `asked` is what it was asked.
async function startFake(t, answer) {
	const asked = [];
	const server = http.createServer((req, res) => {
		asked.push({ url: req.url, method: req.method, headers: req.headers });
		const { status = 200, body } = answer(req.url);
		res.writeHead(status, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));
	});

	await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
	t.after(() => server.close());
	return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

async function startAtFake(t, answer, more = {}, env = {}) {
	const fake = await startFake(t, answer);
	const grayd = await startGrayd({ config: chatConfig(fake, more), env });

	t.after(() => stopClean(grayd));
	return { fake, grayd };
}

test("an answer without an end is not read to its end", async (t) => {
	const { grayd } = await startAtFake(t, () => ({ body: `{"data":[${" ".repeat(9 << 20)}]}` }));

	assert.match((await check(grayd, 1)).models[0].why, /longer than 8 MiB/);
});

test("half a list makes no model unknown", async (t) => {
	const { grayd } = await startAtFake(t, (url) => url === "/v1/models" ? { body: '{"data":[{"id":"x"},{"id":"ol' } : { status: 404, body: {} });

	assert.deepEqual(standingsOf(await check(grayd, 0)), { old: "unverified", new: "unverified" });
});

test("a list of several pages is read to its end, and every question is a GET with this provider's key", async (t) => {
	const pages = {
		"/v1/models": { body: { data: [{ id: "a" }], has_more: true, last_id: "a" } },
		"/v1/models?after=a": { body: { data: [{ id: "old" }], has_more: true, last_id: "b/c" } },
		"/v1/models?after=b%2Fc": { body: { data: [{ id: "models/x" }], has_more: false, last_id: "x" } },
		"/v1/models/new": { body: { id: "new-2025-11-25" } },
	};
	const { fake, grayd } = await startAtFake(t, (url) => pages[url] ?? { status: 404, body: {} },
		{ provider: { api_key: { env: "GRAYD_TEST_KEY" }, organization: "org-1" } },
		{ GRAYD_TEST_KEY: "key-of-the-fake-0123456789", http_proxy: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" });

	assert.deepEqual(fake.asked.map(({ url }) => url), Object.keys(pages));
	assert.deepEqual(standingsOf(await check(grayd, 0)), { old: "verified", new: "verified" });
	for (const { method, headers } of fake.asked) {
		assert.equal(method, "GET");
		assert.equal(headers.authorization, "Bearer key-of-the-fake-0123456789");
		assert.equal(headers["openai-organization"], "org-1");
	}
});

test("a provider that repeats its key does not get it into answers and logs", async (t) => {
	const key = "Zq7-canary-of-a-key-without-a-prefix";
	const { grayd } = await startAtFake(t, () => ({ status: 401, body: { error: { message: `the key ${key} is bad`, code: key } } }),
		{ provider: { api_key: { env: "GRAYD_TEST_KEY" } } }, { GRAYD_TEST_KEY: key });
	const said = [JSON.stringify(await check(grayd, 1)), (await grayd.ctl(["status"])).stdout, JSON.stringify(grayd.logLines()), grayd.stderr()];

	assert.match(said[0], /holds its key and is not shown/);
	assert.match((await grayd.ctl(["check"])).stdout, /unreachable \(what the provider says holds its key and is not shown\)$/m);
	for (const text of said) assert.ok(!text.includes("Zq7-cana"), text);
});

test("each provider is asked with its own key, and for its own models only", async (t) => {
	const [one, two] = [await startFake(t, () => ({ body: { data: [{ id: "old" }] } })), await startFake(t, () => ({ body: { data: [{ id: "new" }] } }))];
	const grayd = await startGrayd({
		config: {
			providers: { one: { base_url: one.url, api_key: { env: "KEY_ONE" } }, two: { base_url: two.url, kind: "anthropic", api_key: { env: "KEY_TWO" } } },
			models: { old: { provider: "one" }, new: { provider: "two" }, unused: { provider: "two" } },
			releases: { chat: { stable: "old", candidate: "new" } },
		},
		env: { KEY_ONE: "key-one-0123456789", KEY_TWO: "key-two-0123456789" },
	});
	t.after(() => stopClean(grayd));

	assert.deepEqual(standingsOf(await check(grayd, 0)), { old: "verified", new: "verified" });
	assert.deepEqual([...new Set(one.asked.map(({ url }) => url))], ["/models"]);
	assert.deepEqual([...new Set(two.asked.map(({ url }) => url))], ["/models?limit=1000"]);
	assert.ok(!JSON.stringify(one.asked).includes("key-two") && !JSON.stringify(two.asked).includes("key-one"));
	assert.equal(two.asked[0].headers["x-api-key"], "key-two-0123456789");
	assert.equal(two.asked[0].headers["anthropic-version"], "2023-06-01");
});

test("validate false: nobody is asked", async (t) => {
	const { sim, grayd } = await startBoth(t, OLD_ONLY, { provider: { validate: false }, models: { old: { provider: "sim", name: "lost" }, new: { provider: "sim" } } });

	assert.deepEqual(standingsOf(await check(grayd, 0)), { old: "unverified", new: "unverified" });
	assert.equal((await grayd.ctl(["start", "chat"])).code, 0);
	assert.equal((await sim.summary()).catalogue_requests, 0);
	assert.equal(await proberOf(grayd), undefined);
});

// ---- waiting for the providers ----------------------------------------------------------------

test("a silent provider holds the start up for ten seconds, and no longer", async (t) => {
	const sim = await startSim(t, STALLING);
	const began = performance.now();
	const grayd = await startUnwaited(t, chatConfig(sim, { admin_listen: "127.0.0.1:0" }));
	const { json } = await until("grayd to answer", async () => {
		const answer = await grayd.ctl(["-j", "status"]);
		return answer.code === 0 && answer;
	});
	const admin = `http://${json.grayd.admin_listen}`;
	const get = async (path) => (await fetch(admin + path)).status;

	assert.equal(json.grayd.validating, true);
	assert.equal(json.grayd.serving, false);
	assert.equal(await get("/healthz"), 200);
	assert.equal(await get("/readyz"), 503);
	// What would change the config or the binary has to wait; a signal is obeyed when it can be.
	for (const verb of ["reload", "upgrade"]) {
		const { code, stderr } = await grayd.ctl([verb]);
		assert.equal(code, 1);
		assert.match(stderr, /has not begun to serve yet/);
	}
	await sim.setScript(BOTH);
	process.kill(grayd.pid, "SIGHUP");
	// A request waits with it, and is answered.
	const waiting = post(`http://${json.grayd.listen[0]}`, message("chat"));
	assert.equal((await grayd.ctl(["status", "--wait", "healthy", "--timeout", 20])).code, 0);
	const took = performance.now() - began;
	assert.ok(took > 9000 && took < 12000 * patience, `${took} ms`);
	assert.equal(await get("/readyz"), 200);
	assert.equal((await waiting).status, 200);
	assert.match(events(grayd, "model_unreachable")[0].message, /did not answer in time/);
	await until("the reload by signal", async () => (await grayd.status()).grayd.generation === 2);
	assert.equal((await chat(grayd)).arms.stable.standing, "verified");
	// A config that brings no new model waits for nobody.
	await sim.setScript(STALLING);
	const reloaded = performance.now();
	await mustReload(grayd, {});
	assert.ok(performance.now() - reloaded < 3000 * patience, "a reload waited for a provider that has nothing new to say");
	// So long a start can be taken back: by a rollback, at once.
	const asked = (await sim.summary()).catalogue_requests;
	const starting = grayd.ctl(["-j", "start", "chat"]);
	await until("its provider to be asked", async () => (await sim.summary()).catalogue_requests > asked);
	assert.equal((await grayd.ctl(["rollback", "chat"])).code, 0);
	const refused = await starting;
	assert.equal(refused.code, 1);
	assert.match(refused.json.error, /a rollback came while the provider was asked/);
	assert.equal((await chat(grayd)).state, "rolled_back");
	await grayd.stop();
});

test("TERM while the providers are asked ends grayd at once", async (t) => {
	const grayd = await startUnwaited(t, chatConfig(await startSim(t, STALLING)));

	await until("grayd to answer", async () => (await grayd.ctl(["status"])).code === 0);
	const began = performance.now();
	assert.deepEqual(await grayd.stop(), { code: 0, signal: null });
	assert.ok(performance.now() - began < 5000 * patience);
});

test("a prober that dies is replaced, one that hangs is not waited for", async (t) => {
	const { grayd } = await startBoth(t, BOTH);
	const { pid } = await proberOf(grayd);

	process.kill(pid, "SIGKILL");
	const next = await until("another prober", async () => {
		const found = await proberOf(grayd);
		return found && found.pid !== pid && found;
	});
	assert.equal((await check(grayd, 0)).verified, 2);
	process.kill(next.pid, "SIGSTOP");
	const checking = grayd.ctl(["-j", "check"]);
	// Its answer is due in twelve seconds; others are answered meanwhile.
	assert.equal((await grayd.ctl(["status"])).code, 0);
	const { code, json } = await checking;
	assert.equal(code, 1);
	assert.match(json.models[0].why, /own prober did not answer/);
	process.kill(next.pid, "SIGKILL");
	await until("a third prober", async () => ![undefined, next.pid].includes((await proberOf(grayd))?.pid));
	assert.equal((await check(grayd, 0)).verified, 2);
});

// ---- later ------------------------------------------------------------------------------------

test("models that vanish are a warning, seen in status and metrics, and end no rollout", async (t) => {
	const { sim, grayd } = await startBoth(t, BOTH, { admin_listen: "127.0.0.1:0", provider: { validate_ms: 1000 } });
	const base = await adminOf(grayd);
	const known = async (arm) => (await scrape(base)).get("grayd_model_known", { release: "chat", arm, provider: "sim" });

	assert.equal((await grayd.ctl(["stage", "chat", 30])).code, 0);
	const { revision } = await chat(grayd);
	assert.equal(await known("candidate"), 1);
	await sim.setScript(OLD_ONLY);
	await until("the warning", () => events(grayd, "model_unknown").length > 0, 20);
	assert.equal(await known("candidate"), 0);
	assert.equal(await known("stable"), 1);
	let now = await chat(grayd);
	assert.deepEqual([now.state, now.set_percent, now.revision], ["step", 30, revision]);
	assert.equal(now.arms.candidate.standing, "unknown");
	await sim.setScript({ models: { new: {} } });
	await until("another warning", () => events(grayd, "model_unknown").length > 1, 20);
	assert.equal(await known("stable"), 0);
	await sim.setScript(failing({ kind: "status", status: 500 }));
	await until("a third warning", () => events(grayd, "model_unreachable").length > 1, 20);
	assert.equal(await known("stable"), undefined);
	await sim.setScript(BOTH);
	await until("good news", () => events(grayd, "model_verified").length >= 4, 20);
	assert.equal(await known("stable"), 1);
	now = await chat(grayd);
	assert.deepEqual([now.state, now.set_percent, now.revision], ["step", 30, revision]);
	// Each change of what is known is said once.
	assert.equal(events(grayd, "model_unknown").length, 2);
});

test("a timed plan does not advance to a model that has vanished, and goes on when it is back", async (t) => {
	const plan = { mode: "timed", settle_ms: 0, dwell_ms: 2000 * patience, no_data_ms: 600000 };
	const { sim, grayd } = await startBoth(t, BOTH, { provider: { validate_ms: 1000 }, release: { plan, stages: [10, 100] } });
	let stop = false;
	const asking = (async () => {
		while (!stop) await post(grayd.url, message("chat"));
	})();

	try {
		await sim.setScript(OLD_ONLY);
		assert.equal((await check(grayd, 1)).unknown, 1);
		await sim.setScript(BOTH);
		assert.equal((await grayd.ctl(["start", "chat"])).code, 0);
		await sim.setScript(OLD_ONLY);
		assert.equal((await check(grayd, 1)).unknown, 1);
		const [refused] = await until("the plan to be refused", () => {
			const found = events(grayd, "plan_refused");
			return found.length > 0 && found;
		}, 20);
		assert.match(refused.message, /chat: its plan cannot go on: models\.new: provider "sim" has no model "new"/);
		assert.equal((await chat(grayd)).stage, 10);
		await sim.setScript(BOTH);
		assert.equal((await grayd.ctl(["status", "chat", "--wait", "stage=100", "--timeout", 20])).code, 0);
	} finally {
		stop = true;
		await asking;
	}
});

test("start --when-known waits for the model, through a restart, and begins by itself", async (t) => {
	const sim = await startSim(t, OLD_ONLY);
	const dir = keptFolder(t), config = chatConfig(sim, { provider: { validate_ms: 1000 } });
	const first = await startIn(t, dir, config);
	const { code, json } = await first.ctl(["-j", "start", "chat", "--when-known", "--reason", "tonight"]);

	assert.equal(code, 0);
	assert.deepEqual([json.state, json.set_percent], ["preflight", 0]);
	assert.match(json.warning, /has no model "new"/);
	assert.match((await first.ctl(["status", "chat"])).stdout, /\nchat +preflight +0 /);
	assert.match((await first.ctl(["promote", "chat"])).stderr, /start tries to begin now, rollback gives up/);
	await first.stop();
	const second = await startIn(t, dir, config);
	assert.equal((await chat(second)).state, "preflight");
	await sim.setScript(BOTH);
	assert.equal((await second.ctl(["status", "chat", "--wait", "stage=10", "--timeout", 20])).code, 0);
	const last = journalRecords(dir).at(-1);
	assert.deepEqual([last.actor, last.command], ["prober", "start"]);
});

test("start --when-known: a rollback gives it up, and nothing else begins by itself", async (t) => {
	const { sim, grayd } = await startBoth(t, OLD_ONLY, { provider: { validate_ms: 1000 },
		releases: { chat: { stable: "old", candidate: "new" }, mail: { stable: "old", candidate: "new" } } });

	assert.equal((await grayd.ctl(["start", "chat", "--when-known"])).code, 0);
	assert.equal((await grayd.ctl(["start", "mail"])).code, 1);
	assert.equal((await grayd.ctl(["rollback", "chat"])).code, 0);
	await sim.setScript(BOTH);
	const from = (await sim.summary()).catalogue_requests;
	await until("a few more questions", async () => (await sim.summary()).catalogue_requests >= from + 3, 20);
	const { releases } = await grayd.status();
	assert.deepEqual([releases.chat.state, releases.mail.state], ["rolled_back", "idle"]);
	assert.equal((await grayd.ctl(["restart", "chat"])).code, 0);
});

// ---- reload and upgrade -----------------------------------------------------------------------

test("a reload with an unknown stable model is refused, one with an unknown candidate is not", async (t) => {
	const { sim, grayd } = await startBoth(t, BOTH);
	const models = { ...grayd.config.models, odd: { provider: "sim", name: "odl" } };

	assert.equal((await grayd.ctl(["stage", "chat", 50])).code, 0);
	const lasting = async () => {
		const { state, set_percent, revision, arms } = await chat(grayd);
		return { state, set_percent, revision, arms };
	};
	const before = await lasting();
	const { code, json } = await reload(grayd, { models, releases: { chat: { stable: "odd", candidate: "new" } } });
	assert.equal(code, 1);
	assert.match(json.error, /releases\.chat\.stable: models\.odd: provider "sim" has no model "odl".*did you mean "old"\?/);
	assert.deepEqual(await lasting(), before);
	assert.equal((await grayd.status()).grayd.generation, 1);
	assert.equal((await post(grayd.url, message("chat"))).status, 200);
	await mustReload(grayd, { models, releases: { chat: { stable: "old", candidate: "odd" } } });
	assert.equal((await chat(grayd)).arms.candidate.standing, "unknown");
	assert.equal((await grayd.ctl(["start", "chat"])).code, 1);
	await mustReload(grayd, {});
	assert.equal((await chat(grayd)).arms.candidate.standing, "verified");
	assert.equal((await grayd.ctl(["start", "chat"])).code, 0);
	assert.equal((await grayd.ctl(["-j", "workers"])).json.workers.filter(({ role, state }) => role === "prober" && state === "ready").length, 1);
	assert.ok((await sim.summary()).catalogue_requests > 0);
});

test("a done release whose old stable model is gone starts, reloads and is asked about", async (t) => {
	const sim = await startSim(t, BOTH);
	const dir = keptFolder(t), config = chatConfig(sim);
	const first = await startIn(t, dir, config);

	for (const args of [["start", "chat"], ["promote", "chat", "--full"], ["promote", "chat", "--full"]])
		assert.equal((await first.ctl(args)).code, 0, args.join(" "));
	await first.stop();
	await sim.setScript({ models: { new: {} } });
	const second = await startIn(t, dir, config);
	const now = await chat(second);
	assert.deepEqual([now.state, now.arms.stable.standing, now.arms.candidate.standing], ["done", "unknown", "verified"]);
	await mustReload(second, {});
	await mustReload(second, { releases: { chat: { stable: "new" } } });
});

test("an upgrade asks anew: it is refused for an unknown stable model, and else goes on", async (t) => {
	const sim = await startSim(t, BOTH);
	const grayd = await startUpgradable(t, { config: chatConfig(sim) });
	const good = grayd.config;

	writeConfig(grayd, { models: { ...good.models, old: { provider: "sim", name: "odl" } } });
	const { code, json } = await grayd.upgrade();
	assert.equal(code, 1);
	assert.match(json.error, /the new grayd refuses: .*has no model "odl"/);
	assert.equal((await post(grayd.url, message("chat"))).status, 200);
	writeConfig(grayd, {});
	// The binary that refused is still being buried for a moment.
	await until("an upgrade", async () => {
		const { code: now, json: answer } = await grayd.upgrade();
		assert.ok(now === 0 || answer.code === "busy", JSON.stringify(answer));
		return now === 0;
	});
	assert.equal((await check(grayd, 0)).verified, 2);
});
