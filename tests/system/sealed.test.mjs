// SPDX-License-Identifier: MIT
// The memory of a running worker, seen from outside: the policy can only be read, and all that is
// shared and that it can write are its own slot and the two tables that all workers share. What the kernel refuses to whoever tries all the same
// is in tests/unit/test_policy.c.

import assert from "node:assert/strict";
import test from "node:test";
import { isRoot, NOBODY, until } from "./lib/grayd.mjs";
import { demoConfig, startPair } from "./lib/load.mjs";
import { descriptorsOf, mapsOf, runAs, workersOf } from "./lib/proc.mjs";

const rootOnly = { skip: !isRoot && "needs root" };
const shared = (pid) => mapsOf(pid).filter(({ path, mode }) => mode[3] === "s" && /memfd:grayd/.test(path));
const named = (maps, name) => maps.filter(({ path }) => path.includes(name));
const pidsOf = async (grayd) => (await workersOf(grayd)).map(({ pid }) => pid);

function checkWorker(pid, master) {
	const maps = shared(pid);
	const [policy, ...morePolicy] = named(maps, "grayd-policy"), [slot, ...moreSlots] = named(maps, "grayd-slots");

	assert.deepEqual([morePolicy, moreSlots], [[], []]);
	assert.deepEqual(maps.map(({ path }) => path.match(/grayd-\w+/)[0]).sort(), ["grayd-limits", "grayd-policy", "grayd-seen", "grayd-slots"]);
	assert.equal(policy.mode, "r--s");
	assert.equal(policy.bytes, named(master, "grayd-policy")[0].bytes);
	assert.equal(slot.mode, "rw-s");
	assert.ok(slot.bytes * 100 < named(master, "grayd-slots")[0].bytes, "more than one slot");
	// Nothing else that is shared can be written, whatever it is called.
	const writable = mapsOf(pid).filter(({ mode }) => mode[1] === "w" && mode[3] === "s");
	assert.deepEqual(writable.map(({ path }) => path.match(/grayd-\w+/)?.[0] ?? path).sort(), ["grayd-limits", "grayd-seen", "grayd-slots"]);
	for (const target of Object.values(descriptorsOf(pid))) assert.doesNotMatch(target, /memfd/);
	return slot;
}

test("a worker maps the policy read-only and one slot of its own, and holds no memfd", rootOnly, async (t) => {
	const { grayd } = await startPair(t, { config: (sim) => demoConfig(sim, { workers: 3 }) });
	const master = shared(grayd.pid);
	const slots = (await pidsOf(grayd)).map((pid) => checkWorker(pid, master));

	for (const name of ["grayd-policy", "grayd-slots"]) assert.deepEqual(named(master, name).map(({ mode }) => mode), ["rw-s"]);
	assert.equal(new Set(slots.map(({ bytes }) => bytes)).size, 1);
	assert.equal(new Set(slots.map(({ offset }) => offset)).size, 3);
	// The first slot is the master's.
	assert.ok(slots.every(({ bytes, offset }) => offset >= bytes && offset % bytes === 0));
});

test("so it is for workers that came later", rootOnly, async (t) => {
	const { grayd } = await startPair(t);
	const old = await pidsOf(grayd);

	await grayd.ctl(["stage", "demo", 50]);
	for (const pid of old) process.kill(pid, "SIGKILL");
	await until("new workers", async () => {
		const now = await workersOf(grayd);
		return now.every(({ pid, state }) => state === "ready" && !old.includes(pid));
	});
	for (const pid of await pidsOf(grayd)) checkWorker(pid, shared(grayd.pid));
});

test("the user of the workers can write into no process of grayd", rootOnly, async (t) => {
	const { grayd } = await startPair(t);

	for (const pid of [grayd.pid, ...(await pidsOf(grayd))]) {
		assert.match(await runAs(NOBODY, "dd", "if=/dev/null", `of=/proc/${pid}/mem`, "conv=notrunc"),
			/Permission denied/);
		for (const [fd] of Object.entries(descriptorsOf(pid)).filter(([, target]) => target.includes("memfd")))
			assert.match(await runAs(NOBODY, "dd", "if=/dev/null", `of=/proc/${pid}/fd/${fd}`, "conv=notrunc"),
				/Permission denied/);
	}
});
