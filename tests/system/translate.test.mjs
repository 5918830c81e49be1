// SPDX-License-Identifier: MIT
// Requests that must be translated, through grayd as a whole and with the clients that users have:
// what providers get, what clients get, and what is refused. The texts themselves are golden files of
// the unit tests (tests/golden); every pair of systems is in matrix.test.mjs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { message, ownProvider, post, quiet, setShare, stopClean } from "./lib/expect.mjs";
import { startGrayd, until } from "./lib/grayd.mjs";

const MESSAGES = "/v1/messages";
const hello = (model, more = {}) => ({ model, max_tokens: 50, messages: [{ role: "user", content: "hello" }], ...more });
const KEYS = { KEY_OF_CLAUDE: "sk-ant-of-claude-0123456789", KEY_OF_GEMINI: "AIza-of-gemini-0123456789", KEY_OF_GPT: "sk-of-gpt-0123456789" };

// What each provider answers for a word in the request; the first that fits. Text goes as events.
const USAGE = { input_tokens: 3, output_tokens: 2 };
const said = (text) => ({ id: "msg_1", type: "message", role: "assistant", model: "claude-x", content: [{ type: "text", text }],
	stop_reason: "end_turn", stop_sequence: null, usage: USAGE });
const anthropicError = (type, text) => ({ type: "error", error: { type, message: text } });
const schemaAnswer = { ...said(""), stop_reason: "tool_use",
	content: [{ type: "tool_use", id: "toolu_1", name: "answer", input: { age: 7 } }] };
const completion = (more) => ({ id: "chatcmpl-1", object: "chat.completion", created: 1, model: "gpt-x",
	choices: [{ index: 0, finish_reason: "stop", ...more }], usage: { prompt_tokens: 3, completion_tokens: 2 } });
const gptSaid = (text) => completion({ message: { role: "assistant", content: text } });
const answersOf = {
	claude: [
		["refuse-400", 400, anthropicError("invalid_request_error", "messages: no such thing"), { "request-id": "req_of_claude" }],
		["refuse-404", 404, anthropicError("not_found_error", "model: claude-x")],
		["refuse-429", 429, anthropicError("rate_limit_error", "slow down"), { "retry-after": "1", "anthropic-ratelimit-requests-limit": "5" }],
		["fail-529", 529, anthropicError("overloaded_error", "Overloaded")],
		["by-schema", 200, schemaAnswer],
		["filled-call", 200, [{ type: "message_start", message: { ...said(""), content: [], stop_reason: null } },
			{ type: "content_block_start", index: 0, content_block: { type: "text", text: "look: " } },
			{ type: "content_block_stop", index: 0 },
			{ type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "toolu_1", name: "look", input: { city: "Bern" } } },
			{ type: "content_block_stop", index: 1 },
			{ type: "message_delta", delta: { stop_reason: "tool_use" }, usage: USAGE }, { type: "message_stop" },
		].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")],
		["", 200, said("claude says so")],
	],
	gpt: [
		["refuse-400", 400, { error: { message: "no such thing", type: "invalid_request_error", param: "messages", code: "bad_thing" } }],
		["broken-arguments", 200, completion({ finish_reason: "tool_calls", message: { role: "assistant", content: null,
			tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: '{"city":' } }] } })],
		["", 200, gptSaid("gpt says so")],
	],
	array: [["", 400, [{ error: { code: 400, message: "Invalid value at 'messages'", status: "INVALID_ARGUMENT" } }],
		{ "x-ratelimit-limit-requests": "9" }]],
	gemini: [
		["bad-key", 400, { error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT", details: [{ reason: "API_KEY_INVALID" }] } }],
		["refuse-400", 400, { error: { code: 400, message: "no such thing", status: "INVALID_ARGUMENT" } }],
		["late-usage", 200, 'data: {"candidates":[{"content":{"parts":[{"text":"gemini"}]},"finishReason":"STOP"}]}\r\n\r\n' +
			'data: {"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":20}}\r\n\r\n'],
		["as-stream", 200, 'data: {"candidates":[{"content":{"parts":[{"text":"gem"}]}}]}\r\n\r\n' +
			'data: {"candidates":[{"content":{"parts":[{"text":"ini"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}\r\n\r\n'],
		["", 200, { candidates: [{ content: { parts: [{ text: "gemini says so" }], role: "model" }, finishReason: "STOP" }],
			usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 } }],
	],
};

// A provider that keeps what it saw: { method, url, headers, text }.
async function startOwn(name) {
	const seen = [];
	const own = await ownProvider((req, res, body) => {
		const text = body.toString();
		const [, status, answer, headers = {}] = answersOf[name].find(([word]) => text.includes(word));
		const events = typeof answer === "string";
		seen.push({ method: req.method, url: req.url, headers: req.headers, text });
		res.writeHead(status, { "content-type": events ? "text/event-stream" : "application/json", ...headers });
		res.end(events ? answer : JSON.stringify(answer));
	});
	return { ...own, seen, last: () => seen.at(-1), json: () => JSON.parse(seen.at(-1).text) };
}

describe("translation", () => {
	let grayd, own, openai, anthropic;
	before(async () => {
		own = Object.fromEntries(await Promise.all(Object.keys(answersOf).map(async (name) => [name, await startOwn(name)])));
		const models = { claude: "claude-x", gpt: "gpt-x", array: "models/array-x", gemini: "gemini-x" };
		const only = (stable) => ({ stable, attempts: 1, backoff_ms: 1 });
		const pair = (stable, candidate) => ({ stable, candidate, attempts: 1, backoff_ms: 1 });
		grayd = await startGrayd({ env: KEYS, config: {
			providers: {
				claude: { kind: "anthropic", base_url: own.claude.url, api_key: { env: "KEY_OF_CLAUDE" } },
				gpt: { base_url: own.gpt.url, api_key: { env: "KEY_OF_GPT" } },
				array: { base_url: own.array.url },
				gemini: { kind: "gemini", base_url: own.gemini.url.replace("/v1", "/v1beta"), api_key: { env: "KEY_OF_GEMINI" } },
			},
			models: Object.fromEntries(Object.entries(models).map(([id, name]) => [id, { provider: id, name,
				...(id === "claude" && { max_tokens: 777 }) }])),
			releases: { claude: only("claude"), gpt: only("gpt"), array: only("array"), gemini: only("gemini"),
				"gpt-claude": pair("gpt", "claude"), "claude-gpt": pair("claude", "gpt"), "gpt-gemini": pair("gpt", "gemini"),
				counted: pair("gpt", "claude") },
		} });
		for (const name of ["gpt-claude", "claude-gpt", "gpt-gemini", "counted"]) await setShare(grayd, name, 100);
		openai = new OpenAI({ baseURL: `${grayd.url}/v1`, apiKey: "key-of-the-application", maxRetries: 0 });
		anthropic = new Anthropic({ baseURL: grayd.url, apiKey: "key-of-the-application", maxRetries: 0 });
	});
	after(async () => {
		if (grayd) await stopClean(grayd);
		for (const provider of Object.values(own ?? {})) await provider.stop();
	});
	const attempts = () => Object.values(own).reduce((sum, provider) => sum + provider.seen.length, 0);
	const thrown = (promise) => promise.then(() => assert.fail("no error"), (error) => error);

	test("a request in Anthropic's API reaches Anthropic byte for byte, and so does the answer", async () => {
		const body = '{ "max_tokens":50.0, "model" : "claude", "messages":[{"role":"user","content":"h\\u0069 9007199254740993"}],"unknown":1e400 }';
		const answer = await post(grayd.url, body, { path: MESSAGES,
			headers: { "x-api-key": "key-of-the-application", cookie: "a=b", "anthropic-version": "2023-01-01", "anthropic-beta": "one,two" } });
		const { url, headers, text } = own.claude.last();
		assert.equal(url, "/v1/messages");
		assert.equal(text, body.replace('"claude"', '"claude-x"'));
		assert.equal(answer.text, JSON.stringify(said("claude says so")));
		assert.equal(headers["x-api-key"], KEYS.KEY_OF_CLAUDE);
		assert.equal(headers["anthropic-version"], "2023-01-01");
		assert.equal(headers["anthropic-beta"], "one,two");
		assert.equal(headers.authorization, undefined);
		assert.equal(headers.cookie, undefined);
		assert.equal(answer.headers["request-id"], answer.headers["x-request-id"]);
	});

	test("betas given in several headers all go along", async () => {
		await post(grayd.url, JSON.stringify(hello("claude")), { path: MESSAGES, headers: { "anthropic-beta": ["one", "two"] } });
		assert.equal(own.claude.last().headers["anthropic-beta"], "one, two".replace(" ", ""));
		assert.equal(own.claude.last().headers["anthropic-version"], "2023-06-01");
	});

	test("no other provider hears of Anthropic's headers", async () => {
		await anthropic.messages.create(hello("gpt"), { headers: { "anthropic-beta": "one" } });
		const { headers } = own.gpt.last();
		assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("anthropic") || name === "x-api-key"), []);
		assert.equal(headers.authorization, `Bearer ${KEYS.KEY_OF_GPT}`);
	});

	test("chat to Anthropic: its version, the configured limit, the model's own name", async () => {
		const { data, response } = await openai.chat.completions.create({ model: "claude", messages: [{ role: "user", content: "hello" }] },
			{ headers: { "anthropic-version": "2099-01-01", "anthropic-beta": "one" } }).withResponse();
		assert.equal(data.choices[0].message.content, "claude says so");
		assert.equal(data.model, "claude-x");
		assert.equal(response.headers.get("x-gray-provider"), "claude");
		const { url, headers } = own.claude.last();
		assert.equal(url, "/v1/messages");
		assert.equal(headers["anthropic-version"], "2023-06-01");
		assert.equal(headers["anthropic-beta"], "one");
		assert.equal(headers["x-api-key"], KEYS.KEY_OF_CLAUDE);
		assert.deepEqual(own.claude.json(), { model: "claude-x", max_tokens: 777,
			messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }] });
	});

	test("chat to Gemini: the model in the path, the key in its header", async () => {
		const completion = await openai.chat.completions.create({ model: "gemini", messages: [{ role: "user", content: "hello" }] });
		assert.equal(completion.choices[0].message.content, "gemini says so");
		const { url, headers } = own.gemini.last();
		assert.equal(url, "/v1beta/models/gemini-x:generateContent");
		assert.equal(headers["x-goog-api-key"], KEYS.KEY_OF_GEMINI);
		assert.equal(headers.authorization, undefined);
	});

	test("chat to Gemini, streamed, and in turns with whole answers on the same connection", async () => {
		for (let i = 0; i < 3; i++) {
			const stream = await openai.chat.completions.create({ model: "gemini", stream: true,
				messages: [{ role: "user", content: "as-stream" }], stream_options: { include_usage: true } });
			let text = "", usage;
			for await (const chunk of stream) {
				text += chunk.choices[0]?.delta.content ?? "";
				usage = chunk.usage ?? usage;
			}
			assert.equal(text, "gemini");
			assert.equal(usage.total_tokens, 5);
			assert.equal(own.gemini.last().url, "/v1beta/models/gemini-x:streamGenerateContent?alt=sse");
			const whole = await anthropic.messages.create(hello("gemini"));
			assert.equal(whole.content[0].text, "gemini says so");
			assert.equal(own.gemini.last().url, "/v1beta/models/gemini-x:generateContent");
		}
	});

	// Bills are made of it.
	test("Gemini's usage in a chunk behind the finish reason is read, and told", async () => {
		const stream = await openai.chat.completions.create({ model: "gemini", stream: true,
			messages: [{ role: "user", content: "late-usage" }], stream_options: { include_usage: true } });
		const chunks = [];
		for await (const chunk of stream) chunks.push(chunk);
		assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "gemini");
		assert.deepEqual(chunks.filter((chunk) => chunk.choices[0]?.finish_reason).length, 1);
		assert.equal(chunks.at(-1).usage.total_tokens, 50);
		const line = await until("the line in the log", () => grayd.logLines().find((one) => one.tokens_input === 30));
		assert.deepEqual([line.tokens_output, line.estimated_tokens_output], [20, undefined]);
	});

	test("a call of Anthropic's whose arguments stand at its begin keeps them, and text does", async () => {
		const stream = openai.chat.completions.stream({ model: "claude", messages: [{ role: "user", content: "filled-call" }] });
		const { message: told, finish_reason: reason } = (await stream.finalChatCompletion()).choices[0];
		assert.deepEqual([told.content, reason], ["look: ", "tool_calls"]);
		assert.deepEqual(JSON.parse(told.tool_calls[0].function.arguments), { city: "Bern" });
	});

	test("a conversation with tools and pictures goes from one API to the other and on", async () => {
		const picture = "data:image/png;base64,iVBORw0KGgo=";
		await openai.chat.completions.create({ model: "claude", tool_choice: "required", parallel_tool_calls: false,
			tools: [{ type: "function", function: { name: "look", parameters: { type: "object" } } }],
			messages: [
				{ role: "user", content: [{ type: "text", text: "What?" }, { type: "image_url", image_url: { url: picture } }] },
				{ role: "assistant", tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: '{"city":"Bern"}' } }] },
				{ role: "tool", tool_call_id: "call_1", content: "rain" },
			] });
		const { messages, tools, tool_choice: choice } = own.claude.json();
		assert.deepEqual(choice, { type: "any", disable_parallel_tool_use: true });
		// The same, as a client of Anthropic's would send it to the other model.
		await anthropic.messages.create({ model: "gpt", max_tokens: 50, messages, tools, tool_choice: choice });
		const there = own.gpt.json();
		assert.deepEqual(there.messages, [
			{ role: "user", content: [{ type: "text", text: "What?" }, { type: "image_url", image_url: { url: picture } }] },
			{ role: "assistant", content: null,
				tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: '{"city":"Bern"}' } }] },
			{ role: "tool", tool_call_id: "call_1", content: "rain" },
		]);
		assert.equal(there.tool_choice, "required");
		assert.equal(there.parallel_tool_calls, false);
	});

	test("an answer by a schema is text for the client", async () => {
		const completion = await openai.chat.completions.parse({ model: "claude", messages: [{ role: "user", content: "by-schema" }],
			response_format: { type: "json_schema", json_schema: { name: "person", strict: true,
				schema: { type: "object", properties: { age: { type: "integer" } } } } } });
		assert.deepEqual(completion.choices[0].message.parsed, { age: 7 });
		assert.equal(completion.choices[0].finish_reason, "stop");
		assert.equal(completion.choices[0].message.tool_calls?.length ?? 0, 0);
	});

	test("arguments that are no JSON cannot be told in Anthropic's API: stable answers", async () => {
		const { data, response } = await anthropic.messages.create(hello("claude-gpt",
			{ messages: [{ role: "user", content: "broken-arguments" }] })).withResponse();
		assert.equal(data.content[0].text, "claude says so");
		assert.equal(response.headers.get("x-gray-fallback-reason"), "garbage");
	});

	// ---- refusals --------------------------------------------------------------------------------

	test("what stable cannot be asked is refused by its name, before any provider is called", async () => {
		const before = attempts();
		const error = await thrown(openai.chat.completions.create({ model: "claude", n: 2, messages: [{ role: "user", content: "hello" }] }));
		assert.ok(error instanceof OpenAI.BadRequestError);
		assert.equal(error.param, "n");
		assert.equal(error.code, "unsupported_parameter");
		assert.match(error.message, /'n' other than 1 cannot be translated \(the stable model claude-x is asked in Anthropic's Messages API\)/);
		const other = await thrown(anthropic.messages.create(hello("gpt", { top_k: 5 })));
		assert.ok(other instanceof Anthropic.BadRequestError);
		assert.equal(other.error.type, "error");
		assert.equal(other.error.error.type, "invalid_request_error");
		assert.match(other.error.error.message, /'top_k' is not known to OpenAI's API/);
		assert.equal(attempts(), before);
	});

	test("what only the candidate cannot be asked stays with stable, outside the split", async () => {
		const answer = await post(grayd.url, message("counted", { n: 2 }));
		assert.equal(answer.status, 200);
		assert.equal(answer.headers["x-gray-arm"], "stable");
		assert.equal(answer.headers["x-gray-fallback"], "0");
		assert.equal(answer.headers["x-gray-untranslated"], "n");
		const line = await until("its line", () => grayd.logLines().find((one) => one.id === answer.headers["x-request-id"]));
		assert.equal(line.by, "stable_only");
		assert.equal(line.untranslated, "n");
		assert.equal((await post(grayd.url, message("counted"))).headers["x-gray-arm"], "candidate");
		const { arms } = (await quiet(grayd)).releases.counted;
		assert.equal(arms.candidate.requests, 1);
		assert.equal(arms.candidate.fallbacks, 0);
	});

	test("a test of the candidate is not answered by stable instead", async () => {
		const before = attempts();
		const answer = await post(grayd.url, message("gpt-claude", { n: 2 }), { headers: { "x-gray-arm": "candidate" } });
		assert.equal(answer.status, 400);
		assert.equal(answer.json.error.param, "n");
		assert.match(answer.json.error.message, /the candidate model claude-x/);
		assert.equal(attempts(), before);
	});

	test("a candidate at 0 % is not looked at", async () => {
		await setShare(grayd, "gpt-gemini", 0);
		const answer = await post(grayd.url, message("gpt-gemini", { logprobs: true }));
		assert.equal(answer.status, 200);
		assert.equal(answer.headers["x-gray-untranslated"], undefined);
		await setShare(grayd, "gpt-gemini", 100);
		assert.equal((await post(grayd.url, message("gpt-gemini", { logprobs: true }))).headers["x-gray-untranslated"], "logprobs");
	});

	test("a name that a client has made up does no harm in heads and logs", async () => {
		const answer = await post(grayd.url, message("counted", { 'a"\\\r\nb: é': 1 }));
		assert.equal(answer.status, 200);
		assert.match(answer.headers["x-gray-untranslated"], /^[!-~]+$/);
		await until("its line", () => grayd.logLines().find((one) => one.id === answer.headers["x-request-id"]));
		assert.deepEqual(grayd.logLines().filter((line) => line.unreadable), []);
	});

	for (const [path, body] of [
		["/v1/embeddings", { input: "x" }],
		["/v1/completions", { prompt: "x" }],
		["/v1/responses", { input: "x" }],
	]) {
		test(`${path}: an arm that cannot serve it is named`, async () => {
			const before = attempts();
			for (const model of ["claude", "gemini"]) {
				const answer = await post(grayd.url, { model, ...body }, { path });
				assert.equal(answer.status, 400);
				assert.equal(answer.json.error.code, "unsupported_api");
				assert.match(answer.json.error.message, new RegExp(`the stable model ${model}-x of this release cannot be asked by ${path}`));
				assert.equal(answer.headers["x-gray-arm"], undefined);
			}
			assert.equal(attempts(), before);
			const answer = await post(grayd.url, { model: "gpt-claude", ...body }, { path });
			assert.equal(answer.headers["x-gray-arm"], "stable");
		});
	}

	// ---- errors ----------------------------------------------------------------------------------

	const ask = (model, content) => openai.chat.completions.create({ model, messages: [{ role: "user", content }] });

	test("Anthropic's errors, for a client of OpenAI's", async () => {
		const bad = await thrown(ask("claude", "refuse-400"));
		assert.ok(bad instanceof OpenAI.BadRequestError);
		assert.equal(bad.type, "invalid_request_error");
		assert.match(bad.message, /messages: no such thing/);
		assert.equal(bad.headers.get("x-upstream-request-id"), "req_of_claude");
		const missing = await thrown(ask("claude", "refuse-404"));
		assert.ok(missing instanceof OpenAI.NotFoundError);
		assert.equal(missing.code, "model_not_found");
		const limited = await thrown(ask("claude", "refuse-429"));
		assert.ok(limited instanceof OpenAI.RateLimitError);
		assert.equal(limited.code, "rate_limit_exceeded");
		assert.equal(limited.headers.get("retry-after"), "1");
		const busy = await until("the end of the pause", async () => {
			const error = await thrown(ask("claude", "fail-529"));
			return error.status !== 429 && error;
		});
		assert.equal(busy.status, 529);
		assert.match(busy.message, /Overloaded/);
	});

	test("OpenAI's and Gemini's errors, for a client of Anthropic's", async () => {
		for (const model of ["gpt", "gemini"]) {
			const error = await thrown(anthropic.messages.create(hello(model, { messages: [{ role: "user", content: "refuse-400" }] })));
			assert.ok(error instanceof Anthropic.BadRequestError);
			assert.equal(error.error.type, "error");
			assert.equal(error.error.error.type, "invalid_request_error");
			assert.equal(error.error.error.message, "no such thing");
		}
	});

	test("Gemini's 400 for a bad key is no fault of the client", async () => {
		const error = await thrown(ask("gemini", "bad-key"));
		assert.equal(error.status, 502);
		assert.equal(error.code, "upstream_auth");
	});

	test("an error in a list is an error like any other for the client", async () => {
		const error = await thrown(ask("array", "hello"));
		assert.ok(error instanceof OpenAI.BadRequestError);
		assert.equal(error.code, "INVALID_ARGUMENT");
		assert.match(error.message, /Invalid value at 'messages'/);
		assert.equal(error.headers.get("x-ratelimit-limit-requests"), "9");
	});

	test("both models failed: one error with both causes, in the shape of the API", async () => {
		const { json, status } = await post(grayd.url, hello("claude-gpt", { messages: [{ role: "user", content: "refuse-400" }] }), { path: MESSAGES });
		assert.equal(status, 400); // stable's own
		assert.equal(json.type, "error");
		assert.equal(json.error.message, "messages: no such thing");
	});
});
