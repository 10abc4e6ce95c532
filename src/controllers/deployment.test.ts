import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as assertProperty,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  record,
} from 'fast-check';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Pod } from '#api/core/pod.ts';
import { deploymentController } from './deployment.ts';
import { isActive, isReady } from './pod-state.ts';
import { replicaSetController } from './replica-set.ts';
import { hashLabel, revisionOf } from './revision.ts';
import { rollingLimits } from './rolling-limits.ts';
import { TestCluster } from './testing/test-cluster.ts';

const controllers = [deploymentController, replicaSetController];

const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

function deployment(replicas: number, more: Partial<Deployment['spec']> = {}): Deployment {
  return {
    metadata: {
      name: 'web',
      namespace: 'ns',
      annotations: { note: 'mine', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template('v1'),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...more,
    },
  };
}

async function running(more: Partial<Deployment['spec']> = {}, replicas = 4): Promise<TestCluster> {
  const cluster = new TestCluster();
  await cluster.create(Deployment, deployment(replicas, more));
  await cluster.run(controllers);
  await rollOut(cluster);
  return cluster;
}

async function rollOut(cluster: TestCluster): Promise<void> {
  for (let round = 0; round < 30; round++) {
    await cluster.runPods();
    await cluster.settle();
  }
}

const setImage = (cluster: TestCluster, image: string) =>
  cluster.change(Deployment, 'web', (each) => ({ ...each, spec: { ...each.spec, template: template(image) } }));

const statusOf = (cluster: TestCluster) => cluster.get(Deployment, 'web')?.status;
const conditionOf = (cluster: TestCluster, type: string) => {
  const { status, reason } = statusOf(cluster)?.conditions?.find((each) => each.type === type) ?? {};
  return `${status} ${reason}`;
};
const sets = (cluster: TestCluster) =>
  cluster.client
    .all(ReplicaSet)
    .map((set) => [set.spec.template?.spec.containers[0]?.image, set.spec.replicas, revisionOf(set)]);

test('a new Deployment makes one ReplicaSet with its hash, annotations and owner, and reports until it is complete', async () => {
  await using cluster = new TestCluster();
  await cluster.create(Deployment, deployment(3));
  await cluster.run(controllers);
  assert.equal(conditionOf(cluster, 'Available'), 'False MinimumReplicasUnavailable');
  assert.equal(conditionOf(cluster, 'Progressing'), 'True ReplicaSetUpdated');
  await rollOut(cluster);
  const [set] = cluster.client.all(ReplicaSet);
  assert.ok(set);
  const hash = set.metadata?.labels?.[hashLabel];
  assert.match(hash ?? '', /^[bcdfghjklmnpqrstvwxz2456789]{6,10}$/);
  assert.equal(set.metadata?.name, `web-${hash}`);
  assert.deepEqual(set.spec.selector.matchLabels, { app: 'web', [hashLabel]: hash });
  assert.deepEqual(set.metadata?.annotations, {
    note: 'mine',
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  });
  const stored = cluster.get(Deployment, 'web');
  assert.equal(stored?.metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
  const { conditions: _, ...counts } = stored?.status ?? {};
  assert.deepEqual(counts, {
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
  });
  assert.equal(conditionOf(cluster, 'Available'), 'True MinimumReplicasAvailable');
  assert.equal(conditionOf(cluster, 'Progressing'), 'True NewReplicaSetAvailable');
});

test('a new template rolls out, and going back brings the old set back under a new revision', async () => {
  await using cluster = await running();
  await setImage(cluster, 'v2');
  await rollOut(cluster);
  assert.deepEqual(sets(cluster), [
    ['v1', 0, 1],
    ['v2', 4, 2],
  ]);
  assert.equal(conditionOf(cluster, 'Progressing'), 'True NewReplicaSetAvailable');
  await setImage(cluster, 'v1');
  await rollOut(cluster);
  assert.deepEqual(sets(cluster), [
    ['v1', 4, 3],
    ['v2', 0, 2],
  ]);
  const [first] = cluster.client.all(ReplicaSet);
  assert.equal(first?.metadata?.annotations?.['deployment.kubernetes.io/revision-history'], '1');
});

test('old sets beyond the history limit are deleted, oldest first', async () => {
  await using cluster = await running({ revisionHistoryLimit: 2 });
  for (const image of ['v2', 'v3', 'v4', 'v5']) {
    await setImage(cluster, image);
    await rollOut(cluster);
  }
  assert.deepEqual(sets(cluster), [
    ['v3', 0, 3],
    ['v4', 0, 4],
    ['v5', 4, 5],
  ]);
});

test('while paused a new template waits, scaling does not, and resuming goes on', async () => {
  await using cluster = await running();
  const pause = (paused: boolean) =>
    cluster.change(Deployment, 'web', (each) => ({ ...each, spec: { ...each.spec, paused } }));
  await pause(true);
  await setImage(cluster, 'v2');
  await cluster.change(Deployment, 'web', (each) => ({ ...each, spec: { ...each.spec, replicas: 6 } }));
  await rollOut(cluster);
  assert.deepEqual(sets(cluster), [['v1', 6, 1]]);
  assert.equal(conditionOf(cluster, 'Progressing'), 'Unknown DeploymentPaused');
  await pause(false);
  await rollOut(cluster);
  assert.deepEqual(sets(cluster), [
    ['v1', 0, 1],
    ['v2', 6, 2],
  ]);
  assert.equal(conditionOf(cluster, 'Progressing'), 'True NewReplicaSetAvailable');
});

test('a rollout that does not move is called timed out after its deadline, and recovers', async () => {
  await using cluster = await running({ progressDeadlineSeconds: 60 });
  await setImage(cluster, 'broken');
  await cluster.settle();
  await cluster.clock.advance(30_000);
  assert.equal(conditionOf(cluster, 'Progressing'), 'True ReplicaSetUpdated');
  await cluster.clock.advance(40_000);
  assert.equal(conditionOf(cluster, 'Progressing'), 'False ProgressDeadlineExceeded');
  assert.equal(conditionOf(cluster, 'Available'), 'True MinimumReplicasAvailable');
  await rollOut(cluster);
  assert.equal(conditionOf(cluster, 'Progressing'), 'True NewReplicaSetAvailable');
});

test('Recreate starts nothing new before the last old pod is gone', async () => {
  await using cluster = await running({ strategy: { type: 'Recreate' } });
  await setImage(cluster, 'v2');
  await cluster.settle();
  assert.deepEqual(sets(cluster), [['v1', 0, 1]]);
  assert.equal(cluster.pods().filter(isActive).length, 0);
  assert.equal(cluster.pods().length, 4);
  cluster.finishDeletions();
  await cluster.settle();
  assert.deepEqual(sets(cluster), [
    ['v1', 0, 1],
    ['v2', 4, 2],
  ]);
});

test('scaling in the middle of a rollout shares the change among old and new in proportion', async () => {
  await using cluster = await running(
    { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } },
    10,
  );
  await setImage(cluster, 'v2');
  await cluster.settle();
  assert.deepEqual(sets(cluster), [
    ['v1', 8, 1],
    ['v2', 5, 2],
  ]);
  await cluster.change(Deployment, 'web', (each) => ({ ...each, spec: { ...each.spec, replicas: 15 } }));
  await cluster.settle();
  assert.deepEqual(sets(cluster), [
    ['v1', 11, 1],
    ['v2', 7, 2],
  ]);
});

test('a name that is taken by another template is passed over by counting collisions', async () => {
  await using cluster = await running();
  const [set] = cluster.client.all(ReplicaSet);
  assert.ok(set);
  const other = {
    ...set,
    metadata: { ...set.metadata, ownerReferences: [], labels: {} },
    spec: { ...set.spec, replicas: 0, template: template('x') },
  };
  await cluster.client.delete(Deployment, { namespace: 'ns', name: 'web' }, { signal: cluster.signal });
  cluster.client.remove(ReplicaSet, { namespace: 'ns', name: set.metadata?.name ?? '' });
  await cluster.create(ReplicaSet, { ...other, spec: { ...other.spec, selector: { matchLabels: { app: 'other' } } } });
  await cluster.create(Deployment, deployment(1));
  await cluster.settle(5000);
  assert.equal(statusOf(cluster)?.collisionCount, 1);
  assert.equal(cluster.client.all(ReplicaSet).length, 2);
});

test('terminating replicas are counted', async () => {
  await using cluster = await running();
  await setImage(cluster, 'v2');
  await cluster.settle();
  await cluster.setReady(cluster.pods().find((pod) => !isReady(pod) && isActive(pod)) as Pod, true);
  await cluster.settle();
  assert.ok((statusOf(cluster)?.terminatingReplicas ?? 0) > 0);
});

/** One thing that may happen in the middle of a rollout. */
const happening = oneof(
  { weight: 6, arbitrary: record({ what: constant('ready' as const), pod: nat() }) },
  { weight: 2, arbitrary: record({ what: constant('unready' as const), pod: nat() }) },
  { weight: 2, arbitrary: record({ what: constant('gone' as const), pod: nat() }) },
  { weight: 1, arbitrary: record({ what: constant('image' as const), pod: nat(3) }) },
  { weight: 1, arbitrary: record({ what: constant('restart' as const), pod: constant(0) }) },
  { weight: 1, arbitrary: record({ what: constant('stale' as const), pod: constant(0) }) },
);

test('whatever happens, a rollout never exceeds its surge nor gives up pods it needs, and it ends', async () => {
  const scenario = record({
    replicas: integer({ min: 1, max: 8 }),
    maxSurge: oneof(integer({ min: 0, max: 3 }), constantFrom('25%', '50%')),
    maxUnavailable: oneof(integer({ min: 0, max: 3 }), constantFrom('25%', '50%')),
    happenings: array(happening, { maxLength: 40 }),
  });
  await assertProperty(
    asyncProperty(scenario, async ({ replicas, maxSurge, maxUnavailable, happenings }) => {
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
      await using cluster = await running({ strategy }, replicas);
      const limits = rollingLimits(deployment(replicas, { strategy }));
      // Availability may fall through pods that break; the controllers themselves must never delete a ready pod
      // when that leaves fewer than the minimum, nor ask for more pods than the maximum.
      let ready = cluster.pods().filter((pod) => isActive(pod) && isReady(pod)).length;
      cluster.client.onRequest = (verb, kind, ref) => {
        if (kind.plural === 'pods' && verb === 'delete') {
          const pod = cluster.get(Pod, ref.name ?? '');
          if (pod === undefined || !isActive(pod) || !isReady(pod)) return;
          ready = cluster.pods().filter((each) => isActive(each) && isReady(each)).length - 1;
          assert.ok(
            ready >= replicas - limits.maxUnavailable,
            `${ready} ready of ${replicas}, ${limits.maxUnavailable} may be missing`,
          );
        }
        if (kind.plural === 'pods' && verb === 'create') {
          const active = cluster.pods().filter(isActive).length + 1;
          assert.ok(active <= replicas + limits.maxSurge, `${active} pods of ${replicas} + ${limits.maxSurge}`);
        }
      };
      let failed: unknown;
      const guard = cluster.client.onRequest;
      cluster.client.onRequest = (...args) => {
        try {
          guard(...args);
        } catch (error) {
          failed ??= error;
          throw error;
        }
      };
      await setImage(cluster, 'v2');
      for (const { what, pod: index } of happenings) {
        const pods = cluster.pods().filter(isActive);
        const pod = pods[index % Math.max(1, pods.length)];
        if (what === 'image') await setImage(cluster, `v${index}`);
        else if (what === 'restart') {
          await cluster.kill();
          await cluster.run(controllers);
        } else if (what === 'stale') {
          cluster.client.hold();
          await cluster.settle(300);
          cluster.client.release();
        } else if (pod !== undefined && what === 'gone') {
          cluster.client.remove(Pod, { namespace: 'ns', name: pod.metadata?.name ?? '' });
        } else if (pod !== undefined && what !== 'gone') await cluster.setReady(pod, what === 'ready');
        await cluster.settle(200);
        if (failed !== undefined) throw failed;
      }
      await rollOut(cluster);
      if (failed !== undefined) throw failed;
      assert.equal(conditionOf(cluster, 'Progressing'), 'True NewReplicaSetAvailable');
      assert.equal(statusOf(cluster)?.availableReplicas, replicas);
    }),
    { numRuns: 40 },
  );
});
