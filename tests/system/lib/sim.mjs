// SPDX-License-Identifier: MIT
// Starts simprovider on a free port and talks to its /sim/ endpoints. Every other system test may
// use it; only node's own modules are needed. The build is found in $GRAYD_BUILD, default "build".
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
	"../../..");

export function binary(name) {
	return path.resolve(root, process.env.GRAYD_BUILD ?? "build", name);
}

// What a failed test left running would keep the test process waiting. A file's own `after` comes
// behind this one, hence the grace, which nobody waits for when nothing is left.
const running = new Set();
after(() => {
	setTimeout(() => running.forEach((child) => child.kill("SIGKILL")), 10000).unref();
});

// Polls `check` until it returns something true, and returns that. Throws after `timeout` ms.
export async function until(check, timeout = 10000, what = "the awaited state") {
	const end = Date.now() + timeout;
	for (;;) {
		const value = await check();
		if (value) return value;
		if (Date.now() > end) throw new Error(`no ${what} within ${timeout} ms`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

// One HTTP exchange on a connection of its own: {status, headers, body: Buffer}.
export function request(url, { method = "GET", headers = {}, body } = {}) {
	return new Promise((resolve, reject) => {
		const req = http.request(url, { method, headers, agent: false }, (res) => {
			const parts = [];
			res.on("data", (part) => parts.push(part));
			res.on("error", reject);
			res.on("end", () =>
				resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
		});
		req.on("error", reject);
		req.end(body);
	});
}

function firstLines(child, count) {
	return new Promise((resolve, reject) => {
		let out = "", errors = "";
		child.stderr.on("data", (data) => { errors += data; });
		child.stdout.on("data", (data) => {
			out += data;
			const lines = out.split("\n");
			if (lines.length > count) resolve(lines.slice(0, count));
		});
		child.on("error", reject);
		child.on("exit", (code, signal) =>
			reject(new Error(`simprovider ended (${code ?? signal}): ${errors}`)));
	});
}

// script: an object, or text; nothing: the built-in one. args: more options. The result:
//   url, port      of the provider; admin: the base of /sim/ that a script cannot break
//   ledger(query)  the attempts, e.g. ledger('since=10')
//   summary(), setScript(objectOrText), reset(), request(id)
//   settled(n)     waits until n attempts (default: any number) are there and none is active
//   stop()         ends it; {code, signal, stderr}
export async function startSim({ script, args = [], kind, seed } = {}) {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sim-"));
	const options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--keep", "64"];
	if (kind) options.push("--kind", kind);
	if (seed !== undefined) options.push("--seed", String(seed));
	if (script !== undefined) {
		const file = path.join(folder, "script.json");
		fs.writeFileSync(file, typeof script === "string" ? script : JSON.stringify(script));
		options.push("--script", file);
	}
	const child = spawn(binary("simprovider"), [...options, ...args],
		{ stdio: ["ignore", "pipe", "pipe"] });
	running.add(child);
	child.once("exit", () => running.delete(child));
	let stderr = "";
	child.stderr.on("data", (data) => { stderr += data; });
	const ended = new Promise((resolve) =>
		child.on("close", (code, signal) => resolve({ code, signal })));
	let lines;
	try {
		lines = await firstLines(child, 2);
	} finally {
		fs.rmSync(folder, { recursive: true, force: true });
	}
	const [port, adminPort] = lines.map((line) => Number(/:(\d+)$/.exec(line)[1]));
	const admin = `http://127.0.0.1:${adminPort}/sim`;

	async function call(where, options) {
		const answer = await request(admin + where, options);
		const text = answer.body.toString();
		if (answer.status !== 200) throw new Error(JSON.parse(text).error);
		return text;
	}
	const sim = {
		url: `http://127.0.0.1:${port}`,
		port, admin, child,
		pid: child.pid,
		ledger: async (query = "") => JSON.parse(await call(`/ledger?${query}`)).attempts,
		ledgerText: (query = "") => call(`/ledger?${query}`),
		summary: async () => JSON.parse(await call("/ledger/summary")),
		script: () => call("/script"),
		setScript: (next) => call("/script",
			{ method: "POST", body: typeof next === "string" ? next : JSON.stringify(next) }),
		reset: () => call("/ledger", { method: "DELETE" }),
		request: (id) => call(`/requests/${id}`),
		settled: (count) => until(async () => {
			const { total } = await sim.summary();
			return total.active === 0 && (count === undefined || total.attempts >= count) && total;
		}, 10000, "end of all attempts"),
		stop: async () => {
			if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
			return { ...await ended, stderr };
		},
	};
	return sim;
}
