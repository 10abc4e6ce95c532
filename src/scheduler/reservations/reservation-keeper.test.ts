import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Reservation, reservationAnnotation, type ReservationSpec } from '#api/tutti-scheduling/reservation.ts';
import { unavailable } from '#machinery/status-error.ts';
import { runningScheduler } from '../testing/running-scheduler.ts';

async function setUp(context: TestContext) {
  const running = await runningScheduler(context);
  const { client, signal, clock } = running;
  const namespace = 'default';
  const reserve = (name: string, spec: Partial<ReservationSpec> = {}) =>
    client.create(
      Reservation,
      { metadata: { name, namespace }, spec: { nodeName: 'n1', holder: 'mesos/fw-1', ...spec } },
      { signal },
    );
  const claim = (name: string, reservation: string, cpu = '1') =>
    client.create(
      Pod,
      {
        metadata: { name, namespace, annotations: { [reservationAnnotation]: reservation } },
        spec: { containers: [{ name: 'main', image: 'web', resources: { requests: { cpu } } }] },
      },
      { signal },
    );
  const find = (name: string) => client.all(Reservation).find(({ metadata }) => metadata?.name === name);
  const phase = (name: string) => find(name)?.status?.phase;
  const nodeOf = (name: string) => client.all(Pod).find(({ metadata }) => metadata?.name === name)?.spec.nodeName;
  const reason = (name: string) =>
    client.all(Pod).find(({ metadata }) => metadata?.name === name)?.status?.conditions?.[0]?.message ?? '';
  const why = (name: string) => running.scheduler.why({ namespace, name });
  const inTime = async (holds: () => boolean) => {
    for (let seconds = 0; seconds < 30 && !holds(); seconds++) await clock.advance(1_000);
    assert.ok(holds(), 'not within half a minute');
  };
  const change = (name: string, spec: Partial<ReservationSpec>) =>
    client.patch(Reservation, { name, namespace }, { type: 'merge', patch: { spec } }, { signal });
  return { ...running, namespace, reserve, claim, find, phase, nodeOf, reason, why, inTime, change };
}

test('room that is reserved is nobody else’s until its time is over, and then theirs who wait', async (context) => {
  const { addNode, addPod, reserve, phase, find, nodeOf, why, inTime, clock } = await setUp(context);
  await addNode('n1', '2');
  await reserve('offer', { resources: { cpu: '1500m', memory: '1Gi' }, timeoutSeconds: 60 });
  await inTime(() => phase('offer') === 'Held');
  assert.deepEqual(find('offer')?.status?.resources, { cpu: '1500m', memory: '1Gi', pods: '1' });
  await addPod('small', '500m');
  await inTime(() => nodeOf('small') === 'n1');
  await addPod('large', '1');
  await clock.advance(30_000);
  assert.equal(nodeOf('large'), undefined);
  const [verdict] = why('large')?.nodes ?? [];
  assert.deepEqual(
    verdict?.reservations?.map(({ name, holder }) => [name, holder]),
    [['offer', 'mesos/fw-1']],
  );
  const expiresAt = find('offer')?.status?.expiresAt?.replace('Z', '.000Z');
  assert.deepEqual(why('large')?.wouldFit, [
    `1 node would if reservation default/offer of mesos/fw-1 (until ${expiresAt}) ended`,
  ]);
  await clock.advance(31_000);
  assert.equal(phase('offer'), 'Expired');
  await inTime(() => nodeOf('large') === 'n1');
});

test('a reservation may ask for all that is free, and is refused where there is too little', async (context) => {
  const { addNode, addPod, reserve, phase, find, nodeOf, inTime } = await setUp(context);
  await addNode('n1', '4');
  await addNode('closed', '4', { unschedulable: true });
  await addPod('web', '1', {
    containers: [
      {
        name: 'main',
        image: 'web',
        ports: [{ containerPort: 80, hostPort: 31001 }],
        resources: { requests: { cpu: '1' } },
      },
    ],
  });
  await inTime(() => nodeOf('web') === 'n1');
  await reserve('too-much', { resources: { cpu: '3500m' } });
  await reserve('nowhere', { nodeName: 'n7' });
  await reserve('cordoned', { nodeName: 'closed' });
  await inTime(() => ['too-much', 'nowhere', 'cordoned'].every((name) => phase(name) === 'Refused'));
  assert.match(find('too-much')?.status?.message ?? '', /Insufficient cpu \(3500m of 3\)/);
  assert.match(find('nowhere')?.status?.message ?? '', /node "n7" does not exist/);
  assert.match(
    find('cordoned')?.status?.message ?? '',
    /unschedulable:NoSchedule, which the reservation does not tolerate/,
  );
  await reserve('rest', { hostPorts: [{ port: 31000, endPort: 31003 }] });
  await inTime(() => phase('rest') === 'Held');
  const { resources, hostPorts } = find('rest')?.status ?? {};
  assert.deepEqual(resources, { cpu: '3', memory: '4Gi', pods: '9' });
  assert.deepEqual(hostPorts, [
    { protocol: 'TCP', port: 31000 },
    { protocol: 'TCP', port: 31002, endPort: 31003 },
  ]);
});

test('accepted, its pods go into it and nowhere else, and what they leave is free', async (context) => {
  const { addNode, addPod, reserve, claim, change, phase, nodeOf, reason, why, inTime } = await setUp(context);
  await addNode('n1', '4');
  await addNode('n2', '4');
  await reserve('offer', { resources: { cpu: '3', pods: '3' } });
  await inTime(() => phase('offer') === 'Held');
  await change('offer', { pods: ['task-1', 'task-2'] });
  await claim('task-1', 'offer');
  await inTime(() => nodeOf('task-1') === 'n1');
  await claim('task-large', 'offer', '2500m');
  await claim('task-astray', 'offers');
  await inTime(
    () =>
      reason('task-large') === 'reservation "default/offer" has too little room left: Insufficient cpu (2500m of 2)',
  );
  await inTime(() => reason('task-astray') === 'reservation "default/offers" does not exist');
  assert.equal(why('task-astray')?.summary, 'Its reservation "default/offers" does not exist.');
  await addPod('native', '2', { nodeSelector: { 'kubernetes.io/hostname': 'n1' } });
  await inTime(() => reason('native').includes('Insufficient cpu'));
  await claim('task-2', 'offer');
  await inTime(() => phase('offer') === 'Consumed');
  assert.equal(nodeOf('task-2'), 'n1');
  await inTime(() => nodeOf('native') === 'n1');
  await inTime(() => /is Consumed: every pod that it was for has its place/.test(reason('task-large')));
});

test('deleting a reservation gives it back', async (context) => {
  const { addNode, addPod, reserve, phase, nodeOf, inTime, client, signal, namespace } = await setUp(context);
  await addNode('n1', '1');
  await reserve('offer');
  await inTime(() => phase('offer') === 'Held');
  await addPod('web');
  await client.delete(Reservation, { namespace, name: 'offer' }, { signal });
  await inTime(() => nodeOf('web') === 'n1');
});

test('a pod of higher priority that fits nowhere else has the room, once the holder can know; nobody is evicted', async (context) => {
  const { addNode, addPod, reserve, phase, find, nodeOf, inTime, client, clock } = await setUp(context);
  await addNode('n1', '2');
  await addPod('low', '1', { priority: -5 });
  await inTime(() => nodeOf('low') === 'n1');
  await reserve('offer', { priority: -1 });
  await inTime(() => phase('offer') === 'Held');
  let unreachable = true;
  client.onRequest = (verb, kind) => {
    if (unreachable && verb === 'patch' && kind.plural === 'reservations') throw unavailable('for a while');
  };
  await addPod('web');
  await clock.advance(5_000);
  assert.equal(nodeOf('web'), undefined);
  unreachable = false;
  await inTime(() => nodeOf('web') === 'n1');
  assert.equal(phase('offer'), 'Rescinded');
  assert.equal(find('offer')?.status?.message, 'its room went to pod "default/web" of priority 0');
  assert.equal(
    client.all(Pod).some(({ metadata }) => metadata?.deletionTimestamp !== undefined),
    false,
  );
});

test('pods are evicted only where no reservation can give way, and those of a node give way with them', async (context) => {
  const { addNode, addPod, reserve, phase, nodeOf, inTime, client } = await setUp(context);
  await addNode('n1', '2');
  await addPod('low', '1', { priority: -5 });
  await inTime(() => nodeOf('low') === 'n1');
  await reserve('offer', { priority: -1 });
  await inTime(() => phase('offer') === 'Held');
  await addPod('large', '2');
  await inTime(() => phase('offer') === 'Rescinded');
  await inTime(() =>
    client.all(Pod).some(({ metadata }) => metadata?.name === 'low' && metadata.deletionTimestamp !== undefined),
  );
});

test('a lost, closed or shrunken node ends its reservations, the least important first', async (context) => {
  const { addNode, reserve, phase, find, inTime, client, signal } = await setUp(context);
  await addNode('n1', '4');
  await addNode('n2', '4');
  await reserve('first', { resources: { cpu: '2' } });
  await inTime(() => phase('first') === 'Held');
  await reserve('second', { resources: { cpu: '2' }, priority: 1 });
  await reserve('elsewhere', { nodeName: 'n2' });
  await inTime(() => phase('second') === 'Held' && phase('elsewhere') === 'Held');
  const shrunk = { allocatable: { cpu: '3', memory: '4Gi', pods: '10' } };
  await client.patch(
    Node,
    { name: 'n1' },
    { type: 'merge', patch: { status: shrunk } },
    { signal, subresource: 'status' },
  );
  await inTime(() => phase('first') === 'Rescinded');
  assert.equal(find('first')?.status?.reason, 'Overcommitted');
  assert.equal(phase('second'), 'Held');
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { unschedulable: true } } }, { signal });
  await inTime(() => phase('second') === 'Rescinded');
  assert.equal(find('second')?.status?.reason, 'NodeClosed');
  await client.delete(Node, { name: 'n2' }, { signal });
  await inTime(() => phase('elsewhere') === 'Rescinded');
  assert.equal(find('elsewhere')?.status?.reason, 'NodeLost');
});

test('more time may be asked for while it is held, and what has ended is removed after a while', async (context) => {
  const { addNode, reserve, change, phase, find, inTime, clock } = await setUp(context);
  await addNode('n1', '4');
  await reserve('offer', { timeoutSeconds: 10 });
  await inTime(() => phase('offer') === 'Held');
  await change('offer', { timeoutSeconds: 100 });
  await clock.advance(50_000);
  assert.equal(phase('offer'), 'Held');
  await clock.advance(60_000);
  assert.equal(phase('offer'), 'Expired');
  await clock.advance(620_000);
  assert.equal(find('offer'), undefined);
});

test('a scheduler that is started anew knows what is held and what its pods have taken', async (context) => {
  const { addNode, addPod, reserve, claim, phase, nodeOf, reason, inTime, restart } = await setUp(context);
  await addNode('n1', '4');
  await reserve('offer', { resources: { cpu: '3', pods: '3' } });
  await inTime(() => phase('offer') === 'Held');
  await claim('task-1', 'offer');
  await inTime(() => nodeOf('task-1') === 'n1');
  await restart();
  await addPod('large', '1500m');
  await inTime(() => reason('large').includes('Insufficient cpu'));
  await addPod('small', '1');
  await claim('task-2', 'offer', '2');
  await inTime(() => nodeOf('small') === 'n1' && nodeOf('task-2') === 'n1');
});
