import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { FilterPlugin } from './plugin.ts';
import { runningScheduler, until } from './testing/running-scheduler.ts';

test('a pod gets a node and an event tells which', async (context) => {
  const { addNode, addPod, pod, told } = await runningScheduler(context);
  await addNode('n1');
  await addPod('web');
  await until(async () => (await pod('web')).spec?.nodeName === 'n1');
  await until(() => told.includes('web Scheduled: Successfully assigned default/web to n1'));
});

test('a pod that fits nowhere says why, and is placed as soon as a node makes room', async (context) => {
  const { addNode, addPod, pod, client, scheduler, told, signal } = await runningScheduler(context);
  await addNode('n1');
  await addPod('one');
  await addPod('two');
  await until(async () => (await pod('two')).spec?.nodeName === 'n1');
  await addPod('three');
  const message =
    '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
  await until(async () => (await pod('three')).status?.conditions?.[0]?.message === message);
  assert.ok(told.includes(`three FailedScheduling: ${message}`));
  const why = scheduler.why({ namespace: 'default', name: 'three' });
  assert.equal(why?.state, 'waiting');
  assert.deepEqual(why?.wouldFit, ['1 node would if 1 of cpu were freed']);
  assert.deepEqual(why?.nodes[0]?.refusals?.[0]?.short, { resource: 'cpu', requested: 1000, free: 0, capacity: 2000 });
  await client.delete(Pod, { namespace: 'default', name: 'one' }, { signal, gracePeriodSeconds: 0 });
  await until(async () => (await pod('three')).spec?.nodeName === 'n1');
  assert.equal(scheduler.why({ namespace: 'default', name: 'three' })?.decision?.fitting, 1);
});

test('pods wait for their gates, and leave foreign schedulers their own', async (context) => {
  const { addNode, addPod, pod, client, scheduler, signal } = await runningScheduler(context);
  await addNode('n1');
  await addPod('gated', '1', { schedulingGates: [{ name: 'example.com/quota' }] });
  await addPod('foreign', '1', { schedulerName: 'other' });
  await addPod('plain');
  await until(async () => (await pod('plain')).spec?.nodeName === 'n1');
  assert.equal((await pod('gated')).spec?.nodeName, undefined);
  assert.equal((await pod('foreign')).spec?.nodeName, undefined);
  assert.equal(scheduler.why({ namespace: 'default', name: 'gated' })?.state, 'gated');
  assert.equal(scheduler.why({ namespace: 'default', name: 'foreign' })?.state, 'foreign');
  const gated = await pod('gated');
  const { schedulingGates: _, ...spec } = gated.spec ?? { containers: [] };
  await client.update(Pod, { ...gated, spec }, { signal });
  await until(async () => (await pod('gated')).spec?.nodeName === 'n1');
});

test('a binding that fails gives its room back and is tried again after a while', async (context) => {
  const { addNode, addPod, pod, client, clock, told } = await runningScheduler(context);
  await addNode('n1', '1');
  let failures = 1;
  client.onRequest = (verb) => {
    if (verb === 'bind' && failures-- > 0) throw unavailable('the store is full');
  };
  await addPod('web');
  await until(() => told.some((text) => text.includes('FailedScheduling: binding rejected: the store is full')));
  await clock.advance(1_500);
  await until(async () => (await pod('web')).spec?.nodeName === 'n1');
});

test('pods of higher priority go first', async (context) => {
  const { addNode, addPod, told } = await runningScheduler(context);
  await addPod('low-1');
  await addPod('low-2');
  await addPod('high', '1', { priority: 10 });
  await until(() => told.length === 3); // all three wait: there is no node
  told.length = 0;
  await addNode('n1', '1');
  await until(() => told.some((text) => text.includes('Scheduled: Successfully')));
  assert.deepEqual(told[0], 'high Scheduled: Successfully assigned default/high to n1');
});

test('a pod keeps others away by their labels, and lets them in when it goes', async (context) => {
  const { addNode, addPod, pod, client, signal } = await runningScheduler(context);
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } };
  const antiAffinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  await addNode('n1', '4');
  await addPod('lonely', '1', { affinity: antiAffinity });
  await until(async () => (await pod('lonely')).spec?.nodeName === 'n1');
  await addPod('web', '1', {}, { app: 'web' });
  await addPod('other', '1', {}, { app: 'other' });
  await until(async () => (await pod('other')).spec?.nodeName === 'n1');
  const message =
    "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
  await until(async () => (await pod('web')).status?.conditions?.[0]?.message === message);
  await client.delete(Pod, { namespace: 'default', name: 'lonely' }, { signal, gracePeriodSeconds: 0 });
  await until(async () => (await pod('web')).spec?.nodeName === 'n1');
});

test('a plugin in this process that throws makes its pod wait, and others are placed', async (context) => {
  let broken = true;
  const filter: FilterPlugin = {
    name: 'Broken',
    reads: 'use',
    preFilter: () => true,
    filter() {
      if (broken) throw new TypeError('no such rack');
      return true;
    },
    refusals: () => [],
  };
  const profiles = [{}, { schedulerName: 'broken', plugins: { filters: [filter] } }];
  const { addNode, addPod, pod, clock, told } = await runningScheduler(context, { profiles });
  await addNode('n1', '4');
  await addPod('mine', '1', { schedulerName: 'broken' });
  await addPod('other');
  await until(async () => (await pod('other')).spec?.nodeName === 'n1');
  await until(() => told.includes('mine FailedScheduling: no such rack'));
  broken = false;
  await clock.advance(1_500);
  await until(async () => (await pod('mine')).spec?.nodeName === 'n1');
});

test('whom a namespaceSelector means follows the labels of namespaces, and pods that wait for that are woken', async (context) => {
  const { addNode, addPod, pod, client, scheduler, signal } = await runningScheduler(context);
  const label = async (labels: Record<string, string>) => {
    const namespace = await client.get(Namespace, { name: 'default' }, { signal });
    await client.update(Namespace, { ...namespace, metadata: { ...namespace.metadata, labels } }, { signal });
  };
  await client.create(Namespace, { metadata: { name: 'default', labels: { team: 'red' } }, spec: {} }, { signal });
  const required = (namespaceSelector: object) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } }, namespaceSelector },
    ],
  });
  const teamIn = (...values: string[]) => ({ matchExpressions: [{ key: 'team', operator: 'In', values }] });
  await addNode('n1', '4');
  await addPod('alone', '1', { affinity: { podAntiAffinity: required(teamIn('red', 'green')) } });
  await until(async () => (await pod('alone')).spec?.nodeName === 'n1');
  await addPod('web', '1', {}, { app: 'web' });
  await addPod('fan', '1', { affinity: { podAffinity: required(teamIn('blue')) } });
  const waits = async (name: string, reason: string) => {
    const preemption = 'preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
    const message = `0/1 nodes are available: 1 ${reason}. ${preemption}`;
    await until(async () => (await pod(name)).status?.conditions?.[0]?.message === message);
    const why = scheduler.why({ namespace: 'default', name });
    assert.deepEqual(
      why?.nodes[0]?.refusals?.map((refusal) => refusal.reason),
      [reason],
    );
  };
  await waits('web', "node(s) didn't satisfy existing pods anti-affinity rules");
  await waits('fan', "node(s) didn't match pod affinity rules");
  await label({ team: 'blue' });
  await until(async () => (await pod('web')).spec?.nodeName === 'n1');
  await until(async () => (await pod('fan')).spec?.nodeName === 'n1');
});

test('pods of a ReplicaSet are spread by default, although it is seen only after them', async (context) => {
  const { addNode, pod, client, signal, scheduler } = await runningScheduler(context);
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'set', controller: true };
  const labels = { app: 'web' };
  const containers = [{ name: 'main', image: 'web', resources: { requests: { cpu: '10m' } } }];
  for (const name of ['web-1', 'web-2', 'web-3', 'web-4']) {
    const metadata = { name, namespace: 'default', labels, ownerReferences: [owner] };
    await client.create(Pod, { metadata, spec: { containers } }, { signal });
  }
  await until(async () => (await pod('web-4')).status?.conditions?.[0]?.reason === 'Unschedulable');
  const spec = {
    replicas: 4,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers } },
  };
  await client.create(ReplicaSet, { metadata: { name: 'web', namespace: 'default' }, spec }, { signal });
  // By load alone all would go to the large node.
  await addNode('large', '64');
  await addNode('small', '1');
  await until(async () => (await pod('web-4')).spec?.nodeName !== undefined);
  const places = await Promise.all(['web-1', 'web-2', 'web-3', 'web-4'].map(async (name) => (await pod(name)).spec));
  assert.deepEqual(new Set(places.map((each) => each?.nodeName)), new Set(['large', 'small']));
  const why = scheduler.why({ namespace: 'default', name: 'web-4' });
  assert.ok(Object.hasOwn(why?.nodes[0]?.scores ?? {}, 'PodTopologySpread'), JSON.stringify(why?.nodes));
});
