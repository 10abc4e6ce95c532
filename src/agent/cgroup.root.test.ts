import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { unless } from '#test/support/needs.ts';
import { CgroupTree, findCgroups } from './cgroup.ts';

test('a process that nobody knows any more ends with its control group', { skip: unless('root') }, async (t) => {
  const mounts = await findCgroups();
  const root = `/tutti-test-${process.pid}`;
  const tree = new CgroupTree(mounts, root);
  const lost = spawn('sleep', ['600'], { stdio: 'ignore' });
  const ended = once(lost, 'exit');
  t.after(() => lost.kill('SIGKILL'));
  for (const point of new Set(mounts.controllers.values())) {
    const group = path.join(point, root, 'besteffort', 'pod1');
    mkdirSync(group, { recursive: true });
    if (point === mounts.controllers.get('pids')) writeFileSync(path.join(group, 'cgroup.procs'), `${lost.pid}`);
  }
  assert.equal(await tree.killAll(), 1);
  const [, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL');
  assert.equal(await tree.removeAll(), true);
  assert.equal(await tree.removeAll(), false);
});
