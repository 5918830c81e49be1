// SPDX-License-Identifier: MIT
// Requests as the real APIs take them, and as nothing else: each throws where the real one would
// answer 400. What a translation leaves behind, forgets or puts in a wrong order is found here.

import assert from "node:assert/strict";

// A shape is a function of (value, place) that throws, or a table of members: "name" must be there,
// "name?" may be. Members that the table does not have are refused.
function check(shape, value, at) {
	if (typeof shape === "function") return shape(value, at);
	assert.ok(value !== null && typeof value === "object" && !Array.isArray(value), `${at}: not an object`);
	const members = new Map(Object.entries(shape).map(([name, inner]) => [name.replace("?", ""), inner]));
	for (const name of Object.keys(shape)) if (!name.endsWith("?")) assert.ok(name in value, `${at}.${name}: missing`);
	for (const [name, inner] of Object.entries(value)) {
		assert.ok(members.has(name), `${at}.${name}: no such member`);
		check(members.get(name), inner, `${at}.${name}`);
	}
}

const is = (type) => (value, at) => assert.equal(typeof value, type, at);
const text = is("string"), bool = is("boolean");
const filled = (value, at) => {
	text(value, at);
	assert.ok(value.length > 0, `${at}: empty`);
};
const like = (pattern) => (value, at) => {
	text(value, at);
	assert.match(value, pattern, at);
};
const oneOf = (...values) => (value, at) => assert.ok(values.includes(value), `${at}: ${JSON.stringify(value)}`);
const number = (from, to) => (value, at) => {
	assert.equal(typeof value, "number", at);
	assert.ok(value >= from && value <= to, `${at}: ${value}`);
};
const count = (from) => (value, at) => assert.ok(Number.isInteger(value) && value >= from, `${at}: ${value}`);
const list = (shape, least = 0, most = Infinity) => (value, at) => {
	assert.ok(Array.isArray(value), `${at}: not a list`);
	assert.ok(value.length >= least && value.length <= most, `${at}: ${value.length} items`);
	value.forEach((item, i) => check(shape, item, `${at}[${i}]`));
};
const object = (value, at) => check((v) => assert.ok(v !== null && typeof v === "object" && !Array.isArray(v), `${at}: not an object`), value, at);
const objectSchema = (value, at) => {
	object(value, at);
	assert.equal(value.type, "object", `${at}.type`);
};
const either = (...shapes) => (value, at) => {
	const refusals = [];
	for (const shape of shapes) {
		try {
			return check(shape, value, at);
		} catch (error) {
			refusals.push(error.message);
		}
	}
	assert.fail(refusals.join("; or "));
};
// By the value of a member.
const byType = (name, shapes) => (value, at) => {
	assert.ok(value?.[name] in shapes, `${at}.${name}: ${JSON.stringify(value?.[name])}`);
	check(shapes[value[name]], value, at);
};
const any = () => {};
const base64 = like(/^[A-Za-z0-9+/]+={0,2}$/), toolName = like(/^[A-Za-z0-9_-]{1,64}$/);

// ---- OpenAI ------------------------------------------------------------------------------------

const openaiText = { type: oneOf("text"), text };
// The client's own helpers leave `parsed` and `parsed_arguments` in what is sent back; OpenAI takes them.
const openaiCall = { id: filled, type: oneOf("function"), "index?": any,
	function: { name: toolName, arguments: text, "parsed_arguments?": any } };
const openaiMessage = byType("role", {
	system: { role: text, content: either(text, list(openaiText, 1)), "name?": text },
	developer: { role: text, content: either(text, list(openaiText, 1)), "name?": text },
	user: { role: text, "name?": text, content: either(text, list(byType("type", {
		text: openaiText, image_url: { type: text, image_url: { url: like(/^(https?:|data:)/), "detail?": text } } }), 1)) },
	assistant: { role: text, "content?": either(text, oneOf(null), list(openaiText, 1)), "tool_calls?": list(openaiCall, 1),
		"refusal?": any, "name?": text, "annotations?": any, "audio?": any,
		"parsed?": any },
	tool: { role: text, tool_call_id: filled, content: either(text, list(openaiText, 1)) },
});
const openai = {
	model: filled, messages: list(openaiMessage, 1), "stream?": bool, "stream_options?": { "include_usage?": bool },
	"max_tokens?": count(1), "max_completion_tokens?": count(1), "temperature?": number(0, 2), "top_p?": number(0, 1),
	"stop?": either(text, list(filled, 1, 4)), "presence_penalty?": number(-2, 2), "frequency_penalty?": number(-2, 2),
	"tools?": list({ type: oneOf("function"), function: { name: toolName, "description?": text, "parameters?": object, "strict?": bool } }, 1),
	"tool_choice?": either(oneOf("auto", "none", "required"), { type: oneOf("function"), function: { name: toolName } }),
	"parallel_tool_calls?": bool, "seed?": count(0), "user?": text, "n?": oneOf(1), "reasoning_effort?": text,
	"response_format?": byType("type", { text: { type: text }, json_object: { type: text },
		json_schema: { type: text, json_schema: { name: toolName, schema: object, "strict?": bool, "description?": text } } }),
	"metadata?": object, "store?": bool, "safety_identifier?": text, "prompt_cache_key?": text, "logit_bias?": object,
};

// Each call is answered before anybody else speaks, and only calls are.
function assertToolTurns(messages) {
	let open = new Set();
	for (const [i, message] of messages.entries()) {
		if (message.role === "tool") {
			assert.ok(open.delete(message.tool_call_id), `messages[${i}].tool_call_id: no such call before it`);
			continue;
		}
		assert.equal(open.size, 0, `messages[${i}]: calls without an answer before it`);
		open = new Set((message.tool_calls ?? []).map((call) => call.id));
	}
	assert.equal(open.size, 0, "calls without an answer at the end");
}

function assertOpenAI(body) {
	check(openai, body, "body");
	assertToolTurns(body.messages);
	if (body.stream_options) assert.equal(body.stream, true, "stream_options without stream");
	assert.ok(!(body.max_tokens && body.max_completion_tokens), "both limits");
}

// ---- Anthropic ---------------------------------------------------------------------------------

const cache = { "cache_control?": object };
const textBlock = { type: oneOf("text"), text: filled, ...cache, "citations?": any };
const imageBlock = { type: oneOf("image"), ...cache, source: byType("type", {
	base64: { type: text, media_type: oneOf("image/jpeg", "image/png", "image/gif", "image/webp"), data: base64 },
	url: { type: text, url: like(/^https?:/) } }) };
const block = byType("type", {
	text: textBlock,
	image: imageBlock,
	tool_use: { type: text, id: like(/^[A-Za-z0-9_-]+$/), name: toolName, input: object, ...cache },
	tool_result: { type: text, tool_use_id: like(/^[A-Za-z0-9_-]+$/), "is_error?": bool, ...cache,
		"content?": either(text, list(byType("type", { text: textBlock, image: imageBlock }))) },
	thinking: { type: text, thinking: text, signature: filled },
	redacted_thinking: { type: text, data: filled },
});
const anthropic = {
	model: filled, max_tokens: count(1), "stream?": bool,
	messages: list({ role: oneOf("user", "assistant"), content: either(filled, list(block, 1)) }, 1),
	"system?": either(text, list(textBlock)), "metadata?": { "user_id?": text }, "stop_sequences?": list(like(/\S/)),
	"temperature?": number(0, 1), "top_p?": number(0, 1), "top_k?": count(0), "service_tier?": text,
	"tools?": list({ name: toolName, input_schema: objectSchema, "description?": text, "type?": oneOf("custom"), ...cache }),
	"tool_choice?": byType("type", { auto: { type: text, "disable_parallel_tool_use?": bool },
		any: { type: text, "disable_parallel_tool_use?": bool }, none: { type: text },
		tool: { type: text, name: toolName, "disable_parallel_tool_use?": bool } }),
	"thinking?": byType("type", { enabled: { type: text, budget_tokens: count(1024) }, disabled: { type: text } }),
};

function assertAnthropic(body) {
	check(anthropic, body, "body");
	assert.equal(body.messages[0].role, "user", "the first message must be the user's");
	let open = [];
	for (const [i, { role, content }] of body.messages.entries()) {
		const blocks = Array.isArray(content) ? content : [];
		const results = blocks.filter((one) => one.type === "tool_result").map((one) => one.tool_use_id);
		assert.deepEqual([...results].sort(), [...open].sort(), `messages[${i}]: results of the calls before it`);
		if (results.length > 0)
			assert.ok(blocks.slice(0, results.length).every((one) => one.type === "tool_result"), `messages[${i}]: results come first`);
		open = blocks.filter((one) => one.type === "tool_use").map((one) => one.id);
		assert.ok(open.length === 0 || role === "assistant", `messages[${i}]: a call by the user`);
	}
	assert.equal(open.length, 0, "calls without a result at the end");
	if (body.tool_choice) assert.ok(body.tools?.length > 0, "tool_choice without tools");
	if (body.thinking?.type === "enabled") assert.ok(body.thinking.budget_tokens < body.max_tokens, "thinking.budget_tokens");
}

// ---- Gemini ------------------------------------------------------------------------------------

// The subset of OpenAPI that `parameters` and `responseSchema` take; the JSON Schema members take all.
const geminiSchema = (value, at) => check({
	"type?": like(/^(string|number|integer|boolean|array|object|null)$/i), "format?": text, "title?": text, "description?": text,
	"nullable?": bool, "enum?": list(text), "items?": geminiSchema, "maxItems?": any, "minItems?": any, "required?": list(text),
	"properties?": (inner, place) => Object.entries(inner).forEach(([name, one]) => geminiSchema(one, `${place}.${name}`)),
	"minProperties?": any, "maxProperties?": any, "minLength?": any, "maxLength?": any, "pattern?": text, "example?": any,
	"anyOf?": list(geminiSchema), "propertyOrdering?": list(text), "default?": any, "minimum?": any, "maximum?": any,
}, value, at);
const partKinds = {
	text: { text, "thought?": bool, "thoughtSignature?": base64 },
	inlineData: { inlineData: { mimeType: like(/^\w+\/[\w.+-]+$/), data: base64 } },
	fileData: { fileData: { "mimeType?": like(/^\w+\/[\w.+-]+$/), fileUri: filled } },
	functionCall: { functionCall: { name: toolName, "args?": object, "id?": text }, "thoughtSignature?": base64 },
	functionResponse: { functionResponse: { name: toolName, response: object, "id?": text } },
};
const part = (value, at) => {
	const kind = Object.keys(partKinds).find((name) => name in value);
	assert.ok(kind, `${at}: an empty part`);
	check(partKinds[kind], value, at);
};
const gemini = {
	contents: list({ "role?": oneOf("user", "model"), parts: list(part, 1) }, 1),
	"systemInstruction?": { "role?": text, parts: list({ text: filled }, 1) },
	"tools?": list({ functionDeclarations: list({ name: toolName, "description?": text, "parameters?": geminiSchema,
		"parametersJsonSchema?": any }, 1) }, 1),
	"toolConfig?": { functionCallingConfig: { mode: oneOf("AUTO", "ANY", "NONE", "VALIDATED"), "allowedFunctionNames?": list(toolName, 1) } },
	"generationConfig?": { "temperature?": number(0, 2), "topP?": number(0, 1), "topK?": count(1), "candidateCount?": oneOf(1),
		"maxOutputTokens?": count(1), "stopSequences?": list(filled, 0, 5), "responseMimeType?": oneOf("text/plain", "application/json"),
		"responseSchema?": geminiSchema, "responseJsonSchema?": any, "presencePenalty?": number(-2, 2),
		"frequencyPenalty?": number(-2, 2), "seed?": count(0),
		"thinkingConfig?": { "includeThoughts?": bool, "thinkingBudget?": count(-1), "thinkingLevel?": text } },
	"safetySettings?": list(object),
};

function assertGemini(body) {
	check(gemini, body, "body");
	let open = [];
	for (const [i, { role, parts }] of body.contents.entries()) {
		const results = parts.filter((one) => one.functionResponse).map((one) => one.functionResponse.name);
		assert.deepEqual(results, open, `contents[${i}]: responses of the calls before it`);
		open = parts.filter((one) => one.functionCall).map((one) => one.functionCall.name);
		assert.ok(open.length === 0 || role === "model", `contents[${i}]: a call by the user`);
		if (open.length > 0) assert.ok(i > 0, "a call that nobody has asked for");
	}
	assert.equal(open.length, 0, "calls without a response at the end");
	const { mode, allowedFunctionNames } = body.toolConfig?.functionCallingConfig ?? {};
	if (allowedFunctionNames) assert.ok(["ANY", "VALIDATED"].includes(mode), "allowedFunctionNames without ANY");
	const config = body.generationConfig ?? {};
	if (config.responseSchema || config.responseJsonSchema)
		assert.equal(config.responseMimeType, "application/json", "a schema without its media type");
}

// Throws where the real API of that kind would refuse a generation request with that body.
export function assertRequest(kind, body) {
	({ openai: assertOpenAI, anthropic: assertAnthropic, gemini: assertGemini })[kind](body);
}

// The body of a request as simprovider has kept it.
export const bodyOf = (kept) => JSON.parse(kept.slice(kept.indexOf("\r\n\r\n") + 4));
