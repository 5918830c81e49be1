// SPDX-License-Identifier: MIT
// What is measured: each row runs the load generator once against one running proxy and reduces its
// summary to one number.
import { collect } from './process.mjs';

async function load(bench, port, { pids, headers = [] }, args) {
  const watch = [...pids.flatMap((pid) => ['--watch', String(pid)]), ...headers.flatMap((line) => ['-H', line])];
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  const text = await collect(bench.loadCpu,
    [bench.programs.loadgen, '--url', url, '-j', ...watch, ...args.map(String)]);
  return JSON.parse(text);
}

// An answer that is not what it should be makes the figure worthless: say so rather than print it.
function mustBe(summary, verdicts) {
  const good = verdicts.reduce((sum, name) => sum + summary.verdicts[name], 0);
  if (good !== summary.requests)
    throw new Error(`not all answers were good: ${JSON.stringify(summary.verdicts)}`);
  if (summary.measured.watch_lost) throw new Error('a process ended while it was measured');
}

function whole(key, title, bodyBytes, aims) {
  return {
    key,
    title,
    unit: 'us of processor time a request',
    aims,
    repetitions: (bench) => bench.repetitions,
    measure: async (bench, proxy) => {
      const summary = await load(bench, proxy.port, proxy,
        ['-c', 64, '-b', bodyBytes, '-m', 'bench', '--warmup', bench.warmup, '-d', bench.seconds]);
      mustBe(summary, ['ok']);
      return {
        value: summary.measured.cpu_us_per_request,
        rate: summary.measured.requests_per_s,
        p50_us: summary.latency_us.p50,
        p99_us: summary.latency_us.p99,
        busy: summary.measured.cpu_us / summary.measured.seconds / 1e6,
      };
    },
  };
}

const token = {
  key: 'token',
  title: 'one token of a stream',
  unit: 'us of processor time an event',
  aims: [{ against: 'nginx', most: 1.25 }],
  repetitions: (bench) => bench.repetitions,
  measure: async (bench, proxy) => {
    const summary = await load(bench, proxy.streamPort, proxy,
      ['--streams', bench.streams, '-m', 'stream', '--ramp-ms', 1000,
        '--warmup', 1 + bench.warmup, '-d', bench.seconds]);
    mustBe(summary, ['ok', 'stopped']);
    return {
      value: summary.measured.cpu_us_per_event,
      rate: summary.measured.events_per_s,
      p50_us: summary.gap_us.p50,
      p99_us: summary.gap_us.p99,
      busy: summary.measured.cpu_us / summary.measured.seconds / 1e6,
    };
  },
};

// Measured on a proxy of its own, since memory once used by other work is not given back.
const memory = {
  key: 'memory',
  title: 'memory of an open stream',
  unit: 'KB a stream',
  aims: [{ most: 32 }],
  fresh: true,
  repetitions: (bench) => Math.min(3, bench.repetitions),
  measure: async (bench, proxy) => {
    const before = await load(bench, proxy.streamPort, proxy, ['-c', 4, '-n', 40, '-m', 'bench']);
    const summary = await load(bench, proxy.streamPort, proxy,
      ['--streams', bench.held, '-m', 'hold', '--ramp-ms', 2000, '--warmup', 4, '-d', 1]);
    mustBe(summary, ['ok', 'stopped']);
    if (summary.verdicts.stopped !== bench.held)
      throw new Error(`${summary.verdicts.stopped} of ${bench.held} streams were open`);
    return {
      value: (summary.measured.pss_kb - before.measured.pss_kb) / bench.held,
      before_kb: before.measured.pss_kb,
      after_kb: summary.measured.pss_kb,
    };
  },
};

export const ROWS = [
  whole('small', 'JSON, 0.3 KB in, 0.6 KB out', 300, [{ against: 'nginx+lua', most: 1.2 }]),
  whole('large', 'JSON, 32 KB in, 0.6 KB out', 32768, [{ against: 'nginx+lua', most: 0.4 }]),
  token,
  memory,
];
