// SPDX-License-Identifier: MIT
// The npm client `openai`, as users have it in their programs, unchanged but for its base URL.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { attemptsOf, patient, quiet, sha256, startPair, stats } from "./lib/expect.mjs";
import { until } from "./lib/grayd.mjs";

const messages = [{ role: "user", content: "What is the weather in Paris?" }];
const tools = [{ type: "function", function: { name: "lookup", description: "Looks up the weather",
	parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } } } }];

const script = { models: {
	plain: { tokens: 5 },
	caller: { tool_calls: [
		{ name: "lookup", arguments: '{"city":"Paris","days":3}', pieces: 6 },
		{ name: "lookup", arguments: '{"city":"Zürich, \\"old town\\"","days":1}', pieces: 4 },
	] },
	thinker: { reasoning_tokens: 4, tokens: 3 },
	endless: { tokens: 1000000, chunk_ms: 5 },
	silent: { latency_ms: 3600000 },
	broken: { faults: [{ kind: "status", status: 500 }] },
	cut: { tokens: 6, faults: [{ kind: "cut", at: "chunk", after: 2 }] },
	"cut-early": { tokens: 6, faults: [{ kind: "cut", at: "role" }] },
	mute: { faults: [{ kind: "empty" }] },
	strict: { faults: [{ kind: "status", status: 400, code: "context_length_exceeded", param: "messages", message: "too many tokens" }] },
	limited: { faults: [{ kind: "status", status: 429, retry_after_ms: 5 }] },
	spent: { faults: [{ kind: "status", status: 429, code: "insufficient_quota" }] },
} };
const releases = {
	chat: { stable: "plain" },
	tools: { stable: "caller" },
	thinking: { stable: "thinker" },
	endless: { stable: "endless" },
	silent: { stable: "silent" },
	both: { stable: "broken", candidate: "cut-early" },
	"both-limited": { stable: "limited", candidate: "limited" },
	once: { stable: "limited", attempts: 1 },
	spent: { stable: "spent" },
	"from-500": { stable: "plain", candidate: "broken" },
	"from-cut": { stable: "plain", candidate: "cut-early" },
	"from-empty": { stable: "plain", candidate: "mute" },
	tail: { stable: "plain", candidate: "cut" },
	strict: { stable: "strict", candidate: "strict" },
};

describe("openai, the npm client", { concurrency: 4 }, () => {
	let pair, client;
	const clients = (more) => new OpenAI({ baseURL: `${pair.grayd.url}/v1`, apiKey: "sk-of-the-application", ...more });
	before(async () => {
		for (const release of Object.values(releases)) Object.assign(release, { backoff_ms: 1 });
		// Two models of one name at the provider, so that each arm is a model of its own.
		const models = Object.fromEntries(Object.keys(script.models).map((name) => [name, { provider: "sim" }]));
		models.again = { provider: "sim", name: "limited" };
		models["strict-too"] = { provider: "sim", name: "strict" };
		releases["both-limited"].candidate = "again";
		releases.strict.candidate = "strict-too";
		pair = await startPair({ script, config: { models, releases }, provider: { args: ["--keep", "1000"] } });
		client = clients();
	});
	after(() => pair?.stop());

	const settledAttempts = (id) => until("the end of its attempts", async () => {
		const attempts = await attemptsOf(pair.sim, id);
		return attempts.every((attempt) => attempt.state !== "active") && attempts;
	});

	test("chat", async () => {
		const { data, response, request_id: id } = await client.chat.completions
			.create({ model: "chat", messages, temperature: 0.5 }).withResponse();
		assert.equal(data.choices[0].message.content, "plain says: tok0 tok1 tok2 tok3 tok4");
		assert.equal(data.choices[0].finish_reason, "stop");
		assert.equal(data.usage.completion_tokens, 5);
		assert.equal(data._request_id, id);
		assert.equal(response.headers.get("x-gray-arm"), "stable");
		const [attempt] = await attemptsOf(pair.sim, id);
		assert.equal(attempt.model, "plain");
	});

	test("chat, streamed, with and without usage", async () => {
		for (const include_usage of [false, true]) {
			const stream = await client.chat.completions.create({ model: "chat", messages, stream: true,
				...(include_usage && { stream_options: { include_usage } }) });
			let text = "", usage = 0, finish;
			for await (const chunk of stream) {
				text += chunk.choices[0]?.delta?.content ?? "";
				finish = chunk.choices[0]?.finish_reason ?? finish;
				if (chunk.choices.length === 0) usage += 1;
				if (chunk.usage) assert.equal(chunk.usage.completion_tokens, 5);
			}
			assert.equal(text, "plain says: tok0 tok1 tok2 tok3 tok4");
			assert.equal(finish, "stop");
			assert.equal(usage, include_usage ? 1 : 0);
		}
	});

	test("chat, by the client's own collector of streams", async () => {
		const runner = client.chat.completions.stream({ model: "chat", messages });
		assert.equal(await runner.finalContent(), "plain says: tok0 tok1 tok2 tok3 tok4");
	});

	test("reasoning, streamed", async () => {
		let thoughts = "", text = "";
		for await (const chunk of await client.chat.completions.create({ model: "thinking", messages, stream: true })) {
			thoughts += chunk.choices[0]?.delta?.reasoning_content ?? "";
			text += chunk.choices[0]?.delta?.content ?? "";
		}
		assert.ok(thoughts.length > 0);
		assert.equal(text, "thinker says: tok0 tok1 tok2");
	});

	test("tool calls", async () => {
		const { choices: [choice] } = await client.chat.completions.create({ model: "tools", messages, tools });
		assert.equal(choice.finish_reason, "tool_calls");
		assert.deepEqual(choice.message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [
			["lookup", { city: "Paris", days: 3 }], ["lookup", { city: 'Zürich, "old town"', days: 1 }]]);
	});

	test("tool calls, streamed", async () => {
		const calls = [];
		for await (const chunk of await client.chat.completions.create({ model: "tools", messages, tools, stream: true })) {
			for (const part of chunk.choices[0]?.delta?.tool_calls ?? []) {
				calls[part.index] ??= { name: "", text: "" };
				calls[part.index].name += part.function?.name ?? "";
				calls[part.index].text += part.function?.arguments ?? "";
			}
		}
		assert.deepEqual(calls.map(({ name, text }) => [name, JSON.parse(text)]), [
			["lookup", { city: "Paris", days: 3 }], ["lookup", { city: 'Zürich, "old town"', days: 1 }]]);
	});

	test("embeddings, in both encodings", async () => {
		const input = ["one", "two", "three"];
		const packed = await client.embeddings.create({ model: "chat", input });
		const plain = await client.embeddings.create({ model: "chat", input, encoding_format: "float" });
		assert.equal(packed.data.length, 3);
		assert.ok(packed.data[0].embedding.length > 4);
		assert.deepEqual(packed.data.map(({ embedding }) => embedding.map(Math.fround)),
			plain.data.map(({ embedding }) => embedding.map(Math.fround)));
		assert.notDeepEqual(packed.data[0].embedding, packed.data[1].embedding);
	});

	test("the responses API", async () => {
		const answer = await client.responses.create({ model: "chat", input: "hello" });
		assert.equal(answer.status, "completed");
		assert.equal(answer.output_text, "plain says: tok0 tok1 tok2 tok3 tok4");
	});

	test("the responses API, streamed", async () => {
		const types = [];
		let text = "", last;
		for await (const event of await client.responses.create({ model: "chat", input: "hello", stream: true })) {
			types.push(event.type);
			if (event.type === "response.output_text.delta") text += event.delta;
			last = event;
		}
		assert.equal(types[0], "response.created");
		assert.equal(last.type, "response.completed");
		assert.equal(text, "plain says: tok0 tok1 tok2 tok3 tok4");
		assert.equal(last.response.usage.output_tokens, 5);
		assert.ok((await stats(pair.grayd, "chat")).releases.chat.arms.stable.tokens.output >= 5);
	});

	test("completions of old, whole and streamed", async () => {
		const { choices: [choice] } = await client.completions.create({ model: "chat", prompt: "hello" });
		assert.equal(choice.text, "plain says: tok0 tok1 tok2 tok3 tok4");
		let text = "";
		for await (const chunk of await client.completions.create({ model: "chat", prompt: "hello", stream: true })) {
			text += chunk.choices[0]?.text ?? "";
		}
		assert.equal(text, choice.text);
	});

	test("models: the releases, and only they", async () => {
		const ids = [];
		for await (const model of client.models.list()) ids.push(model.id);
		assert.deepEqual(ids.sort(), Object.keys(releases).sort());
		assert.equal((await client.models.retrieve("chat")).id, "chat");
		await assert.rejects(client.models.retrieve("plain"), (error) => {
			assert.ok(error instanceof OpenAI.NotFoundError);
			assert.equal(error.code, "model_not_found");
			return true;
		});
	});

	// ---- errors

	test("an unknown model is a NotFoundError with code and request id", async () => {
		await assert.rejects(client.chat.completions.create({ model: "nonesuch", messages }), (error) => {
			assert.ok(error instanceof OpenAI.NotFoundError);
			assert.deepEqual([error.status, error.code, error.param, error.type], [404, "model_not_found", "model", "invalid_request_error"]);
			assert.match(error.requestID, /^req_/);
			return true;
		});
	});

	test("a 400 of both models is a BadRequestError in the provider's words", async () => {
		await assert.rejects(client.chat.completions.create({ model: "strict", messages }), (error) => {
			assert.ok(error instanceof OpenAI.BadRequestError);
			assert.deepEqual([error.status, error.code, error.param, error.error.message],
				[400, "context_length_exceeded", "messages", "too many tokens"]);
			return true;
		});
	});

	for (const stream of [false, true]) {
		test(`both models fail: one InternalServerError with both causes, tried once${stream ? ", streamed" : ""}`, async () => {
			let id;
			await assert.rejects(client.chat.completions.create({ model: "both", messages, stream }), (error) => {
				assert.ok(error instanceof OpenAI.InternalServerError);
				assert.equal(error.code, "both_models_failed");
				assert.equal(error.headers.get("x-should-retry"), "false");
				assert.deepEqual(error.error.attempts.slice(0, 2).map(({ arm, model }) => [arm, model]),
					[["candidate", "cut-early"], ["stable", "broken"]]);
				id = error.requestID;
				return true;
			});
			// The client would have tried twice more by itself.
			const now = (await quiet(pair.grayd)).releases.both.arms.candidate;
			assert.ok(now.requests <= 2);
			assert.equal((await attemptsOf(pair.sim, id)).length, 4);
		});
	}

	test("a rate limit of both is a RateLimitError, and is not multiplied", async () => {
		await assert.rejects(client.chat.completions.create({ model: "both-limited", messages }), (error) => {
			assert.ok(error instanceof OpenAI.RateLimitError);
			assert.equal(error.code, "both_models_failed");
			return true;
		});
		const { arms } = (await quiet(pair.grayd)).releases["both-limited"];
		assert.equal(arms.candidate.requests, 1);
		assert.equal(arms.candidate.attempts + arms.stable.attempts, 4);
	});

	test("where grayd has not tried again, the client does, after the wait that the provider asked for", async () => {
		await assert.rejects(client.chat.completions.create({ model: "once", messages }), OpenAI.RateLimitError);
		const { stable } = (await quiet(pair.grayd)).releases.once.arms;
		assert.deepEqual([stable.requests, stable.attempts], [3, 3]);
	});

	test("what is not to be tried again is not, by anybody", async () => {
		await assert.rejects(client.chat.completions.create({ model: "spent", messages }), (error) => {
			assert.ok(error instanceof OpenAI.RateLimitError);
			assert.equal(error.code, "insufficient_quota");
			return true;
		});
		assert.equal((await quiet(pair.grayd)).releases.spent.arms.stable.attempts, 1);
	});

	// ---- fallback

	for (const [name, reason] of [["from-500", "server_error"], ["from-cut", "incomplete"], ["from-empty", "empty"]]) {
		test(`a candidate that fails is never seen: ${reason}`, async () => {
			const whole = await client.chat.completions.create({ model: name, messages }).withResponse();
			assert.equal(whole.data.choices[0].message.content, "plain says: tok0 tok1 tok2 tok3 tok4");
			assert.equal(whole.response.headers.get("x-gray-fallback-reason"), reason);
			const streamed = await client.chat.completions.create({ model: name, messages, stream: true }).withResponse();
			assert.equal(streamed.response.headers.get("x-gray-fallback"), "1");
			let text = "";
			for await (const chunk of streamed.data) text += chunk.choices[0]?.delta?.content ?? "";
			assert.equal(text, "plain says: tok0 tok1 tok2 tok3 tok4");
		});
	}

	test("a stream that is cut behind its first token raises an error", async () => {
		let text = "";
		await assert.rejects(async () => {
			for await (const chunk of await client.chat.completions.create({ model: "tail", messages, stream: true })) {
				text += chunk.choices[0]?.delta?.content ?? "";
			}
		}, (error) => {
			assert.ok(error instanceof OpenAI.APIError, String(error));
			assert.match(error.message, /broke its answer off/);
			return true;
		});
		assert.match(text, /^cut says: tok0/);
		await assert.rejects(client.chat.completions.stream({ model: "tail", messages }).finalContent());
	});

	test("a cut stream of the responses API raises an error, too", async () => {
		const types = [];
		await assert.rejects(async () => {
			for await (const event of await client.responses.create({ model: "tail", input: "hello", stream: true })) types.push(event.type);
		}, (error) => error instanceof OpenAI.APIError);
		assert.ok(types.includes("response.output_text.delta"));
		assert.ok(!types.includes("response.completed"));
	});

	// ---- leaving

	test("an abort in the middle of a stream reaches the provider", async () => {
		const abort = new AbortController();
		const { data: stream, response } = await client.chat.completions.create({ model: "endless", messages, stream: true },
			{ signal: abort.signal }).withResponse();
		let seen = 0;
		for await (const chunk of stream) {
			if (chunk.choices[0]?.delta?.content && ++seen === 3) abort.abort();
		}
		const left = Date.now();
		const [attempt] = await settledAttempts(response.headers.get("x-request-id"));
		assert.equal(attempt.state, "cancelled");
		assert.ok(attempt.t_close_us / 1000 - left < patient(1000));
	});

	test("so does leaving the loop", async () => {
		const { data: stream, response } = await client.chat.completions.create({ model: "endless", messages, stream: true }).withResponse();
		for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
		const [attempt] = await settledAttempts(response.headers.get("x-request-id"));
		assert.equal(attempt.state, "cancelled");
	});

	test("and the client's own timeout", async () => {
		await assert.rejects(clients({ timeout: patient(100), maxRetries: 0 }).chat.completions.create({ model: "silent", messages }),
			OpenAI.APIConnectionTimeoutError);
	});

	test("a hundred conversations at once", async () => {
		const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
			const request = { model: "chat", messages: [{ role: "user", content: `number ${i}` }], user: `user-${i}` };
			if (i % 2) return (await client.chat.completions.create(request)).choices[0].message.content;
			let text = "";
			for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
				text += chunk.choices[0]?.delta?.content ?? "";
			}
			return text;
		}));
		assert.deepEqual(new Set(answers), new Set(["plain says: tok0 tok1 tok2 tok3 tok4"]));
	});

	test("the client's body reaches the provider as the client wrote it", async () => {
		let written;
		const spy = clients({ fetch: (url, init) => {
			written = init.body;
			return fetch(url, init);
		} });
		const { request_id: id } = await spy.chat.completions
			.create({ model: "chat", messages, tools, metadata: { "ключ": "значение" }, seed: 7 }).withResponse();
		const [attempt] = await attemptsOf(pair.sim, id);
		const received = await pair.sim.request(attempt.id);
		assert.equal(sha256(received.slice(received.indexOf("\r\n\r\n") + 4)),
			sha256(written.replace('"model":"chat"', '"model":"plain"')));
	});
});

test("with client keys, a wrong one is an AuthenticationError", async (t) => {
	const pair = await startPair({ t, script: { models: { plain: {} } }, config: { models: { plain: { provider: "sim" } },
		releases: { chat: { stable: "plain" } }, clients: [{ name: "team", key_hash: "0".repeat(64) }] } });
	const client = new OpenAI({ baseURL: `${pair.grayd.url}/v1`, apiKey: "sk-wrong" });
	await assert.rejects(client.chat.completions.create({ model: "chat", messages }), (error) => {
		assert.ok(error instanceof OpenAI.AuthenticationError);
		assert.equal(error.code, "invalid_api_key");
		return true;
	});
	assert.equal((await pair.sim.ledger()).length, 0);
});
