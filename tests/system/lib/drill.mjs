// SPDX-License-Identifier: MIT
// Rollback drills: an open-loop load on one release, a change in the middle of it, and the proof by
// the ledgers that nothing went to the candidate once grayctl had answered.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { build, until } from "./grayd.mjs";
import { countBy, long, patience, quantile, sanitized, settledStats, startLoad } from "./load.mjs";

// simprovider stamps an attempt when it reads it: that may be so much later than the moment at which
// grayd sent it, on a machine with more to do than processors.
export const READ_LATE_US = sanitized ? 60000 : long ? 30000 : 10000;

// A config with `count` releases "r0", "r1" ... each with its own two models, so that each can be
// rolled back once.
export function manyReleases(sim, count, more = {}) {
	const config = {
		providers: { sim: { base_url: `${sim.url}/v1` } },
		models: {}, releases: {}, log: { requests: false },
	};

	for (let i = 0; i < count; i++) {
		config.models[`old${i}`] = { provider: "sim" };
		config.models[`new${i}`] = { provider: "sim" };
		config.releases[`r${i}`] = { stable: `old${i}`, candidate: `new${i}`, ...more };
	}
	return config;
}

// Runs grayctl; resolves to { answer, atUs }: the wall clock right after grayctl has ended, read by
// the shell that ran it.
export function timedCtl(grayd, args) {
	const command = '"$0" "$@"; code=$?; echo; echo "$EPOCHREALTIME"; exit $code';

	return new Promise((done, failed) => {
		execFile("bash", ["-c", command, join(build, "grayctl"), "-s", grayd.socket, "-j", ...args.map(String)],
			{ env: { ...process.env, LC_ALL: "C" } },
			(error, stdout, stderr) => {
				if (error) return failed(new Error(`grayctl ${args}: ${stdout}${stderr}`));
				const lines = stdout.trim().split("\n");
				const atUs = Math.ceil(Number(lines.pop()) * 1e6);
				done({ answer: JSON.parse(lines.join("\n")), atUs });
			});
	});
}

const armOf = async (grayd, release, arm) =>
	(await grayd.ctl(["-j", "stats", release])).json.releases[release].arms[arm];

// Waits until the arm of the release has been given `count` more requests; asks seldom, since each
// question is a process beside those that are measured.
export async function untilMore(grayd, release, arm, count) {
	const from = (await armOf(grayd, release, arm)).requests;

	await until(`${count} requests for ${arm}`, async () => {
		await new Promise((wake) => setTimeout(wake, 50));
		return (await armOf(grayd, release, arm)).requests >= from + count;
	}, 20 * patience);
}

// One drill on one release: share 50, then down to 0 by `down` (["rollback"] or ["weight", 0]).
// Resolves to what happened: { receipt, rows, attempts, atUs, lateUs, arms }.
export async function drill({ sim, grayd }, { release, down, load, some = 300 }) {
	await timedCtl(grayd, ["stage", release, 50]);
	await sim.reset();
	const client = startLoad(grayd.url, { m: release, "id-prefix": `${release}-`, d: 60 * patience, ...load });

	await untilMore(grayd, release, "candidate", some);
	const { answer, atUs } = await timedCtl(grayd, [down[0], release, ...down.slice(1)]);
	await untilMore(grayd, release, "stable", some);
	client.child.kill("SIGINT");
	const { rows } = await client.done;
	await sim.settled();
	const attempts = (await sim.ledger()).filter(({ model }) => model === release.replace("r", "new"));
	const lateUs = Math.max(...attempts.map(({ t_start_us }) => t_start_us - atUs));
	const { arms } = (await settledStats(grayd, until)).releases[release];
	return { receipt: answer.receipt, answer, rows, attempts, atUs, lateUs, arms };
}

// What must hold after each drill that ended with a rollback.
export function checkDrill({ answer, rows, attempts, atUs, lateUs, arms }, what) {
	const asked = new Map(attempts.map((attempt) => [attempt.request_id, attempt]));
	const verdicts = countBy(rows, "verdict");
	const late = rows.filter(({ id, start }) => start > atUs && asked.has(id));
	const rescued = rows.filter(({ id, arm }) => arm === "stable" && asked.has(id));

	assert.equal(answer.set_percent, 0, what);
	assert.equal(answer.published_percent, 0, what);
	assert.ok(rows.some(({ start }) => start > atUs), `${what}: nothing was sent behind the answer`);
	assert.deepEqual(late.map(({ id }) => id), [], `${what}: sent behind grayctl's answer`);
	assert.ok(lateUs <= READ_LATE_US, `${what}: a candidate attempt ${lateUs} us behind the answer`);
	for (const { verdict, id } of rows)
		assert.ok(["ok", "stopped", "not_sent"].includes(verdict), `${what}: ${id} ${verdict}`);
	assert.equal(verdicts("ok"), rows.filter(({ status }) => status === 200).length, what);
	assert.equal(arms.candidate.fallbacks, 0, what);
	assert.equal(arms.candidate.sent, attempts.length, what);
	assert.equal(arms.candidate.rescued, arms.candidate.outcomes.rescued ?? 0, what);
	return { rescued, verdicts };
}

// How long after the client had sent it the provider has read a request, at the most: so much later
// than it was sent it may stamp any other.
export function longestWay(rows, attempts) {
	const sentUs = new Map(rows.map(({ id, start }) => [id, start]));

	return attempts.reduce((most, { request_id: id, t_start_us: us }) =>
		Math.max(most, us - (sentUs.get(id) ?? us)), READ_LATE_US);
}

// What must hold between the answer to a rollback and the next start: by grayd's clock no attempt of
// the candidate began once all workers had acknowledged; by the client's clock none of the requests
// of that time reached it; by the provider's, which may be `lateUs` late, neither.
export function checkWindow({ receipt, fromUs, toUs }, rows, attempts, lateUs) {
	const asked = new Set(attempts.map(({ request_id }) => request_id));
	const inside = (us) => us > fromUs && us < toUs;

	assert.ok(receipt.last_candidate_attempt_us <= receipt.acknowledge_us, JSON.stringify(receipt));
	assert.ok(rows.some(({ start }) => inside(start)), "nothing was sent behind the answer");
	assert.deepEqual(rows.filter(({ id, start, end }) => inside(start) && end < toUs && asked.has(id)), []);
	assert.deepEqual(attempts.filter(({ t_start_us: us }) => us > fromUs + lateUs && us < toUs), []);
}

const figures = (name, values) => `${name} of ${values.length}: p50 ${quantile(values, 0.5)}, ` +
	`p90 ${quantile(values, 0.9)}, p99 ${quantile(values, 0.99)}, most ${Math.max(...values)}`;

export function tellReceipts(t, receipts) {
	for (const name of ["publish_us", "acknowledge_us"])
		t.diagnostic(figures(name, receipts.map((receipt) => receipt[name])));
	t.diagnostic(figures("both", receipts.map((receipt) => receipt.publish_us + receipt.acknowledge_us)));
	const sum = (name) => receipts.reduce((all, receipt) => all + (receipt[name] ?? 0), 0);
	t.diagnostic(`${sum("rescued")} rescued, ${sum("streaming")} were streaming`);
}
