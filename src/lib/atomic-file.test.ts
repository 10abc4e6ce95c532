import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFileAtomically } from './atomic-file.ts';

test('writeFileAtomically() replaces a file, sets its mode and leaves nothing else behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'atomic-'));
  try {
    const path = join(folder, 'key');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeFileAtomically(path, 'new');
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(writeFileAtomically(join(folder, 'missing', 'key'), 'x'), { code: 'ENOENT' });
    assert.deepEqual(await readdir(folder), ['key']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
