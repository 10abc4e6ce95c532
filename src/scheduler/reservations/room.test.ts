import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exceeding, isEmpty, quantitiesOf, rangesOf, roomOfStatus, roomWithout } from './room.ts';
import { Signatures } from '../signature.ts';
import { podOf } from '../testing/random-cluster.ts';

const held = roomOfStatus({
  resources: { cpu: '2500m', memory: '3Gi', 'example.com/gpu': '1', pods: '2' },
  hostPorts: [
    { port: 31000, endPort: 31002 },
    { port: 53, protocol: 'UDP' },
  ],
});
const asking = (requests: Record<string, string>, hostPort?: number) => {
  const ports = hostPort === undefined ? [] : [{ containerPort: 80, hostPort }];
  const pod = podOf({ containers: [{ name: 'main', image: 'web', resources: { requests }, ports }] });
  return { signature: new Signatures().of(pod) };
};

test('room is written as it was read, ports as ranges', () => {
  assert.deepEqual(quantitiesOf(held), { cpu: '2500m', memory: '3Gi', 'example.com/gpu': '1', pods: '2' });
  assert.deepEqual(rangesOf(held), [
    { protocol: 'TCP', port: 31000, endPort: 31002 },
    { protocol: 'UDP', port: 53 },
  ]);
});

test('what pods take of it is gone, and what they ask beyond it is named', () => {
  const first = asking({ cpu: '1', memory: '1Gi', 'example.com/gpu': '1' }, 31001);
  assert.equal(exceeding(first, held), undefined);
  const left = roomWithout(held, [first]);
  assert.deepEqual(quantitiesOf(left), { cpu: '1500m', memory: '2Gi', pods: '1' });
  assert.deepEqual(rangesOf(left), [
    { protocol: 'TCP', port: 31000 },
    { protocol: 'TCP', port: 31002 },
    { protocol: 'UDP', port: 53 },
  ]);
  assert.equal(
    exceeding(asking({ cpu: '2', 'example.com/gpu': '1' }, 31001), left),
    'Insufficient cpu (2 of 1500m), Insufficient example.com/gpu (1 of 0), host port 31001/TCP is not part of it',
  );
  const none = roomWithout(held, [first, asking({ cpu: '100m' })]);
  assert.equal(exceeding(asking({ cpu: '100m' }), none), 'Too many pods');
  assert.ok(isEmpty(none) && !isEmpty(left));
});
