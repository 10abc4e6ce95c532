import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import { VirtualClock } from '#lib/clock.ts';
import { pendingOf } from './batch.ts';
import { SchedulingQueue } from './queue.ts';
import { Signatures } from './signature.ts';
import { podOf } from './testing/random-cluster.ts';

function setUp() {
  const clock = new VirtualClock();
  const signatures = new Signatures();
  const queue = new SchedulingQueue(
    (ms, fn) => clock.after(ms, fn),
    () => {},
  );
  const put = (pod: Pod) => queue.put(pendingOf(pod, signatures.of(pod)));
  const take = () => queue.take()?.pending.pod.metadata?.name;
  return { clock, signatures, queue, put, take };
}

const podWith = (name: string, cpu: string, more: Partial<Pod['spec']> = {}) =>
  podOf({ containers: [{ name: 'main', image: 'web', resources: { requests: { cpu } } }], ...more }, name);
const uidOf = (pod: Pod) => pod.metadata?.uid ?? '';

test('once a pod fits nowhere, its equals wait with it and others go on', () => {
  const { signatures, queue, put, take } = setUp();
  const pods = [podWith('a1', '1'), podWith('a2', '1'), podWith('b1', '2')];
  for (const pod of pods) put(pod);
  assert.equal(take(), 'a1');
  assert.equal(queue.park(uidOf(pods[0]!)).length, 2);
  assert.equal(take(), 'b1');
  assert.equal(take(), undefined);
  queue.wake(signatures.of(pods[0]!));
  assert.deepEqual([take(), take(), take()], ['a1', 'a2', undefined]);
});

test('a large group comes back in portions, as long as its pods find room', () => {
  const { signatures, queue, put, take } = setUp();
  const pods = Array.from({ length: 1200 }, (_, index) => podWith(`p${index}`, '1'));
  for (const pod of pods) put(pod);
  queue.take();
  queue.park(uidOf(pods[0]!));
  queue.wake(signatures.of(pods[0]!));
  assert.equal(queue.activeCount, 500);
  let taken = 0;
  while (take() !== undefined) taken++;
  assert.equal(taken, 1200);
});

test('a pod that is pinned to a node waits for that node alone', () => {
  const { queue, put, take } = setUp();
  const required = (name: string) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
        },
      },
    },
  });
  const pods = [podWith('on-1', '1', required('n1')), podWith('on-2', '1', required('n2'))];
  for (const pod of pods) put(pod);
  assert.equal(take(), 'on-1');
  assert.equal(queue.park(uidOf(pods[0]!)).length, 1); // its equal is pinned elsewhere
  assert.equal(take(), 'on-2');
  queue.park(uidOf(pods[1]!));
  queue.wakePinned('n2');
  assert.deepEqual([take(), take()], ['on-2', undefined]);
});

test('a delayed pod returns after its back-off, and a gated one when its gates open', async () => {
  const { clock, queue, put, take } = setUp();
  const failing = podWith('failing', '1');
  const gated = podWith('gated', '1', { schedulingGates: [{ name: 'example.com/gate' }] });
  put(failing);
  put(gated);
  assert.equal(take(), 'failing');
  queue.delay(uidOf(failing), 1000);
  assert.equal(take(), undefined);
  await clock.advance(1000);
  assert.equal(take(), 'failing');
  assert.equal(queue.get(uidOf(failing))?.failures, 1);
  const { schedulingGates: _, ...spec } = gated.spec;
  put({ ...gated, spec });
  assert.equal(take(), 'gated');
});

test('a new version of a waiting pod keeps its place, unless its demands changed', () => {
  const { queue, put, take } = setUp();
  const pod = podWith('web', '1');
  put(pod);
  take();
  queue.park(uidOf(pod));
  put({ ...pod, status: { phase: 'Pending' } });
  assert.equal(take(), undefined);
  put({ ...pod, spec: { ...pod.spec, tolerations: [{ operator: 'Exists' }] } });
  assert.equal(take(), 'web');
});
