import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { Job } from '#api/batch/job.ts';
import type { ObjectMeta } from '#machinery/object.ts';
import { isFinished, planDeletion } from './deletion.ts';

const now = Date.UTC(2026, 0, 1);
const podWith = (more: { metadata?: ObjectMeta; nodeName?: string; phase?: string }): Pod => ({
  metadata: { name: 'p', ...more.metadata },
  spec: {
    containers: [],
    terminationGracePeriodSeconds: 30,
    ...(more.nodeName === undefined ? {} : { nodeName: more.nodeName }),
  },
  status: more.phase === undefined ? {} : { phase: more.phase },
});
const metadataAfter = (plan: ReturnType<typeof planDeletion<Pod>>) =>
  plan.do === 'keep' ? { changed: plan.changed, ...plan.object.metadata } : plan.do;

test('planDeletion() gives a running pod its grace', () => {
  assert.deepEqual(metadataAfter(planDeletion(Pod, podWith({ nodeName: 'n', metadata: { generation: 1 } }), {}, now)), {
    changed: true,
    name: 'p',
    generation: 2,
    deletionTimestamp: '2026-01-01T00:00:30Z',
    deletionGracePeriodSeconds: 30,
  });
});

test('planDeletion() removes pods at once that run nowhere, are finished, or may not wait', () => {
  assert.deepEqual(planDeletion(Pod, podWith({}), {}, now), { do: 'remove' });
  assert.deepEqual(planDeletion(Pod, podWith({}), { gracePeriodSeconds: 20 }, now), { do: 'remove' });
  assert.deepEqual(planDeletion(Pod, podWith({ nodeName: 'n', phase: 'Succeeded' }), {}, now), { do: 'remove' });
  assert.deepEqual(planDeletion(Pod, podWith({ nodeName: 'n' }), { gracePeriodSeconds: 0 }, now), { do: 'remove' });
});

test('planDeletion() shortens a grace that runs and never lengthens it', () => {
  const metadata = { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
  const dying = podWith({ nodeName: 'n', metadata });
  assert.deepEqual(metadataAfter(planDeletion(Pod, dying, { gracePeriodSeconds: 60 }, now)), {
    changed: false,
    name: 'p',
    ...metadata,
  });
  assert.deepEqual(metadataAfter(planDeletion(Pod, dying, {}, now)), { changed: false, name: 'p', ...metadata });
  assert.deepEqual(metadataAfter(planDeletion(Pod, dying, { gracePeriodSeconds: 5 }, now)), {
    changed: true,
    name: 'p',
    deletionTimestamp: '2026-01-01T00:00:05Z',
    deletionGracePeriodSeconds: 5,
  });
  assert.deepEqual(planDeletion(Pod, dying, { gracePeriodSeconds: 0 }, now), { do: 'remove' });
});

test('planDeletion() keeps what finalizers hold, and adds the one its propagation policy needs', () => {
  const object: ConfigMap = { metadata: { name: 'c', finalizers: ['example.com/x'] } };
  const finalizersAfter = (policy: 'Orphan' | 'Foreground' | 'Background') => {
    const plan = planDeletion(ConfigMap, object, { propagationPolicy: policy }, now);
    return plan.do === 'keep' ? plan.object.metadata?.finalizers : plan.do;
  };
  assert.deepEqual(finalizersAfter('Background'), ['example.com/x']);
  assert.deepEqual(finalizersAfter('Orphan'), ['example.com/x', 'orphan']);
  assert.deepEqual(finalizersAfter('Foreground'), ['example.com/x', 'foregroundDeletion']);
  assert.deepEqual(planDeletion(ConfigMap, { metadata: { name: 'c' } }, {}, now), { do: 'remove' });
  const again = {
    metadata: {
      name: 'c',
      finalizers: ['foregroundDeletion'],
      deletionTimestamp: '2026-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 0,
    },
  };
  assert.deepEqual(planDeletion(ConfigMap, again, { propagationPolicy: 'Background' }, now), { do: 'remove' });
});

test('planDeletion() leaves the pods of a Job behind unless told otherwise, as old clients expect', () => {
  const job = { metadata: { name: 'j' }, spec: { template: { spec: { containers: [] } } } } as Job;
  const plan = planDeletion(Job, job, {}, now);
  assert.deepEqual(plan.do === 'keep' ? plan.object.metadata?.finalizers : plan.do, ['orphan']);
});

test('a namespace terminates until its own finalizers are gone', () => {
  const namespace: Namespace = {
    metadata: { name: 'n' },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
  const plan = planDeletion(Namespace, namespace, {}, now);
  assert.equal(plan.do, 'keep');
  assert.equal(plan.object.status?.phase, 'Terminating');
  assert.equal(isFinished(Namespace, plan.object), false);
  const emptied: Namespace = { ...plan.object, spec: {} };
  assert.equal(isFinished(Namespace, emptied), true);
});
