// SPDX-License-Identifier: MIT
// What /proc tells of grayd's processes. Most of it only root may read, since they are not dumpable.

import { execFile } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

// The workers as `grayctl workers -j` lists them, without grayd's other processes.
export const workersOf = async (grayd) =>
	(await grayd.ctl(["-j", "workers"])).json.workers.filter(({ role }) => role === "worker");

export function statusOf(pid) {
	const lines = readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n");

	return Object.fromEntries(lines.map((line) => {
		const colon = line.indexOf(":");
		return [line.slice(0, colon), line.slice(colon + 1).trim()];
	}));
}

// Resident bytes.
export const memoryOf = (pid) => parseInt(statusOf(pid).VmRSS, 10) * 1024;

// Processor time so far, in milliseconds (of ticks of 10 ms).
export function processorMs(pid) {
	const text = readFileSync(`/proc/${pid}/stat`, "utf8");
	const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");

	return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function isAlive(pid) {
	try {
		return !/^Z/.test(statusOf(pid).State);
	} catch {
		return false;
	}
}

// { fd: target } of a process.
export function descriptorsOf(pid) {
	const found = {};

	for (const fd of readdirSync(`/proc/${pid}/fd`)) {
		try {
			found[fd] = readlinkSync(`/proc/${pid}/fd/${fd}`);
		} catch {
			continue; // closed meanwhile
		}
	}
	return found;
}

// [{ bytes, mode, offset, path }]
export function mapsOf(pid) {
	return readFileSync(`/proc/${pid}/maps`, "utf8").trim().split("\n").map((line) => {
		const [range, mode, offset, , , ...path] = line.split(/\s+/);
		const [from, to] = range.split("-").map((hex) => parseInt(hex, 16));
		return { bytes: to - from, mode, offset: parseInt(offset, 16), path: path.join(" ") };
	});
}

export const titleOf = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0+$/, "");

// Inodes of TCP sockets that listen, and { inode: path } of Unix sockets.
export function listeningInodes() {
	const text = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFileSync(file, "utf8")).join("\n");

	return new Set(text.split("\n").map((line) => line.trim().split(/\s+/))
		.filter((fields) => fields[3] === "0A").map((fields) => fields[9]));
}

export function unixPaths() {
	const rows = readFileSync("/proc/net/unix", "utf8").trim().split("\n").slice(1);

	return Object.fromEntries(rows.map((row) => row.trim().split(/\s+/)).map((f) => [f[6], f[7] ?? ""]));
}

// Runs a program as another user; resolves to all it wrote.
export function runAs({ uid, gid }, program, ...args) {
	return new Promise((done) => {
		execFile(program, args, { uid, gid, env: { PATH: process.env.PATH, LC_ALL: "C" }, encoding: "latin1" },
			(_, stdout, stderr) => done(stdout + stderr));
	});
}
