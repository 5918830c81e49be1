// SPDX-License-Identifier: MIT
// A conversation as an agent has it, through the clients that users have, with each system behind
// grayd: instructions, a picture, tools, two calls, their results, the answer, and a word more. What
// reaches the provider is held against its own API, and must mean what the client meant.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { setShare, stopClean } from "./lib/expect.mjs";
import { startGrayd } from "./lib/grayd.mjs";
import { assertRequest, bodyOf } from "./lib/strict.mjs";
import { modelOf, NAMES, startSystems, SYSTEMS } from "./lib/systems.mjs";

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const CITY = 'Zürich, "old town" \u2028 \\ 漢字 😀';
const QUESTION = `Weather in ${CITY}?`;
const CALLS = [{ name: "lookup", arguments: { city: CITY, days: 3, near: [true, null, 1.5] }, pieces: 7 },
	{ name: "now", arguments: {} }];
const RESULTS = ["21 degrees,\n\"sunny\"", "noon"];
const INSTRUCTIONS = ["Be brief.", "Never guess.\tUse tools."];
const lookup = { type: "object", properties: { city: { type: "string", description: "which" }, days: { type: "integer" } },
	required: ["city"] };
const nothing = { type: "object", properties: {} };
const TOOLS = [["lookup", lookup], ["now", nothing]];

// The models call tools until they see a result of one.
const script = (system) => ({ models: { [modelOf(system, "stable")]: { ...SYSTEMS[system].behaviour, tool_calls: CALLS,
	text: ["It is ", "sunny."], match: [{ body_contains: "21 degrees", behaviour: { tool_calls: [] } }] } } });

// ---- the clients: begin() gives a conversation, say() has the model's next turn in it -----------

const asText = (content) => (Array.isArray(content) ? content.map((part) => part.text).join("") : content);

const openai = {
	name: "openai",
	client: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", maxRetries: 0 }),
	begin: () => [{ role: "system", content: INSTRUCTIONS[0] }, { role: "developer", content: INSTRUCTIONS[1] },
		{ role: "user", content: [{ type: "text", text: QUESTION },
			{ type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }] }],
	async say(client, model, messages, stream) {
		const body = { model, messages, max_tokens: 200, temperature: 0.5, top_p: 0.9, stop: ["END", "STOP\n"],
			tools: TOOLS.map(([name, parameters]) => ({ type: "function", function: { name, description: `does ${name}`, parameters } })) };
		const { choices: [{ message }] } = stream ? await client.chat.completions.stream(body).finalChatCompletion()
			: await client.chat.completions.create(body);
		messages.push(message);
		return { text: message.content, calls: (message.tool_calls ?? []).map((call) =>
			({ id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) })) };
	},
	results: (messages, calls) => messages.push(...calls.map(({ id }, i) => ({ role: "tool", tool_call_id: id, content: RESULTS[i] }))),
	user: (messages, content) => messages.push({ role: "user", content }),
};

const anthropic = {
	name: "@anthropic-ai/sdk",
	client: (url) => new Anthropic({ baseURL: url, apiKey: "k", maxRetries: 0 }),
	begin: () => [{ role: "user", content: [{ type: "text", text: QUESTION },
		{ type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } }] }],
	async say(client, model, messages, stream) {
		const body = { model, messages, system: INSTRUCTIONS.map((text) => ({ type: "text", text })), max_tokens: 200,
			temperature: 0.5, top_p: 0.9, stop_sequences: ["END", "STOP\n"], tool_choice: { type: "auto" },
			tools: TOOLS.map(([name, input_schema]) => ({ name, description: `does ${name}`, input_schema })) };
		const { content } = stream ? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
		messages.push({ role: "assistant", content });
		return { text: content.filter((block) => block.type === "text").map((block) => block.text).join(""),
			calls: content.filter((block) => block.type === "tool_use")
				.map(({ id, name, input }) => ({ id, name, arguments: input })) };
	},
	results: (messages, calls) => messages.push({ role: "user", content: calls.map(({ id }, i) =>
		({ type: "tool_result", tool_use_id: id, content: RESULTS[i] })) }),
	user: (messages, content) => messages.push({ role: "user", content }),
};

// ---- what a provider got, as all APIs mean it: [who, what] in their order ------------------------
// A result says of which call it is: by its id, or where there are none by its tool's name.

const parts = (content) => (Array.isArray(content) ? content : content ? [{ type: "text", text: content }] : []);
const meaning = {
	openai: ({ messages }) => messages.flatMap(({ role, content, tool_calls: calls, tool_call_id: id }) => [
		...(role === "tool" ? [["result", id, asText(content)]] : parts(content).map((part) =>
			[role, part.image_url ? part.image_url.url : part.text])),
		...(calls ?? []).map((call) => ["call", call.id, call.function.name, JSON.parse(call.function.arguments)])]),
	anthropic: ({ system, messages }) => [
		...parts(system).map((part) => ["system", part.text]),
		...messages.flatMap(({ role, content }) => parts(content).map((block) => ({
			text: () => [role, block.text],
			image: () => [role, `data:${block.source.media_type};base64,${block.source.data}`],
			tool_use: () => ["call", block.id, block.name, block.input],
			tool_result: () => ["result", block.tool_use_id, asText(block.content)],
		})[block.type]()))],
	gemini: ({ systemInstruction, contents }) => [
		...systemInstruction.parts.map((part) => ["system", part.text]),
		...contents.flatMap(({ role, parts: list }) => list.map((part) => {
			if (part.functionCall) return ["call", part.functionCall.name, part.functionCall.name, part.functionCall.args ?? {}];
			if (part.functionResponse) return ["result", part.functionResponse.name, Object.values(part.functionResponse.response).join("")];
			const { mimeType, data } = part.inlineData ?? {};
			return [role === "model" ? "assistant" : role, data ? `data:${mimeType};base64,${data}` : part.text];
		}))],
};

function assertMeaning(kind, body, calls) {
	const ids = kind === "gemini" ? calls.map((call) => call.name) : calls.map((call) => call.id);
	// Where there is no role `developer` both are the system's.
	const got = meaning[kind](body).map(([who, ...what]) => [who === "developer" ? "system" : who, ...what]);
	const instructions = got.filter(([who]) => who === "system").map(([, words]) => words).join("|");

	assert.ok(INSTRUCTIONS.every((one) => instructions.includes(one)), instructions);
	assert.deepEqual(got.filter(([who]) => who !== "system"), [
		["user", QUESTION], ["user", `data:image/png;base64,${PIXEL}`],
		...CALLS.map((call, i) => ["call", ids[i], call.name, call.arguments]),
		...RESULTS.map((result, i) => ["result", ids[i], result]),
		["assistant", "It is sunny."], ["user", "Thanks."]]);
}

// The numbers and words beside the messages.
const settings = {
	openai: (body) => [body.max_tokens ?? body.max_completion_tokens, body.temperature, body.top_p, body.stop,
		body.tools.map((tool) => [tool.function.name, tool.function.description])],
	anthropic: (body) => [body.max_tokens, body.temperature, body.top_p, body.stop_sequences,
		body.tools.map((tool) => [tool.name, tool.description])],
	gemini: ({ generationConfig: config, tools }) => [config.maxOutputTokens, config.temperature, config.topP, config.stopSequences,
		tools.flatMap((tool) => tool.functionDeclarations).map((tool) => [tool.name, tool.description])],
};

for (const driver of [openai, anthropic])
	describe(`a conversation through ${driver.name}`, () => {
		let systems, grayd, client;
		before(async () => {
			systems = await startSystems(NAMES, script);
			const releases = Object.fromEntries(NAMES.map((name) => [name, { stable: name }]));
			for (const name of NAMES) delete systems.models[`${name}-next`];
			grayd = await startGrayd({ env: systems.env, config: { providers: systems.providers, models: systems.models, releases } });
			client = driver.client(grayd.url);
		});
		after(async () => {
			if (grayd) await stopClean(grayd);
			await systems?.stop();
		});

		for (const system of NAMES)
			for (const stream of [false, true])
				test(`${system}${stream ? ", streamed" : ""}`, async () => {
					const sim = systems.sims[system], { kind } = SYSTEMS[system];
					const messages = driver.begin();
					await sim.reset();
					const { calls } = await driver.say(client, system, messages, stream);
					assert.deepEqual(calls.map((call) => [call.name, call.arguments]), CALLS.map((call) => [call.name, call.arguments]));
					assert.equal(new Set(calls.map((call) => call.id)).size, 2);
					driver.results(messages, calls);
					const answer = await driver.say(client, system, messages, stream);
					assert.deepEqual(answer, { text: "It is sunny.", calls: [] });
					driver.user(messages, "Thanks.");
					assert.equal((await driver.say(client, system, messages, stream)).text, "It is sunny.");

					const bodies = await Promise.all([1, 2, 3].map(async (id) => bodyOf(await sim.request(id))));
					for (const body of bodies) {
						assertRequest(kind, body);
						assert.deepEqual(settings[kind](body), [200, 0.5, 0.9, ["END", "STOP\n"],
							TOOLS.map(([name]) => [name, `does ${name}`])]);
					}
					assertMeaning(kind, bodies[2], calls);
				});
	});

// What stable's API cannot say is refused before any provider is asked; what the candidate's cannot,
// is answered by stable, for both sides of the split.
describe("what cannot be translated", { concurrency: 4 }, () => {
	const wishes = { n: 2, logprobs: true, audio: { voice: "alloy", format: "wav" }, nonesuch: 1,
		messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }] }] };
	const refusing = { claude: { stable: "claude" }, gemini: { stable: "gemini" }, "claude-first": { stable: "claude", candidate: "openai" } };
	let systems, grayd, client;
	before(async () => {
		systems = await startSystems(["openai", "claude", "gemini"]);
		grayd = await startGrayd({ env: systems.env, config: { providers: systems.providers, models: systems.models,
			releases: { ...refusing, "claude-next": { stable: "openai", candidate: "claude" } } } });
		for (const release of ["claude-first", "claude-next"]) await setShare(grayd, release, 100);
		client = openai.client(grayd.url);
	});
	after(async () => {
		if (grayd) await stopClean(grayd);
		await systems?.stop();
	});
	const ask = (model, member) => client.chat.completions.create(
		{ model, messages: [{ role: "user", content: "hello" }], [member]: wishes[member] }).withResponse();

	test("is a 400 that names the member, and no provider has been asked", async () => {
		for (const release of Object.keys(refusing))
			for (const member of Object.keys(wishes))
				await assert.rejects(ask(release, member), (error) => {
					assert.ok(error instanceof OpenAI.BadRequestError, `${error.status}: ${error.message}`);
					assert.ok(error.param.startsWith(member), error.param);
					assert.ok(error.message.includes(member), error.message);
					return true;
				});
		for (const name of ["claude", "gemini"]) assert.equal((await systems.sims[name].summary()).last, 0);
	});

	test("for the candidate is stable's to answer", async () => {
		for (const member of Object.keys(wishes)) {
			const { response } = await ask("claude-next", member);
			assert.deepEqual(["arm", "fallback"].map((name) => response.headers.get(`x-gray-${name}`)), ["stable", "0"]);
		}
		assert.equal((await systems.sims.claude.summary()).last, 0);
	});
});
