import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { startContainerd, stopContainerd, type Containerd } from './containerd.ts';
import { machineArchitecture, writeImageArchive } from './image-archive.ts';
import { ensurePauseImage, importImage } from './image-import.ts';
import { agentPaths } from './paths.ts';
import { pauseImageName, pauseLayer } from './pause-image.ts';
import { writeTar, type TarEntry } from './tar.ts';
import { removeTree } from './volumes/mounts.ts';

const signal = AbortSignal.timeout(60_000);
let dir: string;
let containerd: Containerd;
let alive: NodeJS.Timeout;

before(async () => {
  // The client's timers keep no process alive.
  alive = setInterval(() => {}, 1000);
  dir = await mkdtemp(join(tmpdir(), 'tutti-import-'));
  containerd = await startContainerd({ paths: agentPaths(dir), clock: systemClock, log: silentLog, signal });
});
after(async () => {
  clearInterval(alive);
  containerd.cri[Symbol.dispose]();
  await stopContainerd(agentPaths(dir), systemClock, AbortSignal.timeout(20_000));
  await removeTree(agentPaths(dir).containerd.state);
  await removeTree(dir);
  await rm(dir, { recursive: true, force: true });
});

const tags = async (image: string) =>
  (await containerd.cri.call('ImageStatus', { image: { image } }, { signal })).image?.repoTags;

test('An OCI archive is known under its full name', async () => {
  const file = join(dir, 'oci.tar');
  await writeImageArchive('hello:2', pauseLayer(machineArchitecture()), { cmd: ['/pause'] }, file);
  assert.deepEqual(await importImage(containerd.socket, file, signal), ['docker.io/library/hello:2']);
  assert.deepEqual(await tags('docker.io/library/hello:2'), ['docker.io/library/hello:2']);
  assert.deepEqual(await tags('hello:2'), ['docker.io/library/hello:2']);
});

test('A docker-save archive is, too', async () => {
  const layer = Buffer.concat(await Array.fromAsync(writeTar(pauseLayer(machineArchitecture()))));
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const config = {
    architecture: machineArchitecture(),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: ['saved:1'], Layers: ['layer.tar'] }];
  const entry = (path: string, bytes: Buffer): TarEntry => ({ path, mode: 0o644, body: { type: 'bytes', bytes } });
  const json = (path: string, value: unknown) => entry(path, Buffer.from(JSON.stringify(value)));
  const file = join(dir, 'saved.tar');
  await writeFile(
    file,
    writeTar([json('config.json', config), entry('layer.tar', layer), json('manifest.json', manifest)]),
  );
  assert.deepEqual(await importImage(containerd.socket, file, signal), ['docker.io/library/saved:1']);
});

test('What is no archive is refused in words', async () => {
  const file = join(dir, 'junk.tar');
  await writeFile(file, 'junk');
  await assert.rejects(importImage(containerd.socket, file, signal), {
    reason: 'BadRequest',
    message: /^Cannot import/,
  });
});

test('The sandbox image is built once', async () => {
  await ensurePauseImage(containerd.cri, containerd.socket, signal);
  assert.deepEqual(await tags(pauseImageName), [pauseImageName]);
  await ensurePauseImage(containerd.cri, containerd.socket, signal);
});

test('A second start adopts the running containerd; a stopped one is started anew with its images', async () => {
  const start = () => startContainerd({ paths: agentPaths(dir), clock: systemClock, log: silentLog, signal });
  const pid = () => readFile(agentPaths(dir).containerd.pidFile, 'utf8');
  const first = await pid();
  (await start()).cri[Symbol.dispose]();
  assert.equal(await pid(), first);
  assert.equal(await stopContainerd(agentPaths(dir), systemClock, signal), true);
  assert.equal(await stopContainerd(agentPaths(dir), systemClock, signal), false);
  (await start()).cri[Symbol.dispose]();
  assert.notEqual(await pid(), first);
  assert.deepEqual(await tags('hello:2'), ['docker.io/library/hello:2']);
});
