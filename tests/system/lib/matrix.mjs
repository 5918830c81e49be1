// SPDX-License-Identifier: MIT
// The matrix: stable x candidate x {whole, stream} x {ok, tool call, error before, error midway}, as
// the clients see it that users have in their programs. A release for each pair; the candidate has
// the whole share, and a pin asks stable.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { attemptsOf, quiet, setShare, stopClean } from "./expect.mjs";
import { startGrayd, until } from "./grayd.mjs";
import {
	CALL, FAIL_BEFORE, FAIL_MIDWAY, MIDWAY_TOKENS, modelOf, startSystems, SYSTEMS, textOf, TOKENS, USAGE,
} from "./systems.mjs";
import { assertRequest, bodyOf } from "./strict.mjs";

const SHAPES = ["whole", "stream"];
const CASES = ["ok", "tool call", "error before", "error midway"];
const parameters = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } };

// What a client got: { text, calls: [[name, arguments]], finish, usage: {input, cached, output} as
// OpenAI counts, headers }; of a broken stream also { error }, with what had come until then.

// Through the npm client `openai`.
const openai = {
	name: "openai",
	finish: { text: "stop", call: "tool_calls" },
	client: (url, key) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 }),
	async ask(client, model, shape, { content, tools, headers }) {
		const body = { model, messages: [{ role: "system", content: "be brief" }, { role: "user", content }],
			max_tokens: 100, ...(tools && { tools: [{ type: "function", function: { name: CALL.name, parameters } }] }) };
		if (shape === "whole") {
			const { data, response } = await client.chat.completions.create(body, { headers }).withResponse();
			const [{ message, finish_reason: finish }] = data.choices;
			return { text: message.content, finish, usage: this.usage(data.usage), headers: response.headers,
				calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]) };
		}
		const got = { text: "", calls: [] };
		const { data, response } = await client.chat.completions.create(
			{ ...body, stream: true, stream_options: { include_usage: true } }, { headers }).withResponse();
		got.headers = response.headers;
		try {
			for await (const chunk of data) this.add(got, chunk);
		} catch (error) {
			got.error = error;
		}
		got.calls = got.calls.map(([name, text]) => [name, JSON.parse(text)]);
		return got;
	},
	add(got, { choices: [choice], usage }) {
		got.text += choice?.delta?.content ?? "";
		got.finish = choice?.finish_reason ?? got.finish;
		if (usage) got.usage = this.usage(usage);
		for (const part of choice?.delta?.tool_calls ?? []) {
			got.calls[part.index] ??= ["", ""];
			got.calls[part.index][0] += part.function?.name ?? "";
			got.calls[part.index][1] += part.function?.arguments ?? "";
		}
	},
	usage: (usage) => ({ input: usage.prompt_tokens, cached: usage.prompt_tokens_details?.cached_tokens,
		output: usage.completion_tokens }),
};

// Through the npm client `@anthropic-ai/sdk`.
const anthropic = {
	name: "@anthropic-ai/sdk",
	finish: { text: "end_turn", call: "tool_use" },
	client: (url, key) => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 }),
	async ask(client, model, shape, { content, tools, headers }) {
		const body = { model, system: "be brief", max_tokens: 100, messages: [{ role: "user", content }],
			...(tools && { tools: [{ name: CALL.name, input_schema: parameters }] }) };
		if (shape === "whole") {
			const { data, response } = await client.messages.create(body, { headers }).withResponse();
			return { ...this.read(data), headers: response.headers };
		}
		const stream = client.messages.stream(body, { headers });
		const got = { text: "" };
		stream.on("text", (piece) => (got.text += piece));
		const { response } = await stream.withResponse();
		got.headers = response.headers;
		try {
			Object.assign(got, this.read(await stream.finalMessage()));
		} catch (error) {
			got.error = error;
		}
		return got;
	},
	read: (message) => ({
		text: message.content.filter((block) => block.type === "text").map((block) => block.text).join(""),
		calls: message.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
		finish: message.stop_reason,
		usage: { cached: message.usage.cache_read_input_tokens, output: message.usage.output_tokens,
			input: message.usage.input_tokens + message.usage.cache_read_input_tokens +
				(message.usage.cache_creation_input_tokens ?? 0) },
	}),
};

// ---- what must hold ----------------------------------------------------------------------------

// The answer is that of this arm, and its head says so.
function assertAnswer(got, driver, pair, arm, { tools, fallback } = {}) {
	assert.equal(got.error, undefined);
	assert.equal(got.headers.get("x-gray-arm"), arm);
	assert.equal(got.headers.get("x-gray-provider"), pair[arm]);
	assert.equal(got.headers.get("x-gray-fallback"), fallback ? "1" : "0");
	assert.equal(got.headers.get("x-gray-fallback-reason"), fallback ?? null);
	assert.equal(got.finish, tools ? driver.finish.call : driver.finish.text);
	assert.deepEqual(got.calls, tools ? [[CALL.name, CALL.arguments]] : []);
	assert.equal(got.text || "", tools ? "" : textOf(pair[arm], arm));
	assert.deepEqual(got.usage, { input: USAGE.input, cached: USAGE.cached, output: TOKENS });
}

const run = {
	async ok(ask, driver, pair) {
		assertAnswer(await ask({ content: "hello" }), driver, pair, "candidate");
		assertAnswer(await ask({ content: "hello", headers: { "x-gray-arm": "stable" } }), driver, pair, "stable");
		return [["candidate"], ["stable"]];
	},
	async "tool call"(ask, driver, pair) {
		const tools = true;
		assertAnswer(await ask({ content: "look", tools }), driver, pair, "candidate", { tools });
		assertAnswer(await ask({ content: "look", tools, headers: { "x-gray-arm": "stable" } }), driver, pair, "stable",
			{ tools });
		return [["candidate"], ["stable"]];
	},
	async "error before"(ask, driver, pair) {
		const fallback = SYSTEMS[pair.candidate].outcome;
		assertAnswer(await ask({ content: FAIL_BEFORE }), driver, pair, "stable", { fallback });
		return [["candidate", "stable"]];
	},
	// A stream cannot be taken back: an error behind what came, and no word of the other model. Half
	// of a whole answer has not been shown to anybody.
	async "error midway"(ask, driver, pair, shape) {
		const got = await ask({ content: FAIL_MIDWAY });
		if (shape === "whole") {
			assertAnswer(got, driver, pair, "stable", { fallback: "incomplete" });
			return [["candidate", "stable"]];
		}
		assert.ok(got.error, `no error behind "${got.text}"`);
		assert.equal(got.text, textOf(pair.candidate, "candidate", MIDWAY_TOKENS));
		assert.equal(got.finish, undefined);
		assert.equal(got.headers.get("x-gray-arm"), "candidate");
		return [["candidate"]];
	},
};

// The provider of each arm saw its attempt and no other, with the model's own name.
async function assertAttempts(systems, id, pair, arms) {
	for (const arm of ["stable", "candidate"]) {
		const attempts = await until("the end of its attempts", async () => {
			const all = (await attemptsOf(systems.sims[pair[arm]], id)).filter((one) => one.model === modelOf(pair[arm], arm));
			return all.every((one) => one.state !== "active") && all;
		});
		assert.equal(attempts.length, arms.includes(arm) ? 1 : 0, `attempts of ${arm}`);
		for (const attempt of attempts) assert.equal(attempt.input_tokens, attempt.status === 200 ? USAGE.input : 0);
	}
}

// All shapes and cases of a pair. Of stable: an answer for a pin in two cases, for a fallback in one,
// and for half of a whole answer; nobody was assigned to it.
function assertCounts({ stable, candidate }, pair) {
	const answers = SHAPES.length * 3 + 1;

	assert.equal(candidate.requests, SHAPES.length * CASES.length);
	assert.equal(candidate.sent, SHAPES.length * CASES.length);
	assert.equal(candidate.fallbacks, SHAPES.length + 1);
	assert.deepEqual(candidate.fallback_reasons[SYSTEMS[pair.candidate].outcome], SHAPES.length);
	assert.equal(stable.requests, 0);
	assert.equal(stable.sent, answers);
	assert.equal(stable.tokens.output, answers * TOKENS);
	assert.equal(stable.tokens.cached, answers * USAGE.cached);
	assert.equal(candidate.usage_missing, 0);
}

const KINDS_OF_TOKENS = ["input", "cached", "cache_write", "output"];

// Tokens and cost of a model, summed over all releases, are what its provider told.
async function assertMoney(systems, system, arm, arms) {
	const price = { ...SYSTEMS[system].price, cached: SYSTEMS[system].price.cached_input };
	const entries = (await systems.sims[system].ledger()).filter((one) => one.model === modelOf(system, arm));
	const told = { input: 0, cached: 0, cache_write: 0, output: 0 };

	for (const entry of entries.filter((one) => one.told !== "none")) {
		told.input += entry.input_tokens - entry.cached_tokens - entry.cache_write_tokens;
		told.cached += entry.cached_tokens;
		told.cache_write += entry.cache_write_tokens;
		told.output += entry.told_output_tokens;
	}
	for (const kind of KINDS_OF_TOKENS)
		assert.equal(arms.reduce((sum, one) => sum + one.tokens[kind], 0), told[kind], `${system}: ${kind}`);
	const cost = KINDS_OF_TOKENS.reduce((sum, kind) => sum + told[kind] * (price[kind] ?? 0), 0) / 1e6;
	const counted = arms.reduce((sum, one) => sum + one.cost_usd, 0);
	assert.ok(Math.abs(counted - cost) < 1e-12 * entries.length, `${system}: ${counted} USD, told ${cost}`);
}

// ---- the matrix --------------------------------------------------------------------------------

const nameOf = ({ stable, candidate }) => `${stable}-to-${candidate}`;

async function startMatrix(pairs) {
	const systems = await startSystems([...new Set(pairs.flatMap(({ stable, candidate }) => [stable, candidate]))]);
	const matrix = { systems };

	matrix.stop = async () => {
		if (matrix.grayd) await stopClean(matrix.grayd);
		await systems.stop();
	};
	try {
		const releases = Object.fromEntries(pairs.map((pair) => [nameOf(pair),
			{ stable: pair.stable, candidate: `${pair.candidate}-next`, attempts: 2, backoff_ms: 1 }]));
		matrix.grayd = await startGrayd({ env: systems.env,
			config: { providers: systems.providers, models: systems.models, releases } });
		for (const pair of pairs) await setShare(matrix.grayd, nameOf(pair), 100);
	} catch (error) {
		await matrix.stop();
		throw error;
	}
	return matrix;
}

// Asks for one shape and case of a pair, and looks at the answers and at what the providers saw.
async function runOne({ systems }, client, driver, pair, shape, what) {
	const ids = [];
	const arms = await run[what](async (request) => {
		const got = await driver.ask(client, nameOf(pair), shape, request);
		ids.push(got.headers.get("x-request-id"));
		return got;
	}, driver, pair, shape);

	for (const [i, id] of ids.entries()) await assertAttempts(systems, id, pair, arms[i]);
}

// Runs every shape and case of the pairs with a driver, as tests of node.
function runMatrix(driver, pairs) {
	describe(`through ${driver.name}`, () => {
		let matrix, client;
		before(async () => {
			matrix = await startMatrix(pairs);
			client = driver.client(matrix.grayd.url, "key-of-the-application");
		});
		after(() => matrix?.stop());

		describe("pairs", { concurrency: 8 }, () => {
			for (const pair of pairs)
				for (const shape of SHAPES)
					for (const what of CASES)
						test(`${pair.stable} -> ${pair.candidate}, ${shape}: ${what}`, () =>
							runOne(matrix, client, driver, pair, shape, what));
		});

		test("every request that reached a provider is one that its API takes", async () => {
			for (const [system, sim] of Object.entries(matrix.systems.sims))
				for (const { id } of await sim.ledger()) assertRequest(SYSTEMS[system].kind, bodyOf(await sim.request(id)));
		});

		test("every attempt and every token is counted once, and no provider saw another's key", async () => {
			const { releases } = await quiet(matrix.grayd);
			for (const pair of pairs) assertCounts(releases[nameOf(pair)].arms, pair);
			for (const [system, sim] of Object.entries(matrix.systems.sims)) {
				await sim.settled();
				assert.equal((await sim.summary()).statuses["401"], undefined);
				for (const arm of ["stable", "candidate"])
					await assertMoney(matrix.systems, system, arm, pairs.filter((pair) => pair[arm] === system)
						.map((pair) => releases[nameOf(pair)].arms[arm]));
			}
		});
	});
}

export { anthropic, openai, runMatrix };
