import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { RawApi } from './support/api.ts';
import { idleFlood, resetFlood, slowFlood } from './support/flood.ts';
import { Tutti } from './support/tutti.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

function residentMegabytes(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

test('idle, slow and cancelling clients by the hundred neither stop a good one nor grow the server', async () => {
  await using cluster = await Tutti.up(['--sim', '--nodes', '0']);
  using api = await RawApi.open(cluster.kubeconfig);
  const { server } = await loadKubeconfig([cluster.kubeconfig]);
  const target = { url: server.url, ca: server.ca ?? '' };
  const body = (i: number) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${i}` }, data: { k: 'v' } });
  for (let i = 0; i < 50; i++) await api.send('POST', configMaps, body(i));
  const { pid } = cluster;
  const before = residentMegabytes(pid);

  using idle = await idleFlood(target, 400);
  using slow = await slowFlood(target, 100);
  let over = false;
  const resets = resetFlood(target, 3_000).finally(() => (over = true));
  let served = 0;
  while (!over || served < 50) {
    const reply = await api.send('POST', configMaps, body(100 + served));
    assert.equal(reply.code, 201, reply.text);
    served++;
  }
  // Cancelling costs a connection each time its budget is spent.
  assert.ok((await resets).connections > 1);
  assert.ok(residentMegabytes(pid) < before * 1.5 + 40, `${before} MB before, ${residentMegabytes(pid)} MB after`);
  // Slow ones have run out of time; those that are merely idle have not asked for anything yet, and are let go as well.
  const end = Date.now() + 20_000;
  while (slow.closed < 100) {
    assert.ok(Date.now() < end, `${slow.closed} of 100 slow connections are closed`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(cluster.pid, pid);
  assert.equal((await api.send('GET', '/readyz')).text, 'ok');
  assert.ok(idle.closed <= 400);
});
