// SPDX-License-Identifier: MIT
// A process of its own that holds many connections open: node idle.mjs HOST PORT COUNT. Prints
// "open" when all are there; on each line of its input asks on every hundredth and prints how many were
// answered; leaves at the end of its input.

import net from "node:net";
import readline from "node:readline";

const host = process.argv[2];
const [port, count] = process.argv.slice(3).map(Number);
const request = "GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n";
const sockets = [];

const open = () => new Promise((done, failed) => {
	const socket = net.connect(port, host, () => done(socket));
	socket.once("error", failed);
});

const ask = (socket) => new Promise((done) => {
	socket.once("data", (data) => done(data.toString().startsWith("HTTP/1.1 200 ")));
	socket.once("close", () => done(false));
	socket.write(request);
});

while (sockets.length < count)
	sockets.push(...await Promise.all(Array.from({ length: Math.min(200, count - sockets.length) }, open)));
console.log("open");
for await (const _ of readline.createInterface({ input: process.stdin })) {
	const answers = await Promise.all(sockets.filter((_, i) => i % 100 === 0).map(ask));
	console.log(answers.filter(Boolean).length);
}
process.exit(0);
