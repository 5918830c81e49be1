// SPDX-License-Identifier: MIT
// Clients and their keys: made by grayctl, known to grayd by their hashes, as many as there may be.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import { blake2b256 } from "./lib/bucket.mjs";
import { grayctl, until } from "./lib/grayd.mjs";
import { demoConfig, startPair } from "./lib/load.mjs";
import { connect, post, requestText } from "./lib/wire.mjs";

const CLIENTS_MAX = 4096;
const bearer = (key) => ({ headers: { Authorization: `Bearer ${key}` } });

test("grayctl key new makes keys that a config takes, without a grayd", async (t) => {
	const made = await grayctl(["-s", "/nowhere/control.sock", "-j", "key", "new", "team-a"]);

	assert.equal(made.code, 0, made.stderr);
	assert.match(made.json.key, /^gray_[A-Za-z0-9_-]{43}$/);
	assert.equal(made.json.key_hash, blake2b256(made.json.key).toString("hex"));
	assert.deepEqual(made.json.entry, { name: "team-a", key_hash: made.json.key_hash });

	const told = await grayctl(["key", "new", "team-b"]);
	const key = told.stdout.match(/gray_[A-Za-z0-9_-]{43}/)[0];
	const entry = JSON.parse(told.stdout.match(/\{.*\}/)[0]);
	assert.notEqual(key, made.json.key);
	assert.equal(told.stdout.split(key).length, 2, "the key is printed once");

	const { grayd } = await startPair(t, { config: (sim) => demoConfig(sim, { clients: [made.json.entry, entry] }) });
	assert.equal((await post(grayd.url, {}, bearer(made.json.key))).status, 200);
	assert.equal((await post(grayd.url, {}, bearer(key))).status, 200);
	assert.equal((await post(grayd.url, {}, bearer(`${key}x`))).status, 401);
	const lines = () => grayd.logLines().filter(({ event }) => event === "request");
	await until("three log lines", () => lines().length === 3);
	assert.deepEqual(lines().map(({ client }) => client).sort(), ["team-a", "team-b", undefined]);
});

for (const [words, error] of [
	[["key"], /action is missing/],
	[["key", "new"], /client is missing/],
	[["key", "old", "x"], /expected "new"/],
	[["key", "new", "a b"], /visible ASCII/],
]) {
	test(`grayctl ${words.join(" ")} is refused`, async () => {
		const { code, stdout, stderr } = await grayctl(words);

		assert.equal(code, 2);
		assert.equal(stdout, "");
		assert.match(stderr, error);
	});
}

test(`${CLIENTS_MAX} clients: each is known by its own key`, async (t) => {
	const keys = Array.from({ length: CLIENTS_MAX }, () => randomBytes(24).toString("base64url"));
	const clients = keys.map((key, i) =>
		({ name: `c${i}`, key_hash: blake2b256(key).toString("hex"), releases: i % 2 ? ["demo"] : ["other"] }));
	const { grayd } = await startPair(t, { config: (sim) => {
		const config = demoConfig(sim, { clients });

		config.releases.other = { stable: "old", candidate: "new" };
		return config;
	} });
	const wire = connect(grayd.url);

	for (const key of keys) wire.send(requestText("GET", "/v1/models", bearer(key)));
	for (const key of keys) wire.send(requestText("GET", "/v1/models", bearer(key.slice(1))));
	await wire.count(2 * CLIENTS_MAX);
	wire.destroy();
	wire.answers.slice(0, CLIENTS_MAX).forEach(({ status, body }, i) => {
		assert.equal(status, 200);
		assert.deepEqual(JSON.parse(body).data.map(({ id }) => id), [i % 2 ? "demo" : "other"]);
	});
	wire.answers.slice(CLIENTS_MAX).forEach(({ status }) => assert.equal(status, 401));
});
