import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, constantFrom, integer, nat, record } from 'fast-check';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Job } from '#api/batch/job.ts';
import { Endpoints } from '#api/core/endpoints.ts';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { unavailable } from '#machinery/status-error.ts';
import { deploymentController } from './deployment.ts';
import { endpointSliceController } from './endpoint-slice.ts';
import { endpointsController } from './endpoints.ts';
import { fixedKinds } from '#client/kind-source.ts';
import { garbageCollector } from './garbage-collector.ts';
import { jobController } from './job.ts';
import { isActive } from './pod-state.ts';
import { replicaSetController } from './replica-set.ts';
import { TestCluster } from './testing/test-cluster.ts';

const kinds = [Deployment, ReplicaSet, Job, Pod, Service, EndpointSlice, Endpoints];
const controllers = () => [
  deploymentController,
  replicaSetController,
  endpointSliceController,
  endpointsController,
  garbageCollector(fixedKinds(kinds)),
  jobController,
];

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});
const ref = { namespace: 'ns', name: 'web' };

const happening = record({
  what: constantFrom('scale', 'image', 'vanish', 'ready', 'kill', 'stale', 'delete', 'create'),
  value: nat(7),
  ms: integer({ min: 0, max: 3000 }),
});

async function happen(cluster: TestCluster, what: string, value: number): Promise<void> {
  const pods = cluster.pods().filter(isActive);
  const pod = pods[value % Math.max(1, pods.length)];
  const exists = cluster.get(Deployment, 'web') !== undefined;
  const edit = (spec: Partial<Deployment['spec']>) =>
    cluster.change(Deployment, 'web', (each) => ({ ...each, spec: { ...each.spec, ...spec } }));
  if (what === 'scale' && exists) await edit({ replicas: value });
  else if (what === 'image' && exists) await edit({ template: template(`v${value}`) });
  else if (what === 'vanish' && pod !== undefined)
    cluster.client.remove(Pod, { namespace: 'ns', name: pod.metadata?.name ?? '' });
  else if (what === 'ready' && pod !== undefined) await cluster.setReady(pod, value % 3 !== 0);
  else if (what === 'kill') {
    await cluster.kill();
    await cluster.run(controllers());
  } else if (what === 'stale') cluster.client.hold(kinds[value % kinds.length] ?? Pod);
  else if (what === 'delete' && exists) await cluster.client.delete(Deployment, ref, { signal: cluster.signal });
  else if (what === 'create' && !exists) await cluster.create(Deployment, deployment(value));
}

const deployment = (replicas: number): Deployment => ({
  metadata: ref,
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: template('v1'),
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
    revisionHistoryLimit: 2,
  },
});

test('lost calls, lost replies, stale caches and kills delay the controllers but never mislead them for good', async () => {
  await assertProperty(
    asyncProperty(nat(), array(happening, { minLength: 3, maxLength: 30 }), async (seed, happenings) => {
      await using cluster = new TestCluster();
      const random = randomFrom(seed);
      await cluster.create(Service, {
        metadata: ref,
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 80 }] },
      });
      await cluster.create(Deployment, deployment(3));
      await cluster.run(controllers());
      for (const { what, value, ms } of happenings) {
        await happen(cluster, what, value);
        // Only the controllers' own calls fail: what users do is done.
        cluster.client.onRequest = () => {
          if (random() < 0.15) throw unavailable('lost on the way');
        };
        cluster.client.onReply = () => {
          if (random() < 0.1) throw unavailable('reply lost');
        };
        await cluster.clock.advance(ms);
        cluster.client.onRequest = () => {};
        cluster.client.onReply = () => {};
        if (value % 2 === 0) cluster.client.release();
      }
      cluster.client.release();
      for (let round = 0; round < 40; round++) {
        await cluster.clock.advance(31_000);
        await cluster.runPods();
      }
      await cluster.clock.advance(60_000);
      const wanted = cluster.get(Deployment, 'web');
      const pods = cluster.pods();
      assert.equal(pods.length, wanted?.spec.replicas ?? 0);
      if (wanted === undefined) assert.deepEqual(cluster.client.all(ReplicaSet), []);
      const image = wanted?.spec.template.spec.containers[0]?.image;
      assert.ok(pods.every(({ spec }) => spec.containers[0]?.image === image));
      assert.ok(cluster.client.all(ReplicaSet).length <= 3);
      assert.equal(wanted?.status?.availableReplicas ?? 0, pods.length);
    }),
    { numRuns: 25 },
  );
});
