import assert from 'node:assert/strict';
import { lstat, mkdtemp, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { podOf } from '../testing/pod-facts.ts';
import { writeAtomically, type ProjectedFile } from './atomic-writer.ts';
import { projectFiles, projectedSource } from './projection.ts';

const file = (text: string, mode = 0o644): ProjectedFile => ({ bytes: Buffer.from(text), mode });

test('A volume shows all of its new files at once, through links, and drops what is gone', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tutti-volume-'));
  try {
    await writeAtomically(
      dir,
      new Map([
        ['a', file('1', 0o400)],
        ['sub/b', file('2')],
      ]),
      {},
    );
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), '1');
    assert.equal(await readFile(join(dir, 'sub/b'), 'utf8'), '2');
    assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o400);
    assert.ok((await lstat(join(dir, 'sub'))).isSymbolicLink());
    const before = await readlink(join(dir, '..data'));
    await writeAtomically(dir, new Map([['c', file('3')]]), {});
    assert.notEqual(await readlink(join(dir, '..data')), before);
    const names = (await readdir(dir)).filter((name) => !name.startsWith('..2'));
    assert.deepEqual(names.sort(), ['..data', 'c']);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('Paths that lead out of the volume are refused', async () => {
  for (const path of ['', '/etc/x', '../x', 'a/../../x', '..data']) {
    await assert.rejects(writeAtomically('/nonexistent', new Map([[path, file('')]]), {}), /must stay inside/);
  }
});

test('The four kinds of object volumes give their files, by key or by item', () => {
  const sources = {
    configMap: (name: string) => (name === 'c' ? { data: { k: 'text' }, binaryData: { b: 'AAE=' } } : undefined),
    secret: (name: string) => (name === 's' ? { data: { p: Buffer.from('x').toString('base64') } } : undefined),
    token: () => 'token',
    hasOwner: false,
    podIps: [],
    hostIps: [],
    allocatable: {},
  };
  const files = (volume: Parameters<typeof projectedSource>[0]) => {
    const source = projectedSource(volume);
    assert.ok(source !== undefined);
    return [...projectFiles(podOf({}), source, sources)].map(([path, { bytes, mode }]) => [
      path,
      Buffer.from(bytes).toString('latin1'),
      mode,
    ]);
  };
  assert.deepEqual(files({ name: 'v', configMap: { name: 'c', defaultMode: 0o600 } }), [
    ['k', 'text', 0o600],
    ['b', '\0\u0001', 0o600],
  ]);
  assert.deepEqual(files({ name: 'v', secret: { secretName: 's', items: [{ key: 'p', path: 'q/r', mode: 0o400 }] } }), [
    ['q/r', 'x', 0o400],
  ]);
  assert.deepEqual(files({ name: 'v', configMap: { name: 'none', optional: true } }), []);
  assert.throws(() => files({ name: 'v', secret: { secretName: 'none' } }), { message: 'secret "none" not found' });
  const item = { items: [{ key: 'none', path: 'x' }] };
  assert.throws(() => files({ name: 'v', configMap: { name: 'c', ...item } }), /references non-existent key: none/);
  assert.deepEqual(files({ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }), [
    ['t', 'token', 0o644],
  ]);
});
