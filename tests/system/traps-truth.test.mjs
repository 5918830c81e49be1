// SPDX-License-Identifier: MIT
// What users of other gateways complain about, in money, leaks and truth: a test for each, with its
// name, for both APIs that applications speak and every kind of provider behind them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { APIS, ask, WAYS, words } from "./lib/apis.mjs";
import { attemptsOf, ownProvider, quiet, startPair, stats } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";
import { load, long, sanitized } from "./lib/load.mjs";
import { memoryOf, workersOf } from "./lib/proc.mjs";

const status = (code, more = {}) => [{ kind: "status", status: code, ...more }];
const KINDS = ["openai", "anthropic", "gemini"];
const SHAPES = [["whole", false], ["streamed", true]];
const logLine = (pair, id) => until("the line in the log", () => pair.grayd.logLines().find((line) => line.id === id));

for (const { api, kind, name: way, native } of WAYS) {
	describe(`money, ${way}`, { concurrency: 4 }, () => {
		const price = { input: 4, cached_input: 1, cache_write: 5, output: 10 };
		// Only Anthropic tells of what it writes to its cache.
		const written = kind === "anthropic" ? 50 : 0;
		const usage = { input: 1000, cached: 900, ...(written && { cache_write: written }), output: 6 };
		const cost = ((1000 - 900 - written) * 4 + 900 * 1 + written * 5 + 6 * 10) / 1e6;
		const models = { cached: { usage }, dear: { usage: { ...usage, extra: { cost: 55.5, total_cost: 7, cost_usd: 8 } } },
			broken: { faults: status(500) }, endless: { tokens: 100000, usage: { input: 1000, cached: 900 },
				faults: [{ kind: "stall", at: "chunk", after: 21 }] },
			lying: { faults: status(200, { message: "no, and with a smile" }) } };
		const releases = { cached: { stable: "cached" }, dear: { stable: "dear" },
			fallen: { stable: "cached", candidate: "broken", backoff_ms: 1 }, endless: { stable: "endless" },
			lied: { stable: "cached", candidate: "lying", backoff_ms: 1 } };
		let pair;
		before(async () => {
			pair = await startPair({ script: { models }, provider: { kind }, config: { releases,
				models: Object.fromEntries(Object.keys(models).map((name) => [name, { provider: "sim", price }])) } });
		});
		after(() => pair?.stop());

		for (const [shape, stream] of SHAPES) {
			test(`cached tokens keep their price, ${shape}`, async () => {
				// Also where the client does not want to know of usage.
				const answer = await ask(pair.grayd, api, "cached", { stream, ...(stream && { stream_options: undefined }) });
				const line = await logLine(pair, answer.id);
				assert.deepEqual([line.tokens_input, line.tokens_cached, line.tokens_cache_write ?? 0, line.tokens_output],
					[1000 - 900 - written, 900, written, 6]);
				assert.equal(line.cost_usd, cost);
			});

			test(`an answer has its cost behind a fallback, too, ${shape}`, async () => {
				const answer = await ask(pair.grayd, api, "fallen", { stream });
				assert.equal(answer.arm, "stable");
				if (!stream) assert.equal(Number(answer.headers["x-gray-cost-usd"]), cost);
				assert.equal((await logLine(pair, answer.id)).cost_usd, cost);
			});

			test(`an error under status 200 is an error, and costs nothing, ${shape}`, async () => {
				const answer = await ask(pair.grayd, api, "lied", { stream });
				assert.deepEqual([answer.status, answer.arm, answer.reason], [200, "stable", "error_event"]);
				const line = await logLine(pair, answer.id);
				assert.deepEqual([line.cost_usd, line.estimated_tokens_input], [cost, undefined]);
				const { errors } = (await pair.grayd.ctl(["-j", "errors", "lied"])).json.releases.lied;
				const entry = errors.find((one) => one.request_id === answer.id);
				assert.deepEqual([entry.status, entry.saved], [200, true]);
				assert.match(entry.message, /no, and with a smile/);
			});

			test(`a provider's own word on cost is not believed, ${shape}`, async () => {
				const answer = await ask(pair.grayd, api, "dear", { stream });
				if (native) assert.match(answer.bytes.toString(), /"cost":55\.5/);
				else assert.doesNotMatch(answer.bytes.toString(), /55\.5/);
				assert.equal((await logLine(pair, answer.id)).cost_usd, cost);
			});
		}

		test("and all of it adds up", async () => {
			const { arms } = (await quiet(pair.grayd)).releases.fallen;
			assert.equal(arms.candidate.cost_usd, 0);
			assert.ok(Math.abs(arms.stable.cost_usd - arms.stable.sent * cost) < 1e-12);
		});

		// What the provider had told is exact; the rest is an estimate, and said to be one. The client has
		// read all that was written when it leaves, so that both have seen the same.
		test("tokens are not lost when the client leaves", async () => {
			const leaving = new AbortController();
			const answer = await fetch(pair.grayd.url + api.path, { method: "POST", signal: leaving.signal,
				headers: { "x-request-id": "leaves" }, body: JSON.stringify(api.body("endless", { stream: true })) });
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			for (let text = ""; !text.includes("tok20"); text += (await reader.read()).value);
			leaving.abort();
			const [entry] = await until("the end of the attempt", async () => {
				const all = await attemptsOf(pair.sim, "leaves");
				return all[0].state === "cancelled" && all;
			});
			const { stable } = (await quiet(pair.grayd)).releases.endless.arms;
			const told = entry.told === "input";
			assert.equal(told, kind !== "openai");
			assert.equal(stable.cancelled, 1);
			assert.deepEqual(stable.tokens, { input: told ? 100 : 0, cached: told ? 900 : 0, cache_write: 0,
				output: entry.told_output_tokens });
			assert.equal(stable.estimated.attempts, 1);
			assert.ok(stable.estimated.output + stable.tokens.output >= 20);
			assert.ok(stable.estimated.cost_usd > 0);
			const line = await logLine(pair, "leaves");
			assert.equal(line.outcome, "cancelled");
			assert.equal(line.estimated_tokens_output, stable.estimated.output);
		});
	});

	describe(`truth, ${way}`, { concurrency: 4 }, () => {
		const models = { plain: { tokens: 3, answers_as: "somebody-else" }, next: { tokens: 3 },
			broken: { faults: status(503, { message: "out of order" }) } };
		const releases = { chat: { stable: "the-plain-one", candidate: "next" },
			fallen: { stable: "the-plain-one", candidate: "broken", backoff_ms: 1 } };
		let pair;
		before(async () => {
			pair = await startPair({ script: { models }, provider: { kind }, config: { releases, models: {
				"the-plain-one": { provider: "sim", name: "plain" }, next: { provider: "sim" }, broken: { provider: "sim" } } } });
		});
		after(() => pair?.stop());

		for (const [shape, stream] of SHAPES) {
			test(`the model that really answered is told, ${shape}`, async () => {
				const fallen = await ask(pair.grayd, api, "fallen", { stream });
				assert.deepEqual(["arm", "model", "provider", "release"].map((name) => fallen.headers[`x-gray-${name}`]),
					["stable", "plain", "sim", "fallen"]);
				assert.equal(fallen.text, words("plain", 3));
				if (native) assert.match(fallen.bytes.toString(), /"model":"somebody-else"/);
				const line = await logLine(pair, fallen.id);
				assert.deepEqual([line.arm, line.assigned, line.model, line.provider], ["stable", "candidate", "plain", "sim"]);
				const good = await ask(pair.grayd, api, "chat", { stream });
				assert.deepEqual(["arm", "model", "fallback"].map((name) => good.headers[`x-gray-${name}`]),
					["candidate", "next", "0"]);
				assert.equal(good.text, words("next", 3));
			});

			test(`why it fell back is told: to the client, in the log, in the error report, ${shape}`, async () => {
				const answer = await ask(pair.grayd, api, "fallen", { stream });
				assert.deepEqual([answer.headers["x-gray-fallback"], answer.reason, answer.headers["x-gray-attempts"]],
					["1", "overloaded", "2"]);
				assert.equal((await logLine(pair, answer.id)).fallback, "overloaded");
				const { errors } = (await pair.grayd.ctl(["-j", "errors", "fallen"])).json.releases.fallen;
				const entry = errors.find((one) => one.request_id === answer.id);
				assert.deepEqual([entry.outcome, entry.status, entry.model, entry.saved], ["overloaded", 503, "broken", true]);
				assert.match(entry.message, /out of order/);
			});
		}

		test("the head of a stream says what the head of a whole answer says", async () => {
			for (const release of ["chat", "fallen"]) {
				const [whole, stream] = await Promise.all([false, true].map(async (wanted) => {
					const { headers } = await ask(pair.grayd, api, release, { stream: wanted });
					return Object.keys(headers).filter((name) => /^x-/.test(name) && !/-cost-/.test(name)).sort();
				}));
				assert.deepEqual(stream, whole);
				for (const name of ["x-request-id", "x-gray-release", "x-gray-stage", "x-gray-arm", "x-gray-model",
					"x-gray-provider", "x-gray-attempts", "x-gray-fallback", "x-gray-overhead-ms"])
					assert.ok(stream.includes(name), name);
			}
		});
	});
}

for (const kind of KINDS)
	for (const [what, script] of Object.entries({
		"a list": { models: { one: {}, alias: { listed: false } } },
		"no list": { models: { one: {}, alias: {} }, catalogue: { faults: status(404) } },
		"an error for a list": { models: { one: {}, alias: {} }, catalogue: { faults: status(500) } },
	}))
		test(`health checks are not billed, ${kind}: ${what}`, async (t) => {
			const pair = await startPair({ t, script, provider: { kind }, share: 0, config: {
				admin_listen: "127.0.0.1:0", models: { one: { provider: "sim" }, alias: { provider: "sim" } },
				releases: { chat: { stable: "one", candidate: "alias" } } } });
			const before = (await pair.sim.summary()).catalogue_requests;
			assert.ok(before >= 1, "asked at the start");
			for (let i = 0; i < 3; i++) await pair.grayd.ctl(["-j", "check"]);
			const summary = await pair.sim.summary();
			assert.ok(summary.catalogue_requests > before, "asked by grayctl check");
			assert.equal(summary.last, 0, "a request that is billed");
			const { arms } = (await stats(pair.grayd, "chat")).releases.chat;
			assert.deepEqual([arms.stable.sent, arms.candidate.sent, arms.stable.cost_usd ?? 0], [0, 0, 0]);
		});

// ---- leaks -------------------------------------------------------------------------------------

// What each API answers, by its path.
const answers = [
	[/\/messages$/, { type: "message", role: "assistant", stop_reason: "end_turn", content: [{ type: "text", text: "hi" }],
		usage: { input_tokens: 1, output_tokens: 1 } }],
	[/:generateContent$/, { candidates: [{ content: { role: "model", parts: [{ text: "hi" }] }, finishReason: "STOP" }] }],
	[/\/chat\/completions$/, { choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }] }],
];
// The header of each kind's key.
const keyOf = { openai: (head) => head.authorization.replace(/^Bearer /, ""), anthropic: (head) => head["x-api-key"],
	gemini: (head) => head["x-goog-api-key"] };

// Two providers in this process that keep the heads of what reaches them; the first one fails.
async function twoProviders(t) {
	const seen = { first: [], second: [] };
	const noCatalogue = (req, res) => req.method === "GET" && res.writeHead(404).end();
	const first = await ownProvider((req, res) => {
		if (noCatalogue(req, res)) return;
		seen.first.push(req.headers);
		res.writeHead(503, { "content-type": "application/json", "set-cookie": "session=of-the-first", "x-secret-of-first": "1" });
		res.end('{"error":{"message":"busy"}}');
	});
	const second = await ownProvider((req, res) => {
		if (noCatalogue(req, res)) return;
		seen.second.push(req.headers);
		res.writeHead(200, { "content-type": "application/json", "set-cookie": "session=of-the-second" });
		res.end(JSON.stringify(answers.find(([path]) => path.test(req.url))[1]));
	});
	t.after(() => Promise.all([first.stop(), second.stop()]));
	return { seen, first, second };
}

for (const api of APIS)
	for (const [kind, next] of KINDS.flatMap((one, i) => [[one, one], [one, KINDS[(i + 1) % KINDS.length]]]))
		test(`neither the client's nor another provider's credentials reach a provider: ${api.name}, ${kind}, then ${next}`,
			async (t) => {
				const { seen, first, second } = await twoProviders(t);
				const pair = await startPair({ t, script: { models: {} },
					env: { KEY_OF_FIRST: "key-of-first-0123456789", KEY_OF_SECOND: "key-of-second-0123456789" },
					config: { providers: {
						first: { kind, base_url: first.url, api_key: { env: "KEY_OF_FIRST" },
							...(kind === "openai" && { organization: "org-of-first" }) },
						second: { kind: next, base_url: second.url, api_key: { env: "KEY_OF_SECOND" } } },
					models: { one: { provider: "first" }, two: { provider: "second" } },
					releases: { chat: { stable: "two", candidate: "one", backoff_ms: 1 } } } });
				const headers = { authorization: "Bearer key-of-the-client", "x-api-key": "key-of-the-client",
					cookie: "session=of-the-client", "x-goog-api-key": "key-of-the-client" };
				for (let i = 0; i < 2; i++) {
					const answer = await ask(pair.grayd, api, "chat", { headers });
					assert.deepEqual([answer.status, answer.arm, answer.reason, answer.text], [200, "stable", "overloaded", "hi"]);
					assert.equal(answer.headers["set-cookie"], undefined);
					assert.equal(answer.headers["x-secret-of-first"], undefined);
				}
				assert.deepEqual([seen.first.length, seen.second.length], [2, 2]);
				for (const head of seen.first) assert.equal(keyOf[kind](head), "key-of-first-0123456789");
				for (const head of seen.second) {
					assert.equal(keyOf[next](head), "key-of-second-0123456789");
					assert.doesNotMatch(JSON.stringify(head), /of-first/);
				}
				if (kind === "openai") assert.equal(seen.first[0]["openai-organization"], "org-of-first");
				for (const head of [...seen.first, ...seen.second]) {
					assert.doesNotMatch(JSON.stringify(head), /of-the-client/);
					assert.equal(head.cookie, undefined);
				}
			});

test("memory does not grow with the number of requests", { skip: sanitized && "the sanitizer keeps what is freed" },
	async (t) => {
		const models = { good: { tokens: 5 }, bad: { faults: [...status(500, { probability: 0.3 }),
			{ kind: "cut", after: 2, probability: 0.3, only: "stream" }, { kind: "reset", at: "body", probability: 0.3 }] } };
		const pair = await startPair({ t, script: { models }, config: {
			models: { good: { provider: "sim" }, bad: { provider: "sim" } },
			releases: { chat: { stable: "good", candidate: "bad", backoff_ms: 1 } } } });
		const round = async (stream) => {
			await load(pair.grayd.url, { m: "chat", n: 2000, c: 16, stream }, { log: false });
		};
		const resident = async () => {
			await quiet(pair.grayd);
			return (await workersOf(pair.grayd)).reduce((sum, { pid }) => sum + memoryOf(pid), 0);
		};
		// Buffers, pools and arenas grow until they fit the load.
		for (let i = 0; i < 2; i++) for (const stream of [false, true]) await round(stream);
		const begin = await resident();
		const rounds = long ? 30 : 3, requests = rounds * 2 * 2000;
		for (let i = 0; i < rounds; i++) for (const stream of [false, true]) await round(stream);
		const grown = await resident() - begin;
		// Less than the smallest thing that could be lost with each; what is left is arenas' play.
		assert.ok(grown < requests * (long ? 16 : 64), `${requests} requests left ${grown} bytes`);
		const { arms } = (await stats(pair.grayd, "chat")).releases.chat;
		assert.equal(arms.candidate.requests, 8000 + requests);
	});
