// SPDX-License-Identifier: MIT
// Very many clients that do nothing, or nothing good.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import readline from "node:readline";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { isRoot, until } from "./lib/grayd.mjs";
import { countBy, demoConfig, load, patience, settledStats, startPair } from "./lib/load.mjs";
import { memoryOf, processorMs, workersOf } from "./lib/proc.mjs";
import { chatBody, connect, requestText } from "./lib/wire.mjs";

const CHAT = "/v1/chat/completions";

// As many descriptors as one process may have: raised where that is allowed.
function descriptorLimit() {
	if (isRoot) {
		try {
			execFileSync("prlimit", ["--pid", process.pid, "--nofile=70000:70000"],
				{ stdio: "ignore" });
		} catch {
			// The limit stays as it is.
		}
	}
	return Number(/Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))[1]);
}

// A process with `count` connections; ask() gives how many of a sample were answered.
async function holdOpen(t, url, count) {
	const { hostname, port } = new URL(url);
	const program = fileURLToPath(new URL("lib/idle.mjs", import.meta.url));
	const child = spawn(process.execPath, [program, hostname, port, count], { stdio: ["pipe", "pipe", "inherit"] });
	const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();

	t.after(() => child.kill("SIGKILL"));
	assert.equal((await lines.next()).value, "open");
	return {
		ask: async () => {
			child.stdin.write("\n");
			return Number((await lines.next()).value);
		},
		leave: () => child.stdin.end(),
	};
}

test("50,000 idle connections cost little and disturb nobody", async (t) => {
	// Four workers and four clients, none of which comes close to its limit.
	const count = Math.min(50000, Math.floor((descriptorLimit() * 0.8) / 100) * 400);
	const { grayd } = await startPair(t, {
		config: (sim) => demoConfig(sim, {
			workers: 4, listen: ["127.0.0.1:0", "127.0.0.2:0"], log: { requests: false },
			limits: { max_connections: 60000, idle_timeout_ms: 600000 },
		}),
	});
	const workers = (await workersOf(grayd)).map(({ pid }) => pid);
	const memory = () => workers.reduce((sum, pid) => sum + memoryOf(pid), 0);
	const before = memory();
	const holders = await Promise.all([...grayd.urls, ...grayd.urls].map((url) => holdOpen(t, url, count / 4)));

	await until("all to be accepted", async () => (await grayd.status()).grayd.open_connections === count,
		30 * patience);
	const each = (memory() - before) / count;
	const ticks = workers.map(processorMs), from = performance.now();
	await new Promise((next) => setTimeout(next, 3000));
	const busy = workers.map((pid, i) => (100 * (processorMs(pid) - ticks[i])) / (performance.now() - from));
	t.diagnostic(`${count} connections, ${each.toFixed(0)} bytes each, workers ${busy.map((b) => b.toFixed(1))} % busy`);
	assert.ok(each < 4096 * patience, `${each} bytes`);
	assert.ok(busy.every((percent) => percent < 5 * patience));

	const { rows } = await load(grayd.url, { m: "demo", n: 2000, c: 16 });
	assert.equal(countBy(rows, "verdict")("ok"), 2000);
	assert.deepEqual(await Promise.all(holders.map((holder) => holder.ask())),
		holders.map(() => count / 400));
	holders.forEach((holder) => holder.leave());
	await until("all to leave", async () => (await grayd.status()).grayd.open_connections === 0, 30 * patience);
});

// What a bad client does once it is connected, and how many do. Those that never read are fewer:
// it is the kernel that keeps megabytes for each.
const BAD = {
	"2,000 with a slow head": (wire) => wire.send("GET /v1/models HTTP/1.1\r\nX-Slow: "),
	"2,000 with a slow body": (wire) => wire.send(requestText("POST", CHAT, { headers: { "Content-Length": 100000 } })),
	"300 that never read": (wire) => {
		wire.socket.pause();
		wire.send(requestText("POST", CHAT, { body: chatBody({ stream: true, user: "flood" }) }));
	},
	"2,000 that send a byte a second": (wire) => {
		const timer = setInterval(() => wire.send("x"), 1000);
		wire.socket.once("close", () => clearInterval(timer));
		wire.send("GET /v1/models HTTP/1.1\r\nX-Slow: ");
	},
};

for (const [what, misbehave] of Object.entries(BAD)) {
	test(`clients, ${what}, disturb nobody and are cut off`, async (t) => {
		const count = parseInt(what.replace(",", ""), 10);
		descriptorLimit();
		const { grayd } = await startPair(t, {
			script: { models: { "*": { match: [{ body_contains: "flood",
				behaviour: { tokens: 400, token: "x".repeat(16384) } }] } } },
			config: (sim) => demoConfig(sim, {
				log: { requests: false },
				limits: { header_timeout_ms: 8000, body_timeout_ms: 8000, write_stall_ms: 8000 },
			}),
		});
		const workers = (await workersOf(grayd)).map(({ pid }) => pid);
		const memory = () => workers.reduce((sum, pid) => sum + memoryOf(pid), 0);
		const before = memory();
		const wires = Array.from({ length: count }, () => connect(grayd.url));

		t.after(() => wires.forEach((wire) => wire.destroy()));
		await Promise.all(wires.map(({ ready }) => ready));
		wires.forEach(misbehave);
		await until("all to be accepted", async () => (await grayd.status()).grayd.open_connections >= count,
			20 * patience);
		const { rows } = await load(grayd.url, { m: "demo", n: 2000, c: 8 });
		const more = memory() - before;
		const slowest = Math.max(...rows.map(({ start, end }) => end - start));
		t.diagnostic(`${more >> 20} MB more; slowest good answer ${slowest} us`);
		assert.equal(countBy(rows, "verdict")("ok"), 2000);
		// What may be queued for a client, in a buffer that grows by doubling.
		assert.ok(more < (count + 100) * 600 * 1024 * patience, `${more >> 20} MB`);
		await until("all to be cut off", async () => (await grayd.status()).grayd.open_connections === 0,
			40 * patience);
		await settledStats(grayd, until);
	});
}
