// SPDX-License-Identifier: MIT
// alone: it measures times.
// The admin listener: its figures are those of `grayctl stats`, they never fall, and whoever asks
// for them, however often, slowly or rudely, costs requests nothing.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, readdirSync, readlinkSync,
	rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isRoot, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { demoConfig, load, patience, quantile, sanitized, settledStats, startLoad, startPair } from "./lib/load.mjs";
import { adminOf, fallen, readMetrics, scrape } from "./lib/metrics.mjs";
import { request } from "./lib/sim.mjs";
import { connect, requestText } from "./lib/wire.mjs";

const ARMS = ["stable", "candidate"];

// At the end of a test: grayd leaves, and no sanitizer has spoken.
async function stopQuietly(grayd) {
	await grayd.stop();
	assert.doesNotMatch(grayd.stderr(), /Sanitizer|runtime error|dies of signal/);
}

// A grayd with an admin listener, gone when the test is over; `base` is its URL.
async function startAdmin(t, { config = {}, ...more } = {}) {
	const grayd = await startGrayd({ config: { ...smallConfig(), admin_listen: "127.0.0.1:0", ...config }, ...more });

	// A variable that was taken out of the environment is a leak to the sanitizer.
	t.after(() => (more.env ? grayd.stop() : stopQuietly(grayd)));
	return { grayd, base: await adminOf(grayd) };
}

async function startLoaded(t, { script, release, ...more } = {}) {
	const pair = await startPair(t, {
		script,
		config: (sim) => demoConfig(sim, { release, admin_listen: "127.0.0.1:0", ...more }),
	});

	t.after(() => stopQuietly(pair.grayd));
	return { ...pair, base: await adminOf(pair.grayd) };
}

const get = async (base, path, options) => {
	const { status, headers, body } = await request(base + path, options);
	return { status, headers, text: body.toString() };
};

const workersOf = async (grayd, role = "worker") =>
	(await grayd.ctl(["-j", "workers"])).json.workers.filter((worker) => worker.role === role);

const mapsOf = (pid) => readFileSync(`/proc/${pid}/maps`, "latin1");

// What the descriptors of a process are.
const filesOf = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => {
	try {
		return readlinkSync(`/proc/${pid}/fd/${fd}`);
	} catch {
		return "closed meanwhile";
	}
});

// Whether these bytes are somewhere in the memory of a process that is not a file's.
function holds(pid, text) {
	const memory = openSync(`/proc/${pid}/mem`);
	const found = mapsOf(pid).split("\n").some((line) => {
		const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r\S{3} \S+ \S+ 0\s*(?:\[(?:heap|stack)\]|)$/.exec(line) ?? [];
		if (!from || to.length > 12) return false;
		const bytes = Buffer.alloc(Math.min(parseInt(to, 16) - parseInt(from, 16), 64 << 20));
		try {
			readSync(memory, bytes, 0, bytes.length, parseInt(from, 16));
		} catch {
			return false;
		}
		return bytes.includes(text);
	});

	closeSync(memory);
	return found;
}

const isAlive = (pid) => {
	try {
		process.kill(pid, 0);
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
	} catch {
		return false;
	}
};

// ---- figures --------------------------------------------------------------------------------

function compareArm(metrics, release, arm, stats) {
	const own = { release, arm };
	const counters = {
		grayd_assigned_total: stats.requests, grayd_in_flight: stats.in_flight,
		grayd_retries_total: stats.retries, grayd_cancelled_total: stats.cancelled,
		grayd_rescued_total: stats.rescued, grayd_pinned_total: stats.pinned,
		grayd_sent_total: stats.sent, grayd_usage_missing_total: stats.usage_missing,
		grayd_attempts_total: stats.attempts, grayd_cost_usd_total: stats.cost_usd,
		grayd_request_duration_seconds_count: stats.latency_ms.count,
		grayd_first_token_seconds_count: stats.first_token_ms.count,
	};

	for (const [name, value] of Object.entries(counters)) assert.equal(metrics.get(name, own), value, `${name} ${arm}`);
	for (const [name, counts] of [["grayd_requests_total", stats.outcomes], ["grayd_attempts_total", stats.attempt_outcomes]]) {
		const seen = metrics.samples.filter((each) => each.name === name && each.labels.release === release && each.labels.arm === arm);
		assert.ok(seen.length > 20, `${name} has a line for each outcome`);
		assert.deepEqual(Object.fromEntries(seen.filter(({ value }) => value > 0).map((each) => [each.labels.outcome, each.value])),
			counts, `${name} ${arm}`);
	}
	for (const [type, value] of Object.entries(stats.tokens))
		assert.equal(metrics.get("grayd_tokens_total", { ...own, type }), value, `${type} ${arm}`);
}

function compareAll(metrics, stats) {
	const whole = {
		grayd_requests_started_total: "started", grayd_requests_finished_total: "finished",
		grayd_requests_lost_total: "lost", grayd_requests_rejected_total: "rejected",
		grayd_malformed_total: "malformed", grayd_connections_total: "connections",
		grayd_connections_open: "open_connections", grayd_log_dropped_total: "log_dropped",
		grayd_bad_policy_total: "bad_policy", grayd_worker_restarts_total: "restarts",
		grayd_slots_insane: "insane_slots",
	};

	for (const [name, key] of Object.entries(whole)) assert.equal(metrics.get(name), stats.grayd[key], name);
	for (const [release, each] of Object.entries(stats.releases)) {
		for (const arm of ARMS) compareArm(metrics, release, arm, each.arms[arm]);
		const fallbacks = {};
		for (const arm of ARMS)
			for (const [reason, n] of Object.entries(each.arms[arm].fallback_reasons))
				fallbacks[reason] = (fallbacks[reason] ?? 0) + n;
		for (const [reason, n] of Object.entries(fallbacks))
			assert.equal(metrics.get("grayd_fallbacks_total", { release, reason }), n, reason);
		assert.equal(metrics.get("grayd_fallbacks_total", { release }), each.arms.stable.fallbacks + each.arms.candidate.fallbacks);
		for (const kind of ["set", "published"])
			assert.equal(metrics.get("grayd_release_percent", { release, kind }), each[`${kind}_percent`], kind);
		assert.ok(Math.abs((metrics.get("grayd_release_percent", { release, kind: "measured" }) ?? NaN) - each.measured_percent) < 0.011);
		assert.deepEqual(metrics.samples.filter(({ name, labels, value }) =>
			name === "grayd_release_state" && labels.release === release && value === 1).map(({ labels }) => labels.state),
			[each.state]);
	}
}

// What Prometheus asks of a histogram, and what follows from quantiles that are known.
function checkHistogram(metrics, family, labels) {
	const buckets = metrics.samples.filter(({ name, labels: own }) =>
		name === `${family}_bucket` && Object.entries(labels).every(([key, value]) => own[key] === value));
	const edges = buckets.map((each) => (each.labels.le === "+Inf" ? Infinity : Number(each.labels.le)));
	const values = buckets.map(({ value }) => value);

	assert.ok(edges.length > 10);
	assert.deepEqual(edges, [...edges].sort((a, b) => a - b));
	assert.deepEqual(values, [...values].sort((a, b) => a - b));
	assert.equal(edges.at(-1), Infinity);
	assert.equal(values.at(-1), metrics.get(`${family}_count`, labels));
	return edges.map((edge, i) => [edge, values[i]]);
}

test("after a load all figures are those of grayctl stats", async (t) => {
	const { grayd, base } = await startLoaded(t, {
		script: { models: {
			new: { faults: [{ kind: "status", status: 503, probability: 0.2 }, { kind: "empty", probability: 0.1 }] },
			old: { faults: [{ kind: "status", status: 500, probability: 0.05 }] },
		} },
		release: { backoff_ms: 1, retry_budget_percent: 100, sticky: ["body:user"] },
	});

	await grayd.ctl(["weight", "demo", 37.5]);
	await Promise.all([
		load(grayd.url, { m: "demo", n: 600, c: 8, k: 600 }),
		load(grayd.url, { m: "demo", n: 200, c: 8, stream: true }),
		load(grayd.url, { m: "demo", n: 40, c: 4, stream: true, "abort-after": "first-byte" }),
		load(grayd.url, { m: "nobody-knows-it", n: 7, c: 1 }),
	]);
	const wire = connect(grayd.url);
	wire.send("nonsense\r\n\r\n");
	await wire.end();
	await until("all connections to be closed", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.open_connections === 0);
	const stats = await settledStats(grayd, until);
	const metrics = await scrape(base);
	const { demo } = stats.releases;

	assert.ok(demo.arms.candidate.fallbacks > 20 && demo.arms.stable.retries > 5 && demo.arms.candidate.cost_usd > 0);
	assert.equal(stats.grayd.malformed, 1);
	assert.ok(stats.grayd.rejected >= 7);
	compareAll(metrics, stats);
	for (const arm of ARMS) {
		for (const family of ["grayd_request_duration_seconds", "grayd_first_token_seconds"])
			checkHistogram(metrics, family, { release: "demo", arm });
		const sum = metrics.get("grayd_request_duration_seconds_sum", { arm });
		assert.ok(sum > 0 && sum < 60 * demo.arms[arm].ok);
	}
	assert.equal(metrics.get("grayd_workers", { state: "ready" }), 2);
	assert.equal(metrics.get("grayd_build_info", { version: (await grayd.status()).grayd.version }), 1);
	assert.ok(Math.abs(metrics.get("grayd_start_time_seconds") - Date.parse((await grayd.status()).grayd.started) / 1000) < 0.002);
	assert.ok(metrics.get("grayd_uptime_seconds") > 0);
	assert.equal(metrics.get("grayd_policy_revision"), (await grayd.status()).revision);
});

test("a histogram is cut at edges of the fine one", async (t) => {
	const { grayd, base } = await startLoaded(t, { script: { models: { old: { first_token_ms: 60, latency_ms: 150 } } } });

	await load(grayd.url, { m: "demo", n: 40, c: 4, stream: true });
	await settledStats(grayd, until);
	const buckets = checkHistogram(await scrape(base), "grayd_request_duration_seconds", { arm: "stable" });
	assert.equal(buckets.find(([edge]) => edge === 0.049152)[1], 0);
	assert.equal(buckets.at(-1)[1], 40);
});

test("a model that cools down: for how long, and how often, in each release and arm that asks it", async (t) => {
	const { grayd, base } = await startLoaded(t, { script: { models: {
		new: { faults: [{ kind: "status", status: 429, retry_after: "30" }] }, "*": {} } } });
	const figure = async (name, arm, model) => (await scrape(base)).get(name, { release: "demo", arm, ...(model && { model }) });

	assert.deepEqual([await figure("grayd_cooling_down", "candidate", "new"), await figure("grayd_cool_down_seconds", "candidate", "new"),
		await figure("grayd_cool_downs_total", "candidate")], [0, 0, 0]);
	await grayd.ctl(["stage", "demo", 100]);
	await load(grayd.url, { m: "demo", n: 20, c: 4 });
	assert.equal(await figure("grayd_cooling_down", "candidate", "new"), 1);
	const left = await figure("grayd_cool_down_seconds", "candidate", "new");
	assert.ok(left > 0 && left <= 30, `${left} s`);
	// Several answers of the same moment begin one.
	assert.equal(await figure("grayd_cool_downs_total", "candidate"), 1);
	assert.deepEqual([await figure("grayd_cooling_down", "stable", "old"), await figure("grayd_cool_down_seconds", "stable", "old"),
		await figure("grayd_cool_downs_total", "stable")], [0, 0, 0]);
	assert.equal((await grayd.ctl(["-j", "stats", "demo"])).json.releases.demo.arms.candidate.cool_downs, 1);
});

test("promtool has nothing to say", async (t) => {
	if (spawnSync("promtool", ["--version"]).error) {
		t.skip("promtool is not installed (Debian: prometheus)");
		return;
	}
	const { grayd, base } = await startLoaded(t);
	await grayd.ctl(["stage", "demo", 30]);
	await load(grayd.url, { m: "demo", n: 50, c: 4 });
	const { text } = await get(base, "/metrics");
	const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
	assert.deepEqual([status, stdout.trim(), stderr.trim()], [0, "", ""]);
	const rules = spawnSync("promtool", ["check", "rules", "etc/prometheus-alerts.yml"], { encoding: "utf8" });
	assert.equal(rules.status, 0, rules.stdout + rules.stderr);
	const tests = spawnSync("promtool", ["test", "rules", "tests/system/data/alerts.test.yml"], { encoding: "utf8" });
	assert.equal(tests.status, 0, tests.stdout + tests.stderr);
});

test("every figure that an alert asks for exists", async (t) => {
	const { base } = await startAdmin(t);
	const { types } = await scrape(base);
	const rules = readFileSync("etc/prometheus-alerts.yml", "utf8").replace(/^\s*#.*$/gm, "");
	const asked = new Set(rules.match(/\bgrayd_[a-z_]+/g));

	assert.ok(asked.size >= 6);
	for (const name of asked)
		assert.ok(types.has(name.replace(/_(bucket|count|sum)$/, "")), name);
});

test("the man page names every metric", async (t) => {
	const { base } = await startAdmin(t);
	const page = readFileSync("daemon/grayd.8", "utf8");

	for (const name of (await scrape(base)).types.keys()) assert.match(page, new RegExp(`\\b${name}\\b`));
});

test("the published share is the one that every worker obeys", async (t) => {
	const { grayd, base } = await startAdmin(t);
	const percents = async () => {
		const metrics = await scrape(base);
		return ["set", "published", "measured"].map((kind) => metrics.get("grayd_release_percent", { release: "chat", kind }));
	};

	assert.deepEqual(await percents(), [0, 0, undefined]);
	await grayd.ctl(["stage", "chat", 10]);
	assert.deepEqual(await percents(), [10, 10, undefined]);
	const [{ pid }] = await workersOf(grayd);
	process.kill(pid, "SIGSTOP");
	const change = grayd.ctl(["weight", "chat", 12.34]);
	await until("the new share to be set", async () => (await percents())[0] === 12.34);
	assert.deepEqual(await percents(), [12.34, 10, undefined]);
	const { text } = await until("an unready grayd", async () => {
		const answer = await get(base, "/readyz");
		return answer.status === 503 && answer;
	});
	assert.match(text, /^1 of 2 workers do not follow revision \d+ yet\n$/);
	assert.equal((await get(base, "/healthz")).status, 200);
	process.kill(pid, "SIGCONT");
	assert.equal((await change).code, 0);
	assert.deepEqual(await percents(), [12.34, 12.34, undefined]);
	await until("a ready grayd", async () => (await get(base, "/readyz")).status === 200);
});

test("a journal that cannot be written is seen", async (t) => {
	for (const [state_dir, failing] of [[undefined, 0], ["/proc/no/such/folder", 1]]) {
		const { grayd, base } = await startAdmin(t, { config: state_dir && { state_dir } });
		await until("the journal's figures", async () => (await scrape(base)).get("grayd_journal_failing") === failing);
		assert.equal((await scrape(base)).get("grayd_journal_errors_total") > 0, failing > 0);
		await grayd.stop();
	}
});

test("a master that stands still is seen, and figures are to be had meanwhile", async (t) => {
	const { grayd, base } = await startAdmin(t);

	assert.ok((await scrape(base)).get("grayd_master_stall_seconds") < 0.3 * patience);
	process.kill(grayd.pid, "SIGSTOP");
	const stopped = performance.now();
	await until("half a second", async () => {
		await scrape(base);
		assert.equal((await get(base, "/healthz")).status, 200);
		return performance.now() - stopped > 500;
	});
	process.kill(grayd.pid, "SIGCONT");
	const stalled = await until("its figure", async () => {
		const seconds = (await scrape(base)).get("grayd_master_stall_seconds");
		return seconds > 0.35 && seconds;
	});
	assert.ok(stalled < 2 * patience, `${stalled} s`);
});

// Scrapes again and again, and compares each with the one before: no counter may fall. `more(n)`
// waits for n further ones, `end()` ends it; both throw what went wrong. `each` is called in between.
function keepScraping(base, each = () => {}) {
	const run = { scrapes: 0, last: undefined };
	let over = false;
	const done = (async () => {
		while (!over) {
			const now = await scrape(base);
			if (run.last) assert.deepEqual(fallen(run.last, now), []);
			await each();
			run.last = now;
			run.scrapes++;
		}
	})();

	done.catch((error) => (run.error = error));
	run.more = (n, from = run.scrapes) => until(`${n} more scrapes`, () => {
		if (run.error) throw run.error;
		return run.scrapes >= from + n;
	}, 20);
	run.end = () => {
		over = true;
		return done;
	};
	return run;
}

test("totals never fall while workers are killed", async (t) => {
	const { grayd, base } = await startLoaded(t, {
		script: { models: { "*": { latency_ms: 20 } } }, log: { requests: false },
	});
	const rate = sanitized ? 150 : 1000;

	await grayd.ctl(["stage", "demo", 30]);
	const client = startLoad(grayd.url, { m: "demo", d: 60, r: rate, c: 32, timeout: 5 }, { log: false });
	const scraping = keepScraping(base);
	for (let kill = 1; kill <= 6; kill++) {
		const ready = await until("two workers", async () => {
			const workers = (await workersOf(grayd)).filter(({ state }) => state === "ready");
			return workers.length === 2 && workers;
		}, 20);
		process.kill(ready[kill % 2].pid, "SIGKILL");
		await until("its replacement", async () => (await grayd.ctl(["-j", "stats"])).json.grayd.restarts === kill, 20);
		const { started } = (await grayd.ctl(["-j", "stats"])).json.grayd;
		await until("more requests", async () => (await scrape(base)).get("grayd_requests_started_total") > started + 100, 20);
		await scraping.more(2);
	}
	client.child.kill("SIGINT");
	await client.done;
	const stats = await settledStats(grayd, until);
	await scraping.more(2);
	await scraping.end();
	const { last } = scraping;
	assert.equal(last.get("grayd_worker_restarts_total"), 6);
	assert.equal(last.get("grayd_requests_lost_total"), stats.grayd.lost);
	assert.equal(last.get("grayd_requests_started_total"),
		last.get("grayd_requests_finished_total") + last.get("grayd_requests_lost_total"));
	assert.ok(stats.grayd.lost > 0 && last.get("grayd_requests_total", { outcome: "ok" }) > 500);
	t.diagnostic(`${scraping.scrapes} scrapes, ${stats.grayd.lost} requests lost with their workers`);
});

test("a reload loses no scrape, and no figure falls", async (t) => {
	const { grayd, base } = await startLoaded(t, { log: { requests: false } });
	const client = startLoad(grayd.url, { m: "demo", d: 60, r: sanitized ? 100 : 500, c: 16 }, { log: false });
	const scraping = keepScraping(base, async () => assert.equal((await get(base, "/readyz")).status, 200));

	for (let i = 0; i < 6; i++) {
		const { code, stderr } = await grayd.ctl(["reload"]);
		assert.equal(code, 0, stderr);
		await scraping.more(3);
	}
	client.child.kill("SIGINT");
	await client.done;
	await scraping.end();
	assert.equal((await grayd.status()).grayd.generation, 7);
	assert.equal(await adminOf(grayd), base);
	await until("one admin process", async () => (await workersOf(grayd, "admin")).length === 1);
	await until("old workers to leave", async () => (await workersOf(grayd)).length === 2);
	const stats = await settledStats(grayd, until);
	assert.equal(stats.grayd.lost, 0);
	compareAll(await scrape(base), stats);
});

// ---- health ---------------------------------------------------------------------------------

test("without a worker grayd is healthy but not ready", async (t) => {
	const { grayd, base } = await startAdmin(t, { config: { workers: 1 } });

	assert.deepEqual(await get(base, "/readyz").then(({ status, text }) => [status, text]), [200, "ok: workers ready: 1\n"]);
	// Each death makes the pause before the next start longer.
	for (let kill = 1; kill <= 5; kill++) {
		const [{ pid }] = await until("a worker", async () => {
			const workers = await workersOf(grayd);
			return workers[0].state === "ready" && workers;
		}, 20);
		process.kill(pid, "SIGKILL");
		await until("its end", async () => (await workersOf(grayd))[0].pid !== pid);
	}
	assert.deepEqual(await get(base, "/readyz").then(({ status, text }) => [status, text]), [503, "no worker is ready\n"]);
	assert.deepEqual(await get(base, "/healthz").then(({ status, text }) => [status, text]), [200, "ok\n"]);
	assert.equal((await scrape(base)).get("grayd_workers", { state: "ready" }), 0);
	await until("a ready grayd", async () => (await get(base, "/readyz")).status === 200, 20);
});

// ---- the process ----------------------------------------------------------------------------

test("the admin process has what it needs and no more", async (t) => {
	const { grayd, base } = await startAdmin(t, {
		config: { providers: { nowhere: { base_url: "http://127.0.0.1:1/v1", api_key: { env: "CANARY_KEY" } } } },
		env: { CANARY_KEY: "canary-4b1d-of-a-provider" },
	});
	const [admin] = await workersOf(grayd, "admin"), [worker] = await workersOf(grayd);

	await scrape(base);
	assert.equal(admin.state, "ready");
	if (!isRoot) return t.diagnostic("not root: what is not dumpable cannot be looked into");
	assert.match(readFileSync(`/proc/${admin.pid}/status`, "latin1"), /^Uid:\s+65534\s+65534\s+65534\s+65534$/m);
	assert.match(readFileSync(`/proc/${admin.pid}/status`, "latin1"), /^NoNewPrivs:\s+1$/m);
	const shared = mapsOf(admin.pid).split("\n").filter((line) => line.includes("memfd:grayd"));
	assert.equal(shared.length, 3);
	for (const line of shared) assert.match(line, /^\S+ r--s /);
	assert.match(mapsOf(worker.pid), /^\S+ rw-s .*memfd:grayd/m);
	for (const file of filesOf(admin.pid)) assert.doesNotMatch(file, /memfd|signalfd|timerfd|state/);
	// The provider's key is in a worker's memory, and not in this one's.
	assert.equal(holds(worker.pid, "canary-4b1d-of-a-provider"), true);
	if (!sanitized) // whose runtime keeps a copy of the environment
		assert.equal(holds(admin.pid, "canary-4b1d-of-a-provider"), false);
});

test("an admin process that dies is replaced, and is no worker's restart", async (t) => {
	const { grayd, base } = await startAdmin(t);
	const [{ pid }] = await workersOf(grayd, "admin");
	const before = await scrape(base);

	process.kill(pid, "SIGKILL");
	await until("another one", async () => {
		const [admin] = await workersOf(grayd, "admin");
		return admin.pid !== pid && admin.state === "ready" && admin.restarts === 1;
	});
	const now = await scrape(base);
	assert.deepEqual(fallen(before, now), []);
	assert.equal(now.get("grayd_worker_restarts_total"), 0);
	assert.equal((await grayd.status()).grayd.serving, true);
});

test("it leaves with grayd, and when the master is killed", async (t) => {
	for (const signal of ["SIGTERM", "SIGKILL"]) {
		const { grayd, base } = await startAdmin(t);
		const [{ pid }] = await workersOf(grayd, "admin");
		const idle = connect(base), silent = connect(base);
		idle.send(requestText("GET", "/healthz"));
		await idle.count(1);
		const begun = performance.now();
		process.kill(grayd.pid, signal);
		await until("the admin process to leave", () => !isAlive(pid), 5);
		await Promise.all([idle.end(), silent.end()]);
		await grayd.exited;
		assert.ok(performance.now() - begun < 2000 * patience, signal);
		await assert.rejects(get(base, "/healthz"));
	}
});

test("the log can be reopened in it too", async (t) => {
	const { grayd } = await startAdmin(t);
	const [{ pid }] = await workersOf(grayd, "admin");

	if (!isRoot) return t.skip("not root: descriptors of what is not dumpable cannot be seen");
	execFileSync("mv", [grayd.config.log.file, `${grayd.config.log.file}.1`]);
	await grayd.ctl(["reopen"]);
	await until("the new file", () => filesOf(pid).includes(grayd.config.log.file));
});

// ---- the listener ---------------------------------------------------------------------------

test("a Unix socket", async (t) => {
	const dir = mkdtempSync(join(tmpdir(), "grayd-admin-"));
	const path = join(dir, "admin.sock");
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	chmodSync(dir, 0o755);
	const { grayd } = await startAdmin(t, { config: { admin_listen: `unix:${path}` } });
	const wire = connect(`unix:${path}`);

	assert.equal((await grayd.status()).grayd.admin_listen, `unix:${path}`);
	wire.send(requestText("GET", "/metrics", { headers: { Connection: "close" } }));
	await wire.end();
	assert.equal(wire.answers[0].status, 200);
	assert.ok(readMetrics(wire.answers[0].body.toString()).types.size > 20);
	await grayd.stop();
	assert.equal(existsSync(path), false);
});

test("an address that is taken is named", async () => {
	const taken = net.createServer();
	await new Promise((listening) => taken.listen(0, "127.0.0.1", listening));
	const address = `127.0.0.1:${taken.address().port}`;
	const grayd = await startGrayd({ config: { ...smallConfig(), admin_listen: address }, wait: false });
	const { code } = await grayd.exited;

	assert.equal(code, 1);
	assert.match(grayd.stderr() + JSON.stringify(grayd.logLines()), new RegExp(`admin_listen: ${address} is in use`));
	await grayd.stop();
	taken.close();
});

test("an empty admin_listen starts no such process", async (t) => {
	const { grayd } = await startAdmin(t, { config: { admin_listen: "" } });

	assert.deepEqual(await workersOf(grayd, "admin"), []);
	assert.equal((await grayd.status()).grayd.admin_listen, "");
});

// ---- HTTP -----------------------------------------------------------------------------------

test("GET and HEAD on what there is, refusals for the rest", async (t) => {
	const { base } = await startAdmin(t);
	const rows = [
		["GET", "/metrics", {}, 200, /^# HELP grayd_build_info /],
		["GET", "/metrics?format=anything", {}, 200, /^# HELP /],
		["GET", "/healthz", {}, 200, /^ok\n$/],
		["GET", "/readyz", {}, 200, /^ok: workers ready: 2\n$/],
		["HEAD", "/metrics", {}, 200, /^$/],
		["HEAD", "/nothing", {}, 404, /^$/],
		["GET", "/", {}, 404, /\/metrics, \/healthz and \/readyz/],
		["GET", "/metrics/", {}, 404, /\/metrics/],
		["GET", "/METRICS", {}, 404, /\/metrics/],
		["POST", "/metrics", { body: "x" }, 405, /GET and HEAD/],
		["OPTIONS", "/metrics", {}, 405, /GET and HEAD/],
		["DELETE", "/metrics", {}, 501, /./],
		["GET", "/metrics", { body: "x" }, 400, /body/],
		["GET", "/metrics", { headers: { "Content-Length": "-1" } }, 400, /./],
		["GET", `/${"x".repeat(5000)}`, {}, 414, /./],
		["GET", "/metrics", { headers: { "X-Long": "x".repeat(20000) } }, 431, /./],
	];

	for (const [method, path, more, status, text] of rows) {
		const what = `${method} ${path.slice(0, 40)}`, wire = connect(base);
		if (method === "HEAD") wire.expectBodyless();
		wire.send(requestText(method, path, more));
		await wire.count(1);
		const [answer] = wire.answers;
		assert.equal(answer?.status, status, what);
		assert.match(answer.body.toString(), text, what);
		if (status === 405) assert.equal(answer.headers.allow, "GET, HEAD");
		if (method === "HEAD" && status === 200) assert.ok(Number(answer.headers["content-length"]) > 1000);
		const closes = answer.headers.connection === "close";
		assert.equal(closes, more.body !== undefined || ![200, 404, 405].includes(status), what);
		if (closes) await wire.end();
		wire.destroy();
	}
});

test("a connection serves many requests, in order, also when they come at once", async (t) => {
	const { base } = await startAdmin(t);
	const wire = connect(base), old = connect(base);
	const paths = Array.from({ length: 300 }, (_, i) => ["/healthz", "/metrics", "/nothing"][i % 3]);

	wire.send(paths.map((path) => requestText("GET", path)).join(""));
	await wire.count(paths.length);
	assert.deepEqual(wire.answers.map(({ status }) => status), paths.map((path) => (path === "/nothing" ? 404 : 200)));
	for (const piece of requestText("GET", "/healthz")) await wire.send(piece);
	await wire.count(paths.length + 1);
	assert.equal(wire.answers.at(-1).body.toString(), "ok\n");
	old.send("GET /healthz HTTP/1.0\r\n\r\n");
	await old.end();
	assert.equal(old.answers[0].status, 200);
	wire.destroy();
});

// ---- who is slow or rude --------------------------------------------------------------------

// Ways to be a bad scraper; each makes one connection.
const rudeness = {
	"says nothing": () => {},
	"half a head": (wire) => wire.send("GET /metrics HTTP/1.1\r\nHo"),
	"nonsense": (wire) => wire.send("\0\x01\x02\r\n\r\n"),
	"never reads": (wire) => {
		wire.socket.pause();
		wire.send(requestText("GET", "/metrics").repeat(300));
	},
	"leaves at once": (wire) => wire.send(requestText("GET", "/metrics")).then(() => wire.socket.resetAndDestroy()),
	"sends for ever": (wire) => {
		const more = () => !wire.closed && wire.socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\nx: ".padEnd(9000, "y"), () => setImmediate(more));
		more();
	},
};

test("slow and hostile scrapers harm nobody", async (t) => {
	const { grayd, base } = await startAdmin(t);
	const [{ pid }] = await workersOf(grayd, "admin");
	const files = () => filesOf(pid).length;
	const wires = [];
	let slowest = 0;

	await scrape(base);
	const before = isRoot ? files() : 0;
	for (let round = 0; round < 30; round++) {
		for (const be of Object.values(rudeness)) {
			const wire = connect(base);
			wires.push(wire);
			await new Promise((done) => wire.socket.once("connect", done).once("error", done));
			be(wire);
		}
		const begun = performance.now();
		await scrape(base);
		slowest = Math.max(slowest, performance.now() - begun);
	}
	if (isRoot) assert.ok(files() <= before + 33, `${files()} descriptors`);
	assert.ok(slowest < 1000 * patience, `a good scrape took ${slowest} ms`);
	const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
	if (!sanitized) assert.ok(resident < 32 * 1024, `${resident} KiB resident`);
	for (const wire of wires) wire.destroy();
	if (isRoot) await until("all to be closed", () => files() <= before);
	assert.equal((await workersOf(grayd, "admin"))[0].pid, pid);
	t.diagnostic(`slowest good scrape ${slowest.toFixed(1)} ms, ${resident} KiB resident`);
});

test("who is slow is closed in time", async (t) => {
	const { base } = await startAdmin(t);
	const begun = performance.now();
	const silent = connect(base), half = connect(base);

	half.send("GET /metr");
	await Promise.all([silent.end(), half.end()]);
	const took = performance.now() - begun;
	assert.ok(took > 4000 && took < 8000 * patience, `${took} ms`);
});

test("requests do not notice scrapes", async (t) => {
	const { grayd, base } = await startLoaded(t, { log: { requests: false } });
	const rate = sanitized ? 200 : 2000, windows = [], windowMs = 500;
	let scrapes = 0;

	await grayd.ctl(["stage", "demo", 30]);
	const client = startLoad(grayd.url, { m: "demo", d: 30, r: rate, c: 64 });
	// One load, and scrapes in every other half second of it: whatever else runs on the machine
	// disturbs both kinds of windows alike.
	for (let i = 0; i < 21; i++) {
		const window = { from: Date.now() * 1000, scraped: i % 2 === 1 };
		const end = performance.now() + windowMs;
		while (performance.now() < end) {
			if (window.scraped) {
				await scrape(base);
				scrapes++;
			}
			await new Promise((next) => setTimeout(next, 10));
		}
		windows.push({ ...window, to: Date.now() * 1000 });
	}
	client.child.kill("SIGINT");
	const { rows } = await client.done;
	assert.ok(rows.every(({ verdict }) => ["ok", "stopped", "not_sent"].includes(verdict)));
	const answered = rows.filter(({ verdict }) => verdict === "ok");
	const p99 = (scraped) => quantile(windows.slice(1).filter((window) => window.scraped === scraped)
		.map(({ from, to }) => quantile(answered.filter(({ start }) => start >= from && start < to)
			.map(({ start, end }) => end - start), 0.99)), 0.5);
	const without = p99(false), with_ = p99(true);
	t.diagnostic(`p99 of requests at ${rate}/s: ${without} us without scrapes, ${with_} us with ${scrapes} in 5 s`);
	assert.ok(answered.length > rate * 5 && scrapes > 50);
	assert.ok(with_ <= without * 2 + 1000 * patience, `${with_} us instead of ${without} us`);
});
