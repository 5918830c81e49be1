// SPDX-License-Identifier: MIT
// The npm client `@anthropic-ai/sdk`, as users have it in their programs, unchanged but for its base
// URL, with Anthropic's models behind grayd.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { attemptsOf, patient, quiet, sha256, startPair } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";
import { assertRequest, bodyOf } from "./lib/strict.mjs";

const messages = [{ role: "user", content: "What is the weather in Paris?" }];
const tools = [{ name: "lookup", description: "Looks up the weather", input_schema: { type: "object",
	properties: { city: { type: "string" }, days: { type: "integer" } } } }];
const CALLS = [{ city: "Paris", days: 3 }, { city: 'Zürich, "old town"', days: 1 }];
const TEXT = "plain says: tok0 tok1 tok2 tok3 tok4";

const script = { models: {
	plain: { tokens: 5, usage: { input: 100, cached: 60, cache_write: 30 } },
	caller: { tool_calls: CALLS.map((input) => ({ name: "lookup", arguments: input, pieces: 6 })) },
	thinker: { reasoning_tokens: 4, tokens: 3 },
	refuser: { faults: [{ kind: "refusal" }] },
	stopper: { finish_reason: "stop_sequence" },
	endless: { tokens: 1000000, chunk_ms: 5 },
	silent: { latency_ms: 3600000 },
	broken: { faults: [{ kind: "status", status: 500 }] },
	overloaded: { faults: [{ kind: "status", status: 529, retry_after: "0" }] },
	cut: { tokens: 6, faults: [{ kind: "cut", at: "chunk", after: 2 }] },
	"cut-early": { tokens: 6, faults: [{ kind: "cut", at: "role" }] },
	"error-late": { tokens: 6, faults: [{ kind: "error_event", after: 2, status: 529 }] },
	"error-first": { faults: [{ kind: "error_event", at: "headers", status: 529 }] },
	mute: { faults: [{ kind: "empty" }] },
	strict: { faults: [{ kind: "status", status: 400, message: "messages: too many tokens" }] },
	limited: { faults: [{ kind: "status", status: 429, retry_after_ms: 5 }] },
} };
const releases = {
	chat: { stable: "plain" },
	tools: { stable: "caller" },
	thinking: { stable: "thinker" },
	refusing: { stable: "refuser" },
	stopping: { stable: "stopper" },
	endless: { stable: "endless" },
	silent: { stable: "silent" },
	both: { stable: "broken", candidate: "cut-early" },
	once: { stable: "limited", attempts: 1 },
	"from-500": { stable: "plain", candidate: "broken" },
	"from-529": { stable: "plain", candidate: "overloaded" },
	"from-cut": { stable: "plain", candidate: "cut-early" },
	"from-error": { stable: "plain", candidate: "error-first" },
	"from-empty": { stable: "plain", candidate: "mute" },
	tail: { stable: "plain", candidate: "cut" },
	"late-error": { stable: "plain", candidate: "error-late" },
	strict: { stable: "strict", candidate: "strict-too" },
};

describe("@anthropic-ai/sdk", { concurrency: 4 }, () => {
	let pair, client;
	const clients = (more) => new Anthropic({ baseURL: pair.grayd.url, apiKey: "sk-ant-of-the-application", ...more });
	const ask = (model, more = {}) => ({ model, max_tokens: 100, messages, ...more });
	before(async () => {
		for (const release of Object.values(releases)) release.backoff_ms = 1;
		const models = Object.fromEntries(Object.keys(script.models).map((name) => [name, { provider: "sim" }]));
		models["strict-too"] = { provider: "sim", name: "strict" };
		pair = await startPair({ script, config: { models, releases }, provider: { kind: "anthropic", args: ["--keep", "1000"] } });
		client = clients();
	});
	after(() => pair?.stop());

	const attemptsAfter = (id) => until("the end of its attempts", async () => {
		const attempts = await attemptsOf(pair.sim, id);
		return attempts.length > 0 && attempts.every((attempt) => attempt.state !== "active") && attempts;
	});

	test("a message", async () => {
		const { data, response } = await client.messages.create(ask("chat", { system: "be brief", temperature: 0.5, top_k: 5,
			metadata: { user_id: "u" } })).withResponse();
		assert.deepEqual(data.content, [{ type: "text", text: TEXT }]);
		assert.equal(data.stop_reason, "end_turn");
		assert.deepEqual(data.usage, { input_tokens: 10, cache_creation_input_tokens: 30, cache_read_input_tokens: 60, output_tokens: 5 });
		assert.equal(response.headers.get("x-gray-arm"), "stable");
		const [attempt] = await attemptsOf(pair.sim, response.headers.get("x-request-id"));
		assert.equal(attempt.model, "plain");
		assert.equal(attempt.path, "/v1/messages");
	});

	test("a message, streamed: event by event, and by the client's own collector", async () => {
		const types = [];
		let text = "";
		for await (const event of await client.messages.create(ask("chat", { stream: true }))) {
			types.push(event.type);
			text += event.delta?.text ?? "";
		}
		assert.equal(text, TEXT);
		assert.equal(types[0], "message_start");
		assert.equal(types.at(-1), "message_stop");
		const whole = await client.messages.create(ask("chat"));
		const streamed = await client.messages.stream(ask("chat")).finalMessage();
		assert.deepEqual([streamed.content, streamed.stop_reason, streamed.usage], [whole.content, whole.stop_reason, whole.usage]);
	});

	test("thinking, with its signature, whole and streamed", async () => {
		const request = ask("thinking", { max_tokens: 4000, thinking: { type: "enabled", budget_tokens: 2000 } });
		const whole = await client.messages.create(request);
		assert.deepEqual(whole.content.map((block) => block.type), ["thinking", "text"]);
		assert.ok(whole.content[0].signature.length > 0);
		assert.deepEqual((await client.messages.stream(request).finalMessage()).content, whole.content);
	});

	test("tool calls and their results, whole and streamed", async () => {
		for (const get of [(body) => client.messages.create(body), (body) => client.messages.stream(body).finalMessage()]) {
			const calls = await get(ask("tools", { tools, tool_choice: { type: "auto" } }));
			assert.equal(calls.stop_reason, "tool_use");
			assert.deepEqual(calls.content.map((block) => [block.name, block.input]), CALLS.map((input) => ["lookup", input]));
			const results = calls.content.map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "21 degrees" }));
			const told = [...messages, { role: "assistant", content: calls.content }, { role: "user", content: results }];
			assert.equal((await get(ask("chat", { tools, messages: told }))).content[0].text, TEXT);
		}
		for (const { id, status } of await pair.sim.ledger())
			if (status === 200) assertRequest("anthropic", bodyOf(await pair.sim.request(id)));
	});

	test("a refusal and a stop sequence are answers", async () => {
		for (const get of [(body) => client.messages.create(body), (body) => client.messages.stream(body).finalMessage()]) {
			const refused = await get(ask("refusing"));
			assert.deepEqual([refused.stop_reason, refused.content], ["refusal", []]);
			const stopped = await get(ask("stopping", { stop_sequences: ["END"] }));
			assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ["stop_sequence", "END"]);
		}
	});

	test("the client's body reaches the provider as the client wrote it", async () => {
		let written;
		const spy = clients({ fetch: (url, init) => {
			written = init.body;
			return fetch(url, init);
		} });
		const { response } = await spy.messages.create(ask("chat", { tools, metadata: { user_id: "пользователь" },
			system: [{ type: "text", text: "long", cache_control: { type: "ephemeral" } }] })).withResponse();
		const [attempt] = await attemptsOf(pair.sim, response.headers.get("x-request-id"));
		const received = await pair.sim.request(attempt.id);
		assert.equal(sha256(received.slice(received.indexOf("\r\n\r\n") + 4)),
			sha256(written.replace('"model":"chat"', '"model":"plain"')));
	});

	test("the client's version and betas reach Anthropic, its key does not", async () => {
		const { response } = await client.beta.messages.create(ask("chat", { betas: ["a-2025-01-01", "b-2025-02-02"] })).withResponse();
		const [attempt] = await attemptsOf(pair.sim, response.headers.get("x-request-id"));
		const head = (await pair.sim.request(attempt.id)).split("\r\n\r\n")[0];
		assert.match(head, /^anthropic-version: 2023-06-01\r?$/im);
		assert.match(head, /^anthropic-beta: a-2025-01-01, ?b-2025-02-02\r?$/im);
		const other = await clients({ apiKey: "another-key" }).messages.create(ask("chat")).withResponse();
		const [second] = await attemptsOf(pair.sim, other.response.headers.get("x-request-id"));
		assert.equal(second.key_digest, attempt.key_digest);
	});

	// ---- errors

	test("an unknown model is a NotFoundError in Anthropic's shape", async () => {
		await assert.rejects(client.messages.create(ask("nonesuch")), (error) => {
			assert.ok(error instanceof Anthropic.NotFoundError);
			assert.equal(error.error.type, "error");
			assert.equal(error.error.error.type, "not_found_error");
			assert.match(error.error.error.message, /no such model/);
			return true;
		});
	});

	test("a 400 of both models is a BadRequestError in the provider's words", async () => {
		await assert.rejects(client.messages.create(ask("strict")), (error) => {
			assert.ok(error instanceof Anthropic.BadRequestError);
			assert.deepEqual(error.error.error, { type: "invalid_request_error", message: "messages: too many tokens" });
			return true;
		});
	});

	for (const stream of [false, true])
		test(`both models fail: one InternalServerError with both causes, tried once${stream ? ", streamed" : ""}`, async () => {
			let id;
			await assert.rejects(client.messages.create(ask("both", { stream })), (error) => {
				assert.ok(error instanceof Anthropic.InternalServerError);
				assert.equal(error.error.type, "error");
				assert.equal(error.error.error.type, "api_error");
				assert.equal(error.headers.get("x-should-retry"), "false");
				assert.deepEqual(error.error.error.attempts.slice(0, 2).map(({ arm, model }) => [arm, model]),
					[["candidate", "cut-early"], ["stable", "broken"]]);
				id = error.headers.get("x-request-id");
				return true;
			});
			assert.equal((await attemptsOf(pair.sim, id)).length, 4);
		});

	test("where grayd has not tried again, the client does", async () => {
		await assert.rejects(client.messages.create(ask("once")), Anthropic.RateLimitError);
		const { stable } = (await quiet(pair.grayd)).releases.once.arms;
		assert.deepEqual([stable.requests, stable.attempts], [3, 3]);
	});

	// ---- fallback

	for (const [name, reason] of [["from-500", "server_error"], ["from-529", "overloaded"], ["from-cut", "incomplete"],
		["from-error", "error_event"], ["from-empty", "empty"]])
		test(`a candidate that fails is never seen: ${reason}`, async () => {
			if (name !== "from-error") {
				const whole = await client.messages.create(ask(name)).withResponse();
				assert.equal(whole.data.content[0].text, TEXT);
				assert.equal(whole.response.headers.get("x-gray-fallback-reason"), reason);
			}
			const { data, response } = await client.messages.create(ask(name, { stream: true })).withResponse();
			assert.equal(response.headers.get("x-gray-fallback-reason"), reason);
			let text = "";
			for await (const event of data) text += event.delta?.text ?? "";
			assert.equal(text, TEXT);
		});

	for (const [name, words] of [["tail", /broke its answer off/], ["late-error", /Overloaded|reported an error/]])
		test(`a stream that breaks behind its first token raises an error: ${name}`, async () => {
			let text = "";
			await assert.rejects(async () => {
				for await (const event of await client.messages.create(ask(name, { stream: true }))) text += event.delta?.text ?? "";
			}, (error) => {
				assert.ok(error instanceof Anthropic.APIError, String(error));
				assert.match(error.message, words);
				return true;
			});
			assert.match(text, /says: tok0 tok1$/);
			await assert.rejects(client.messages.stream(ask(name)).finalMessage());
		});

	// ---- leaving

	test("an abort in the middle of a stream reaches the provider", async () => {
		const stream = client.messages.stream(ask("endless"));
		const { response } = await stream.withResponse();
		let seen = 0;
		stream.on("text", () => {
			if (++seen === 3) stream.abort();
		});
		await assert.rejects(stream.done(), Anthropic.APIUserAbortError);
		const left = Date.now();
		const [attempt] = await attemptsAfter(response.headers.get("x-request-id"));
		assert.equal(attempt.state, "cancelled");
		assert.ok(attempt.t_close_us / 1000 - left < patient(1000));
	});

	test("and the client's own timeout", async () => {
		await assert.rejects(clients({ timeout: patient(100), maxRetries: 0 }).messages.create(ask("silent")),
			Anthropic.APIConnectionTimeoutError);
	});

	test("a hundred conversations at once", async () => {
		const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
			const request = ask("chat", { messages: [{ role: "user", content: `number ${i}` }] });
			const message = i % 2 ? await client.messages.create(request) : await client.messages.stream(request).finalMessage();
			return message.content[0].text;
		}));
		assert.deepEqual(new Set(answers), new Set([TEXT]));
	});
});

test("with client keys, a wrong one is an AuthenticationError", async (t) => {
	const pair = await startPair({ t, script: { models: { plain: {} } }, provider: { kind: "anthropic" }, config: {
		models: { plain: { provider: "sim" } }, releases: { chat: { stable: "plain" } },
		clients: [{ name: "team", key_hash: "0".repeat(64) }] } });
	const client = new Anthropic({ baseURL: pair.grayd.url, apiKey: "sk-wrong" });
	await assert.rejects(client.messages.create({ model: "chat", max_tokens: 9, messages }), (error) => {
		assert.ok(error instanceof Anthropic.AuthenticationError);
		assert.equal(error.error.error.type, "authentication_error");
		return true;
	});
	assert.equal((await pair.sim.ledger()).length, 0);
});
