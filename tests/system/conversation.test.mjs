// SPDX-License-Identifier: MIT
// A conversation as an agent has it, through the clients that users have, with each system behind
// grayd: instructions, a picture, tools, a call, its result, the answer. What reaches the provider
// is held against its own API.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { stopClean } from "./lib/expect.mjs";
import { startGrayd } from "./lib/grayd.mjs";
import { assertRequest, bodyOf } from "./lib/strict.mjs";
import { modelOf, startSystems, SYSTEMS } from "./lib/systems.mjs";

const OPENAI = ["holysheep", "openai", "deepseek", "gemini-compatible", "claude"];
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const CITY = 'Zürich, "old town" \u2028 \\ 漢字 😀';
const CALLS = [{ name: "lookup", arguments: { city: CITY, days: 3 }, pieces: 7 }, { name: "now", arguments: {} }];
const RESULTS = ["21 degrees,\n\"sunny\"", "noon"];
const INSTRUCTIONS = ["Be brief.", "Never guess.\tUse tools."];
const lookup = { type: "object", properties: { city: { type: "string", description: "which" }, days: { type: "integer" } },
	required: ["city"] };
const nothing = { type: "object", properties: {} };

// The models call tools until they see a result of one.
const script = (system) => ({ models: { [modelOf(system, "stable")]: { ...SYSTEMS[system].behaviour, tool_calls: CALLS,
	text: ["It is ", "sunny."], match: [{ body_contains: "21 degrees", behaviour: { tool_calls: [] } }] } } });

// What a provider got, as all APIs mean it: instructions, words and pictures of each side, calls and
// results, in their order.
const meaning = {
	openai: ({ messages }) => messages.flatMap(({ role, content, tool_calls: calls, tool_call_id: id }) => [
		...(Array.isArray(content) ? content : content ? [{ text: content }] : []).map((part) => part.image_url
			? [role, "picture", part.image_url.url] : role === "tool" ? ["result", id, part.text] : [role, part.text]),
		...(calls ?? []).map((call) => ["call", call.id, call.function.name, JSON.parse(call.function.arguments)])]),
	anthropic: ({ system, messages }) => [
		...(Array.isArray(system) ? system : [{ text: system }]).map((part) => ["system", part.text]),
		...messages.flatMap(({ role, content }) => (Array.isArray(content) ? content : [{ type: "text", text: content }])
			.map((block) => ({
				text: () => [role, block.text],
				image: () => [role, "picture", block.source.url ?? `data:${block.source.media_type};base64,${block.source.data}`],
				tool_use: () => ["call", block.id, block.name, block.input],
				tool_result: () => ["result", block.tool_use_id,
					Array.isArray(block.content) ? block.content.map((part) => part.text).join("") : block.content],
			})[block.type]()))],
};

describe("a conversation through openai", () => {
	let systems, grayd, client;
	before(async () => {
		systems = await startSystems(OPENAI, script);
		grayd = await startGrayd({ env: systems.env, config: { providers: systems.providers, models: systems.models,
			releases: Object.fromEntries(OPENAI.map((name) => [name, { stable: name }])) } });
		client = new OpenAI({ baseURL: `${grayd.url}/v1`, apiKey: "k", maxRetries: 0 });
	});
	after(async () => {
		if (grayd) await stopClean(grayd);
		await systems?.stop();
	});

	const tools = [["lookup", lookup], ["now", nothing]].map(([name, parameters]) =>
		({ type: "function", function: { name, description: `does ${name}`, parameters } }));
	const begin = [
		{ role: "system", content: INSTRUCTIONS[0] }, { role: "developer", content: INSTRUCTIONS[1] },
		{ role: "user", content: [{ type: "text", text: `Weather in ${CITY}?` },
			{ type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }] },
	];

	// One answer as a message of the conversation, however it came.
	async function answer(model, messages, stream) {
		const body = { model, messages, tools, max_tokens: 200, temperature: 0.5, top_p: 0.9, stop: ["END", "STOP\n"] };
		if (!stream) return (await client.chat.completions.create(body)).choices[0].message;
		return (await client.chat.completions.stream(body).finalChatCompletion()).choices[0].message;
	}

	for (const system of OPENAI)
		for (const stream of [false, true])
			test(`${system}${stream ? ", streamed" : ""}`, async () => {
				const sim = systems.sims[system], { kind } = SYSTEMS[system];
				await sim.reset();
				const asking = await answer(system, begin, stream);
				assert.deepEqual(asking.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
					CALLS.map((call) => [call.name, call.arguments]));
				const [first, second] = asking.tool_calls.map((call) => call.id);
				assert.notEqual(first, second);
				const told = [...begin, asking, ...[first, second].map((id, i) => ({ role: "tool", tool_call_id: id, content: RESULTS[i] }))];
				const last = await answer(system, told, stream);
				assert.equal(last.content, "It is sunny.");
				assert.equal(last.tool_calls?.length ?? 0, 0);
				const again = await answer(system, [...told, { role: last.role, content: last.content },
					{ role: "user", content: "Thanks." }], stream);
				assert.equal(again.content, "It is sunny.");

				const bodies = await Promise.all([1, 2, 3].map(async (id) => bodyOf(await sim.request(id))));
				for (const body of bodies) assertRequest(kind, body);
				const picture = ["user", "picture", `data:image/png;base64,${PIXEL}`];
				// Where there is no role `developer` both are the system's.
				const got = meaning[kind](bodies[2]).map(([who, ...what]) => [who === "developer" ? "system" : who, ...what]);
				const instructions = got.filter(([who]) => who === "system").map(([, words]) => words).join("|");
				assert.ok(INSTRUCTIONS.every((one) => instructions.includes(one)), instructions);
				assert.deepEqual(got.filter(([who]) => who !== "system"), [
					["user", `Weather in ${CITY}?`], picture,
					["call", first, "lookup", CALLS[0].arguments], ["call", second, "now", {}],
					["result", first, RESULTS[0]], ["result", second, RESULTS[1]],
					["assistant", "It is sunny."], ["user", "Thanks."]]);
			});
});
