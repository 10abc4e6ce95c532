import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { layerOfDirectory, writeImageArchive } from './image-archive.ts';
import { pauseLayer } from './pause-image.ts';
import { writeTar } from './tar.ts';

async function inTempDir(act: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'tutti-archive-'));
  try {
    await act(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test('An archive unpacks with tar to what went in, long names included', () =>
  inTempDir(async (dir) => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;
    await mkdir(join(dir, 'in', long, '..'), { recursive: true });
    await writeFile(join(dir, 'in', long), 'deep');
    await writeFile(join(dir, 'in', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await symlink('run.sh', join(dir, 'in', 'link'));
    await writeFile(join(dir, 'a.tar'), writeTar(await layerOfDirectory(join(dir, 'in'))));
    await mkdir(join(dir, 'out'));
    execFileSync('tar', ['-xf', join(dir, 'a.tar'), '-C', join(dir, 'out')]);
    assert.equal(await readFile(join(dir, 'out', long), 'utf8'), 'deep');
    assert.equal(await readFile(join(dir, 'out', 'link'), 'utf8'), '#!/bin/sh\n');
    const listing = execFileSync('tar', ['-tvf', join(dir, 'a.tar')]).toString();
    assert.match(listing, /-rwxr-xr-x 0\/0 .* run\.sh$/m);
  }));

test('Equal directories give equal images, whatever their times', () =>
  inTempDir(async (dir) => {
    const digests: string[] = [];
    for (const [name, time] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, 'f'), 'same');
      await utimes(join(dir, name, 'f'), time, time);
      const layer = await layerOfDirectory(join(dir, name));
      const { digest } = await writeImageArchive('app:1', layer, { cmd: ['/f'] }, join(dir, `${name}.tar`));
      digests.push(digest);
    }
    assert.equal(digests[0], digests[1]);
    assert.deepEqual(await readFile(join(dir, 'one.tar')), await readFile(join(dir, 'two.tar')));
  }));

test('Every blob has the digest it is named by, and the index names the image in full', () =>
  inTempDir(async (dir) => {
    const file = join(dir, 'i.tar');
    const { name, digest } = await writeImageArchive('app', pauseLayer('amd64'), { entrypoint: ['/pause'] }, file);
    assert.equal(name, 'docker.io/library/app:latest');
    execFileSync('tar', ['-xf', file, '-C', dir]);
    const index = JSON.parse(await readFile(join(dir, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    assert.equal(index.manifests[0]?.digest, digest);
    assert.equal(index.manifests[0]?.annotations['io.containerd.image.name'], name);
    const blobs = execFileSync('ls', [join(dir, 'blobs/sha256')])
      .toString()
      .trim()
      .split('\n');
    assert.equal(blobs.length, 3);
    for (const blob of blobs) {
      const bytes = await readFile(join(dir, 'blobs/sha256', blob));
      assert.equal(createHash('sha256').update(bytes).digest('hex'), blob);
    }
  }));

test(
  'The pause program is an ELF file for the machine it is built for, and runs on this one',
  { skip: process.arch !== 'x64' },
  () =>
    inTempDir(async (dir) => {
      const [entry] = pauseLayer('amd64');
      assert.ok(entry?.body.type === 'bytes');
      await writeFile(join(dir, 'pause'), entry.body.bytes, { mode: 0o755 });
      assert.throws(() => execFileSync(join(dir, 'pause'), { timeout: 50, killSignal: 'SIGTERM' }), {
        code: 'ETIMEDOUT',
        signal: 'SIGTERM',
      });
      const [arm] = pauseLayer('arm64');
      assert.ok(arm?.body.type === 'bytes');
      assert.equal(Buffer.from(arm.body.bytes).readUInt16LE(18), 183);
    }),
);
