import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { kubeconfig, mergeKubeconfig, mergeKubeconfigFile } from './kubeconfig.ts';

const entry = {
  server: 'https://127.0.0.1:6443',
  authority: 'CA',
  user: { certificate: 'CERT', key: 'KEY' },
};
const own = {
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'tutti', cluster: { 'certificate-authority-data': 'Q0E=', server: 'https://127.0.0.1:6443' } }],
  contexts: [{ name: 'tutti', context: { cluster: 'tutti', user: 'tutti' } }],
  users: [{ name: 'tutti', user: { 'client-certificate-data': 'Q0VSVA==', 'client-key-data': 'S0VZ' } }],
  'current-context': 'tutti',
};
const foreign = `# my clusters
apiVersion: v1
kind: Config
clusters:
- name: work # the one that pays
  cluster: {server: 'https://work'}
contexts:
- name: work
  context: {cluster: work, user: me}
users:
- name: me
  user: {token: t}
current-context: work
preferences: {}
`;

test('kubeconfig() embeds everything a client needs', () => {
  assert.deepEqual(parse(kubeconfig(entry)), own);
  assert.deepEqual((parse(kubeconfig({ ...entry, user: { token: 'secret' } })) as typeof own).users, [
    { name: 'tutti', user: { token: 'secret' } },
  ]);
});

test('mergeKubeconfig() leaves foreign entries, comments and the chosen context alone', () => {
  const merged = mergeKubeconfig(foreign, entry);
  assert.match(merged, /^# my clusters\n/);
  assert.match(merged, /# the one that pays/);
  const read = parse(merged) as typeof own;
  assert.deepEqual(
    read.clusters.map(({ name }) => name),
    ['work', 'tutti'],
  );
  assert.deepEqual(read.users[1], own.users[0]);
  assert.equal(read['current-context'], 'work');
  assert.equal((parse(mergeKubeconfig(foreign, entry, true)) as typeof own)['current-context'], 'tutti');
});

test('mergeKubeconfig() replaces an entry of the same name and is idempotent', () => {
  const once = mergeKubeconfig(foreign, { ...entry, server: 'https://old' });
  const twice = mergeKubeconfig(once, entry);
  assert.equal(twice, mergeKubeconfig(twice, entry));
  assert.deepEqual((parse(twice) as typeof own).clusters[1], own.clusters[0]);
  assert.equal((parse(twice) as typeof own).clusters.length, 2);
});

test('mergeKubeconfig() fills an empty file and empty sections, and refuses files that are something else', () => {
  assert.deepEqual(parse(mergeKubeconfig('# nothing yet\n', entry)), own);
  assert.deepEqual(parse(mergeKubeconfig('apiVersion: v1\nkind: Config\nclusters: null\n', entry)), own);
  assert.throws(() => mergeKubeconfig('kind: Pod\n', entry), /kind must be Config/);
  assert.throws(() => mergeKubeconfig('clusters: {a: 1}\n', entry), /clusters is not a list/);
  assert.throws(() => mergeKubeconfig('a: [', entry), /Cannot merge/);
});

test('mergeKubeconfigFile() keeps a copy of the former file and writes for the owner only', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  try {
    const path = join(folder, 'config');
    assert.equal(await mergeKubeconfigFile(path, entry), undefined);
    assert.deepEqual(parse(await readFile(path, 'utf8')), own);
    await writeFile(path, foreign);
    assert.equal(await mergeKubeconfigFile(path, entry), `${path}.before-tutti`);
    assert.equal(await readFile(`${path}.before-tutti`, 'utf8'), foreign);
    assert.equal(await mergeKubeconfigFile(path, entry), undefined, 'nothing to do the second time');
    assert.equal(await readFile(`${path}.before-tutti`, 'utf8'), foreign);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(folder)).toSorted(), ['config', 'config.before-tutti']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
