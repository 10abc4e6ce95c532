import { isDeepStrictEqual } from 'node:util';
import { Job } from '#api/batch/job.ts';
import { Pod } from '#api/core/pod.ts';
import type { Informers } from '#client/cache.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import type { WorkResult } from '#lib/work-queue.ts';
import { selectorOf } from '#machinery/labels.ts';
import { hasReason } from '#machinery/status-error.ts';
import { claim, indexOrphans, refOfObject } from './claims.ts';
import { type Controller, controllerKeyOf, ownersOf, type ReconcileContext } from './controller.ts';
import { deletePod } from './disruption-target.ts';
import { indexKey } from './job-indexes.ts';
import { finishedCondition, isTracked, planJob, trackingFinalizer } from './job-plan.ts';
import { timeOf } from './pod-state.ts';
import { isNamespaceTerminating, podFrom } from './replica-engine.ts';
import { slowStart } from './slow-start.ts';

const byJob = 'job';
const managedBy = 'kubernetes.io/job-controller';
const writesAtOnceMax = 16;

/** Pods by the key of the Job that controls them, for as long as they carry its finalizer. */
function indexTracked(informers: Informers): void {
  informers.index(Pod, byJob, (pod) => {
    const key = isTracked(pod) ? controllerKeyOf(pod, Job) : undefined;
    return key === undefined ? [] : [key];
  });
}

/** Runs Jobs to their end, counts how they fared, and deletes them when their time after that is over. */
export const jobController = {
  name: 'job-controller',
  reconciles: Job,
  spacingMs: 20,
  wakesOn: [ownersOf(Pod, Job)],
  index(informers) {
    indexOrphans(informers, Pod);
    indexTracked(informers);
  },
  async reconcile(key, context) {
    const { cache } = context;
    const job = cache.get(Job, key);
    const tracked = cache.byIndex(Pod, byJob, key);
    const uid = job?.metadata?.uid;
    const orphans = tracked.filter(({ metadata }) => !metadata?.ownerReferences?.some((each) => each.uid === uid));
    await release(orphans, context);
    if (job === undefined) return undefined;
    if (job.metadata?.deletionTimestamp !== undefined || finishedCondition(job) !== undefined) {
      await release(tracked, context);
      return await expire(job, context);
    }
    if (job.spec.managedBy !== undefined && job.spec.managedBy !== managedBy) return undefined;
    return await advance(job, context);
  },
} satisfies Controller;

async function advance(job: Job, context: ReconcileContext): Promise<WorkResult> {
  const { client, clock, events, signal } = context;
  const pods = await claim(context, Pod, { owner: job, ownerKind: Job, selector: selectorOf(job.spec.selector) });
  const plan = planJob({ job, pods, now: clock.now() });
  // Pods that we delete ourselves are no failures of the Job's: without the finalizer they are not counted.
  await forEachLimit(plan.remove, writesAtOnceMax, async (pod) => {
    await release([pod], context);
    await deletePod(pod, undefined, context).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
    });
    events.record(job, {
      type: 'Normal',
      reason: 'SuccessfulDelete',
      message: `Deleted pod: ${pod.metadata?.name ?? ''}`,
    });
  });
  const indexes = [...plan.create];
  const { failure, succeeded } = await slowStart(plan.create.length, async () => {
    const { metadata } = await client.create(Pod, podOf(job, indexes.shift()), { signal });
    events.record(job, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${metadata?.name ?? ''}` });
  });
  const missed = plan.create.length - succeeded;
  const active = (plan.status.active ?? 0) - missed;
  const { active: _active, ...rest } = plan.status;
  const status = active > 0 ? { ...rest, active } : rest;
  if (!isDeepStrictEqual(status, job.status)) {
    await client.update(Job, { ...job, status }, { signal, subresource: 'status' });
    for (const event of plan.events) events.record(job, event);
  }
  await release(plan.release, context);
  if (failure !== undefined && !isNamespaceTerminating(failure)) {
    const message = `Error creating: ${failure instanceof Error ? failure.message : 'unknown'}`;
    events.record(job, { type: 'Warning', reason: 'FailedCreate', message });
    throw failure;
  }
  return plan.againMs === undefined ? undefined : { againMs: plan.againMs };
}

/** Takes our finalizer off pods, so that they may go. */
async function release(pods: readonly Pod[], { client, signal }: ReconcileContext): Promise<void> {
  await forEachLimit(pods.filter(isTracked), writesAtOnceMax, async (pod) => {
    const { uid, resourceVersion, finalizers = [] } = pod.metadata ?? {};
    const metadata = { uid, resourceVersion, finalizers: finalizers.filter((each) => each !== trackingFinalizer) };
    try {
      await client.patch(Pod, refOfObject(pod), { type: 'merge', patch: { metadata } }, { signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
  });
}

/** Deletes a finished Job once it has been kept for as long as it asked. */
async function expire(job: Job, { client, clock, log, signal }: ReconcileContext): Promise<WorkResult> {
  const ttl = job.spec.ttlSecondsAfterFinished;
  const finished = timeOf(finishedCondition(job)?.lastTransitionTime);
  if (ttl === undefined || finished === undefined || job.metadata?.deletionTimestamp !== undefined) return undefined;
  const left = finished + ttl * 1000 - clock.now();
  if (left > 0) return { againMs: left };
  log.info('deleting a finished job whose time is over', { ttlSeconds: ttl });
  const { uid, resourceVersion } = job.metadata ?? {};
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  try {
    await client.delete(Job, refOfObject(job), { signal, preconditions, propagationPolicy: 'Foreground' });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
  return undefined;
}

/** The pod for one completion. With an index, it learns which through its name, host name, labels and environment. */
function podOf(job: Job, index: number | undefined): Pod {
  const pod = podFrom(job.spec.template, Job, job);
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata?.finalizers ?? []), trackingFinalizer] };
  if (index === undefined) return { ...pod, metadata };
  const name = job.metadata?.name ?? '';
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
  };
  const withIndex = <C extends { readonly env?: readonly { readonly name: string }[] }>(container: C): C =>
    container.env?.some((each) => each.name === variable.name) === true
      ? container
      : { ...container, env: [...(container.env ?? []), variable] };
  return {
    metadata: {
      ...metadata,
      generateName: `${name}-${index}-`,
      labels: { ...metadata.labels, [indexKey]: String(index) },
      annotations: { ...metadata.annotations, [indexKey]: String(index) },
    },
    spec: {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: pod.spec.containers.map(withIndex),
      ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(withIndex) }),
    },
  };
}
