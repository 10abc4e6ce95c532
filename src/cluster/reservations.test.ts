import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '#api/core/pod.ts';
import { Reservation, reservationAnnotation } from '#api/tutti-scheduling/reservation.ts';
import { hasReason } from '#machinery/status-error.ts';
import { startCluster } from './test-cluster.ts';

const namespace = 'default';
const offerOn = (nodeName: string, name: string, timeoutSeconds = 60): Reservation => ({
  metadata: { name, namespace },
  spec: { nodeName, holder: 'mesos/framework-1', priority: -1, timeoutSeconds },
});

test('an offer is held, accepted by pods, and told of its end; who accepts too late is refused', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 1, cpu: '4' }] });
  const { client, signal } = cluster;
  const [node = ''] = cluster.nodes.names;
  const phase = async (name: string) => (await client.get(Reservation, { namespace, name }, { signal })).status?.phase;
  const accept = (name: string, ...pods: string[]) =>
    client.patch(Reservation, { namespace, name }, { type: 'merge', patch: { spec: { pods } } }, { signal });
  const task = (name: string, offer: string): Pod => ({
    metadata: { name, namespace, annotations: { [reservationAnnotation]: offer } },
    spec: { containers: [{ name: 'main', image: 'task:1', resources: { requests: { cpu: '1' } } }] },
  });
  await client.create(Reservation, offerOn(node, 'offer-1'), { signal });
  await cluster.until(async () => (await phase('offer-1')) === 'Held');
  const { status } = await client.get(Reservation, { namespace, name: 'offer-1' }, { signal });
  assert.equal(status?.resources?.['cpu'], '4');
  await accept('offer-1', 'task-1', 'task-2');
  for (const name of ['task-1', 'task-2']) await client.create(Pod, task(name, 'offer-1'), { signal });
  await cluster.until(async () => (await phase('offer-1')) === 'Consumed');
  await client.create(Reservation, offerOn(node, 'offer-2', 30), { signal });
  await cluster.until(async () => (await phase('offer-2')) === 'Held');
  await cluster.advance(31_000);
  assert.equal(await phase('offer-2'), 'Expired');
  await assert.rejects(
    accept('offer-2', 'task-3'),
    (error) => hasReason(error, 'Invalid') && /is Expired/.test(String(error)),
  );
  await client.create(Reservation, offerOn(node, 'offer-3'), { signal });
  await cluster.until(async () => (await phase('offer-3')) === 'Held');
  const native = { ...task('native', ''), metadata: { name: 'native', namespace } };
  await client.create(Pod, native, { signal });
  await cluster.until(
    async () => (await client.get(Pod, { namespace, name: 'native' }, { signal })).spec.nodeName === node,
  );
  assert.equal(await phase('offer-3'), 'Rescinded');
});
