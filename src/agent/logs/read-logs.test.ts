import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#lib/clock.ts';
import { readLogs, type ReadLogOptions } from './read-logs.ts';

const line = (second: number, text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z ${stream} ${tag} ${text}\n`;

interface Lab extends AsyncDisposable {
  readonly dir: string;
  readonly current: string;
  readonly read: (more?: Partial<ReadLogOptions>) => Promise<string>;
  readonly options: (more?: Partial<ReadLogOptions>) => ReadLogOptions;
}

async function lab(): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), 'tutti-logs-'));
  const options = (more: Partial<ReadLogOptions> = {}): ReadLogOptions => ({
    dir,
    attempt: 0,
    clock: systemClock,
    signal: AbortSignal.timeout(10_000),
    follow: false,
    timestamps: false,
    stream: 'All',
    isRunning: () => false,
    ...more,
  });
  return {
    dir,
    current: join(dir, '0.log'),
    options,
    async read(more) {
      const chunks: Buffer[] = [];
      for await (const chunk of readLogs(options(more))) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

test('A log is what the container wrote: partial lines joined, umlauts whole, bytes as they are', async () => {
  await using here = await lab();
  const { current, read } = here;
  await writeFile(current, line(1, 'ein', 'stdout', 'P') + line(1, ' Übel') + line(2, '') + line(3, ' spaced '));
  assert.equal(await read(), 'ein Übel\n\n spaced \n');
  assert.match(await read({ timestamps: true }), /^2026-01-01T00:00:01\.000000000Z ein Übel\n2026/);
});

test('tail, since, stream and limit choose, across the files that rotation left', async () => {
  await using here = await lab();
  const { dir, current, read } = here;
  await writeFile(join(dir, '0.log.20260101-000000-000'), line(1, 'one') + line(2, 'two', 'stderr'));
  await writeFile(join(dir, '1.log'), line(1, 'of another instance'));
  await writeFile(current, line(3, 'three') + line(4, 'four', 'stderr'));
  assert.equal(await read(), 'one\ntwo\nthree\nfour\n');
  for (const [tailLines, expected] of [
    [0, ''],
    [1, 'four\n'],
    [2, 'three\nfour\n'],
    [3, 'two\nthree\nfour\n'],
    [9, 'one\ntwo\nthree\nfour\n'],
  ] as const) {
    assert.equal(await read({ tailLines }), expected, `tail ${tailLines}`);
  }
  assert.equal(await read({ since: Date.UTC(2026, 0, 1, 0, 0, 3) }), 'three\nfour\n');
  assert.equal(await read({ stream: 'Stderr' }), 'two\nfour\n');
  assert.equal(await read({ limitBytes: 6 }), 'one\ntw');
});

test('Tailing a long log finds its lines across the blocks it reads', async () => {
  await using here = await lab();
  const { current, read } = here;
  const lines = Array.from({ length: 5000 }, (_, i) => line(1, `${i} ${'x'.repeat(60)}`));
  await writeFile(current, lines.join(''));
  const tail = await read({ tailLines: 2000 });
  assert.equal(tail.split('\n').length, 2001);
  assert.ok(tail.startsWith('3000 '));
});

test('Following goes on through a rotation and ends with the container', async () => {
  await using here = await lab();
  await writeFile(here.current, line(1, 'one'));
  let running = true;
  const found: string[] = [];
  for await (const chunk of readLogs(here.options({ follow: true, isRunning: () => running }))) {
    found.push(chunk.toString().trim());
    if (found.length === 1) await appendFile(here.current, line(2, 'two'));
    if (found.length === 2) {
      await appendFile(here.current, line(3, 'three'));
      await rename(here.current, join(here.dir, '0.log.20260101-000003-000'));
      await writeFile(here.current, line(4, 'four'));
    }
    if (found.length === 4) running = false;
  }
  assert.deepEqual(found, ['one', 'two', 'three', 'four']);
});

test('A link in the place of a log is not followed', async () => {
  await using here = await lab();
  const { dir, current, read } = here;
  await writeFile(join(dir, 'secret'), line(1, 'secret'));
  await symlink(join(dir, 'secret'), current);
  await assert.rejects(read(), { code: 'ELOOP' });
});
