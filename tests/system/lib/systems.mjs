// SPDX-License-Identifier: MIT
// The systems that grayd must work with, each as a simprovider of its own that speaks its API, has
// its habits and takes its key only. Each serves two models: one to be stable, one to be candidate.

import { startProvider } from "./expect.mjs";

// base: what stands behind the host in base_url. code: the status of its usual failure; outcome:
// what grayd calls that. behaviour: its habits, for both models. USD per million tokens.
export const SYSTEMS = {
	holysheep: { kind: "openai", base: "/v1", key: "hs_0123456789-holysheep", prefix: "hs_", model: "gpt-4.1",
		price: { input: 2, cached_input: 0.5, output: 8 }, code: 503, outcome: "overloaded" },
	openai: { kind: "openai", base: "/v1", key: "sk-0123456789-openai", model: "gpt-4.1",
		price: { input: 15, cached_input: 3.75, output: 60 }, code: 500, outcome: "server_error",
		behaviour: { answers_as: "gpt-4.1-2025-04-14",
			headers: { "x-ratelimit-limit-requests": 500, "x-ratelimit-reset-requests": "120ms" } } },
	deepseek: { kind: "openai", base: "", key: "sk-0123456789-deepseek", model: "deepseek-v3.2",
		price: { input: 0.14, cached_input: 0.014, output: 0.42 }, code: 402, outcome: "no_balance",
		behaviour: { body_ms: 4, first_token_ms: 4, heartbeat_ms: 1 } },
	"gemini-compatible": { kind: "openai", base: "/v1beta/openai", key: "AIza0123456789-compatible",
		model: "gemini-2.5-flash", price: { input: 0.4, cached_input: 0.04, output: 2.5 },
		code: 503, outcome: "overloaded", array: true, behaviour: { usage: { mode: "with_choices" } } },
	claude: { kind: "anthropic", base: "/v1", key: "sk-ant-0123456789-claude", model: "claude-sonnet-4.5",
		price: { input: 3.75, cached_input: 0.3, cache_write: 4.5, output: 15 }, code: 529,
		outcome: "overloaded", behaviour: { usage: { cache_write: 10 } } },
	gemini: { kind: "gemini", base: "/v1beta", key: "AIza0123456789-gemini", model: "gemini-2.5-flash",
		price: { input: 0.4, cached_input: 0.04, output: 2.5 }, code: 503, outcome: "overloaded" },
};
export const NAMES = Object.keys(SYSTEMS);

// Words that a request says to make the candidate fail.
export const FAIL_BEFORE = "please fail before the answer";
export const FAIL_MIDWAY = "please fail in the middle";
export const MIDWAY_TOKENS = 2;
export const TOKENS = 5;
// As OpenAI counts: the input holds what is cached, and what Anthropic writes to its cache.
export const USAGE = { input: 100, cached: 60, output: TOKENS };
export const CALL = { name: "lookup", arguments: { city: 'Zürich, "old town"', days: 3, near: [true, null] } };

export const modelOf = (system, arm) => SYSTEMS[system].model + (arm === "candidate" ? "-next" : "");
export const textOf = (system, arm, tokens = TOKENS) =>
	`${modelOf(system, arm)} says:${Array.from({ length: tokens }, (_, i) => ` tok${i}`).join("")}`;

function scriptOf(name) {
	const system = SYSTEMS[name];
	const usual = { tokens: TOKENS, tool_calls: [{ ...CALL, pieces: 4 }], ...system.behaviour,
		usage: { ...USAGE, ...system.behaviour?.usage } };
	const error = { status: system.code, ...(system.array && { array: true }) };
	const match = [
		// Without the word on when to come back a 529 would keep everybody away for a while.
		{ body_contains: FAIL_BEFORE, faults: [{ kind: "status", retry_after: "0", ...error }] },
		{ body_contains: FAIL_MIDWAY, faults: [
			{ kind: "error_event", after: MIDWAY_TOKENS, only: "stream", ...error },
			{ kind: "reset", at: "body", only: "whole" },
		] },
	];
	return { models: { [modelOf(name, "stable")]: usual, [modelOf(name, "candidate")]: { ...usual, match } } };
}

// Starts the named systems: { sims: {name: sim}, providers, models (of grayd's config), stop }. A
// model of grayd is called after its system, the candidate's with "-next" behind it. `script(name)`
// gives another script than the usual one.
export async function startSystems(names = NAMES, script = scriptOf) {
	const started = { sims: {}, providers: {}, models: {} };
	started.stop = () => Promise.all(Object.values(started.sims).map((sim) => sim.stop()));
	try {
		for (const name of names) {
			const { kind, base, key, prefix, price } = SYSTEMS[name];
			const env = `KEY_OF_${name.toUpperCase().replace("-", "_")}`;
			const sim = await startProvider({ kind, script: script(name), args: ["--key", key, "--keep", "2000"] });

			started.sims[name] = sim;
			started.providers[name] = { kind, base_url: sim.url + base, api_key: { env, ...(prefix && { prefix }) } };
			started.models[name] = { provider: name, name: modelOf(name, "stable"), price };
			started.models[`${name}-next`] = { provider: name, name: modelOf(name, "candidate"), price };
			started.env = { ...started.env, [env]: key };
		}
	} catch (error) {
		await started.stop();
		throw error;
	}
	return started;
}
