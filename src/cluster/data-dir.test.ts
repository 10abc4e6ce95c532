import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { identityOf } from '#agent/process-identity.ts';
import { holderOf, isDataDir, openDataDir, StartError } from './data-dir.ts';

const options = { writtenBy: '0.1.0', now: 0 };

function temporaryDirectory() {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-data-'));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

test('a data directory has one holder, who is named to the next', async () => {
  using place = temporaryDirectory();
  const first = await openDataDir(place.dir, options);
  await first.announce('https://127.0.0.1:6443');
  assert.equal((await holderOf(place.dir))?.server, 'https://127.0.0.1:6443');
  await assert.rejects(
    openDataDir(place.dir, options),
    (error) => error instanceof StartError && error.message.includes(`pid ${process.pid}`),
  );
  await first[Symbol.asyncDispose]();
  assert.equal(await holderOf(place.dir), undefined);
  await using second = await openDataDir(place.dir, options);
  assert.equal(second.path, place.dir);
});

test('the lock of a server that has died is taken over', async () => {
  using place = temporaryDirectory();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const identity = await identityOf(child.pid!);
  writeFileSync(path.join(place.dir, 'layout.json'), '{"version":1,"writtenBy":"0.1.0"}');
  writeFileSync(path.join(place.dir, 'server.json'), JSON.stringify({ ...identity, startedAt: 0 }));
  await assert.rejects(openDataDir(place.dir, options), new RegExp(`pid ${child.pid}`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using dir = await openDataDir(place.dir, options);
  assert.equal((await holderOf(dir.path))?.pid, process.pid);
});

test('of ten that open at once, one wins', async () => {
  using place = temporaryDirectory();
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => openDataDir(place.dir, options)));
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('a directory of a newer Tutti, a damaged one and a file are refused by name', async () => {
  using place = temporaryDirectory();
  writeFileSync(path.join(place.dir, 'layout.json'), '{"version":99,"writtenBy":"9.9.9"}');
  await assert.rejects(openDataDir(place.dir, options), /layout version 99, written by Tutti 9\.9\.9/);
  writeFileSync(path.join(place.dir, 'layout.json'), '{');
  await assert.rejects(openDataDir(place.dir, options), /damaged/);
  await assert.rejects(openDataDir(path.join(place.dir, 'layout.json'), options), /no directory/);
});

test('a directory that holds other things is never made a data directory', async () => {
  using place = temporaryDirectory();
  mkdirSync(path.join(place.dir, 'logs'));
  assert.equal(await isDataDir(place.dir), true);
  writeFileSync(path.join(place.dir, 'thesis.txt'), 'years of work');
  assert.equal(await isDataDir(place.dir), false);
  await assert.rejects(openDataDir(place.dir, options), /has other things in it: choose an empty --data-dir/);
  assert.equal(await isDataDir(path.join(place.dir, 'absent')), true);
});
