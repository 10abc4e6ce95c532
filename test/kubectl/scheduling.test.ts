import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { Kubectl } from './kubectl.ts';

/** How pods wait for gates, for each other and for room that is reserved, as kubectl shows and changes it. */

const skip = unless('kubectl');
let cluster: Tutti;

before(async () => {
  if (skip === false) cluster = await Tutti.up(['--sim', '--nodes', '1']);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

const podOf = (name: string, spec: object = {}, cpu = '100m', annotations: Readonly<Record<string, string>> = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...spec },
  });

test('a pod waits for its scheduling gates and says so', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'gates');
  await kubectl.fed(podOf('gated', { schedulingGates: [{ name: 'example.com/quota' }] }), 'create -f -');
  assert.match(await kubectl.ok('get pods'), /^gated +0\/1 +SchedulingGated /m);
  const patch = JSON.stringify([{ op: 'remove', path: '/spec/schedulingGates' }]);
  await kubectl.ok('patch pod gated --type=json -p', patch);
  await kubectl.ok('wait pod gated --for=condition=PodScheduled --timeout=30s');
  assert.match(await kubectl.ok('get pods'), /^gated +\d\/1 +(?!SchedulingGated)/m);
});

test('pods of a gang wait for each other, and run together', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'gangs');
  const workload = (minCount: number) =>
    JSON.stringify({
      apiVersion: 'scheduling.k8s.io/v1alpha1',
      kind: 'Workload',
      metadata: { name: 'train' },
      spec: { podGroups: [{ name: 'workers', policy: { gang: { minCount } } }] },
    });
  await kubectl.fed(workload(2), 'apply -f -');
  assert.match(await kubectl.ok('get workloads'), /^train /m);
  const changed = await kubectl.outcome('apply -f -', [], { input: workload(3) });
  assert.match(changed.stderr, /spec\.podGroups: Invalid value: .*field is immutable/);
  const member = (name: string) => podOf(name, { workloadRef: { name: 'train', podGroup: 'workers' } });
  await kubectl.fed(member('a'), 'create -f -');
  const reason = () => kubectl.value('{.status.conditions[?(@.type=="PodScheduled")].message}', 'pod a');
  await until('a says what it waits for', async () => (await reason()).includes('waiting for minCount pods'));
  await kubectl.fed(member('b'), 'create -f -');
  await kubectl.ok('wait pod a b --for=condition=PodScheduled --timeout=30s');
});

test('room is reserved, claimed, and over when it is said to be', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'offers');
  const node = (await kubectl.value('{.items[0].metadata.name}', 'nodes')).trim();
  const reservation = (name: string, spec: object) =>
    JSON.stringify({
      apiVersion: 'scheduling.tutti.dev/v1',
      kind: 'Reservation',
      metadata: { name },
      spec: { nodeName: node, holder: 'mesos/framework-1', ...spec },
    });
  assert.match(await kubectl.ok('explain reservation.spec.pods'), /Set to accept/);
  await kubectl.fed(reservation('offer', { resources: { cpu: '500m', pods: '2' } }), 'create -f -');
  await kubectl.ok('wait reservation offer --for=jsonpath={.status.phase}=Held --timeout=30s');
  assert.match(
    await kubectl.ok('get rsv'),
    new RegExp(`^offer +Held +${node} +mesos/framework-1 +cpu 500m, pods 2 `, 'm'),
  );
  const claim = { 'scheduling.tutti.dev/reservation': 'offer' };
  await kubectl.fed(podOf('task', {}, '400m', claim), 'create -f -');
  await kubectl.ok('wait pod task --for=condition=PodScheduled --timeout=30s');
  await kubectl.ok('patch reservation offer --type=merge -p', '{"spec":{"pods":["task"]}}');
  await kubectl.ok('wait reservation offer --for=jsonpath={.status.phase}=Consumed --timeout=30s');
  const late = await kubectl.outcome('patch reservation offer --type=merge -p', ['{"spec":{"pods":["other"]}}']);
  assert.match(late.stderr, /spec: Forbidden: the reservation is Consumed .*create another one/);
  await kubectl.fed(reservation('greedy', { resources: { cpu: '100k' } }), 'create -f -');
  await kubectl.ok('wait reservation greedy --for=jsonpath={.status.phase}=Refused --timeout=30s');
  assert.match(
    await kubectl.ok('get events'),
    /Refused +reservation\/greedy +node ".*" has too little room: Insufficient cpu/,
  );
});
