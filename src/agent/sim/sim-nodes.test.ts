import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Lease } from '#api/coordination/lease.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { NodeShape } from './node-shape.ts';
import { SimNodes } from './sim-nodes.ts';
import { SimStreams } from './sim-streams.ts';

async function simulated(context: TestContext, nodes: readonly NodeShape[]) {
  const clock = new VirtualClock();
  const client = new FakeClient(clock);
  const stop = abortController();
  const { signal } = stop;
  const informers = new SharedInformers({ client, clock, log: silentLog });
  informers.hold(Node);
  const sim = new SimNodes({ client, informers, clock, log: silentLog, nodes });
  await sim.register(signal);
  const done = Promise.all([informers.run(signal), sim.run(signal)]);
  context.after(async () => {
    stop.abort();
    await done;
  });
  const pod = (name: string) => client.all(Pod).find(({ metadata }) => metadata?.name === name);
  const addPod = (name: string, nodeName: string) =>
    client.create(
      Pod,
      { metadata: { name, namespace: 'default' }, spec: { nodeName, containers: [{ name: 'main', image: 'web' }] } },
      { signal },
    );
  return { clock, client, informers, sim, signal, pod, addPod };
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (holds()) return;
    await setImmediate();
  }
  assert.fail('it never came to hold');
}

const ready = (pod: Pod | undefined) =>
  pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

test('pretend nodes register, run their pods with addresses of their own, and let deleted ones go', async (context) => {
  const { client, pod, addPod, signal } = await simulated(context, [{ count: 2, zones: ['a', 'b'] }]);
  const nodes = client.all(Node);
  assert.deepEqual(
    nodes.map(({ metadata }) => [metadata?.name, metadata?.labels?.['topology.kubernetes.io/zone']]),
    [
      ['sim-00001', 'a'],
      ['sim-00002', 'b'],
    ],
  );
  await addPod('one', 'sim-00001');
  await addPod('two', 'sim-00002');
  await addPod('three', 'elsewhere');
  await until(() => ready(pod('one')) && ready(pod('two')));
  assert.notEqual(pod('one')?.status?.podIP, pod('two')?.status?.podIP);
  assert.equal(pod('three')?.status?.phase, undefined);
  await client.delete(Pod, { namespace: 'default', name: 'one' }, { signal });
  await until(() => pod('one') === undefined);
});

test('leases are renewed every ten seconds, but not those of a node that plays dead', async (context) => {
  const { clock, client, sim, signal } = await simulated(context, [{ count: 3 }]);
  const renewed = () => client.all(Lease).map(({ spec }) => spec?.renewTime);
  const first = renewed();
  assert.equal(first.length, 3);
  sim.stop('sim-00002');
  await clock.advance(15_000); // the change of their number may move the round by half of it
  const second = renewed();
  assert.deepEqual(
    first.map((time, index) => time === second[index]),
    [false, true, false],
  );
  await sim.restart('sim-00002', signal);
  assert.notEqual(renewed()[1], first[1]);
});

test('a pretend pod shows one line of log and refuses processes by name of the node', async (context) => {
  const { informers, clock, addPod, pod, signal } = await simulated(context, [{ count: 1 }]);
  await addPod('web', 'sim-00001');
  await until(() => ready(pod('web')));
  const streams = new SimStreams('sim-00001', informers, clock);
  const ref = { namespace: 'default', name: 'web' };
  const chunks = await (await streams.logs(ref, { signal })).toArray();
  assert.match(chunks.join(''), /pretend container main of default\/web on sim-00001/);
  await assert.rejects(streams.exec(ref), /node "sim-00001" is a pretend node/);
  assert.equal((await streams.stats()).pods.length, 1);
});
