// SPDX-License-Identifier: MIT
// A client of raw bytes: what it sends is what arrives, in those pieces, and every answer is read
// by the framing rules of HTTP/1.1 and nothing else.

import net from "node:net";

// Reads one answer at `at` of `bytes`: { end, status, headers, body, interim }, or null while it is
// not whole. `bodyless`: it answers a HEAD. `closed`: nothing more will come.
export function readAnswer(bytes, at, { bodyless = false, closed = false } = {}) {
	const headEnd = bytes.indexOf("\r\n\r\n", at);
	if (headEnd < 0) return null;
	const [first, ...lines] = bytes.toString("latin1", at, headEnd).split("\r\n");
	const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(first)?.[1]);
	if (!status) throw new Error(`no answer of HTTP: ${first.slice(0, 80)}`);
	const headers = {};
	for (const line of lines) {
		const colon = line.indexOf(":");
		headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
	}
	const from = headEnd + 4;
	const answer = (end, body) => ({ end, status, headers, body, interim: status < 200 });

	if (bodyless || status < 200 || status === 204) return answer(from, Buffer.alloc(0));
	if (headers["transfer-encoding"] === "chunked") return readChunks(bytes, from, answer);
	if (headers["content-length"] !== undefined) {
		const end = from + Number(headers["content-length"]);
		return bytes.length < end ? null : answer(end, bytes.subarray(from, end));
	}
	return closed ? answer(bytes.length, bytes.subarray(from)) : null;
}

function readChunks(bytes, from, answer) {
	const parts = [];
	for (let at = from; ; ) {
		const lineEnd = bytes.indexOf("\r\n", at);
		if (lineEnd < 0) return null;
		const size = parseInt(bytes.toString("latin1", at, lineEnd), 16);
		if (Number.isNaN(size)) throw new Error("no chunk size where one must be");
		const end = lineEnd + 2 + size + 2;
		if (bytes.length < end) return null;
		if (size === 0) return answer(end, Buffer.concat(parts));
		parts.push(bytes.subarray(lineEnd + 2, end - 2));
		at = end;
	}
}

// Connects to "http://HOST:PORT" or "unix:/path". Gives {
//   socket, send(bytes), error (the last one), closed (the other side has closed)
//   answers           final answers so far; interim ones are in `interims`
//   ready             resolves when it is connected (or has failed to be)
//   expectBodyless()  the next answer is one to HEAD
//   count(n)          resolves when n answers are there, or nothing more can come
//   end()             resolves when the other side has closed
//   rest()            bytes behind the last whole answer
// }
export function connect(url, { allowHalfOpen = false } = {}) {
	const target = url.startsWith("unix:") ? { path: url.slice(5) }
		: { host: new URL(url).hostname, port: Number(new URL(url).port) };
	const socket = net.connect({ ...target, allowHalfOpen, noDelay: true });
	let received = Buffer.alloc(0), bodyless = 0;
	const waiting = [];
	const wire = {
		socket, ready: new Promise((done) => socket.once("connect", done).once("close", done)), answers: [], interims: [], closed: false, error: undefined, receivedBytes: 0,
		send: (bytes) => new Promise((sent) => socket.write(bytes, sent)),
		expectBodyless: () => bodyless++,
		rest: () => received,
		count: (n) => wait(() => wire.answers.length >= n || wire.closed),
		end: () => wait(() => wire.closed),
		interim: (n) => wait(() => wire.interims.length >= n || wire.closed),
		until: (check) => wait(check),
		destroy: () => socket.destroy(),
		reset: () => socket.resetAndDestroy(),
	};

	function wait(check) {
		if (check()) return Promise.resolve(wire);
		return new Promise((done) => waiting.push({ check, done }));
	}
	function wake() {
		for (const each of waiting.splice(0)) {
			if (each.check()) each.done(wire);
			else waiting.push(each);
		}
	}
	function read() {
		let at = 0, answer;
		while (at < received.length &&
			(answer = readAnswer(received, at, { bodyless: bodyless > 0, closed: wire.closed }))) {
			(answer.interim ? wire.interims : wire.answers).push(answer);
			if (!answer.interim && bodyless > 0) bodyless--;
			at = answer.end;
		}
		received = received.subarray(at);
	}
	function close() {
		if (!wire.closed) {
			wire.closed = true;
			read();
		}
		wake();
	}
	socket.on("data", (data) => {
		wire.receivedBytes += data.length;
		received = Buffer.concat([received, data]);
		read();
		wake();
	});
	socket.on("error", (error) => (wire.error = error));
	socket.on("end", close);
	socket.on("close", close);
	return wire;
}

// The text of a request; `body` gets a Content-Length unless the headers say how it is framed.
export function requestText(method, target, { headers = {}, body } = {}) {
	const lines = [`${method} ${target} HTTP/1.1`, "Host: test"];

	for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
	if (body !== undefined && headers["Transfer-Encoding"] === undefined)
		lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
	return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

export const chatBody = (more = {}) =>
	JSON.stringify({ model: "demo", messages: [{ role: "user", content: "hi" }], ...more });

// One POST on a connection of its own: { status, headers, body, json }.
export async function post(url, body, { path = "/v1/chat/completions", headers = {} } = {}) {
	const text = typeof body === "string" ? body : chatBody(body);
	const wire = connect(url);
	wire.send(requestText("POST", path, { headers: { ...headers, Connection: "close" }, body: text }));
	await wire.end();
	if (wire.answers.length !== 1)
		throw new Error(`${wire.answers.length} answers instead of one; ${wire.error ?? ""}`);
	const answer = wire.answers[0];
	let json;
	try {
		json = JSON.parse(answer.body);
	} catch {
		json = undefined;
	}
	return { ...answer, json };
}
