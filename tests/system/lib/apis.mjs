// SPDX-License-Identifier: MIT
// The two APIs that applications speak, side by side: how to ask, and how to read what comes, so
// that a test can be written once for both.

import { CHAT, eventsOf, post } from "./expect.mjs";

// The data of a stream's events as JSON, what is none as text.
const dataOf = (text) => eventsOf(text).map((data) => {
	try {
		return JSON.parse(data);
	} catch {
		return data;
	}
});

// read(answer) gives what a careful client makes of an answer, whole or streamed: { text, args (of
// tool calls, as text), finish, done (its end mark came), error }.
const chat = {
	name: "chat completions",
	kind: "openai",
	path: CHAT,
	body: (model, more = {}) => ({ model, messages: [{ role: "user", content: "hello" }],
		...(more.stream && { stream_options: { include_usage: true } }), ...more }),
	tools: [{ type: "function", function: { name: "lookup" } }],
	read(answer) {
		const got = { text: "", args: "", done: false };
		if (answer.json) {
			const choice = answer.json.choices?.[0];
			return { ...got, text: choice?.message.content ?? "", finish: choice?.finish_reason, error: answer.json.error,
				args: (choice?.message.tool_calls ?? []).map((call) => call.function.arguments).join("") };
		}
		for (const data of dataOf(answer.text)) {
			const choice = data.choices?.[0];
			got.text += choice?.delta?.content ?? "";
			got.args += (choice?.delta?.tool_calls ?? []).map((call) => call.function?.arguments ?? "").join("");
			got.finish = choice?.finish_reason ?? got.finish;
			got.error = data.error ?? got.error;
			got.done ||= data === "[DONE]";
		}
		return got;
	},
};

const messages = {
	name: "messages",
	kind: "anthropic",
	path: "/v1/messages",
	body: (model, more = {}) => ({ model, max_tokens: 100, messages: [{ role: "user", content: "hello" }], ...more }),
	tools: [{ name: "lookup", input_schema: { type: "object" } }],
	read(answer) {
		const got = { text: "", args: "", done: false };
		if (answer.json) {
			const blocks = answer.json.content ?? [];
			return { ...got, finish: answer.json.stop_reason, error: answer.json.error,
				text: blocks.map((block) => block.text ?? "").join(""),
				args: blocks.filter((block) => block.input).map((block) => JSON.stringify(block.input)).join("") };
		}
		for (const data of dataOf(answer.text)) {
			got.text += data.delta?.text ?? "";
			got.args += data.delta?.partial_json ?? "";
			got.finish = data.delta?.stop_reason ?? got.finish;
			got.error = data.error ?? got.error;
			got.done ||= data.type === "message_stop";
		}
		return got;
	},
};

export const APIS = [chat, messages];

// Each API with each kind of provider behind it: { api, kind, name, native }; native: nothing needs to
// be translated.
export const WAYS = APIS.flatMap((api) => ["openai", "anthropic", "gemini"].map((kind) =>
	({ api, kind, name: `${api.name} from ${kind}`, native: api.kind === kind })));

// Asks as a client of that API does; the answer as post() gives it, with what was read in it.
export async function ask(grayd, api, model, { headers = {}, ...more } = {}) {
	const answer = await post(grayd.url, api.body(model, more), { path: api.path, headers });
	return { ...answer, ...api.read(answer), arm: answer.headers["x-gray-arm"],
		reason: answer.headers["x-gray-fallback-reason"], id: answer.headers["x-request-id"] };
}

// The text of a whole answer of simprovider.
export const words = (model, tokens) =>
	`${model} says:${Array.from({ length: tokens }, (_, i) => ` tok${i}`).join("")}`;
