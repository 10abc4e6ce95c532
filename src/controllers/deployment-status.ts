import type { Deployment } from '#api/apps/deployment.ts';
import type { ReplicaSet } from '#api/apps/replica-set.ts';
import type { DeploymentCondition, DeploymentStatus } from '#api/apps/types.generated.ts';
import { withCondition, withoutCondition } from './conditions.ts';
import { timeOf, timestamp } from './pod-state.ts';
import { withoutZeros } from './replica-plan.ts';
import { rollingLimits } from './rolling-limits.ts';

/**
 * The conditions and counts of a Deployment as upstream writes them: `kubectl rollout status` and kstatus read
 * reasons, counts and observedGeneration. Source: k8s.io/kubernetes/pkg/controller/deployment (progress.go, sync.go).
 */
const noDeadline = 2 ** 31 - 1;

export function hasDeadline({ spec }: Deployment): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noDeadline;
}

export function progressing(
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  now: number,
): DeploymentCondition {
  return condition('Progressing', status, reason, message, now);
}

function condition(type: string, status: string, reason: string, message: string, now: number): DeploymentCondition {
  const time = timestamp(now);
  return { type, status, reason, message, lastUpdateTime: time, lastTransitionTime: time };
}

const find = (conditions: readonly DeploymentCondition[] | undefined, type: string) =>
  conditions?.find((each) => each.type === type);

/** Counts of all sets, and whether enough replicas are available. */
export function countsOf(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const sum = (of: (set: ReplicaSet) => number | undefined) => sets.reduce((total, set) => total + (of(set) ?? 0), 0);
  const available = sum(({ status }) => status?.availableReplicas);
  const wanted = deployment.spec.replicas;
  const enough = available >= wanted - rollingLimits(deployment).maxUnavailable;
  const { generation } = deployment.metadata ?? {};
  const { collisionCount, conditions = [] } = deployment.status ?? {};
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...withoutZeros({
      replicas: sum(({ status }) => status?.replicas),
      updatedReplicas: newest?.status?.replicas ?? 0,
      readyReplicas: sum(({ status }) => status?.readyReplicas),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, sum(({ spec }) => spec.replicas) - available),
      terminatingReplicas: sum(({ status }) => status?.terminatingReplicas),
    }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: withCondition(
      conditions,
      enough
        ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', now)
        : condition(
            'Available',
            'False',
            'MinimumReplicasUnavailable',
            'Deployment does not have minimum availability.',
            now,
          ),
    ),
  };
}

/** Adds to `counts` what a rollout says of itself: Progressing and ReplicaFailure. */
export function rolloutStatus(
  deployment: Deployment,
  counts: DeploymentStatus,
  sets: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  let conditions = counts.conditions ?? [];
  if (!hasDeadline(deployment)) conditions = withoutCondition(conditions, 'Progressing');
  else {
    const current = find(counts.conditions, 'Progressing');
    const rested =
      (counts.replicas ?? 0) === (counts.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable';
    if (!rested) conditions = withProgress(deployment, counts, conditions, newest, now);
  }
  const failure = failureOf(sets, newest);
  conditions =
    failure === undefined
      ? withoutCondition(conditions, 'ReplicaFailure')
      : withCondition(conditions, { ...failure, lastUpdateTime: timestamp(now) });
  return { ...counts, conditions };
}

function withProgress(
  deployment: Deployment,
  counts: DeploymentStatus,
  conditions: readonly DeploymentCondition[],
  newest: ReplicaSet | undefined,
  now: number,
): readonly DeploymentCondition[] {
  const subject =
    newest === undefined
      ? `Deployment "${deployment.metadata?.name ?? ''}"`
      : `ReplicaSet "${newest.metadata?.name ?? ''}"`;
  const current = find(conditions, 'Progressing');
  if (isComplete(deployment, counts)) {
    const message = `${subject} has successfully progressed.`;
    return withCondition(conditions, progressing('True', 'NewReplicaSetAvailable', message, now));
  }
  if (hasMoved(deployment.status ?? {}, counts)) {
    // Each step starts the deadline anew, so the time of the update is set even if nothing else changes.
    const fresh = progressing('True', 'ReplicaSetUpdated', `${subject} is progressing.`, now);
    const since = current?.status === 'True' ? current.lastTransitionTime : undefined;
    const moved = since === undefined ? fresh : { ...fresh, lastTransitionTime: since };
    return [...withoutCondition(conditions, 'Progressing'), moved];
  }
  if (hasTimedOut(deployment, current, now)) {
    const message = `${subject} has timed out progressing.`;
    return withCondition(conditions, progressing('False', 'ProgressDeadlineExceeded', message, now));
  }
  return conditions;
}

/** Every replica asked for is of the newest template, and available. */
export function isComplete(deployment: Deployment, counts: DeploymentStatus): boolean {
  const wanted = deployment.spec.replicas;
  return (
    (counts.updatedReplicas ?? 0) === wanted &&
    (counts.replicas ?? 0) === wanted &&
    (counts.availableReplicas ?? 0) === wanted &&
    (counts.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasMoved(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (counts: DeploymentStatus) => (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, current: DeploymentCondition | undefined, now: number): boolean {
  if (current === undefined || current.reason === 'NewReplicaSetAvailable') return false;
  if (current.reason === 'ProgressDeadlineExceeded') return true;
  const deadline = (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
  return (timeOf(current.lastUpdateTime) ?? now) + deadline < now;
}

/** Milliseconds until a rollout that does not move has to be called timed out; undefined if there is nothing to wait for. */
export function deadlineMs(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const current = find(status.conditions, 'Progressing');
  if (!hasDeadline(deployment) || current === undefined || deployment.spec.paused === true) return undefined;
  if (current.reason === 'ProgressDeadlineExceeded' || current.reason === 'NewReplicaSetAvailable') return undefined;
  if (isComplete(deployment, status)) return undefined;
  const at = (timeOf(current.lastUpdateTime) ?? now) + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
  return Math.max(0, at - now) + 1000;
}

/** A failure of the newest set to make pods; of an old one, if the newest has none. */
function failureOf(sets: readonly ReplicaSet[], newest: ReplicaSet | undefined): DeploymentCondition | undefined {
  for (const set of newest === undefined ? sets : [newest, ...sets]) {
    const failure = set.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** Marks that a rollout was paused or resumed: time spent paused is no lack of progress. Undefined if nothing changes. */
export function pauseCondition(deployment: Deployment, now: number): DeploymentCondition | undefined {
  const current = find(deployment.status?.conditions, 'Progressing');
  if (!hasDeadline(deployment) || current?.reason === 'ProgressDeadlineExceeded') return undefined;
  const paused = deployment.spec.paused === true;
  const marked = current?.reason === 'DeploymentPaused';
  if (paused === marked) return undefined;
  return paused
    ? progressing('Unknown', 'DeploymentPaused', 'Deployment is paused', now)
    : progressing('Unknown', 'DeploymentResumed', 'Deployment is resumed', now);
}
