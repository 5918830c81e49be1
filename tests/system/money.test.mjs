// SPDX-License-Identifier: MIT
// Money: exact to the last digit, estimates marked as such, clients, `cost` as a user sees it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { blake2b256 } from "./lib/bucket.mjs";
import { ownProvider } from "./lib/expect.mjs";
import { startGrayd, until } from "./lib/grayd.mjs";
import { patience, settledStats, startPair } from "./lib/load.mjs";
import { checkMixed, pico } from "./lib/money.mjs";

test("3,000 mixed requests cost what the provider's ledger says, to the last digit", async (t) => {
	const { lines, unread, sums } = await checkMixed(t, 3000);
	const outcomes = new Set(lines.map(({ outcome }) => outcome));

	for (const outcome of ["ok", "fallback", "cancelled"]) assert.ok(outcomes.has(outcome), [...outcomes].join());
	for (const { tokens, guessed } of Object.values(sums)) {
		assert.ok(tokens.input > 0 && tokens.cached > 0 && tokens.output > 0);
		assert.ok(guessed > 0);
	}
	t.diagnostic(`${unread} answers were whole on the wire when their client left`);
});

// ---- what is told, and where ------------------------------------------------------------------

const PRICE = { input: 2, cached_input: 0.5, output: 8 };
// 100 * 2 + 40 * 0.5 + 10 * 8 = 300 millionths of a dollar.
const USAGE = { mode: "present", input: 140, cached: 40, output: 10 };
const COST = "0.000300000000";
const BODY = (model, more) => ({ model, messages: [{ role: "user", content: "hello" }], ...more });

function pairOf(t, models, { prices = {}, releases, ...more } = {}) {
	return startPair(t, { script: { models }, config: (sim) => ({
		providers: { sim: { base_url: `${sim.url}/v1` } },
		models: Object.fromEntries(Object.keys(models).map((name) => [name, { provider: "sim", price: prices[name] ?? PRICE }])),
		releases: releases ?? Object.fromEntries(Object.keys(models).map((name) => [name, { stable: name, backoff_ms: 1 }])),
		...more }) });
}

async function ask(grayd, body, headers = {}) {
	const answer = await fetch(`${grayd.url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
	const text = await answer.text();
	const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => data);
	return { status: answer.status, headers: answer.headers, text, events, usage: events.filter((data) => /"usage":\{/.test(data)) };
}

describe("the cost of an answer", () => {
	test("whole: a header with all digits", async (t) => {
		const { grayd } = await pairOf(t, { chat: { usage: USAGE } });
		const answer = await ask(grayd, BODY("chat"));

		assert.equal(answer.headers.get("x-gray-cost-usd"), COST);
		assert.equal(answer.headers.get("x-gray-estimated-cost-usd"), null);
		assert.doesNotMatch(answer.text, /cost/);
	});

	test("streamed: in the last usage, for whoever asks for it, and for nobody else", async (t) => {
		const { grayd } = await pairOf(t, { chat: { usage: USAGE },
			choices: { usage: { ...USAGE, mode: "with_choices" } }, always: { usage: { ...USAGE, mode: "always" } } });

		for (const model of ["chat", "choices", "always"]) {
			const stream = { stream: true, stream_options: { include_usage: true } };
			const plain = await ask(grayd, BODY(model, stream)), asked = await ask(grayd, BODY(model, stream), { "x-gray-cost": "1" });
			assert.doesNotMatch(plain.text, /cost/);
			assert.equal(asked.text.match(/cost_usd/g).length, 1, asked.text);
			assert.ok(asked.usage.at(-1).includes(`,"cost_usd":${COST}}`), asked.usage.at(-1));
			assert.equal(JSON.parse(asked.usage.at(-1)).usage.prompt_tokens, 140);
			// Nothing else is another.
			const ids = (text) => text.replace(/sim\d+/g, "sim");
			assert.equal(ids(asked.text.replace(`,"cost_usd":${COST}`, "")), ids(plain.text));
			// Whoever wants the cost gets the usage it stands in.
			const only = await ask(grayd, BODY(model, { stream: true }), { "x-gray-cost": "1" });
			assert.ok(only.usage.at(-1).includes(`"cost_usd":${COST}`));
			assert.doesNotMatch((await ask(grayd, BODY(model, { stream: true }), { "x-gray-cost": "0" })).text, /cost/);
		}
		const wrong = await ask(grayd, BODY("chat"), { "x-gray-cost": "yes" });
		assert.equal(wrong.status, 400);
		assert.match(wrong.text, /x-gray-cost is either 1 or 0/);
	});

	test("streamed by /v1/responses", async (t) => {
		const { grayd } = await pairOf(t, { chat: { usage: USAGE } });
		const answer = await fetch(`${grayd.url}/v1/responses`, { method: "POST", headers: { "x-gray-cost": "1" },
			body: JSON.stringify({ model: "chat", stream: true, input: "hello" }) });
		const text = await answer.text();

		assert.equal(text.match(/cost_usd/g).length, 1);
		const [, last] = text.match(/^event: response.completed\ndata: (.*)$/m);
		assert.equal(JSON.parse(last).response.usage.cost_usd, Number(COST));
	});

	// [the provider's kind, the client's path, where the usage stands]
	for (const [kind, path, last] of [
		["anthropic", "/v1/messages", /^event: message_delta\ndata: (.*)$/m],
		["openai", "/v1/messages", /^event: message_delta\ndata: (.*)$/m],
		["gemini", "/v1/chat/completions", /^data: (\{.*"usage":\{.*)$/m],
		["anthropic", "/v1/chat/completions", /^data: (\{.*"usage":\{.*)$/m],
	]) {
		test(`streamed by ${path} from a provider that speaks ${kind}`, async (t) => {
			const { grayd } = await startPair(t, { script: { models: { chat: { usage: USAGE } } }, simArgs: ["--kind", kind],
				env: { SIM_KEY: "a-key-that-any-simulation-takes" },
				config: (sim) => ({ providers: { sim: { kind, base_url: `${sim.url}/v1`, api_key: { env: "SIM_KEY" } } },
					models: { chat: { provider: "sim", price: PRICE } }, releases: { chat: { stable: "chat" } } }) });
			const answer = await fetch(grayd.url + path, { method: "POST", headers: { "x-gray-cost": "1" },
				body: JSON.stringify({ model: "chat", stream: true, max_tokens: 9, messages: [{ role: "user", content: "hello" }] }) });
			const text = await answer.text();

			assert.equal(text.match(/cost_usd/g)?.length, 1, text);
			assert.equal(JSON.parse(text.match(last)[1]).usage.cost_usd, Number(COST));
		});
	}

	test("behind a fallback it holds what the first model billed, and what is estimated apart", async (t) => {
		const { grayd } = await pairOf(t, { good: { usage: USAGE }, cut: { tokens: 3, faults: [{ kind: "cut", at: "role" }, { kind: "empty" }] } },
			{ releases: { chat: { stable: "good", candidate: "cut" } } });
		const stream = { stream: true, stream_options: { include_usage: true } };
		const whole = await ask(grayd, BODY("chat"), { "x-gray-arm": "stable" });

		assert.equal(whole.headers.get("x-gray-cost-usd"), COST);
		await grayd.ctl(["weight", "chat", 100]);
		const body = BODY("chat", stream);
		const answer = await ask(grayd, body, { "x-gray-cost": "1" });
		assert.equal(answer.headers.get("x-gray-fallback"), "1");
		const input = Math.ceil(JSON.stringify(body).replace('"chat"', '"cut"').length / 4);
		const { usage } = JSON.parse(answer.usage.at(-1));
		assert.equal(usage.cost_usd, Number(COST));
		assert.equal(usage.estimated_cost_usd, input * 2 / 1e6);
	});

	test("of a model without a price there is none", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { chat: { usage: USAGE } } }, config: (sim) => ({
			providers: { sim: { base_url: `${sim.url}/v1` } }, models: { chat: { provider: "sim" } }, releases: { chat: { stable: "chat" } } }) });
		const answer = await ask(grayd, BODY("chat")), stream = await ask(grayd, BODY("chat", { stream: true }), { "x-gray-cost": "1" });

		assert.equal(answer.headers.get("x-gray-cost-usd"), null);
		assert.ok(stream.usage.length > 0);
		assert.doesNotMatch(stream.text, /cost/);
		const { chat } = (await grayd.ctl(["-j", "cost"])).json.releases;
		assert.equal(chat.arms.stable.cost_usd, null);
		assert.equal(chat.arms.stable.per_1000_usd, null);
		assert.equal(chat.month.present_usd, null);
	});
});

describe("what providers do not tell", () => {
	test("usage that cannot be true is none, and drowns nothing", async (t) => {
		const provider = await ownProvider((req, res) => res.end(JSON.stringify({ choices: [{ message: { content: "hello" } }],
			usage: { prompt_tokens: 999999999999999, completion_tokens: 999999999999999 } })));
		const grayd = await startGrayd({ config: { providers: { own: { base_url: provider.url } },
			models: { chat: { provider: "own", price: PRICE } }, releases: { chat: { stable: "chat" } } } });

		t.after(async () => {
			await grayd.stop();
			await provider.stop();
		});
		for (let i = 0; i < 100; i++) assert.equal((await ask(grayd, BODY("chat"))).status, 200);
		const stats = await settledStats(grayd, until), { stable } = stats.releases.chat.arms;
		assert.equal(stats.grayd.insane_slots, 0);
		assert.deepEqual(stable.tokens, { input: 0, cached: 0, cache_write: 0, output: 0 });
		assert.equal(stable.estimated.attempts, 100);
		assert.equal(stable.usage_missing, 100);
	});

	test("a refusal costs nothing, and neither does what was never sent", async (t) => {
		const { grayd } = await pairOf(t, { refused: { faults: [{ kind: "status", status: 500 }] } },
			{ releases: { refused: { stable: "refused", attempts: 1 } } });

		assert.equal((await ask(grayd, BODY("refused"))).status, 500);
		const { stable } = (await settledStats(grayd, until)).releases.refused.arms;
		assert.equal(stable.sent, 1);
		assert.deepEqual(stable.estimated, { attempts: 0, input: 0, output: 0, cost_usd: 0 });
		assert.equal(stable.cost_usd, 0);
	});

	test("an answer without usage is estimated by its text", async (t) => {
		const { grayd } = await pairOf(t, { chat: { text: "x".repeat(400), usage: "missing" } });
		const body = BODY("chat"), answer = await ask(grayd, body);
		const input = Math.ceil(JSON.stringify(body).length / 4);
		const { stable } = (await settledStats(grayd, until)).releases.chat.arms;

		assert.deepEqual([stable.estimated.input, stable.estimated.output], [input, 100]);
		assert.equal(answer.headers.get("x-gray-cost-usd"), "0.000000000000");
		assert.equal(pico(answer.headers.get("x-gray-estimated-cost-usd")), BigInt(input * 2 + 100 * 8) * 1000000n);
	});
});

// ---- clients ----------------------------------------------------------------------------------

test("what each client has spent outlives a worker, a reload and an upgrade", async (t) => {
	const keys = Object.fromEntries(["ann", "bob"].map((name) => [name, randomBytes(16).toString("hex")]));
	const clients = Object.entries(keys).map(([name, key]) => ({ name, key_hash: blake2b256(key).toString("hex") }));
	const { grayd } = await pairOf(t, { chat: { usage: USAGE } }, { clients, admin_listen: "127.0.0.1:0" });
	const spend = async (name, n) => {
		for (let i = 0; i < n; i++)
			assert.equal((await ask(grayd, BODY("chat"), { authorization: `Bearer ${keys[name]}` })).status, 200);
	};
	const spent = async () => {
		const { json } = await grayd.ctl(["-j", "cost"]);
		return Object.fromEntries(json.clients.map(({ client, requests, tokens, cost_usd }) => [client, [requests, tokens.output, cost_usd]]));
	};

	await spend("ann", 3);
	await spend("bob", 5);
	const wanted = { ann: [3, 30, "0.000900000000"], bob: [5, 50, "0.001500000000"] };
	await settledStats(grayd, until);
	assert.deepEqual(await spent(), wanted);
	for (const { pid } of (await grayd.ctl(["-j", "workers"])).json.workers.filter(({ role }) => role === "worker")) {
		process.kill(pid, "SIGKILL");
	}
	await until("the workers to be replaced", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.restarts === 2, 10 * patience);
	assert.equal((await grayd.ctl(["status", "--wait", "healthy", "--timeout", 20])).code, 0);
	assert.deepEqual(await spent(), wanted);
	assert.equal((await grayd.ctl(["reload"])).code, 0);
	assert.deepEqual(await spent(), wanted);
	assert.equal((await grayd.ctl(["upgrade"])).code, 0);
	await spend("ann", 1);
	await until("the sums of both", async () => JSON.stringify(await spent()) ===
		JSON.stringify({ ann: [4, 40, "0.001200000000"], bob: [5, 50, "0.001500000000"] }), 10 * patience);
	const { json } = await grayd.ctl(["-j", "status"]);
	const text = await (await fetch(`http://${json.grayd.admin_listen}/metrics`)).text();
	assert.match(text, /^grayd_client_cost_usd_total\{client="ann"\} 0\.001200000000$/m);
	assert.match(text, /^grayd_client_tokens_total\{client="bob",type="cached"\} 200$/m);
	assert.match((await grayd.ctl(["cost"])).stdout, /^ann +4 +400 +160 +0 +40 +0\.001200 +0\.00/m);
	// What clients spent is not kept by release.
	assert.equal((await grayd.ctl(["-j", "cost", "chat"])).json.clients, undefined);
	process.kill(json.grayd.pid, "SIGTERM");
});

// ---- cost -------------------------------------------------------------------------------------

const MISSION = { "gpt-4.1": { provider: "openai", price: { input: 15, output: 60 } },
	"gpt-4.1-holysheep": { provider: "holysheep", name: "gpt-4.1", price: { input: 2, cached_input: 0.5, output: 8 } } };
const missionConfig = (sim) => ({
	providers: { openai: { base_url: `${sim.url}/v1` }, holysheep: { base_url: `${sim.url}/v1` } },
	models: MISSION, releases: { "gpt-4.1": { stable: "gpt-4.1", candidate: "gpt-4.1-holysheep" } } });

describe("cost --compare", () => {
	const QUESTION = ["cost", "--compare", "requests=1000000", "input=1000", "output=500"];

	test("45,000.00 and 6,000.00 USD: 86.67 % less", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { "*": {} } }, config: missionConfig });
		const { stdout, code } = await grayd.ctl(QUESTION);

		assert.equal(code, 0);
		assert.match(stdout, /^gpt-4\.1 +openai +15\.00 +60\.00 +45,000\.00$/m);
		assert.match(stdout, /^gpt-4\.1-holysheep +holysheep +2\.00 +8\.00 +6,000\.00 +39,000\.00 USD less, 86\.67 %$/m);
		// What README and grayctl(8) show is what it prints.
		for (const page of ["README.md", "ctl/grayctl.8"]) {
			const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
			assert.ok(text.includes(`$ grayctl ${QUESTION.join(" ")}\n${stdout}`), page);
		}
		const { json } = await grayd.ctl(["-j", ...QUESTION]);
		assert.deepEqual(json.models.map(({ cost_usd, saving_percent }) => [cost_usd, saving_percent]),
			[["45000.000000000000", 0], ["6000.000000000000", 86.67]]);
		assert.deepEqual(json.releases, [{ release: "gpt-4.1", stable: "gpt-4.1", candidate: "gpt-4.1-holysheep",
			stable_usd: "45000.000000000000", candidate_usd: "6000.000000000000", saving_usd: "39000.000000000000", saving_percent: 86.67 }]);
	});

	test("cached tokens, the other way round, one release, no price", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { "*": {} } }, config: (sim) => {
			const config = missionConfig(sim);
			config.models.unknown = { provider: "openai" };
			config.releases.back = { stable: "gpt-4.1-holysheep", candidate: "gpt-4.1" };
			config.releases.other = { stable: "unknown", candidate: "gpt-4.1" };
			return config;
		} });
		const { json } = await grayd.ctl(["-j", "cost", "back", "--compare", "requests=1000", "input=0", "cached=1000", "output=0"]);

		assert.deepEqual(json.releases.map(({ saving_usd, saving_percent }) => [saving_usd, saving_percent]), [["-14.500000000000", -2900]]);
		const { stdout } = await grayd.ctl(QUESTION);
		assert.match(stdout, /^unknown has no price in the config$/m);
		assert.match(stdout, /^back: gpt-4\.1 instead of gpt-4\.1-holysheep: 39,000\.00 USD more, 650\.00 %$/m);
	});

	test("the greatest that may be asked at the highest price fits", async (t) => {
		const most = 1_000_000; // USD per million tokens
		const { grayd } = await startPair(t, { script: { models: { "*": {} } }, config: (sim) => {
			const config = missionConfig(sim);
			const price = { input: most, cached_input: most, cache_write: most, output: most };
			return { ...config, models: { ...config.models, "gpt-4.1": { ...config.models["gpt-4.1"], price } } };
		} });
		const { json } = await grayd.ctl(["-j", "cost", "--compare", "requests=100000000000",
			...["input", "cached", "cache_write", "output"].map((type) => `${type}=10000000`)]);
		assert.equal(json.models[0].cost_usd, `${4n * 10_000_000n * 100_000_000_000n}.000000000000`);
	});

	for (const [words, says] of [
		[["requests=1", "input=2"], /output=N is missing/],
		[["requests=1", "input=2", "output=x"], /"output=x": expected output=N, a whole number/],
		[["requests=1", "input=2", "input=3", "output=1"], /input is given twice/],
		[["requests=1", "inputs=2", "output=1"], /"inputs=2": expected requests=N input=N output=N/],
		[["requests=0", "input=2", "output=1"], /"requests=0": expected requests=N, a whole number from 1 to 100000000000/],
		[["requests=-1", "input=2", "output=1"], /"requests=-1": expected requests=N, a whole number from 1/],
		[["requests=1.5", "input=2", "output=1"], /"requests=1.5": expected requests=N, a whole number/],
		[["requests=1", "input=1e3", "output=1"], /"input=1e3": expected input=N, a whole number from 0 to 10000000/],
		[["requests=100000000001", "input=2", "output=1"], /a whole number from 1 to 100000000000/],
		[["requests=1", "input=10000001", "output=1"], /a whole number from 0 to 10000000/],
		[["requests=1", "input=99999999999999999999", "output=1"], /a whole number from 0 to 10000000/],
		[["requests=1", "input=0", "output=0"], /requests without tokens cost nothing/],
	]) {
		test(`${words.join(" ")} is a question of usage`, async (t) => {
			const { grayd } = await startPair(t, { script: { models: { "*": {} } }, config: missionConfig });
			const { code, stderr, stdout } = await grayd.ctl(["cost", "--compare", ...words]);

			assert.equal(code, 2);
			assert.equal(stdout, "");
			assert.match(stderr, says);
		});
	}
});

describe("cost", () => {
	test("before the first request, and with too few: by the prices", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { "gpt-4.1": { usage: { ...USAGE, input: 1000, cached: 0, output: 500 } } } }, config: missionConfig });
		const before = await grayd.ctl(["-j", "cost"]);

		assert.equal(before.json.releases["gpt-4.1"].arms.stable.per_1000_usd, null);
		assert.equal(before.json.releases["gpt-4.1"].month.candidate_usd, null);
		for (let i = 0; i < 20; i++) await ask(grayd, BODY("gpt-4.1"));
		await settledStats(grayd, until);
		const { arms, month } = (await grayd.ctl(["-j", "cost"])).json.releases["gpt-4.1"];
		assert.deepEqual([arms.stable.cost_usd, arms.stable.per_1000_usd, arms.stable.per_1000_basis], ["0.900000000000", "45.000000000000", "measured"]);
		assert.deepEqual([arms.candidate.per_1000_usd, arms.candidate.per_1000_basis], ["6.000000000000", "prices"]);
		assert.equal(month.saving_percent, 86.67);
		// A month is 30 days at that rate.
		const perSecond = 20 / month.window_s;
		assert.ok(Math.abs(Number(month.stable_usd) - perSecond * 30 * 86400 * 0.045) < 0.01);
		assert.equal(month.present_usd, month.stable_usd);
		const { stdout } = await grayd.ctl(["cost"]);
		assert.match(stdout, /^per 1,000 requests, USD +45\.00 +6\.00/m);
		assert.match(stdout, /^all on the candidate, a month costs [\d,]+\.\d\d USD less, 86\.67 %$/m);
		assert.match(stdout, /^candidate has served too few requests to say: these are the tokens of the other model at its prices$/m);
	});

	test("too few at both: only the arm that has served less goes by the other's tokens", async (t) => {
		const { grayd } = await startPair(t, { script: { models: { "gpt-4.1": { usage: { ...USAGE, input: 1000, cached: 0, output: 500 } } } }, config: missionConfig });

		for (let i = 0; i < 5; i++) await ask(grayd, BODY("gpt-4.1"));
		assert.equal((await ask(grayd, BODY("gpt-4.1"), { "x-gray-arm": "candidate" })).status, 200);
		await until("all are counted", async () => {
			const { arms } = (await grayd.ctl(["-j", "cost"])).json.releases["gpt-4.1"];
			return arms.stable.served === 5 && arms.candidate.served === 1;
		});
		const { arms } = (await grayd.ctl(["-j", "cost"])).json.releases["gpt-4.1"];
		assert.deepEqual([arms.stable.per_1000_usd, arms.stable.per_1000_basis], ["45.000000000000", "measured"]);
		assert.deepEqual([arms.candidate.per_1000_usd, arms.candidate.per_1000_basis], ["6.000000000000", "prices"]);
	});

	test("a release without a candidate, and one that is not there", async (t) => {
		const { grayd } = await pairOf(t, { chat: { usage: USAGE } });

		await ask(grayd, BODY("chat"));
		const { stdout } = await grayd.ctl(["cost", "chat"]);
		assert.match(stdout, /^ +STABLE$/m);
		assert.match(stdout, /^chat: since /);
		const none = await grayd.ctl(["cost", "nothing"]);
		assert.equal(none.code, 1);
		assert.match(none.stderr, /there is no release "nothing"/);
	});
});
