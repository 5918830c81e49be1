// SPDX-License-Identifier: MIT
// Errors of every kind of provider, as the clients of both APIs meet them: of the class that their
// programs wait for, in the shape of the API that they called, with the provider's own words.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { WAYS } from "./lib/apis.mjs";
import { startPair } from "./lib/expect.mjs";

const WORDS = "the provider's own words: \"ж\"";
const messages = [{ role: "user", content: "hello" }];

// status of the provider: status for the client, class in both SDKs, Anthropic's type. What is wrong
// with grayd's key or balance is no fault of the client's, so it is a 502 there.
const rows = {
	400: [400, "BadRequestError", "invalid_request_error"],
	401: [502, "InternalServerError", "api_error"],
	402: [502, "InternalServerError", "api_error"],
	403: [502, "InternalServerError", "api_error"],
	404: [404, "NotFoundError", "not_found_error"],
	413: [413, "APIError", "request_too_large"],
	429: [429, "RateLimitError", "rate_limit_error"],
	500: [500, "InternalServerError", "api_error"],
	503: [503, "InternalServerError", "overloaded_error"],
	529: [529, "InternalServerError", "overloaded_error"],
};

const clients = {
	"chat completions": {
		SDK: OpenAI,
		client: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", maxRetries: 0 }),
		ask: async (client, model, stream) => {
			const answer = await client.chat.completions.create({ model, messages, stream });
			if (stream) for await (const chunk of answer) assert.ok(chunk);
		},
		shape(error) {
			assert.equal(typeof error.error.message, "string");
			assert.equal(typeof error.error.type, "string");
			assert.ok("code" in error.error && "param" in error.error);
			return error.error.message;
		},
	},
	messages: {
		SDK: Anthropic,
		client: (url) => new Anthropic({ baseURL: url, apiKey: "k", maxRetries: 0 }),
		ask: async (client, model, stream) => {
			const answer = await client.messages.create({ model, max_tokens: 9, messages, stream });
			if (stream) for await (const event of answer) assert.ok(event);
		},
		shape(error, type) {
			assert.equal(error.error.type, "error");
			assert.equal(error.error.error.type, type);
			return error.error.error.message;
		},
	},
};

for (const { api, kind, name: way, native } of WAYS)
	describe(`errors, ${way}`, { concurrency: 8 }, () => {
		const { SDK, ask, shape, ...driver } = clients[api.name];
		let pair, client;
		before(async () => {
			const names = Object.keys(rows);
			const models = Object.fromEntries(names.map((status) => [`m${status}`,
				{ faults: [{ kind: "status", status: Number(status), message: WORDS,
					...(status === "529" && { retry_after: "0" }) /* no pause for the next request */ }] }]));
			models.midway = { faults: [{ kind: "error_event", after: 2, status: 503, message: WORDS }] };
			pair = await startPair({ script: { models }, provider: { kind }, config: {
				models: Object.fromEntries(Object.keys(models).map((model) => [model, { provider: "sim" }])),
				releases: Object.fromEntries(Object.keys(models).map((model) => [model, { stable: model, attempts: 1 }])) } });
			client = driver.client(pair.grayd.url);
		});
		after(() => pair?.stop());

		for (const [status, [expected, type, anthropicType]] of Object.entries(rows))
			for (const stream of [false, true])
				test(`${status}${stream ? ", of a stream" : ""}`, async () => {
					await assert.rejects(ask(client, `m${status}`, stream), (error) => {
						assert.ok(error instanceof SDK[type], `${error.constructor.name}: ${error.message}`);
						assert.equal(error.status, expected);
						// Anthropic itself has no word for a 503, and its own words are not changed.
						const message = shape(error, native && status === "503" ? "api_error" : anthropicType);
						assert.ok(message.includes(WORDS), message);
						assert.match(error.headers.get("x-request-id"), /^req_/);
						return true;
					});
				});

		test("in the midst of a stream", async () => {
			await assert.rejects(ask(client, "midway", true), (error) => {
				assert.ok(error instanceof SDK.APIError, String(error));
				assert.match(JSON.stringify(error.error ?? error.message), /provider's own words/);
				return true;
			});
		});
	});
