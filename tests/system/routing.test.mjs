// SPDX-License-Identifier: MIT
// Which arm a request goes to: the shares, the sticky keys, the exceptions; and that client,
// provider and grayd count the same.

import assert from "node:assert/strict";
import test from "node:test";
import { blake2b256, buckets, sipHash24 } from "./lib/bucket.mjs";
import { until } from "./lib/grayd.mjs";
import { countBy, demoConfig, fiveSigma, settledStats, startPair } from "./lib/load.mjs";
import { loadAndCompare, shareOf, stickyByHeader } from "./lib/shares.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const STAGES = [10, 30, 50, 100];
const N = 5000;

const bucketOf = buckets({ release: "demo", candidate: "new" });
const arms = async (grayd) => (await settledStats(grayd, until)).releases.demo.arms;

test("the hashes of the test give the published values", () => {
	const key = Buffer.from(Array.from({ length: 16 }, (_, i) => i));

	assert.equal(blake2b256("abc").toString("hex"),
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	assert.equal(blake2b256("").toString("hex"),
		"0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
	assert.equal(sipHash24(key, key.subarray(0, 15)).toString(16), "a129ca6149be45e5");
});

test("random keys: each stage has its share, all three count the same", async (t) => {
	const { sim, grayd } = await startPair(t);

	for (const stage of STAGES) {
		assert.equal((await grayd.ctl(["stage", "demo", stage])).code, 0);
		const rows = await loadAndCompare({ sim, grayd }, { n: N, c: 32 });
		const candidate = countBy(rows, "arm")("candidate");
		assert.ok(Math.abs(candidate - (N * stage) / 100) <= fiveSigma(N, stage / 100),
			`${candidate} of ${N} at ${stage} %`);
	}
});

test("random keys, streams: all three count the same", async (t) => {
	const { sim, grayd } = await startPair(t);

	await grayd.ctl(["stage", "demo", 30]);
	const rows = await loadAndCompare({ sim, grayd }, { n: 2000, c: 32, stream: true });
	const candidate = countBy(rows, "arm")("candidate");
	assert.ok(Math.abs(candidate - 600) <= fiveSigma(2000, 0.3), `${candidate} of 2000 at 30 %`);
});

test("measured_percent counts from the last change on", async (t) => {
	const { sim, grayd } = await startPair(t);

	await grayd.ctl(["stage", "demo", 100]);
	await loadAndCompare({ sim, grayd }, { n: 500, c: 8 });
	assert.equal((await shareOf(grayd)).measured_percent, 100);
	await grayd.ctl(["weight", "demo", 0]);
	assert.equal((await shareOf(grayd)).measured_percent, null);
	await loadAndCompare({ sim, grayd }, { n: 100, c: 8 });
	assert.equal((await shareOf(grayd)).measured_percent, 0);
});

test("sticky keys in the body: exactly as computed, and none moves back", async (t) => {
	const { sim, grayd } = await startPair(t);
	const moved = new Set();

	for (const stage of [0, ...STAGES]) {
		await grayd.ctl([stage ? "stage" : "weight", "demo", stage]);
		const rows = await loadAndCompare({ sim, grayd }, { n: N, c: 32, k: 2000 });
		for (const { user, arm } of rows) {
			assert.equal(arm, bucketOf(user) < stage * 100 ? "candidate" : "stable", user);
			assert.ok(arm === "candidate" || !moved.has(user), `${user} moved back`);
			if (arm === "candidate") moved.add(user);
		}
	}
	assert.equal(moved.size, 2000);
});

test("sticky keys in a header: exactly as computed", async (t) => {
	const { grayd } = await startPair(t);
	const keys = Array.from({ length: 500 }, (_, i) => `kunde-${i}-ä`);

	for (const stage of STAGES) {
		await grayd.ctl(["stage", "demo", stage]);
		const got = await stickyByHeader(grayd.url, "x-user-id", keys);
		for (const [i, key] of keys.entries())
			assert.equal(got[i], bucketOf(key) < stage * 100 ? "candidate" : "stable", key);
	}
});

test("a weight with two decimals cuts exactly between two buckets", async (t) => {
	const { sim, grayd } = await startPair(t);
	const find = (bucket) => {
		for (let i = 0; ; i++) if (bucketOf(`k${i}`) === bucket) return `k${i}`;
	};

	assert.equal((await grayd.ctl(["weight", "demo", "12.34"])).code, 0);
	assert.equal((await shareOf(grayd)).set_percent, 12.34);
	assert.equal((await post(grayd.url, { user: find(1233) })).headers["x-gray-arm"], "candidate");
	assert.equal((await post(grayd.url, { user: find(1234) })).headers["x-gray-arm"], "stable");
	const rows = await loadAndCompare({ sim, grayd }, { n: N, c: 32 });
	const candidate = countBy(rows, "arm")("candidate");
	assert.ok(Math.abs(candidate - N * 0.1234) <= fiveSigma(N, 0.1234), `${candidate} of ${N}`);
	assert.equal((await grayd.ctl(["weight", "demo", "12.345"])).code, 2);
});

const users = (from, count) => Array.from({ length: count }, (_, i) => `u${from + i}`);

// Which of several keys decides: [what, body and headers for a key, what the key then is].
const SOURCES = [
	["body:user", (key) => ({ body: { user: key } })],
	["body:safety_identifier", (key) => ({ body: { safety_identifier: key } })],
	["body:prompt_cache_key", (key) => ({ body: { prompt_cache_key: key } })],
	["body:metadata.user_id", (key) => ({ body: { metadata: { other: 1, user_id: key } } })],
	["header before body", (key) => ({ headers: { "x-user-id": key }, body: { user: "somebody" } })],
	["user before metadata", (key) => ({ body: { metadata: { user_id: "somebody" }, user: key } })],
	["an empty header is none", (key) => ({ headers: { "x-user-id": "" }, body: { user: key } })],
	["an empty user is none", (key) => ({ body: { user: "", prompt_cache_key: key } })],
	["an escaped user is the same user",
		(key) => ({ raw: `{"model":"demo","messages":[{}],"user":"\\u0075${key.slice(1)}"}` })],
];

test("the first key that a request has decides", async (t) => {
	const { grayd } = await startPair(t);

	await grayd.ctl(["stage", "demo", 50]);
	for (const [what, make] of SOURCES) {
		for (const key of users(what.length * 100, 25)) {
			const { body, raw, headers } = make(key);
			const answer = await post(grayd.url, raw ?? body, { headers });
			assert.equal(answer.headers["x-gray-arm"],
				bucketOf(key) < 5000 ? "candidate" : "stable", `${what}: ${key}`);
		}
	}
});

test("another salt spreads users anew", async (t) => {
	const { grayd } = await startPair(t, {
		config: (sim) => demoConfig(sim, { release: { salt: "pepper" } }),
	});
	const salted = buckets({ release: "demo", candidate: "new", salt: "pepper" });
	const keys = users(0, 300);

	await grayd.ctl(["stage", "demo", 50]);
	const got = await stickyByHeader(grayd.url, "x-user-id", keys);
	for (const [i, key] of keys.entries())
		assert.equal(got[i], salted(key) < 5000 ? "candidate" : "stable", key);
	assert.ok(keys.some((key) => (salted(key) < 5000) !== (bucketOf(key) < 5000)));
});

test("a pin holds at 0 % and during a rollout, and is not counted", async (t) => {
	const { grayd } = await startPair(t);
	const pinned = (arm) => post(grayd.url, {}, { headers: { "x-gray-arm": arm } });

	for (const percent of [null, 0, 50]) {
		if (percent !== null) await grayd.ctl(["weight", "demo", percent]);
		for (const arm of ["candidate", "stable"]) {
			const { status, headers } = await pinned(arm);
			assert.equal(status, 200);
			assert.equal(headers["x-gray-arm"], arm);
			assert.equal(headers["x-gray-pin"], "accepted");
		}
	}
	const { stable, candidate } = await arms(grayd);
	for (const arm of [stable, candidate]) {
		assert.equal(arm.requests, 0);
		assert.equal(arm.pinned, 3);
		assert.equal(arm.sent, 3);
		assert.deepEqual(arm.outcomes, {});
		assert.equal(arm.latency_ms.count, 0);
	}
	assert.equal((await shareOf(grayd)).measured_percent, null);
});

test("a pin that names no arm is an error, not a guess", async (t) => {
	const { sim, grayd } = await startPair(t);

	for (const arm of ["canary", "", "candidate,stable"]) {
		const { status, json } = await post(grayd.url, {}, { headers: { "x-gray-arm": arm } });
		assert.deepEqual([status, json.error.code], [400, "invalid_header"], arm);
	}
	assert.equal((await sim.summary()).total.attempts, 0);
});

test("a pin is refused after a rollback: stable answers", async (t) => {
	const { sim, grayd } = await startPair(t);

	await grayd.ctl(["stage", "demo", 50]);
	await grayd.ctl(["rollback", "demo"]);
	const { status, headers } = await post(grayd.url, {}, { headers: { "x-gray-arm": "candidate" } });
	assert.equal(status, 200);
	assert.equal(headers["x-gray-arm"], "stable");
	assert.equal(headers["x-gray-pin"], "refused");
	assert.equal((await arms(grayd)).candidate.pinned, 0);
	assert.equal((await sim.ledger()).filter(({ model }) => model === "new").length, 0);
});

test("a pinned request does not fall back", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { old: {}, new: { faults: [{ kind: "status", status: 500 }] } } },
	});
	const { status, headers } = await post(grayd.url, {}, { headers: { "x-gray-arm": "candidate" } });

	assert.equal(status, 500);
	assert.equal(headers["x-gray-arm"], "candidate");
	assert.equal(headers["x-gray-fallback"], "0");
	assert.ok((await sim.ledger()).every(({ model }) => model === "new"));
	const { stable, candidate } = await arms(grayd);
	assert.deepEqual([stable.requests, stable.attempts, candidate.fallbacks], [0, 0, 0]);
});

test("embeddings go to stable alone, unless they are to be split", async (t) => {
	const { sim, grayd } = await startPair(t, {
		config: (sim) => {
			const config = demoConfig(sim);
			config.releases.split = { stable: "old", candidate: "new", embeddings: "split" };
			return config;
		},
	});
	const embed = (model) => post(grayd.url, JSON.stringify({ model, input: "x" }),
		{ path: "/v1/embeddings" });

	await grayd.ctl(["stage", "demo", 100]);
	await grayd.ctl(["stage", "split", 100]);
	for (let i = 0; i < 20; i++) {
		const [demo, split] = [await embed("demo"), await embed("split")];
		assert.deepEqual([demo.status, demo.headers["x-gray-arm"]], [200, "stable"]);
		assert.deepEqual([split.status, split.headers["x-gray-arm"]], [200, "candidate"]);
	}
	assert.equal((await post(grayd.url, {})).headers["x-gray-arm"], "candidate");
	assert.equal((await sim.ledger()).filter(({ model }) => model === "old").length, 20);
});

test("embeddings of a failing stable model do not fall back", async (t) => {
	const { sim, grayd } = await startPair(t, {
		script: { models: { old: { faults: [{ kind: "status", status: 400 }] }, new: {} } },
	});

	await grayd.ctl(["stage", "demo", 100]);
	const answer = await post(grayd.url, '{"model":"demo","input":"x"}', { path: "/v1/embeddings" });
	assert.equal(answer.status, 400);
	assert.ok((await sim.ledger()).every(({ model }) => model === "old"));
});

test("a conversation kept by a provider stays with that provider", async (t) => {
	const { grayd } = await startPair(t, {
		config: (sim) => {
			const config = demoConfig(sim);
			config.providers.other = { base_url: `${sim.url}/v1` };
			config.models.far = { provider: "other" };
			config.releases.apart = { stable: "old", candidate: "far" };
			return config;
		},
	});
	const ask = async (model, more) => (await post(grayd.url, JSON.stringify({ model, input: "x", ...more }),
		{ path: "/v1/responses" })).headers["x-gray-arm"];

	await grayd.ctl(["stage", "demo", 100]);
	await grayd.ctl(["stage", "apart", 100]);
	for (const more of [{ previous_response_id: "resp_1" }, { conversation: "conv_1" },
		{ conversation: { id: "conv_1" } }]) {
		assert.equal(await ask("demo", more), "candidate");
		assert.equal(await ask("apart", more), "stable");
	}
	for (const more of [{}, { previous_response_id: null }, { conversation: null }])
		assert.equal(await ask("apart", more), "candidate", JSON.stringify(more));
});

const KEYS = { wide: "gk-wide-0123456789", narrow: "gk-narrow-0123456789", pins: "gk-pins-0123456789" };
const client = (name, more) => ({ name, key_hash: blake2b256(KEYS[name]).toString("hex"), ...more });

const withClients = (sim) => {
	const config = demoConfig(sim);
	config.releases.other = { stable: "old", candidate: "new" };
	config.clients = [client("wide"), client("narrow", { releases: ["other"] }),
		client("pins", { override: true })];
	return config;
};

test("clients are known by their keys", async (t) => {
	const { sim, grayd } = await startPair(t, { config: withClients });
	const ask = (headers) => post(grayd.url, {}, { headers });

	for (const headers of [{}, { Authorization: "Bearer gk-wrong" }, { Authorization: "Bearer " },
		{ Authorization: KEYS.wide }, { Authorization: `Basic ${KEYS.wide}` },
		{ "x-api-key": `${KEYS.wide}x` }, { Authorization: "Bearer gk-wrong", "x-api-key": KEYS.wide }]) {
		const answer = await ask(headers);
		assert.equal(answer.status, 401, JSON.stringify(headers));
		assert.equal(answer.json.error.code, "invalid_api_key");
	}
	assert.equal((await sim.ledger()).length, 0);
	for (const headers of [{ Authorization: `Bearer ${KEYS.wide}` }, { authorization: `bearer ${KEYS.wide}` },
		{ "x-api-key": KEYS.wide }])
		assert.equal((await ask(headers)).status, 200, JSON.stringify(headers));
	for (const { id } of await sim.ledger())
		assert.ok(!(await sim.request(id)).includes(KEYS.wide), "a client's key reached the provider");
});

test("a key on a kept-alive connection is looked at for each request", async (t) => {
	const { grayd } = await startPair(t, { config: withClients });
	const wire = connect(grayd.url);

	for (const key of [KEYS.wide, "gk-wrong", KEYS.wide, KEYS.narrow, "gk-wrong", KEYS.pins])
		wire.send(requestText("GET", "/v1/models", { headers: { Authorization: `Bearer ${key}` } }));
	await wire.count(6);
	wire.destroy();
	assert.deepEqual(wire.answers.map(({ status }) => status), [200, 401, 200, 200, 401, 200]);
	assert.deepEqual(JSON.parse(wire.answers[3].body).data.map(({ id }) => id), ["other"]);
});

test("a client sees and uses only its releases", async (t) => {
	const { grayd } = await startPair(t, { config: withClients });
	const headers = { Authorization: `Bearer ${KEYS.narrow}` };
	const get = async (path) => {
		const wire = connect(grayd.url);
		wire.send(requestText("GET", path, { headers: { ...headers, Connection: "close" } }));
		await wire.end();
		return wire.answers[0];
	};

	const refused = await post(grayd.url, {}, { headers });
	assert.equal(refused.status, 403);
	assert.deepEqual([refused.json.error.code, refused.json.error.type], ["model_not_allowed", "permission_error"]);
	const asked = await post(grayd.url, {}, { headers, path: "/v1/messages" });
	assert.deepEqual([asked.status, asked.json.type, asked.json.error.type], [403, "error", "permission_error"]);
	const unknown = await post(grayd.url, { model: "nothing" }, { headers });
	assert.deepEqual([unknown.status, unknown.json.error.code], [404, "model_not_found"]);
	assert.equal((await post(grayd.url, { model: "other" }, { headers })).status, 200);
	const list = JSON.parse((await get("/v1/models")).body);
	assert.deepEqual(list.data.map(({ id }) => id), ["other"]);
	assert.equal((await get("/v1/models/other")).status, 200);
	assert.equal((await get("/v1/models/demo")).status, 404);
});

test("only a client with override may pin", async (t) => {
	const { grayd } = await startPair(t, { config: withClients });
	const ask = async (name) => (await post(grayd.url, {},
		{ headers: { Authorization: `Bearer ${KEYS[name]}`, "x-gray-arm": "candidate" } })).headers;

	const denied = await ask("wide"), accepted = await ask("pins");
	assert.deepEqual([denied["x-gray-arm"], denied["x-gray-pin"]], ["stable", "denied"]);
	assert.deepEqual([accepted["x-gray-arm"], accepted["x-gray-pin"]], ["candidate", "accepted"]);
	const { stable, candidate } = await arms(grayd);
	assert.deepEqual([stable.requests, candidate.pinned], [1, 1]);
});
