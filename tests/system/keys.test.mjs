// SPDX-License-Identifier: MIT
// Provider keys: each reaches its own provider and is seen nowhere else, however it was given and
// whatever a provider says about it. A key that cannot be right is named at the start.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { message, post, quiet, requestText, startPair, startProvider, stopClean, streamed, wire } from "./lib/expect.mjs";
import { build, isRoot, smallConfig, startGrayd, until } from "./lib/grayd.mjs";
import { workersOf } from "./lib/proc.mjs";

// No provider's usual prefix, so that nothing can know them for keys by their looks.
const canaries = {
	env: "Zq7canaryOfTheEnvironment0123456789",
	env_file: "Zq7canaryOfTheEnvFile0123456789",
	file: "Zq7canaryOfTheFile0123456789",
	credential: "Zq7canaryOfTheCredential0123456789",
};
const sources = Object.keys(canaries);

// Every answer that a provider may give, with the key of the request in it.
const echoes = (key) => ({
	good: {},
	"echo-401": { faults: [{ kind: "status", status: 401, message: `Incorrect API key provided: ${key}.` }] },
	"echo-500": { faults: [{ kind: "status", status: 500, message: `no such tenant ${key}`, code: key }] },
	"echo-400": { faults: [{ kind: "status", status: 400, message: `key ${key} may not do this`, param: key }] },
	"echo-429": { faults: [{ kind: "status", status: 429, message: `key=${key}`, retry_after: "3600",
		headers: { "x-ratelimit-limit-requests": key, "x-request-id": key } }] },
	"echo-page": { faults: [{ kind: "status", status: 502, body: `<html>${key}</html>` }] },
	"echo-event": { faults: [{ kind: "error_event", at: "headers", message: `bad key ${key}` }] },
	"echo-late": { faults: [{ kind: "error_event", at: "chunk", after: 2, message: `bad key ${key}` }] },
});

function sourceOf(name, dir) {
	if (name === "file") return { file: join(dir, "key") };
	return name === "credential" ? { credential: "grayd-key" } : { env: `GRAYD_TEST_${name.toUpperCase()}` };
}

describe("keys", () => {
	const sims = {}, digests = {};
	let grayd, dir;

	before(async () => {
		dir = mkdtempSync(join(tmpdir(), "grayd-keys-"));
		writeFileSync(join(dir, "key"), `  ${canaries.file}\n\n`, { mode: 0o600 });
		writeFileSync(join(dir, ".env"), `# keys\nOTHER=1\nexport GRAYD_TEST_ENV_FILE="${canaries.env_file}"  # the second\n`, { mode: 0o600 });
		mkdirSync(join(dir, "credentials"));
		writeFileSync(join(dir, "credentials", "grayd-key"), `${canaries.credential}\r\n`, { mode: 0o600 });
		const providers = {}, models = {}, releases = {};
		for (const name of sources) {
			const sim = sims[name] = await startProvider({ script: { models: echoes(canaries[name]) } });
			// What the ledger calls this key.
			await post(sim.url, message("good"), { headers: { authorization: `Bearer ${canaries[name]}` } });
			digests[name] = (await sim.ledger())[0].key_digest;
			await sim.reset();
			providers[name] = { base_url: `${sim.url}/v1`, api_key: sourceOf(name, dir) };
			for (const model of Object.keys(echoes(""))) {
				models[`${name}.${model}`] = { provider: name, name: model };
				releases[`${name}.${model}`] = { stable: `${name}.${model}`, attempts: 1 };
			}
		}
		// Each fails over to the next provider.
		sources.forEach((name, i) => {
			const next = sources[(i + 1) % sources.length];
			releases[`${name}.over`] = { stable: `${next}.good`, candidate: `${name}.echo-401` };
			releases[`${name}.both`] = { stable: `${next}.echo-500`, candidate: `${name}.echo-400`, attempts: 2 };
		});
		grayd = await startGrayd({
			config: { providers, models, releases, env_file: join(dir, ".env"), log: { level: "debug" } },
			env: { GRAYD_TEST_ENV: ` ${canaries.env} `, CREDENTIALS_DIRECTORY: join(dir, "credentials") },
		});
		for (const name of Object.keys(releases).filter((release) => releases[release].candidate)) {
			assert.equal((await grayd.ctl(["weight", name, 100])).code, 0);
		}
	});
	after(async () => {
		try {
			if (grayd) await stopClean(grayd);
		} finally {
			for (const sim of Object.values(sims)) await sim.stop();
			rmSync(dir, { recursive: true, force: true });
		}
	});

	function assertNone(text, where) {
		for (const [name, canary] of Object.entries(canaries)) {
			// Half a key is a leak, too.
			assert.ok(!text.includes(canary.slice(0, 16)), `the key from ${name} is in ${where}: ${text.slice(0, 2000)}`);
		}
	}

	test("each reaches its own provider, trimmed, and no other", async () => {
		for (const name of sources) {
			for (const make of [message, streamed]) {
				const answer = await post(grayd.url, make(`${name}.good`));
				assert.equal(answer.status, 200);
				const over = await post(grayd.url, make(`${name}.over`));
				assert.equal(over.status, 200, over.text);
				assert.equal(over.headers["x-gray-fallback-reason"], "unauthorized");
			}
		}
		await quiet(grayd);
		for (const name of sources) {
			assert.deepEqual(Object.keys((await sims[name].summary()).keys), [digests[name]], name);
		}
		assert.equal(new Set(Object.values(digests)).size, sources.length);
	});

	test("no answer holds one, whatever the provider says", async () => {
		for (const name of sources) {
			for (const model of [...Object.keys(echoes("")), "over", "both"]) {
				for (const make of [message, streamed]) {
					const { text } = await wire(grayd.url, requestText(make(`${name}.${model}`), { headers: { connection: "close" } }));
					assert.match(text, /^HTTP\/1\.1 \d/);
					assertNone(text, `the answer of ${name}.${model}`);
				}
			}
		}
	});

	test("no log, no output of grayctl and no process list holds one", async () => {
		await quiet(grayd);
		for (const verb of ["status", "stats", "errors", "workers"]) {
			for (const args of [[verb], ["-j", verb]]) {
				const { code, stdout, stderr } = await grayd.ctl(verb === "errors" ? [...args, "-n", 50] : args);
				assert.equal(code, 0, stderr);
				assertNone(stdout + stderr, `grayctl ${args.join(" ")}`);
			}
		}
		const printed = spawnSync(join(build, "grayd"), ["-T", "-c", join(grayd.dir, "grayd.json")], { encoding: "utf8",
			env: { ...process.env, GRAYD_TEST_ENV: canaries.env, CREDENTIALS_DIRECTORY: join(dir, "credentials") } });
		assert.equal(printed.status, 0, printed.stderr);
		assertNone(printed.stdout + printed.stderr, "grayd -T");
		await until("log lines of all failures", () => grayd.logLines().filter((line) => line.event === "request").length >= 60);
		assertNone(filesUnder(grayd.dir), "a file of grayd's");
		assertNone(grayd.stderr(), "grayd's stderr");
		for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
			assertNone(readIfThere(`/proc/${pid}/cmdline`), `the command line of ${pid}`);
		}
	});

	test("no environment of grayd's processes holds one, and others may not look into them", async () => {
		const pids = [grayd.pid, ...(await workersOf(grayd)).map(({ pid }) => pid)];
		for (const pid of pids) {
			assertNone(readIfThere(`/proc/${pid}/environ`), `the environment of ${pid}`);
			// Of a process that may be dumped, these belong to its own user.
			if (isRoot) assert.equal(statSync(`/proc/${pid}/environ`).uid, 0);
		}
	});

	function filesUnder(folder) {
		return readdirSync(folder, { withFileTypes: true }).map((entry) => {
			const path = join(folder, entry.name);
			if (entry.isDirectory()) return filesUnder(path);
			return entry.isFile() ? readFileSync(path, "latin1") : "";
		}).join("\n");
	}

	function readIfThere(path) {
		try {
			return readFileSync(path, "latin1");
		} catch {
			return ""; // not ours to read, or gone
		}
	}
});

test("a client's own headers never reach a provider", async (t) => {
	const pair = await startPair({ t, script: { models: { chat: {} } },
		config: { models: { chat: { provider: "sim" } }, releases: { chat: { stable: "chat" } } } });
	const secret = "Zq7secretOfTheClient";
	const hidden = ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "openai-organization",
		"openai-project", "x-forwarded-for", "x-user-id", "x-stainless-lang", "user-agent", "referer", "x-anything", "accept",
		"anthropic-version", "x-gray-arm", "via"];
	const headers = Object.fromEntries(hidden.map((name) => [name, name === "x-gray-arm" ? "stable" : `${secret}-${name}`]));
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	const { status } = await post(pair.grayd.url, message("chat"), {
		headers: { ...headers, authorization: `Bearer ${secret}`, traceparent: trace, "x-request-id": "of-mine" } });
	assert.equal(status, 200);
	const received = await pair.sim.request(1);
	assert.ok(!received.includes(secret), received);
	const names = received.split("\r\n\r\n")[0].split("\r\n").slice(1).map((line) => line.split(":")[0].toLowerCase());
	assert.deepEqual(names.sort(), ["accept", "content-length", "content-type", "host", "traceparent", "user-agent", "x-request-id"]);
	assert.match(received, /traceparent: 00-0af7651916cd43dd8448eb211c80319c/i);
	assert.match(received, /x-request-id: of-mine/i);
	assert.match(received, /user-agent: grayd\//i);
});

// ---- what is refused at the start -----------------------------------------------------------

describe("a bad key is named at the start, and never shown", () => {
	const KEY = "Zq7badCanary0123456789";
	let dir;
	before(() => {
		dir = mkdtempSync(join(tmpdir(), "grayd-bad-keys-"));
		const put = (name, text, mode = 0o600) => {
			writeFileSync(join(dir, name), text);
			chmodSync(join(dir, name), mode);
		};
		put("good", KEY);
		put("open", KEY, 0o644);
		put("empty", " \n");
		put("two-lines", `${KEY}\n${KEY}\n`);
		put("long", KEY.repeat(400));
		put("binary", `${KEY}\u0001\n`);
		put("quoted", `"${KEY}"\n`);
		put("blank-inside", `${KEY} ${KEY}\n`);
		put(".env", `OTHER=1\nWRONG=${KEY} tail\nGOOD=${KEY}\nEMPTY=\nBLANKS="  "\n`);
		put("open.env", `GRAYD_BAD_KEY=${KEY}\n`, 0o644);
	});
	after(() => rmSync(dir, { recursive: true, force: true }));

	const env = { env: "GRAYD_BAD_KEY" }, named = /environment variable GRAYD_BAD_KEY/;
	const rows = {
		"a variable that is not set": { source: env, says: [named, /is not set/] },
		"an empty variable": { source: env, env: { GRAYD_BAD_KEY: "" }, says: [named, /is empty/] },
		"a variable of blanks": { source: env, env: { GRAYD_BAD_KEY: " \t\n" }, says: [named, /is empty/] },
		"a blank inside": { source: env, env: { GRAYD_BAD_KEY: `${KEY} ${KEY}` }, says: [named, /white space/, /position 23 of 45/] },
		"a line break inside": { source: env, env: { GRAYD_BAD_KEY: `${KEY}\r\nX-Injected: 1` }, says: [named, /white space|control/] },
		"a byte outside of ASCII": { source: env, env: { GRAYD_BAD_KEY: `${KEY}\u00e9` }, says: [named, /outside of ASCII/] },
		"quotes around it": { source: env, env: { GRAYD_BAD_KEY: `'${KEY}'` }, says: [named, /quotes/] },
		"the wrong prefix": { source: { ...env, prefix: "hs_" }, env: { GRAYD_BAD_KEY: KEY }, says: [named, /does not begin with "hs_"/] },
		"not in the env file": { source: env, envFile: ".env", says: [named, /is not set/, /\.env/] },
		"bad in the env file": { source: { env: "WRONG" }, envFile: ".env", says: [/environment variable WRONG/, /env_file/, /white space/] },
		"the wrong prefix in the env file": { source: { env: "GOOD", prefix: "hs_" }, envFile: ".env", says: [/environment variable GOOD/, /does not begin with "hs_"/] },
		"empty in the env file": { source: { env: "EMPTY" }, envFile: ".env", says: [/environment variable EMPTY/, /is empty/] },
		"blanks in the env file": { source: { env: "BLANKS" }, envFile: ".env", says: [/environment variable BLANKS/, /is empty/] },
		"an empty credential": { source: { credential: "empty" }, credentials: true, says: [/credential empty/, /is empty/] },
		"a credential with a blank inside": { source: { credential: "blank-inside" }, credentials: true, says: [/credential blank-inside/, /white space/] },
		"a credential with the wrong prefix": { source: { credential: "good", prefix: "hs_" }, credentials: true, says: [/credential good/, /does not begin with "hs_"/] },
		"no env file": { source: env, envFile: "nowhere.env", says: [named, /nowhere\.env/, /No such file/] },
		"an env file that everybody may read": { source: env, envFile: "open.env", says: [named, /may be read by everybody/] },
		"no file": { source: { file: "nowhere" }, says: [/file \S*nowhere/, /No such file/] },
		"a folder": { source: { file: "." }, says: [/is not a regular file/] },
		"a file that everybody may read": { source: { file: "open" }, says: [/file \S*open/, /may be read by everybody/, /chmod/] },
		"an empty file": { source: { file: "empty" }, says: [/file \S*empty/, /is empty/] },
		"a file of two lines": { source: { file: "two-lines" }, says: [/file \S*two-lines/, /white space/] },
		"a file that is too long": { source: { file: "long" }, says: [/file \S*long/, /is longer than/] },
		"a file of binary": { source: { file: "binary" }, says: [/file \S*binary/, /control byte/] },
		"a file with quotes": { source: { file: "quoted" }, says: [/file \S*quoted/, /quotes/] },
		"a file with the wrong prefix": { source: { file: "good", prefix: "hs_" }, says: [/file \S*good/, /does not begin with "hs_"/] },
		"no credentials": { source: { credential: "key" }, says: [/credential key/, /CREDENTIALS_DIRECTORY/] },
		"a credential that is not there": { source: { credential: "nowhere" }, credentials: true, says: [/credential nowhere/, /No such file/] },
	};
	for (const [name, row] of Object.entries(rows)) {
		test(name, async () => {
			const source = { ...row.source };
			if (source.file) source.file = join(dir, source.file);
			const config = smallConfig();
			config.providers.holysheep = { base_url: "https://api.holysheep.ai/v1", api_key: source };
			if (row.envFile) config.env_file = join(dir, row.envFile);
			const vars = { CREDENTIALS_DIRECTORY: row.credentials ? dir : "", ...row.env };
			const grayd = await startGrayd({ config, env: vars, wait: false });
			const end = await grayd.exited;
			await grayd.stop();
			assert.deepEqual(end, { code: 2, signal: null }, grayd.stderr());
			for (const words of [/^grayd: \S+grayd\.json:\d+: providers\.holysheep\.api_key: /, ...row.says]) {
				assert.match(grayd.stderr(), words);
			}
			assert.ok(!grayd.stderr().includes(KEY.slice(0, 8)), grayd.stderr());
			assert.deepEqual(grayd.logLines(), [], "nothing had begun");
		});
	}
});

describe("a bad config is refused whole", () => {
	const wrong = {
		"an unknown key": [(config) => (config.releases.chat.stagess = [10]), /releases\.chat\.stagess: /],
		"a wrong type": [(config) => (config.releases.chat.stages = "10"), /releases\.chat\.stages: expected /],
		"stages that fall": [(config) => (config.releases.chat.stages = [10, 30, 20]), /releases\.chat\.stages\[2\]: /],
		"a number out of range": [(config) => (config.releases.chat.attempts = 0), /releases\.chat\.attempts: expected /],
		"a model that is not there": [(config) => (config.releases.chat.candidate = "newer"), /releases\.chat\.candidate: /],
		"the key itself": [(config) => (config.providers.nowhere.api_key = "sk-Zq7secret"), /providers\.nowhere\.api_key: /],
		"a kind that nobody speaks": [(config) => (config.providers.nowhere.kind = "gopher"), /providers\.nowhere\.kind: expected /],
		"an open listener for everybody": [(config) => (config.listen = ["0.0.0.0:0"]), /listen: 0\.0\.0\.0:0 /],
	};
	for (const [name, [spoil, says]] of Object.entries(wrong)) {
		test(name, async () => {
			const config = smallConfig();
			spoil(config);
			const grayd = await startGrayd({ config, wait: false });
			const end = await grayd.exited;
			await grayd.stop();
			assert.deepEqual(end, { code: 2, signal: null }, grayd.stderr());
			assert.match(grayd.stderr(), new RegExp(`^grayd: \\S+grayd\\.json:\\d+: ${says.source}`));
			assert.doesNotMatch(grayd.stderr(), /Zq7secret/);
		});
	}

	test("text that is no JSON, by its line; -t says OK of a good one, -T prints it", () => {
		const dir = mkdtempSync(join(tmpdir(), "grayd-config-"));
		const file = join(dir, "grayd.json");
		const run = (...args) => spawnSync(join(build, "grayd"), [...args, "-c", file], { encoding: "utf8" });
		try {
			writeFileSync(file, '{\n  "workers": 1,\n  "listen": [}\n');
			const bad = run("-t");
			assert.equal(bad.status, 2);
			assert.match(bad.stderr, /grayd\.json:3: /);
			writeFileSync(file, JSON.stringify({ ...smallConfig(), ...(isRoot && { user: "nobody" }) }));
			const good = run("-t");
			assert.deepEqual([good.status, good.stderr], [0, ""]);
			assert.match(good.stdout, /OK/);
			assert.equal(JSON.parse(run("-T").stdout).releases.chat.attempts, 4);
		} finally {
			rmSync(dir, { recursive: true, force: true });
		}
	});
});
