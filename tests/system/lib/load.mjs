// SPDX-License-Identifier: MIT
// Helpers of the tests that put grayd under load: build/loadgen as a promise, the usual pair of
// models, and the joins of what client, provider and grayd have counted.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, startGrayd } from "./grayd.mjs";
import { startSim } from "./sim.mjs";

export const long = Boolean(process.env.GRAYD_LONG);
// Sanitizers make everything slower: bounds on times are stretched by this.
export const sanitized = /address/.test(build);
export const patience = sanitized ? 6 : 1;

const running = new Map(); // child → the address it was sent to
process.on("exit", () => {
	for (const child of running.keys()) child.kill("SIGKILL");
});

function readCsv(file) {
	const [head, ...lines] = readFileSync(file, "utf8").split("\n");
	const names = head.split(",");

	return lines.filter(Boolean).map((line) => {
		const values = line.split(",");
		const row = {};
		for (let i = 0; i < names.length; i++) row[names[i]] = values[i];
		row.status = Number(row.status);
		row.start = Number(row.t_start_us);
		row.end = Number(row.t_end_us);
		return row;
	});
}

// Starts build/loadgen against `url`; `options` as on its command line without dashes:
// { n: 1000, c: 32, stream: true, H: ["a: b"] }. Gives { pid, child, done }; done resolves to
// { summary, rows }, or without rows where `log` is false.
export function startLoad(url, options, { log = true } = {}) {
	const dir = mkdtempSync(join(tmpdir(), "load-"));
	const file = join(dir, "log.csv");
	const args = ["--url", url, "--json"];

	for (const [name, value] of Object.entries(options)) {
		for (const one of [value].flat()) {
			if (one === false) continue;
			args.push(name.length === 1 ? `-${name}` : `--${name}`);
			if (one !== true) args.push(String(one));
		}
	}
	if (log) args.push("--log", file);
	const child = spawn(join(build, "loadgen"), args, { stdio: ["ignore", "pipe", "pipe"] });
	let out = "", errors = "";
	running.set(child, url);
	child.stdout.on("data", (data) => (out += data));
	child.stderr.on("data", (data) => (errors += data));
	const done = once(child, "close").then(([code, signal]) => {
		running.delete(child);
		try {
			if (code !== 0) throw new Error(`loadgen ended (${code ?? signal}): ${errors}`);
			return { summary: JSON.parse(out), rows: log ? readCsv(file) : undefined };
		} finally {
			rmSync(dir, { recursive: true, force: true });
		}
	});
	done.catch(() => {}); // a test that has failed already does not wait for it
	return { pid: child.pid, child, done };
}

export const load = (url, options, more) => startLoad(url, options, more).done;

// A config with one release "demo" (stable "old", candidate "new") at a simprovider.
export function demoConfig(sim, { release = {}, ...more } = {}) {
	return {
		providers: { sim: { base_url: `${sim.url}/v1` } },
		models: {
			old: { provider: "sim", price: { input: 2, cached_input: 0.5, output: 8 } },
			new: { provider: "sim", price: { input: 0.4, cached_input: 0.1, output: 1.6 } },
		},
		releases: { demo: { stable: "old", candidate: "new", ...release } },
		...more,
	};
}

// `stats -j`, once every request that began has ended (or was lost).
export async function settledStats(grayd, until) {
	return until("all requests to be finished", async () => {
		const { json } = await grayd.ctl(["-j", "stats"]);
		return json && json.grayd.started === json.grayd.finished + json.grayd.lost && json;
	}, 10 * patience);
}

export function countBy(rows, key) {
	const counts = new Map();
	for (const row of rows) counts.set(row[key], (counts.get(row[key]) ?? 0) + 1);
	return (name) => counts.get(name) ?? 0;
}

export function quantile(values, q) {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

// Five standard deviations of a count of n draws with probability p.
export const fiveSigma = (n, p) => 5 * Math.sqrt(n * p * (1 - p));

// A simprovider and a grayd in front of it, both ended, like every load on it, when the test `t` ends.
//   script   of simprovider; `config` of grayd, or a function of the simprovider that makes it
export async function startPair(t, { script, config = demoConfig, simArgs, ...more } = {}) {
	const sim = await startSim({ script, args: simArgs });
	let grayd;

	t.after(async () => {
		for (const [child, url] of running) if (grayd?.urls.includes(url)) child.kill("SIGKILL");
		await grayd?.stop();
		await sim.stop();
	});
	grayd = await startGrayd({
		config: typeof config === "function" ? config(sim) : config,
		...more,
	});
	return { sim, grayd };
}

// The ledger's attempts of the requests of one load, by request id; each id must be there once.
export function attemptsById(attempts) {
	const byId = new Map();

	for (const attempt of attempts) {
		if (byId.has(attempt.request_id))
			throw new Error(`${attempt.request_id} was attempted twice`);
		byId.set(attempt.request_id, attempt);
	}
	return byId;
}
