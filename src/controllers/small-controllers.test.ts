import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import type { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { deploymentController } from './deployment.ts';
import { disruptionController } from './disruption.ts';
import { planDisruption } from './disruption-plan.ts';
import { replicaSetController } from './replica-set.ts';
import { rootCaPublisher } from './root-ca-publisher.ts';
import { serviceAccountController } from './service-account.ts';
import { TestCluster } from './testing/test-cluster.ts';

test('every namespace has its default ServiceAccount and the authority, and gets them back', async () => {
  await using cluster = new TestCluster();
  await cluster.create(Namespace, { metadata: { name: 'ns' }, spec: {} });
  await cluster.run([serviceAccountController, rootCaPublisher('PEM')]);
  const restore = async (what: () => Promise<unknown>) => {
    await what();
    await cluster.settle();
    assert.ok(cluster.get(ServiceAccount, 'default'));
    assert.deepEqual(cluster.get(ConfigMap, 'kube-root-ca.crt')?.data, { 'ca.crt': 'PEM' });
  };
  await restore(async () => {});
  await restore(async () => cluster.client.remove(ServiceAccount, { namespace: 'ns', name: 'default' }));
  await restore(() =>
    cluster.change(ConfigMap, 'kube-root-ca.crt', (each) => ({ ...each, data: { 'ca.crt': 'other' } })),
  );
});

const budget = (spec: PodDisruptionBudget['spec']): PodDisruptionBudget => ({
  metadata: { name: 'b', namespace: 'ns', generation: 1 },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});

const pods = (ready: number, unready: number): readonly Pod[] =>
  Array.from({ length: ready + unready }, (_, i) => ({
    metadata: { name: `p${i}`, namespace: 'ns' },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'False' }] },
  }));

const cases: readonly (readonly [
  string,
  PodDisruptionBudget['spec'],
  number,
  number,
  number | undefined,
  readonly number[],
])[] = [
  ['minAvailable counts what is there', { minAvailable: 2 }, 3, 1, undefined, [3, 2, 1, 4]],
  ['a percentage is of what owners ask for', { minAvailable: '50%' }, 3, 0, 5, [3, 3, 0, 5]],
  ['maxUnavailable leaves the rest desired', { maxUnavailable: 1 }, 4, 1, 5, [4, 4, 0, 5]],
  ['a percentage that may be missing rounds up', { maxUnavailable: '30%' }, 5, 0, 5, [5, 3, 2, 5]],
  ['without known owners nothing is allowed', { maxUnavailable: 1 }, 4, 0, undefined, [4, 0, 0, 0]],
  ['zero may be missing', { maxUnavailable: 0 }, 4, 0, 4, [4, 4, 0, 4]],
];

for (const [title, spec, ready, unready, expected, numbers] of cases) {
  test(`planDisruption(): ${title}`, () => {
    const status = planDisruption({ budget: budget(spec), pods: pods(ready, unready), expected, now: 0 });
    const { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods } = status;
    assert.deepEqual([currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods], numbers);
    assert.equal(status.conditions?.[0]?.status, disruptionsAllowed > 0 ? 'True' : 'False');
  });
}

test('planDisruption() counts an allowed eviction as missing until it shows or is overdue', () => {
  const disruptedPods = { p0: '1970-01-01T00:00:00Z', 'long-gone': '1970-01-01T00:00:00Z' };
  const given = {
    ...budget({ minAvailable: 1 }),
    status: { disruptedPods, currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
  };
  const soon = planDisruption({ budget: given, pods: pods(3, 0), expected: 3, now: 1000 });
  assert.deepEqual(
    [soon.currentHealthy, soon.disruptionsAllowed, soon.disruptedPods],
    [2, 1, { p0: '1970-01-01T00:00:00Z' }],
  );
  const late = planDisruption({ budget: given, pods: pods(3, 0), expected: 3, now: 121_000 });
  assert.deepEqual([late.currentHealthy, late.disruptionsAllowed, late.disruptedPods], [3, 2, undefined]);
});

test('a budget over a Deployment follows its replicas and its pods', async () => {
  await using cluster = new TestCluster();
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c' }] } };
  await cluster.create(Deployment, {
    metadata: { name: 'web', namespace: 'ns' },
    spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template },
  });
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.run([deploymentController, replicaSetController, disruptionController]);
  const numbers = () => {
    const status = cluster.get(PodDisruptionBudget, 'b')?.status;
    return [status?.expectedPods, status?.currentHealthy, status?.disruptionsAllowed];
  };
  assert.deepEqual(numbers(), [4, 0, 0]);
  await cluster.runPods();
  await cluster.settle();
  assert.deepEqual(numbers(), [4, 4, 1]);
  await cluster.setReady(cluster.pods()[0] as Pod, false);
  await cluster.settle();
  assert.deepEqual(numbers(), [4, 3, 0]);
  assert.equal(cluster.client.all(ReplicaSet).length, 1);
});
