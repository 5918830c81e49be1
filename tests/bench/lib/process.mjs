// SPDX-License-Identifier: MIT
// Starts programs on a processor, waits until they serve, and ends each by its own process id.
import fs from 'node:fs';
import net from 'node:net';
import { spawn } from 'node:child_process';

const running = new Set();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true) || socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

// Starts `argv` on processor `cpu`; all it prints goes to the file `log`.
export function start(cpu, argv, log, env = {}) {
  const out = fs.openSync(log, 'a');
  const child = spawn('taskset', ['-c', String(cpu), ...argv], {
    stdio: ['ignore', out, out],
    env: { ...process.env, ...env },
  });
  fs.closeSync(out);
  child.log = log;
  child.ended = new Promise((resolve) => child.once('close', resolve));
  child.ended.then(() => running.delete(child));
  running.add(child);
  return child;
}

function tail(file) {
  return fs.readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n');
}

export async function untilServing(child, port, what) {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${what} ended at once:\n${tail(child.log)}`);
    if (await connects(port)) return;
    await sleep(50);
  }
  throw new Error(`${what} does not serve:\n${tail(child.log)}`);
}

// The process and its children, as they are now.
export function family(pid) {
  const parents = new Map();
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const members = [pid];
  for (const member of members)
    for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

// Asks it to end, then makes it and its children end.
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const members = family(child.pid);
  kill(child.pid, 'SIGTERM');
  for (const patience of [3000, 1000]) {
    if (await Promise.race([child.ended.then(() => true), sleep(patience)])) return;
    kill(child.pid, 'SIGTERM');
  }
  for (const pid of members) kill(pid, 'SIGKILL');
  await child.ended;
}

export async function stopAll() {
  await Promise.all([...running].map(stop));
}

// Runs a program to its end and returns what it printed.
export function collect(cpu, argv) {
  return new Promise((resolve, reject) => {
    const child = spawn('taskset', ['-c', String(cpu), ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece) => (out += piece));
    child.stderr.on('data', (piece) => (err += piece));
    child.ended = new Promise((ended) => child.once('close', ended));
    running.add(child);
    child.ended.then((code) => {
      running.delete(child);
      if (code === 0) resolve(out);
      else reject(new Error(`${argv[0]} ended with ${code}: ${err.trim() || out.trim()}`));
    });
  });
}
