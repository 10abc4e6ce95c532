import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/**
 * `npm test`: every check there is, in one go, each stage also when an earlier one failed. The last line counts
 * them. With names of stages (`npm test -- lint unit`) only those run.
 */
interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const root = path.join(import.meta.dirname, '..');
/** A whole-system test that hangs is ended after this long, and fails. */
const testTimeoutMs = 10 * 60_000;

const command =
  (program: string, ...args: readonly string[]) =>
  async (tally: Tally): Promise<void> => {
    const code = await new Promise<number>((resolve) => {
      const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
      child.on('error', (error) => {
        console.error(`${program}: ${error.message}`);
        resolve(127);
      });
      child.on('exit', (status) => resolve(status ?? 1));
    });
    if (code === 0) tally.passed++;
    else tally.failed++;
  };

/** Root's tests share the host's network and ports with each other. */
const isRoot = (file: string) => file.endsWith('.root.test.ts');
const isSystem = (file: string) => file.startsWith('test/') || file.endsWith('.etcd.test.ts');

const tests =
  (select: (file: string) => boolean, concurrency: number) =>
  async (tally: Tally): Promise<void> => {
    const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts', 'bench/**/*.test.ts'], {
      cwd: root,
    })
      .filter(select)
      .sort();
    const stream = run({
      files: files.map((file) => path.join(root, file)),
      cwd: root,
      concurrency,
      timeout: testTimeoutMs,
    });
    stream.on('test:pass', ({ skip, todo, details }) => {
      if (details.type === 'suite') return;
      if (skip !== undefined && skip !== false) tally.skipped++;
      else if (todo === undefined || todo === false) tally.passed++;
    });
    stream.on('test:fail', ({ details }) => {
      if (details.type !== 'suite') tally.failed++;
    });
    const report = stream.compose(spec);
    report.pipe(process.stdout, { end: false });
    await new Promise((resolve) => report.on('end', resolve));
  };

const stages: Readonly<Record<string, (tally: Tally) => Promise<void>>> = {
  format: command('oxfmt', '--check', 'src', 'test', 'bench', 'tools'),
  lint: command('oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'tools'),
  types: command('tsc', '--noEmit'),
  imports: command(process.execPath, 'tools/check-imports.ts'),
  'dead-code': command('knip', '--no-progress'),
  unit: tests((file) => !isSystem(file) && !isRoot(file), 2),
  system: tests((file) => isSystem(file) && !isRoot(file), 2),
  root: tests(isRoot, 1),
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in stages));
if (unknown.length > 0) {
  console.error(`There is no stage ${unknown.join(', ')}; there are ${Object.keys(stages).join(', ')}`);
  process.exit(2);
}

const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const summary: string[] = [];
for (const [name, stage] of Object.entries(stages)) {
  if (names.length > 0 && !names.includes(name)) continue;
  console.log(`\n── ${name}`);
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const start = performance.now();
  await stage(tally);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  summary.push(
    `${tally.failed === 0 ? '✔' : '✗'} ${name.padEnd(10)} ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped (${seconds} s)`,
  );
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
}
console.log(`\n${summary.join('\n')}\n`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
