// SPDX-License-Identifier: MIT
// Medians, ratios and the table that is printed.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function summarise(runs, names) {
  const out = {};
  for (const name of names) {
    const values = runs.filter((run) => run.proxy === name && !run.error);
    const figures = values.map((run) => run.value);
    const of = (key) => median(values.map((run) => run[key]).filter((value) => value !== undefined));
    out[name] = {
      median: median(figures),
      least: figures.length ? Math.min(...figures) : null,
      most: figures.length ? Math.max(...figures) : null,
      runs: figures.length,
      rate: of('rate'),
      p50_us: of('p50_us'),
      p99_us: of('p99_us'),
      busy: of('busy'),
      errors: runs.filter((run) => run.proxy === name && run.error).map((run) => run.error),
    };
  }
  return out;
}

// Ratios are taken within a repetition, where both saw the same machine, then the median of them.
function ratio(runs, name, against) {
  const value = (of, repetition) =>
    runs.find((run) => run.proxy === of && run.repetition === repetition && !run.error)?.value;
  const ratios = [];
  for (const repetition of new Set(runs.map((run) => run.repetition))) {
    const [a, b] = [value(name, repetition), value(against, repetition)];
    if (a !== undefined && b !== undefined && b > 0) ratios.push(a / b);
  }
  return median(ratios);
}

function judge(row, runs, summary) {
  return row.aims.map((aim) => {
    const is = aim.against ? ratio(runs, 'grayd', aim.against) : summary.grayd?.median ?? null;
    return { ...aim, is, met: is === null ? null : is <= aim.most };
  });
}

export function reduce(row, runs, names) {
  const summary = summarise(runs, names);
  const ratios = {};
  for (const other of names.filter((name) => name !== 'grayd'))
    if (names.includes('grayd')) ratios[`grayd/${other}`] = ratio(runs, 'grayd', other);
  return { key: row.key, title: row.title, unit: row.unit, proxies: summary, ratios,
    aims: judge(row, runs, summary), runs };
}

const number = (value, digits) => (value === null ? '-' : value.toFixed(digits));

function cells(row, names) {
  const line = (label, of) => [label, ...names.map((name) => of(row.proxies[name]))];
  const lines = [
    line(row.title, (p) => number(p.median, 1)),
    line(`  ${row.unit}`, (p) => (p.median === null ? '' : `${number(p.least, 1)}..${number(p.most, 1)}`)),
  ];
  if (Object.values(row.proxies).some((p) => p.rate !== null)) {
    lines.push(line('  thousand a second', (p) => (p.rate === null ? '' : number(p.rate / 1000, 1))));
    lines.push(line('  processor used, %', (p) => (p.busy === null ? '' : number(p.busy * 100, 0))));
    lines.push(line(row.key === 'token' ? '  gap p50/p99, ms' : '  latency p50/p99, ms',
      (p) => (p.p50_us === null ? '' : `${number(p.p50_us / 1000, 1)}/${number(p.p99_us / 1000, 1)}`)));
  }
  if (Object.values(row.ratios).some((value) => value !== null))
    lines.push(['  grayd to it', ...names.map((name) => number(row.ratios[`grayd/${name}`] ?? null, 2))]);
  return lines;
}

function aimLines(row) {
  return row.aims.filter((aim) => aim.met !== null).map((aim) =>
    `${row.title}: ${aim.against ? `${aim.is.toFixed(2)} x ${aim.against}` : `${aim.is.toFixed(1)} ${row.unit}`}` +
    `, aim at most ${aim.most}: ${aim.met ? 'met' : 'MISSED'}`);
}

export function table(rows, names) {
  const lines = [['median (least..most)', ...names], ...rows.flatMap((row) => [...cells(row, names), []])];
  const widths = ['', ...names].map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const text = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd());
  const errors = rows.flatMap((row) => Object.entries(row.proxies).flatMap(([name, p]) =>
    [...new Set(p.errors)].map((error) => `${row.title}, ${name}: ${error}`)));
  return [...text, ...rows.flatMap(aimLines), ...errors].join('\n');
}
