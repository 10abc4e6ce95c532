import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import { planReplicas } from './replica-plan.ts';
import { timestamp } from './pod-state.ts';

const now = Date.UTC(2026, 0, 2);
interface Facts {
  node?: string;
  phase?: string;
  readyFor?: number;
  cost?: string;
  restarts?: number;
  age?: number;
  deleting?: boolean;
}

function pod(name: string, facts: Facts = {}): Pod {
  const { node = 'n1', phase = 'Running', readyFor, cost, restarts, age = 1000, deleting } = facts;
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: timestamp(now - age * 1000),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
      ...(deleting === true ? { deletionTimestamp: timestamp(now) } : {}),
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status: {
      phase,
      ...(restarts === undefined
        ? {}
        : { containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: restarts }] }),
      conditions: [
        readyFor === undefined
          ? { type: 'Ready', status: 'False' }
          : { type: 'Ready', status: 'True', lastTransitionTime: timestamp(now - readyFor * 1000) },
      ],
    },
  };
}

const demand = (replicas: number) => ({ replicas, minReadySeconds: 0, labels: {}, isDeleting: false });

const cases: readonly (readonly [string, Pod, Pod])[] = [
  ['one that is not placed before one that is', pod('a', { node: '' }), pod('b')],
  ['a pending one before a running one', pod('a', { phase: 'Pending' }), pod('b')],
  ['one that is not ready before one that serves', pod('a'), pod('b', { readyFor: 10 })],
  ['the one with the lower deletion cost', pod('a', { readyFor: 9000, cost: '-5' }), pod('b', { readyFor: 10 })],
  ['the one that became ready last', pod('a', { readyFor: 10 }), pod('b', { readyFor: 9000 })],
  ['the one that restarted more', pod('a', { readyFor: 10, restarts: 3 }), pod('b', { readyFor: 10, restarts: 1 })],
  ['the younger one', pod('a', { readyFor: 10, age: 50 }), pod('b', { readyFor: 10, age: 5000 })],
  ['of equals, the lower uid', pod('a', { readyFor: 10, age: 1000 }), pod('b', { readyFor: 10, age: 1001 })],
];

for (const [title, given, kept] of cases) {
  test(`planReplicas() gives up ${title}`, () => {
    assert.deepEqual(planReplicas(demand(1), [kept, given], [kept, given], now), { create: 0, remove: [given] });
  });
}

test('planReplicas() takes from the node that has most of the workload', () => {
  const pods = [pod('c', { node: 'n1', readyFor: 9000 }), pod('d', { node: 'n2', readyFor: 10 })];
  const related = [...pods, pod('x', { node: 'n1' }), pod('y', { node: 'n1' })];
  assert.deepEqual(planReplicas(demand(1), pods, related, now).remove, [pods[0]]);
});

test('planReplicas() counts neither pods that ended nor pods on their way out, and bounds one pass', () => {
  const pods = [pod('a', { phase: 'Failed' }), pod('b', { deleting: true }), pod('c')];
  assert.deepEqual(planReplicas(demand(3), pods, pods, now), { create: 2, remove: [] });
  assert.deepEqual(planReplicas(demand(10_000), pods, pods, now), { create: 500, remove: [] });
});
