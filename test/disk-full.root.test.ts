import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { RawApi, refusalOf } from './support/api.ts';
import { run } from './support/command.ts';
import { unless } from './support/needs.ts';
import { Tutti, tutti } from './support/tutti.ts';

const skip = unless('root');
const configMaps = '/api/v1/namespaces/default/configmaps';
const writesMax = 200;

let disk: string;
before(async () => {
  if (skip !== false) return;
  disk = mkdtempSync(path.join(tmpdir(), 'tutti-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
});
after(async () => {
  if (skip !== false) return;
  await run('umount', [disk]);
  rmdirSync(disk);
});

const fillerOf = () => path.join(disk, 'filler');

/** Takes all the space that is left. */
function fill(): void {
  const file = openSync(fillerOf(), 'a');
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
}

const configMap = (name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { text: 'x'.repeat(10_000) },
});

test('on a full disk writes are refused, reads go on, and freed space mends it', { skip }, async () => {
  const dataDir = path.join(disk, 'data');
  await using cluster = await Tutti.up(['--sim', '--nodes', '1'], { dataDir });
  using api = await RawApi.open(cluster.kubeconfig);
  await api.json('POST', configMaps, configMap('earlier'));

  // What the log file has allotted already may take some writes yet.
  fill();
  let refused;
  const stored = ['earlier'];
  for (let i = 0; refused === undefined && i < writesMax; i++) {
    const reply = await api.send('POST', configMaps, configMap(`later-${i}`));
    if (reply.code === 201) stored.push(`later-${i}`);
    else refused = reply;
    fill();
  }
  assert.deepEqual(refused && refusalOf(refused), {
    code: 507,
    reason: 'InsufficientStorage',
    message: 'The disk that holds the data directory is full, nothing was written: database or disk is full',
    fields: [],
  });
  const names = async () =>
    (await api.json<{ items: readonly { metadata: { name: string } }[] }>('GET', configMaps)).items
      .map(({ metadata }) => metadata.name)
      .filter((name) => name !== 'kube-root-ca.crt');
  assert.deepEqual(await names(), stored.toSorted());
  assert.equal((await api.send('GET', '/livez')).text, 'ok');

  rmSync(fillerOf());
  await api.json('POST', configMaps, configMap('mended'));
  assert.deepEqual(await names(), [...stored, 'mended'].toSorted());

  await cluster.kill('SIGKILL');
  fill();
  const { code, stderr } = await tutti(['up', '--sim', '--data-dir', dataDir, '--port', `${cluster.port}`]);
  assert.deepEqual(
    { code, stderr },
    { code: 1, stderr: `✗ The disk that holds the data directory ${dataDir} is full.\n` },
  );
  rmSync(fillerOf());
  await cluster.start();
  assert.deepEqual(await names(), [...stored, 'mended'].toSorted());
});
