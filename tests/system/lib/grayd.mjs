// SPDX-License-Identifier: MIT
// Starts a real grayd for a system test, with a folder and a control socket of its own, and takes it
// all down again. Waits are waits for a state: `grayctl status --wait` or a condition of the test.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const build = resolve(root, process.env.GRAYD_BUILD ?? "build");
export const isRoot = process.getuid() === 0;
export const NOBODY = { uid: 65534, gid: 65534 };

// What still runs when all tests of the file have ended, well or badly, is killed, by pid; else it
// would keep the test process waiting. A file's own `after` comes behind this one, hence the grace,
// which nobody waits for when nothing is left.
const running = new Set();
const killAll = () => running.forEach((child) => child.kill("SIGKILL"));
after(() => {
	setTimeout(killAll, 10000).unref();
});
process.on("exit", killAll);

// Another user may not be able to reach the build's folder: copies that everybody reaches.
let publicFolder;
function program(name, uid) {
	if (uid === undefined) return join(build, name);
	if (publicFolder === undefined) {
		publicFolder = mkdtempSync(join(tmpdir(), "grayd-bin-"));
		chmodSync(publicFolder, 0o755);
		process.on("exit", () => rmSync(publicFolder, { recursive: true, force: true }));
	}
	const copy = join(publicFolder, name);
	if (!existsSync(copy)) copyFileSync(join(build, name), copy);
	return copy;
}

// Resolves once check() gives something true, with that; asks again every few milliseconds.
export async function until(what, check, seconds = 10) {
	const end = performance.now() + seconds * 1000;
	for (;;) {
		const result = await check();
		if (result) return result;
		if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
		await new Promise((wake) => setTimeout(wake, 5));
	}
}

// Runs grayctl to its end: { code, stdout, stderr, json }; json is the answer where there is one.
export function grayctl(args, { env = {}, uid, gid, cwd } = {}) {
	return new Promise((done) => {
		execFile(program("grayctl", uid), args.map(String),
			{ env: { ...process.env, ...env }, uid, gid, cwd, maxBuffer: 64 << 20 },
			(error, stdout, stderr) => {
				let json;
				try {
					json = JSON.parse(stdout);
				} catch {
					json = undefined;
				}
				const code = error ? (typeof error.code === "number" ? error.code : error.signal ?? error.code) : 0;
				done({ code, stdout, stderr, json });
			});
	});
}

// One release with two models at a provider that nobody is: enough for whatever sends no requests.
export function smallConfig(release = {}) {
	return {
		providers: { nowhere: { kind: "openai", base_url: "http://127.0.0.1:1/v1" } },
		models: {
			old: { provider: "nowhere", name: "old-model" },
			new: { provider: "nowhere", name: "new-model" },
		},
		releases: { chat: { stable: "old", candidate: "new", ...release } },
	};
}

// A guard that rolls back a bad candidate would end most tests of bad candidates: it is on only
// where a test says so.
function withoutGuard(releases) {
	const quiet = (release) => (release.plan?.mode === "auto" ? release : { guard: { mode: "off" }, ...release });

	return Object.fromEntries(Object.entries(releases).map(([name, release]) => [name, quiet(release)]));
}

function completeConfig(config, dir) {
	return {
		listen: ["127.0.0.1:0"],
		admin_listen: "",
		control_socket: join(dir, "control.sock"),
		state_dir: join(dir, "state"),
		workers: 2,
		...(isRoot && { user: "nobody" }),
		...config,
		...(config.releases && { releases: withoutGuard(config.releases) }),
		log: { level: "info", file: join(dir, "grayd.log"), ...config.log },
	};
}

function readLog(file) {
	let text;
	try {
		text = readFileSync(file, "utf8");
	} catch {
		return [];
	}
	return text.split("\n").slice(0, -1).map((line) => {
		try {
			return JSON.parse(line);
		} catch {
			return { unreadable: line };
		}
	});
}

function childrenOf(pid) {
	try {
		return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
	} catch {
		return []; // it has ended
	}
}

function kill(pid) {
	try {
		process.kill(pid, "SIGKILL");
	} catch {
		return; // it has ended
	}
}

// Starts a grayd and waits until it is healthy.
//   config  object; listen, control_socket, state_dir, user, log.file are filled in where they miss
//   env     added to the environment of grayd
//   user    { uid, gid } to run grayd as
//   wait    false: do not wait; then `url` is empty
//   dir     a folder to use instead of a new one; it is not removed at the end
//   wrap    words of a command that execs grayd, e.g. ["prlimit", "--nofile=64:64"]
//   program another grayd than the one that was built
//   fds     descriptors for it, from 3 on
// Gives {
//   ctl(args, options)  grayctl with this grayd's socket
//   status()            `status -j` as an object
//   url, urls           "http://127.0.0.1:PORT"; a Unix listener as "unix:/path"
//   dir, socket, config, pid, child, exited (a promise of { code, signal })
//   stderr()            all that grayd wrote there
//   logLines()          the log so far, parsed
//   stop(signal)        asks it to leave, waits until it has, removes the folder; { code, signal }
// }
export async function startGrayd({ config = smallConfig(), env = {}, user = {}, wait = true, dir: given, wrap = [], program: other, fds = [] } = {}) {
	const dir = given ?? mkdtempSync(join(tmpdir(), "grayd-test-"));
	const complete = completeConfig(config, dir);
	const file = join(dir, "grayd.json");
	let written = "";

	if (given === undefined) {
		// Others may pass, so that tests can knock at the socket as somebody else.
		chmodSync(dir, user.uid === undefined ? 0o755 : 0o777);
		mkdirSync(join(dir, "state"), { mode: 0o777 });
		if (user.uid !== undefined) chmodSync(join(dir, "state"), 0o777);
	}
	writeFileSync(file, JSON.stringify(complete, null, "\t"));

	const [command, ...words] = [...wrap, other ?? program("grayd", user.uid), "-c", file];
	const child = spawn(command, words, {
		env: { ...process.env, ...env },
		stdio: ["ignore", "pipe", "pipe", ...fds],
		...user,
	});
	running.add(child);
	child.stdout.on("data", (data) => (written += data));
	child.stderr.on("data", (data) => (written += data));
	const exited = once(child, "close").then(([code, signal]) => {
		running.delete(child);
		return { code, signal };
	});

	const grayd = {
		dir,
		config: complete,
		socket: complete.control_socket,
		pid: child.pid,
		child,
		exited,
		url: "",
		urls: [],
		ctl: (args, options) => grayctl(["-s", complete.control_socket, ...args], options),
		status: async () => (await grayd.ctl(["-j", "status"])).json,
		stderr: () => written,
		logLines: () => (complete.log.file === "stderr" ? [] : readLog(complete.log.file)),
		async stop(signal = "SIGTERM") {
			if (running.has(child)) {
				const orphans = signal === "SIGKILL" ? childrenOf(child.pid) : [];
				child.kill(signal);
				// Those that a test has stopped do not notice that their master is gone.
				for (const pid of orphans) kill(pid);
				const impatient = setTimeout(() => child.kill("SIGKILL"), 40000);
				await exited;
				clearTimeout(impatient);
			}
			if (given === undefined) rmSync(dir, { recursive: true, force: true });
			return exited;
		},
	};

	if (!wait) return grayd;
	const outcome = await Promise.race([
		grayd.ctl(["-j", "status", "--wait", "healthy", "--timeout", 20]),
		exited.then((end) => ({ ended: end })),
	]);
	if (outcome.ended || outcome.code !== 0) {
		const log = grayd.logLines().map((line) => JSON.stringify(line)).join("\n");
		await grayd.stop("SIGKILL");
		throw new Error(`grayd did not start: ${JSON.stringify(outcome)}\n${written}\n${log}`);
	}
	grayd.urls = outcome.json.grayd.listen.map((at) => (at.startsWith("unix:") ? at : `http://${at}`));
	grayd.url = grayd.urls[0];
	return grayd;
}
