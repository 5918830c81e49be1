// SPDX-License-Identifier: MIT
// The benchmark: starts the simulated provider and every proxy that is there, measures the rows in
// interleaved repetitions, prints the table and writes all figures to build/bench.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SOURCES, findPrograms, machine, processors, versions } from './programs.mjs';
import { freePort, start, stop, stopAll, untilServing } from './process.mjs';
import { MODELS, PROXIES, launch } from './proxies.mjs';
import { reduce, table } from './report.mjs';
import { ROWS } from './rows.mjs';

const HELP = `usage: tests/bench/run [options]
  --quick              short runs, three repetitions
  --repetitions N      of each row and proxy (5)
  --seconds S          measured in each run (3)
  --streams N          of the token row, 50 events a second each (400)
  --held N             of the memory row (4000)
  --rows A,B           of ${ROWS.map((row) => row.key).join(', ')}
  --only A,B           of ${PROXIES.map((proxy) => proxy.name).join(', ')}
  --grayd FILE         another grayd, with its grayctl beside it
  --keep               leave the temporary folder with configs and logs`;

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' }, keep: { type: 'boolean' }, help: { type: 'boolean' },
      repetitions: { type: 'string' }, seconds: { type: 'string' }, streams: { type: 'string' },
      held: { type: 'string' }, rows: { type: 'string' }, only: { type: 'string' },
      grayd: { type: 'string' },
    },
  });
  return values;
}

const chosen = (list, names, key) =>
  names === undefined ? list : list.filter((item) => names.split(',').includes(item[key]));

// What is missing is named; a column whose programs are not all there is left out.
function available(programs, proxies) {
  for (const name of ['loadgen', 'simprovider', 'taskset'])
    if (!programs[name]) throw new Error(`${name} is missing: ${SOURCES[name]}`);
  return proxies.filter((proxy) => {
    const missing = proxy.needs.filter((name) => !programs[name]);
    for (const name of missing) console.log(`no column ${proxy.name}: ${name} is missing (${SOURCES[name]})`);
    return missing.length === 0;
  });
}

// Every public name behaves like the upstream name that grayd and Lua put in its place.
function script() {
  const behaviours = {
    bench: { text: 'word '.repeat(46) }, // an answer of 600 bytes
    stream: { chunk_ms: 20, tokens: 1000000 },
    hold: { chunk_ms: 1000, tokens: 1000000 },
  };
  const models = {};
  for (const [name, upstream] of Object.entries(MODELS))
    models[name] = models[upstream] = behaviours[name];
  return JSON.stringify({ models }, null, 2);
}

async function startProvider(bench) {
  const file = path.join(bench.folder, 'script.json');
  fs.writeFileSync(file, script());
  bench.providerPort = await freePort();
  const child = start(bench.loadCpu,
    [bench.programs.simprovider, '--listen', `127.0.0.1:${bench.providerPort}`, '--script', file, '--no-ledger'],
    path.join(bench.folder, 'simprovider.log'));
  await untilServing(child, bench.providerPort, 'simprovider');
}

async function once(row, proxy, bench) {
  const server = row.fresh ? await launch(proxy, bench) : bench.launched.get(proxy.name);
  try {
    return await row.measure(bench, server);
  } finally {
    if (row.fresh) await stop(server.child);
  }
}

async function measureRow(row, proxies, bench) {
  const runs = [];
  for (let repetition = 1; repetition <= row.repetitions(bench); repetition++) {
    for (const proxy of proxies) {
      const run = { proxy: proxy.name, repetition };
      try {
        Object.assign(run, await once(row, proxy, bench));
      } catch (error) {
        run.error = error.message;
      }
      runs.push(run);
      const figure = run.error ?? `${run.value.toFixed(1)} ${row.unit}`;
      process.stderr.write(`${row.key} ${repetition} ${proxy.name}: ${figure}\n`);
    }
  }
  return runs;
}

// A proxy that does not start costs its column, not the run.
async function launchAll(proxies, bench) {
  const good = [];
  bench.launched = new Map();
  for (const proxy of proxies) {
    try {
      bench.launched.set(proxy.name, await launch(proxy, bench));
      good.push(proxy);
    } catch (error) {
      console.log(`no column ${proxy.name}: ${error.message}`);
    }
  }
  return good;
}

// Without a proxy: how fast the load side itself is, so that nobody takes its limit for a proxy's.
async function ceiling(bench) {
  const rows = ROWS.filter((row) => row.key === 'small');
  const direct = { port: bench.providerPort, streamPort: bench.providerPort, pids: [] };
  const { rate } = await rows[0].measure(bench, direct);
  return rate;
}

function settings(values, root) {
  const cpus = processors();
  if (cpus.length < 2) console.log('only one processor: the load shares it with the proxy');
  return {
    programs: findPrograms(root, values.grayd && path.resolve(values.grayd)),
    proxyCpu: cpus[0],
    loadCpu: cpus[cpus.length - 1],
    repetitions: Number(values.repetitions ?? (values.quick ? 3 : 5)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
    warmup: values.quick ? 0.3 : 0.5,
    streams: Number(values.streams ?? 400),
    held: Number(values.held ?? 4000),
    descriptors: Number(/open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1]),
    folder: fs.mkdtempSync(path.join(os.tmpdir(), 'grayd-bench-')),
  };
}

function save(root, result) {
  const folder = path.join(root, 'build/bench');
  const file = path.join(folder, `${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  fs.copyFileSync(file, path.join(folder, 'latest.json'));
  return path.relative(root, file);
}

async function run(values, bench, root) {
  const rows = chosen(ROWS, values.rows, 'key');
  fs.chmodSync(bench.folder, 0o755);
  await startProvider(bench);
  const result = { when: new Date().toISOString(), machine: machine(), versions: versions(bench.programs) };
  result.load_side_per_s = await ceiling(bench);
  const proxies = await launchAll(available(bench.programs, chosen(PROXIES, values.only, 'name')), bench);
  const names = proxies.map((proxy) => proxy.name);
  result.rows = [];
  for (const row of rows) result.rows.push(reduce(row, await measureRow(row, proxies, bench), names));
  result.machine.load_average_after = machine().load_average;
  for (const proxy of proxies) console.log(`${proxy.name.padEnd(10)} ${proxy.says}`);
  console.log(`load side alone: ${(result.load_side_per_s / 1000).toFixed(1)} thousand requests a second\n`);
  console.log(table(result.rows, names));
  console.log(`\nall figures: ${save(root, result)}`);
}

async function main() {
  const values = options();
  if (values.help) return console.log(HELP);
  const root = process.cwd();
  const bench = settings(values, root);
  process.once('SIGINT', () => stopAll().then(() => process.exit(130)));
  process.once('SIGTERM', () => stopAll().then(() => process.exit(143)));
  try {
    await run(values, bench, root);
  } finally {
    await stopAll();
    if (values.keep) console.log(`kept: ${bench.folder}`);
    else fs.rmSync(bench.folder, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
