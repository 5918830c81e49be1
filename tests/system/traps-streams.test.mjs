// SPDX-License-Identifier: MIT
// What users of other gateways complain about, in streams and in limits of time: a test for each,
// with its name, for both APIs that applications speak and every kind of provider behind them.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { ask, WAYS, words } from "./lib/apis.mjs";
import { attemptsOf, patient, portOf, quiet, requestText, startPair } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";

const TOKENS = 6;
const SHORT_MS = patient(200);
const forever = { first_token_ms: [60000], answer_ms: [60000], idle_ms: 60000 };

// Deaths of a stream, with what grayd calls them: before the first token, and behind the second.
const early = {
	"cut behind the role": [{ kind: "cut", at: "role" }, "incomplete"],
	"cut behind the role, cleanly framed": [{ kind: "cut", at: "role", end: "chunk" }, "incomplete"],
	"reset behind the role": [{ kind: "reset", at: "role" }, "incomplete"],
	"closed before the head": [{ kind: "close" }, "no_answer"],
	"silence before the head": [{ kind: "stall" }, "first_token_timeout"],
	"silence behind the head": [{ kind: "stall", at: "headers" }, "first_token_timeout"],
	"silence behind the role": [{ kind: "stall", at: "role" }, "first_token_timeout"],
};
const late = {
	"cut": [{ kind: "cut", after: 2 }, "incomplete"],
	"cut, cleanly framed": [{ kind: "cut", after: 2, end: "chunk" }, "incomplete"],
	"reset": [{ kind: "reset", at: "chunk", after: 2 }, "incomplete"],
	"silence": [{ kind: "stall", at: "chunk", after: 2 }, "idle_timeout"],
	"cut before the finish": [{ kind: "cut", at: "finish" }, "incomplete"],
	"cut before the end mark": [{ kind: "cut", at: "end" }, "incomplete"],
	"no end mark": [{ kind: "no_done" }, "incomplete"],
	"an error event": [{ kind: "error_event", after: 2 }, "error_event"],
};
// Google marks no end: behind its finish reason an answer is whole, whatever becomes of the connection.
const lateOf = (kind) => Object.entries(late).filter(([name]) => kind !== "gemini" || !/end mark/.test(name));
const slug = (name) => name.toLowerCase().replace(/[^a-z]+/g, "-");

// A model for each fault, and two releases: as the candidate of "good", and alone as "only-...".
function table(behaviours) {
	const models = { good: { provider: "sim" } };
	const releases = {};
	for (const [name, { limits, ...release }] of Object.entries(behaviours.releases)) {
		models[name] = { provider: "sim" };
		releases[name] = { stable: "good", candidate: name, attempts: 2, timeouts: { ...forever, ...limits }, ...release };
		releases[`only-${name}`] = { stable: name, attempts: 1, timeouts: { ...forever, ...limits }, ...release };
	}
	return { script: { models: { good: { tokens: TOKENS }, ...behaviours.models } }, config: { models, releases } };
}

for (const { api, kind, name: way } of WAYS) {
	describe(`streams, ${way}`, { concurrency: 8 }, () => {
		const models = {}, releases = {};
		for (const [when, deaths] of Object.entries({ early: Object.entries(early), late: lateOf(kind) }))
			for (const [name, [fault]] of deaths) {
				models[`${when}-${slug(name)}`] = { tokens: TOKENS, faults: [fault] };
				releases[`${when}-${slug(name)}`] = { limits: fault.kind === "stall"
					? { first_token_ms: [SHORT_MS, 60000], idle_ms: when === "late" ? SHORT_MS : 60000 } : {} };
			}
		const open = kind !== "gemini" ? {} : { cut: { kind: "cut", at: "end" }, reset: { kind: "reset", at: "end" },
			silence: { kind: "stall", at: "end" }, comments: { kind: "comments", at: "end", interval_ms: 20 } };
		for (const [name, fault] of Object.entries(open))
			models[`behind-the-finish-${name}`] = { tokens: TOKENS, faults: [fault] };
		models["empty-then-error"] = { faults: [{ kind: "error_event", at: "role" }] };
		models["role-only"] = { faults: [{ kind: "role_only" }] };
		models["role-then-comments"] = { faults: [{ kind: "comments", at: "role", interval_ms: 5 }] };
		for (let i = 1; i <= 3; i++) models[`stops-behind-${i}`] = { faults: [{ kind: "stall", at: "chunk", after: i }] };
		models["half-a-call"] = { tool_calls: [{ name: "lookup", arguments: { city: "Paris", days: 3 }, pieces: 6 }],
			faults: [{ kind: "cut", after: 4 }] };
		models["half-a-call-and-no-limit"] = { ...models["half-a-call"] };
		for (const name of Object.keys(models)) releases[name] ??= {};
		releases["role-then-comments"].limits = { first_token_ms: [SHORT_MS, 60000] };

		let pair;
		before(async () => (pair = await startPair({ ...table({ models, releases }), provider: { kind } })));
		after(() => pair?.stop());
		const stream = (model, more) => ask(pair.grayd, api, model, { stream: true, ...more });
		const seenBy = async (id, model) => (await attemptsOf(pair.sim, id)).filter((one) => one.model === model).length;

		test("a stream that is cut or stalls before its first token is answered by stable", async () => {
			await Promise.all(Object.entries(early).map(async ([name, [, outcome]]) => {
				const answer = await stream(`early-${slug(name)}`);
				assert.deepEqual([answer.status, answer.arm, answer.reason], [200, "stable", outcome], name);
				assert.deepEqual([answer.text, answer.done, answer.error], [words("good", TOKENS), true, undefined], name);
				assert.ok(answer.complete, name);
			}));
		});

		test("a dead stream never ends as a clean end mark", async () => {
			await Promise.all(lateOf(kind).map(async ([name, [, outcome]]) => {
				const answer = await stream(`late-${slug(name)}`);
				assert.deepEqual([answer.status, answer.arm], [200, "candidate"], name);
				assert.equal(answer.done, false, name);
				assert.ok(answer.error, `${name}: ${answer.text}`);
				assert.equal(answer.complete, false, `${name}: the framing says that all is well`);
				const entry = (await pair.grayd.ctl(["-j", "errors", `late-${slug(name)}`])).json
					.releases[`late-${slug(name)}`].errors[0];
				assert.deepEqual([entry.outcome, entry.saved], [outcome, false], name);
			}));
		});

		test("a dead stream never ends as a clean 200", async () => {
			await Promise.all(Object.keys(early).map(async (name) => {
				const answer = await stream(`only-early-${slug(name)}`);
				assert.ok([502, 504].includes(answer.status), `${name}: ${answer.status}`);
				assert.equal(answer.done, false, name);
				assert.equal(typeof answer.error.message, "string", name);
			}));
		});

		// So it must not be waited for until the client gives up.
		test("where no end is marked an answer ends behind its finish reason", { skip: kind !== "gemini" && "it marks one" },
			async () => {
				await Promise.all(Object.keys(open).map(async (name) => {
					const answer = await stream(`behind-the-finish-${name}`);
					assert.deepEqual([answer.text, answer.done, answer.error, answer.complete],
						[words(`behind-the-finish-${name}`, TOKENS), true, undefined, true], name);
					const { stable, candidate } = (await quiet(pair.grayd)).releases[`behind-the-finish-${name}`].arms;
					assert.deepEqual([candidate.outcomes, stable.attempts], [{ ok: 1 }, 0], name);
				}));
			});

		test("an error right behind the first, still empty chunk falls back", async () => {
			const answer = await stream("empty-then-error");
			assert.deepEqual([answer.status, answer.arm, answer.reason], [200, "stable", "error_event"]);
			assert.deepEqual([answer.text, answer.done], [words("good", TOKENS), true]);
		});

		test("a chunk with nothing but a role is no first token", async () => {
			for (const [model, outcome] of [["early-silence-behind-the-role", "first_token_timeout"],
				["role-then-comments", "first_token_timeout"], ["role-only", kind === "gemini" ? "incomplete" : "empty"]]) {
				const answer = await stream(model);
				assert.deepEqual([answer.arm, answer.reason, answer.text], ["stable", outcome, words("good", TOKENS)], model);
			}
			const { candidate } = (await quiet(pair.grayd)).releases["role-then-comments"].arms;
			assert.equal(candidate.first_token_ms.count, 0);
		});

		// Where a provider stops behind its n-th token, whoever buffers never shows that one.
		test("streaming is not buffered: each token leaves as it comes", async () => {
			for (let i = 1; i <= 3; i++) {
				const socket = net.connect(portOf(pair.grayd.url), "127.0.0.1");
				let seen = "";
				socket.setEncoding("utf8").on("data", (data) => (seen += data));
				socket.write(requestText(api.body(`stops-behind-${i}`, { stream: true }), { path: api.path }));
				await until(`token ${i}`, () => seen.includes(`tok${i - 1}`));
				assert.ok(!seen.includes(`tok${i}`));
				socket.destroy();
			}
		});

		test("an answer is never continued by another model: its words", async () => {
			await Promise.all(lateOf(kind).map(async ([name]) => {
				const answer = await stream(`late-${slug(name)}`);
				const all = words(`late-${slug(name)}`, TOKENS);
				assert.ok(answer.text.length > 0 && all.startsWith(answer.text), `${name}: ${answer.text}`);
				assert.equal(await seenBy(answer.id, "good"), 0, name);
			}));
		});

		test("an answer is never continued by another model: its tool calls", async () => {
			const answer = await stream("half-a-call", { tools: api.tools });
			const all = '{"city":"Paris","days":3}';
			assert.ok(answer.args.length > 0 && all.startsWith(answer.args), answer.args);
			// Google sends no pieces of calls, but what it sent is not the end of its answer.
			assert.equal(answer.args.length === all.length, kind === "gemini");
			assert.ok(answer.error && !answer.done);
			assert.equal(await seenBy(answer.id, "good"), 0);
		});
	});

	describe(`timeouts, ${way}`, { concurrency: 8 }, () => {
		const DEADLINE_MS = patient(400);
		const models = {
			silent: { faults: [{ kind: "stall" }] },
			"silent-behind-its-head": { faults: [{ kind: "stall", at: "headers" }] },
			"comments-for-ever": { faults: [{ kind: "comments", interval_ms: 5 }] },
			gap: { tokens: TOKENS, faults: [{ kind: "stall", at: "chunk", after: 2 }] },
			long: { tokens: 30, chunk_ms: patient(40) },
		};
		const first = { first_token_ms: [SHORT_MS, 60000], answer_ms: [SHORT_MS, 60000] };
		const releases = { silent: { limits: first }, "silent-behind-its-head": { limits: first },
			"comments-for-ever": { limits: first }, gap: { limits: { idle_ms: SHORT_MS } },
			long: { deadline_ms: DEADLINE_MS,
				limits: { first_token_ms: [DEADLINE_MS], answer_ms: [DEADLINE_MS], idle_ms: DEADLINE_MS } } };
		let pair;
		before(async () => (pair = await startPair({ ...table({ models, releases }), provider: { kind } })));
		after(() => pair?.stop());

		for (const [name, stream, outcome] of [["a whole answer", false, "answer_timeout"],
			["a stream", true, "first_token_timeout"]])
			test(`a silent provider meets a limit on its first byte: ${name}`, async () => {
				const begin = performance.now();
				const alone = await ask(pair.grayd, api, "only-silent", { stream });
				const took = performance.now() - begin;
				assert.equal(alone.status, 504, alone.text);
				assert.ok(took >= SHORT_MS - 1 && took < SHORT_MS + patient(2000), `${took} ms`);
				const saved = await ask(pair.grayd, api, "silent", { stream });
				assert.deepEqual([saved.arm, saved.reason, saved.text], ["stable", outcome, words("good", TOKENS)]);
			});

		test("the limit of a stream counts from its request, not from its first chunk", async () => {
			for (const model of ["silent-behind-its-head", "comments-for-ever"]) {
				const begin = performance.now();
				const answer = await ask(pair.grayd, api, `only-${model}`, { stream: true });
				const took = performance.now() - begin;
				assert.equal(answer.status, 504, model);
				assert.ok(took >= SHORT_MS - 1 && took < SHORT_MS + patient(2000), `${model}: ${took} ms`);
			}
		});

		test("behind the first token the gaps are limited", async () => {
			const begin = performance.now();
			const answer = await ask(pair.grayd, api, "gap", { stream: true });
			const took = performance.now() - begin;
			assert.ok(took >= SHORT_MS - 1 && took < SHORT_MS + patient(2000), `${took} ms`);
			assert.ok(answer.error && !answer.done);
			assert.equal(answer.text, words("gap", 2));
			const [attempt] = await until("the end of the attempt", async () => {
				const all = await attemptsOf(pair.sim, answer.id);
				return all[0].t_close_us > 0 && all;
			});
			assert.equal(attempt.state, "cancelled");
		});

		test("no limit on a request cuts a good long stream", async () => {
			const begin = performance.now();
			const answer = await ask(pair.grayd, api, "long", { stream: true });
			assert.ok(performance.now() - begin > 2 * DEADLINE_MS);
			assert.deepEqual([answer.arm, answer.error, answer.done], ["candidate", undefined, true]);
			assert.equal(answer.text, words("long", 30));
		});
	});
}
