import { isDeepStrictEqual } from 'node:util';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import type { DeploymentStatus } from '#api/apps/types.generated.ts';
import { Pod } from '#api/core/pod.ts';
import type { CacheReader } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import type { WorkResult } from '#lib/work-queue.ts';
import { selectorOf } from '#machinery/labels.ts';
import { hasReason } from '#machinery/status-error.ts';
import { claim, indexOrphans, refOfObject } from './claims.ts';
import { withCondition } from './conditions.ts';
import { type Controller, controllerKeyOf, ownersOf, type ReconcileContext, wakesOn } from './controller.ts';
import { type DeploymentStep, planDeployment } from './deployment-plan.ts';
import { progressing } from './deployment-status.ts';
import { controllerOf } from './owner-reference.ts';
import { isNamespaceTerminating } from './replica-engine.ts';
import { isSameTemplate, revisionAnnotation } from './revision.ts';
import { isRolling } from './rolling-limits.ts';

/** Rolls Deployments out: one ReplicaSet a template, each sized so that limits on surge and availability hold. */
export const deploymentController = {
  name: 'deployment-controller',
  reconciles: Deployment,
  wakesOn: [
    ownersOf(ReplicaSet, Deployment),
    wakesOn(ReplicaSet, ({ object, type }, cache) => {
      if (type === 'DELETED' || controllerOf(object) !== undefined) return [];
      const { namespace = '', labels } = object.metadata ?? {};
      return cache
        .list(Deployment, { namespace })
        .filter(({ spec }) => selectorOf(spec.selector).matches(labels))
        .map(keyOfObject);
    }),
    wakesOn(Pod, ({ object, type }, cache) => (type === 'DELETED' ? recreatingOwnerOf(object, cache) : [])),
  ],
  index: (informers) => indexOrphans(informers, ReplicaSet),
  async reconcile(key, context) {
    const deployment = context.cache.get(Deployment, key);
    return deployment === undefined ? undefined : await reconcileDeployment(deployment, context);
  },
} satisfies Controller;

/** The Deployment that waits for this pod to be gone, if its strategy is to wait. */
function recreatingOwnerOf(pod: Pod, cache: CacheReader): readonly string[] {
  const setKey = controllerKeyOf(pod, ReplicaSet);
  const set = setKey === undefined ? undefined : cache.get(ReplicaSet, setKey);
  const key = set === undefined ? undefined : controllerKeyOf(set, Deployment);
  const deployment = key === undefined ? undefined : cache.get(Deployment, key);
  return key === undefined || deployment === undefined || isRolling(deployment.spec) ? [] : [key];
}

async function reconcileDeployment(deployment: Deployment, context: ReconcileContext): Promise<WorkResult> {
  const { cache, client, clock, signal } = context;
  const selector = selectorOf(deployment.spec.selector);
  const sets = await claim(context, ReplicaSet, { owner: deployment, ownerKind: Deployment, selector });
  const pods = isRolling(deployment.spec) ? [] : sets.flatMap((set) => cache.ownedBy(Pod, set));
  const plan = planDeployment({ deployment, sets, pods, now: clock.now() });
  let current = deployment;
  for (const step of plan.steps) current = await apply(step, current, context);
  await writeStatus(current, plan.status, { client, signal });
  return plan.againMs === undefined ? undefined : { againMs: plan.againMs };
}

/** Returns the Deployment as it is after the step. */
async function apply(step: DeploymentStep, deployment: Deployment, context: ReconcileContext): Promise<Deployment> {
  const { client, events, signal } = context;
  switch (step.do) {
    case 'annotate': {
      const patch = { metadata: { annotations: { [revisionAnnotation]: step.revision } } };
      return await client.patch(Deployment, refOfObject(deployment), { type: 'merge', patch }, { signal });
    }
    case 'create':
      try {
        await client.create(ReplicaSet, step.set, { signal });
      } catch (error) {
        await explainFailure(error, step.set, deployment, context);
        throw error;
      }
      break;
    case 'update':
      await client.update(ReplicaSet, step.set, { signal });
      break;
    case 'delete': {
      const { uid, resourceVersion = '' } = step.set.metadata ?? {};
      const preconditions = { resourceVersion, ...(uid === undefined ? {} : { uid }) };
      await client.delete(ReplicaSet, refOfObject(step.set), { signal, preconditions }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
      break;
    }
  }
  if (step.do !== 'delete' && step.event !== undefined) events.record(deployment, step.event);
  return deployment;
}

/**
 * A ReplicaSet of that name exists: ours, which the cache will show soon, or one of another template, and then the
 * next name is tried. Any other failure is told of in the status.
 */
async function explainFailure(
  error: unknown,
  set: ReplicaSet,
  deployment: Deployment,
  { client, clock, events, signal }: ReconcileContext,
): Promise<void> {
  if (isNamespaceTerminating(error)) return;
  if (hasReason(error, 'AlreadyExists')) {
    const existing = await client.get(ReplicaSet, refOfObject(set), { signal });
    const isOurs = controllerOf(existing)?.uid === deployment.metadata?.uid;
    if (isOurs && isSameTemplate(existing.spec.template ?? { spec: { containers: [] } }, deployment.spec.template))
      return;
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await writeStatus(deployment, { ...deployment.status, collisionCount }, { client, signal });
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  events.record(deployment, {
    type: 'Warning',
    reason: 'ReplicaSetCreateError',
    message: `Failed to create new replica set "${set.metadata?.name ?? ''}": ${message}`,
  });
  const condition = progressing('False', 'ReplicaSetCreateError', message, clock.now());
  const conditions = withCondition(deployment.status?.conditions ?? [], condition);
  await writeStatus(deployment, { ...deployment.status, conditions }, { client, signal });
}

async function writeStatus(
  deployment: Deployment,
  status: DeploymentStatus,
  { client, signal }: Pick<ReconcileContext, 'client' | 'signal'>,
): Promise<void> {
  if (isDeepStrictEqual(status, deployment.status)) return;
  await client.update(Deployment, { ...deployment, status }, { signal, subresource: 'status' });
}
