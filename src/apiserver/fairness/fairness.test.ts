import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import type { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';
import { VirtualClock } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bootstrapLevels, bootstrapSchemas } from './bootstrap.ts';
import { Fairness, queueMsMax, type Seat } from './fairness.ts';
import { flowOf, inOrder } from './flow-matching.ts';
import { deal } from './shuffle-sharding.ts';

const user = (username: string, ...groups: readonly string[]) => ({ username, groups });
const someone = (name: string) => user(name, 'system:authenticated');

/** `list /pods in ns`, `get coordination.k8s.io/leases in ns`, `get /healthz`. */
function info(text: string): RequestInfo {
  const [verb = '', what = '', , namespace] = text.split(' ');
  const [group = '', plural = '', subresource] = what.split('/');
  if (/^\/(healthz|version)/.test(what)) return { verb, path: what, resource: undefined };
  return { verb, path: '', resource: { group, version: 'v1', plural, subresource, namespace, name: undefined } };
}

test('requests come into the flows that upstream’s objects make of them', () => {
  const schemas = inOrder(bootstrapSchemas);
  const cases: readonly [Parameters<typeof flowOf>[2], string, string][] = [
    [user('admin', 'system:masters', 'system:authenticated'), 'list /pods', 'exempt/exempt/'],
    [someone('bob'), 'get /healthz', 'probes/exempt/'],
    [someone('bob'), 'get /version', 'global-default/global-default/bob'],
    [someone('bob'), 'list /pods in a', 'global-default/global-default/bob'],
    [
      user('system:node:n', 'system:nodes', 'system:authenticated'),
      'update coordination.k8s.io/leases in kube-node-lease',
      'system-node-high/node-high/system:node:n',
    ],
    [user('system:node:n', 'system:nodes'), 'patch /nodes/status', 'system-node-high/node-high/system:node:n'],
    [user('system:node:n', 'system:nodes'), 'list /pods', 'system-nodes/system/system:node:n'],
    [
      someone('system:kube-scheduler'),
      'update coordination.k8s.io/leases in kube-system',
      'system-leader-election/leader-election/system:kube-scheduler',
    ],
    [someone('system:kube-scheduler'), 'list /pods in a', 'kube-scheduler/workload-high/a'],
    [
      someone('system:kube-controller-manager'),
      'update /endpoints in a',
      'endpoint-controller/workload-high/system:kube-controller-manager',
    ],
    [
      user('system:serviceaccount:kube-system:dns', 'system:serviceaccounts'),
      'list /pods in b',
      'kube-system-service-accounts/workload-high/b',
    ],
    [
      user('system:serviceaccount:a:x', 'system:serviceaccounts', 'system:authenticated'),
      'list /pods',
      'service-accounts/workload-low/system:serviceaccount:a:x',
    ],
  ];
  for (const [caller, text, expected] of cases) {
    const flow = flowOf(schemas, info(text), caller);
    assert.equal(`${flow?.schema}/${flow?.level}/${flow?.distinguisher}`, expected, `${caller.username} ${text}`);
  }
  assert.equal(flowOf(schemas, info('list /pods'), user('nobody')), undefined);
});

test('a flow is always dealt the same different queues, and flows seldom share a hand', () => {
  const hands = Array.from({ length: 500 }, (_, i) => deal(`flow ${i}`, 64, 6));
  for (const [i, hand] of hands.entries()) {
    assert.deepEqual(deal(`flow ${i}`, 64, 6), hand);
    assert.equal(new Set(hand).size, 6);
    assert.ok(hand.every((card) => card >= 0 && card < 64));
  }
  assert.ok(new Set(hands.map((hand) => hand.toSorted((a, b) => a - b).join())).size > 495);
  const used = new Set(hands.flat());
  assert.equal(used.size, 64);
  assert.deepEqual(
    deal('x', 3, 3).toSorted((a, b) => a - b),
    [0, 1, 2],
  );
});

type Limited = NonNullable<PriorityLevelConfiguration['spec']['limited']>;
const level = (name: string, limited: Limited): PriorityLevelConfiguration => ({
  metadata: { name, uid: name },
  spec: {
    type: 'Limited',
    limited: {
      limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 4, queueLengthLimit: 50 } },
      ...limited,
    },
  },
});
const schema = (name: string, group = name): FlowSchema => ({
  metadata: { name, uid: name },
  spec: {
    matchingPrecedence: 100,
    priorityLevelConfiguration: { name },
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: [{ kind: 'Group', group: { name: group } }],
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true }],
      },
    ],
  },
});
const catchAll = bootstrapLevels.filter(({ metadata }) => metadata?.name === 'catch-all');

function fairnessOf(seats: number, levels: readonly PriorityLevelConfiguration[]) {
  const clock = new VirtualClock();
  const fairness = new Fairness({ seats, begunPerTurn: 1_000, clock });
  fairness.configure(
    levels.map(({ metadata }) => schema(metadata!.name!)),
    [...levels, ...catchAll],
  );
  const order: string[] = [];
  const enter = (name: string, group: string, { width = 1, signal = new AbortController().signal } = {}) => {
    const entered = fairness.enter(fairness.placeOf(info('list /pods'), user(name, group)), () => width, signal);
    return entered.then((seat) => {
      order.push(name);
      return seat;
    });
  };
  return { clock, fairness, order, enter };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a mouse is served among the first although an elephant came before it with hundreds', async () => {
  const { enter, order, clock } = fairnessOf(4, [level('a', { nominalConcurrencyShares: 100 })]);
  const seats: Seat[] = [];
  const elephants = Array.from({ length: 150 }, () => enter('elephant', 'a').then((seat) => seats.push(seat)));
  await settled();
  const mice = Array.from({ length: 3 }, () => enter('mouse', 'a').then((seat) => seats.push(seat)));
  await settled();
  const held = order.length;
  assert.ok(held <= 4 && !order.includes('mouse'));
  for (let i = 0; i < 12; i++) {
    await clock.advance(10);
    seats.shift()!.release();
    await settled();
  }
  // Without fairness it would be served after the 150 that came before.
  assert.equal(order.slice(held, held + 8).filter((name) => name === 'mouse').length, 3, order.join());
  while (seats.length > 0) {
    seats.shift()!.release();
    await settled();
  }
  await Promise.all([...elephants, ...mice]);
  assert.equal(order.length, 153);
});

test('what one level does not need another borrows, and gives back as soon as it is wanted', async () => {
  const { enter } = fairnessOf(10, [
    level('rich', { nominalConcurrencyShares: 80, lendablePercent: 50 }),
    level('poor', { nominalConcurrencyShares: 20 }),
  ]);
  const running: Seat[] = [];
  for (let i = 0; i < 30; i++) void enter(`p${i}`, 'poor').then((seat) => running.push(seat));
  await settled();
  assert.equal(running.length, 5); // its own 2 and the 4 that the other lends, less the 1 that catch-all keeps
  let rich = 0;
  for (let i = 0; i < 30; i++) void enter(`r${i}`, 'rich').then(() => rich++);
  await settled();
  assert.equal(rich, 8); // what is nominally its own, at once
  for (const seat of running.splice(0)) seat.release();
  await settled();
  assert.equal(running.length, 2); // and nothing is lent while it is wanted
});

test('a level that may not borrow keeps to its own, and one that rejects turns away', async () => {
  const { enter, fairness } = fairnessOf(10, [
    level('a', { nominalConcurrencyShares: 20, borrowingLimitPercent: 0 }),
    level('b', { nominalConcurrencyShares: 80, lendablePercent: 100 }),
    level('c', { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' }, borrowingLimitPercent: 0 }),
  ]);
  let entered = 0;
  for (let i = 0; i < 9; i++) void enter(`u${i}`, 'a').then(() => entered++);
  await settled();
  assert.equal(entered, 2);
  await enter('x', 'c'); // one is always let through
  await assert.rejects(
    enter('y', 'c'),
    (error) => hasReason(error, 'TooManyRequests') && error.details?.retryAfterSeconds === 1,
  );
  assert.equal([...fairness.levels].find(({ name }) => name === 'a')?.waitingCount, 7);
});

test('queues are bounded in length and in time, and who goes away leaves its place', async () => {
  const { enter, fairness, clock } = fairnessOf(1, [
    level('a', {
      nominalConcurrencyShares: 1,
      limitResponse: { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } },
    }),
  ]);
  const seat = await enter('u', 'a');
  const gone = new AbortController();
  const leaving = assert.rejects(enter('u', 'a', { signal: gone.signal }), /gone/);
  const late = Array.from({ length: 4 }, () =>
    assert.rejects(enter('u', 'a'), (error) => hasReason(error, 'TooManyRequests')),
  );
  await settled();
  await assert.rejects(enter('u', 'a'), (error) => hasReason(error, 'TooManyRequests'));
  gone.abort(new Error('gone'));
  await leaving;
  await clock.advance(queueMsMax + 1);
  await Promise.all(late);
  const [only] = fairness.levels;
  assert.deepEqual([only?.waitingCount, only?.seats], [0, 1]);
  seat.release();
  seat.release();
  assert.equal(only?.seats, 0);
});

test('a wide request takes its seats, and one wider than the server runs alone', async () => {
  const { enter, fairness } = fairnessOf(4, [level('a', { nominalConcurrencyShares: 1_000 })]);
  const wide = await enter('w', 'a', { width: 3 });
  let next = 0;
  for (let i = 0; i < 3; i++) void enter(`n${i}`, 'a').then(() => next++);
  await settled();
  assert.equal(next, 1);
  wide.release();
  await settled();
  assert.equal(next, 3);
  assert.equal([...fairness.levels][0]?.seats, 3);
});

test('changed objects count from then on, and what waited in a level that goes is let in', async () => {
  const { enter, fairness } = fairnessOf(2, [
    level('a', { nominalConcurrencyShares: 1 }),
    level('b', { nominalConcurrencyShares: 1 }),
  ]);
  let entered = 0;
  for (let i = 0; i < 6; i++) {
    void enter('u', 'a').then(() => entered++);
  }
  await settled();
  assert.equal(entered, 1);
  // More shares for `a`: two more at once.
  fairness.configure(
    [schema('a'), schema('b')],
    [level('a', { nominalConcurrencyShares: 98 }), level('b', { nominalConcurrencyShares: 1 }), ...catchAll],
  );
  await settled();
  assert.equal(entered, 2);
  fairness.configure([schema('b')], [level('b', { nominalConcurrencyShares: 1 }), ...catchAll]);
  await settled();
  assert.equal(entered, 6);
  assert.equal(fairness.placeOf(info('list /pods'), user('u', 'a')).level.name, 'catch-all');
});
