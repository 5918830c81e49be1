// SPDX-License-Identifier: MIT
// The admin listener of a grayd as a scraper sees it: the text of /metrics read strictly, and a
// shorthand for its figures.

import { request } from "./sim.mjs";

const LINE = /^([a-z_]+)(\{(.*)\})? (\S+)$/;
const LABEL = /^([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;

function readLabels(text) {
	const labels = {};

	while (text) {
		const [whole, name, value] = LABEL.exec(text) ?? [];
		if (!whole || name in labels) throw new Error(`not labels: ${text}`);
		labels[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
		text = text.slice(whole.length);
	}
	return labels;
}

// { types: family -> type, samples: [{ family, name, labels, value, key }], get(name, labels) }
// Throws on whatever is not the format, and on a sample that stands there twice.
export function readMetrics(text) {
	const types = new Map(), samples = new Map();
	let family;

	if (!text.endsWith("\n")) throw new Error("the last line has no end");
	for (const line of text.slice(0, -1).split("\n")) {
		const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
		if (kind === "HELP") {
			if (types.has(name)) throw new Error(`${name} stands there twice`);
			family = name;
			continue;
		}
		if (kind === "TYPE") {
			if (name !== family) throw new Error(`TYPE without HELP: ${line}`);
			types.set(name, rest);
			continue;
		}
		const [, sample, , labels, number] = LINE.exec(line) ?? [];
		const suffix = types.get(family) === "histogram" ? /^_(bucket|sum|count)$/ : /^$/;
		if (!sample?.startsWith(family) || !suffix.test(sample.slice(family.length)))
			throw new Error(`not a sample of ${family}: ${line}`);
		const key = `${sample}{${labels ?? ""}}`, value = Number(number);
		if (Number.isNaN(value) || samples.has(key)) throw new Error(`bad or double: ${line}`);
		samples.set(key, { family, name: sample, labels: readLabels(labels ?? ""), value, key });
	}
	const all = [...samples.values()];
	const fits = (have, want) => Object.entries(want).every(([name, value]) => have[name] === value);
	return {
		types, text,
		samples: all,
		byKey: samples,
		// The sum over all samples of this name with these labels; undefined: there are none.
		get(name, labels = {}) {
			const found = all.filter((sample) => sample.name === name && fits(sample.labels, labels));
			return found.length ? found.reduce((sum, { value }) => sum + value, 0) : undefined;
		},
	};
}

// "http://HOST:PORT" of the admin listener.
export const adminOf = async (grayd) => `http://${(await grayd.status()).grayd.admin_listen}`;

export async function scrape(base) {
	const { status, headers, body } = await request(`${base}/metrics`);

	if (status !== 200) throw new Error(`${status}: ${body}`);
	if (headers["content-type"] !== "text/plain; version=0.0.4; charset=utf-8")
		throw new Error(`content-type ${headers["content-type"]}`);
	return readMetrics(body.toString());
}

// The counters that are smaller than before, or gone.
export function fallen(before, now) {
	const counts = ({ family, name }) =>
		before.types.get(family) === "counter" || (before.types.get(family) === "histogram" && name);

	return before.samples.filter(counts)
		.filter(({ key, value }) => !(now.byKey.get(key)?.value >= value))
		.map(({ key, value }) => `${key} ${value} -> ${now.byKey.get(key)?.value}`);
}
