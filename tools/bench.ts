/**
 * `npm run bench [-- NAME …]` runs the benchmarks below `bench/` and prints a table; `--json` prints one JSON array of
 * rows instead. A NAME selects every benchmark one of whose rows starts with it: `api`, `boot.readyz`. What this machine
 * cannot measure, or fails to, is said on stderr.
 */
import { globSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect, styleText } from 'node:util';
import type { Benchmark, Row } from '../bench/row.ts';

/** Whether a larger value is better, by unit: rates are, times and sizes are not. */
const isRate = ({ unit }: Row) => unit.endsWith('per second');
const meets = (row: Row): boolean | undefined =>
  row.budget === undefined ? undefined : isRate(row) ? row.value >= row.budget : row.value <= row.budget;

const dir = path.join(import.meta.dirname, '..', 'bench');
const args = process.argv.slice(2);
const json = args.includes('--json');
const wanted = args.filter((arg) => !arg.startsWith('--'));

const benchmarks: Benchmark[] = [];
for (const file of globSync('*.bench.ts', { cwd: dir }).sort()) {
  const module = (await import(pathToFileURL(path.join(dir, file)).href)) as {
    readonly benchmarks: readonly Benchmark[];
  };
  benchmarks.push(...module.benchmarks);
}
const selected = benchmarks.filter(
  ({ names }) => wanted.length === 0 || names.some((name) => wanted.some((want) => name.startsWith(want))),
);
if (selected.length === 0) {
  console.error(
    `No benchmark is called ${wanted.join(', ')}; there are ${benchmarks.flatMap(({ names }) => names).join(', ')}`,
  );
  process.exit(2);
}

const number = (value: number) =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
const optional = (value: number | undefined) => (value === undefined ? '–' : number(value));
const nameWidth = Math.max(...selected.flatMap(({ names }) => names.map(({ length }) => length))) + 2;
const rows: Row[] = [];
if (!json)
  console.log(
    `${'name'.padEnd(nameWidth)}${'value'.padStart(12)}  ${'unit'.padEnd(14)}${'budget'.padStart(10)}   ${'peer'.padStart(8)}  samples`,
  );
let failed = false;
for (const benchmark of selected) {
  const measured = await benchmark.run().catch((error: unknown) => {
    process.stderr.write(`failed: ${benchmark.names.join(', ')}: ${inspect(error)}\n`);
    failed = true;
    return [];
  });
  for (const row of measured) {
    rows.push(row);
    if (json) continue;
    const ok = meets(row);
    const mark = ok === undefined ? ' ' : ok ? styleText('green', '✔') : styleText('red', '✗');
    console.log(
      `${row.name.padEnd(nameWidth)}${number(row.value).padStart(12)}  ${row.unit.padEnd(14)}${optional(row.budget).padStart(10)} ${mark} ${optional(row.peer).padStart(8)}  ${row.samples}`,
    );
  }
}
if (json) process.stdout.write(`${JSON.stringify(rows)}\n`);
process.exit(failed ? 1 : 0);
