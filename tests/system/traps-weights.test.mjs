// SPDX-License-Identifier: MIT
// What users of other gateways complain about, in weights: a test for each, with its name, through
// the clients of both APIs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { message, post, startPair } from "./lib/expect.mjs";

const TURNS = 12, USERS = 40;

// say(user, turns): the n-th turn of a user's conversation; gives the answer's head.
const clients = {
	openai: (url) => {
		const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", maxRetries: 0 });
		return async (user, turn, headers = {}) => (await client.chat.completions.create({ model: "chat", ...(user && { user }),
			messages: Array.from({ length: 2 * turn + 1 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `turn ${i}` })),
		}, { headers }).withResponse()).response.headers;
	},
	"@anthropic-ai/sdk": (url) => {
		const client = new Anthropic({ baseURL: url, apiKey: "k", maxRetries: 0 });
		return async (user, turn, headers = {}) => (await client.messages.create({ model: "chat", max_tokens: 9,
			...(user && { metadata: { user_id: user } }),
			messages: Array.from({ length: 2 * turn + 1 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `turn ${i}` })),
		}, { headers }).withResponse()).response.headers;
	},
};

for (const [name, connect] of Object.entries(clients))
	describe(`weights, ${name}`, () => {
		let pair, say;
		before(async () => {
			const kind = name === "openai" ? "openai" : "anthropic";
			pair = await startPair({ script: { models: { old: {}, new: {} } }, provider: { kind }, share: 50, config: {
				workers: 3, models: { old: { provider: "sim" }, new: { provider: "sim" } },
				releases: { chat: { stable: "old", candidate: "new" } } } });
			say = connect(pair.grayd.url);
		});
		after(() => pair?.stop());
		const armOf = async (...turn) => (await say(...turn)).get("x-gray-arm");
		const all = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));

		test("a conversation stays with its model from turn to turn", async () => {
			const arms = await all(USERS, (user) => all(TURNS, (turn) => armOf(`user-${user}`, turn)));
			for (const [user, turns] of arms.entries()) assert.equal(new Set(turns).size, 1, `user ${user}: ${turns}`);
			// Of both: 40 users on one side at 50 % happen once in 10^11.
			assert.equal(new Set(arms.map(([first]) => first)).size, 2);
		});

		test("so it does by a header, whatever else the body says", async () => {
			const arms = await all(USERS, (user) => all(TURNS, (turn) => armOf(`turn-${turn}`, turn, { "x-user-id": `user-${user}` })));
			for (const turns of arms) assert.equal(new Set(turns).size, 1);
			assert.equal(new Set(arms.map(([first]) => first)).size, 2);
		});

		test("users without an id do not share one bucket", async () => {
			const arms = await all(400, () => armOf(undefined, 0));
			const share = arms.filter((arm) => arm === "candidate").length;
			// Five deviations of a fair coin.
			assert.ok(Math.abs(share - 200) <= 5 * Math.sqrt(100), `${share} of 400`);
		});
	});

test("a limit is one for all processes, not one for each", async (t) => {
	const pair = await startPair({ t, script: { models: { old: {} } }, config: { workers: 4,
		models: { old: { provider: "sim", rate_per_minute: 30 } },
		releases: { chat: { stable: "old", deadline_ms: 500 } } } });
	const answers = await Promise.all(Array.from({ length: 120 }, () => post(pair.grayd.url, message("chat"))));
	const admitted = answers.filter(({ status }) => status === 200).length;
	assert.equal(admitted, 30);
	assert.ok(answers.every(({ status }) => status === 200 || status === 429));
	assert.equal((await pair.sim.summary()).last, 30);
	const { workers } = (await pair.grayd.ctl(["-j", "workers"])).json;
	assert.ok(workers.filter((worker) => worker.started > 0).length > 1, "only one process has had a part in it");
});
