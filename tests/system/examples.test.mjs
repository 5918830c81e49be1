// SPDX-License-Identifier: MIT
// The pairings in etc/: each is a good config, names the keys it wants, and works, whole and
// streamed, with simulated providers in the place of the real ones.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build, startGrayd, until } from "./lib/grayd.mjs";
import { settledStats } from "./lib/load.mjs";
import { startSim } from "./lib/sim.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const KEYS = { OPENAI_API_KEY: "sk-0123456789abcdef", HOLYSHEEP_API_KEY: "hs_0123456789abcdef",
	ANTHROPIC_API_KEY: "sk-ant-0123456789abcdef", GEMINI_API_KEY: "AIza0123456789abcdef", DEEPSEEK_API_KEY: "sk-fedcba9876543210" };
const files = readdirSync(join(root, "etc")).filter((name) => /^pair-.*\.json$/.test(name));
// The config as grayd understands it, comments and all.
const grayd = (file, flag, env = KEYS) => spawnSync(join(build, "grayd"), [flag, "-c", join("etc", file)],
	{ cwd: root, encoding: "utf8", env: { PATH: process.env.PATH, ...env } });

test("there is one for each pairing, and etc/README.md tells of it", () => {
	const readme = readFileSync(join(root, "etc/README.md"), "utf8");

	assert.deepEqual(files.map((file) => file.slice(5, -5)).sort(),
		["gpt-claude", "gpt-deepseek", "gpt-gemini", "new-version", "openai-holysheep"]);
	for (const file of files) assert.ok(readme.includes(`\`${file}\``), file);
});

for (const file of files) {
	describe(file, () => {
		test("is a good config; without its keys it says which is missing", () => {
			const good = grayd(file, "-t");
			assert.deepEqual([good.status, good.stderr], [0, ""]);
			const { providers } = JSON.parse(grayd(file, "-T").stdout);
			for (const { api_key: key } of Object.values(providers)) {
				const { [key.env]: _, ...others } = KEYS;
				const bad = grayd(file, "-t", others);
				assert.equal(bad.status, 2);
				assert.match(bad.stderr, new RegExp(`api_key: environment variable ${key.env} is not set`));
				assert.ok(readFileSync(join(root, "etc/README.md"), "utf8").split("\n")
					.find((line) => line.includes(file)).includes(`\`${key.env}\``));
			}
		});

		test("works with both models, whole and streamed, and prices them", async (t) => {
			const config = JSON.parse(grayd(file, "-T").stdout);
			const sims = {};

			t.after(() => Promise.all(Object.values(sims).map((sim) => sim.stop())));
			for (const [name, provider] of Object.entries(config.providers)) {
				sims[name] = await startSim({ kind: provider.kind, args: ["--key", KEYS[provider.api_key.env]],
					script: { models: { "*": { usage: { mode: "present", input: 1000, output: 500 } } } } });
				provider.base_url = sims[name].url + new URL(provider.base_url).pathname.replace(/\/$/, "");
				// Any name is served there, and none is listed.
				provider.validate = false;
			}
			const { providers, models, releases } = config;
			const running = await startGrayd({ config: { providers, models, releases }, env: KEYS });
			t.after(() => running.stop());
			for (const arm of ["stable", "candidate"]) {
				for (const stream of [false, true]) {
					const answer = await fetch(`${running.url}/v1/chat/completions`, { method: "POST", headers: { "x-gray-arm": arm },
						body: JSON.stringify({ model: "gpt-4.1", stream, messages: [{ role: "user", content: "hello" }] }) });
					const text = await answer.text();
					assert.equal(answer.status, 200, text);
					assert.equal(answer.headers.get("x-gray-arm"), arm);
					assert.match(text, stream ? /\[DONE\]/ : /tok0/);
				}
			}
			const { arms } = (await settledStats(running, until)).releases["gpt-4.1"];
			for (const { model, cost_usd: cost } of Object.values(arms)) {
				const { input, output } = models[model].price;
				assert.ok(Math.abs(cost - 2 * (1000 * input + 500 * output) / 1e6) < 1e-9, `${model}: ${cost}`);
			}
		});
	});
}
