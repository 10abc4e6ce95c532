import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { unless } from './support/needs.ts';
import { freePort, tutti } from './support/tutti.ts';

const skip = unless('root', 'containerd', 'cni', 'nft');
const agentPort = 10_250;

test('a port of the node that somebody else has is named, with the way to find who', { skip }, async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tutti-port-'));
  const other = createServer().listen(agentPort, '127.0.0.1');
  await once(other, 'listening');
  try {
    const args = ['up', '--data-dir', dataDir, '--port', `${await freePort()}`];
    const { code, stderr } = await tutti(args, { timeoutMs: 60_000 });
    assert.equal(code, 1);
    assert.match(stderr, /^✗ This host cannot be a node: Port 10250 is taken.*"ss -ltnp sport = :10250"/m);
    assert.doesNotMatch(stderr, /pending stream/);
  } finally {
    other.close();
    await tutti(['reset', '--yes', '--data-dir', dataDir], { timeoutMs: 60_000 });
    rmSync(dataDir, { recursive: true, force: true });
  }
});
