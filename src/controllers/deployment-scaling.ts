import type { Deployment } from '#api/apps/deployment.ts';
import type { ReplicaSet } from '#api/apps/replica-set.ts';
import { timeOf } from './pod-state.ts';
import { desiredReplicasOf, maxReplicasOf, revisionOf } from './revision.ts';
import { isRolling, type RollingLimits, rollingLimits } from './rolling-limits.ts';

/** The replicas each ReplicaSet shall have, as a plan works them out; sets that are not in it keep theirs. */
export type Sizes = Map<ReplicaSet, number>;

export const sizeIn = (sizes: Sizes, set: ReplicaSet): number => sizes.get(set) ?? set.spec.replicas;
const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number) =>
  sets.reduce((total, set) => total + of(set), 0);
/**
 * Replicas of a set that serve, and still will once it has its size: its status may be older than its size, and
 * counting on pods that are already given up would give up too many.
 */
const servingIn = ({ spec, status }: ReplicaSet) => Math.min(spec.replicas, status?.availableReplicas ?? 0);
const createdAt = ({ metadata }: ReplicaSet) => timeOf(metadata?.creationTimestamp) ?? 0;

export const oldestFirst = (a: ReplicaSet, b: ReplicaSet): number =>
  createdAt(a) - createdAt(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
const lowestRevisionFirst = (a: ReplicaSet, b: ReplicaSet): number =>
  revisionOf(a) - revisionOf(b) || oldestFirst(a, b);

/** What a Deployment's plan starts from. Sets that are being made have no uid and no status yet. */
export interface Rollout {
  readonly deployment: Deployment;
  readonly newest: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
}

const allOf = ({ newest, old }: Pick<Rollout, 'newest' | 'old'>) => (newest === undefined ? old : [...old, newest]);

/** How many replicas the newest set may have now without exceeding the surge. */
export function newestSize(rollout: Rollout, sizes: Sizes, currentSize: number): number {
  const { deployment } = rollout;
  const wanted = deployment.spec.replicas;
  if (!isRolling(deployment.spec)) return wanted;
  // A set that was told to shrink may not have done so yet.
  const present = sum(allOf(rollout), (set) => Math.max(sizeIn(sizes, set), set.status?.replicas ?? 0));
  const room = wanted + rollingLimits(deployment).maxSurge - present;
  return room <= 0 ? currentSize : currentSize + Math.min(room, wanted - currentSize);
}

/**
 * True if some set was last scaled for another number of replicas: the user has scaled the Deployment since. Without
 * rolling updates several active sets are not scaled side by side; the old ones are on their way out anyway.
 */
export function isScalingEvent(rollout: Rollout): boolean {
  const { replicas } = rollout.deployment.spec;
  const active = allOf(rollout).filter(({ spec }) => spec.replicas > 0);
  if (!isRolling(rollout.deployment.spec) && active.length > 1) return false;
  return active.some((set) => (desiredReplicasOf(set) ?? replicas) !== replicas);
}

/**
 * Scales without rolling out: one active set takes it all; of several, each grows or shrinks in proportion, so that
 * the risk of a rollout that is under way stays the same.
 */
export function planScaling(rollout: Rollout): Sizes {
  const sizes: Sizes = new Map();
  const { deployment, newest, old } = rollout;
  const wanted = deployment.spec.replicas;
  const only = activeOrLatest(rollout);
  if (only !== undefined) return sizes.set(only, wanted);
  if (newest !== undefined && isSaturated(deployment, newest)) {
    for (const set of old) if (set.spec.replicas > 0) sizes.set(set, 0);
    return sizes;
  }
  if (isRolling(deployment.spec)) scaleInProportion(rollout, rollingLimits(deployment), sizes);
  return sizes;
}

/** The one set that counts: the only active one, or the newest of none; undefined if several are active. */
function activeOrLatest({ newest, old }: Rollout): ReplicaSet | undefined {
  const active = allOf({ newest, old }).filter(({ spec }) => spec.replicas > 0);
  if (active.length > 1) return undefined;
  return active[0] ?? newest ?? old.toSorted(oldestFirst).at(-1);
}

function isSaturated({ spec }: Deployment, set: ReplicaSet): boolean {
  const available = set.status?.availableReplicas ?? 0;
  return set.spec.replicas === spec.replicas && desiredReplicasOf(set) === spec.replicas && available === spec.replicas;
}

function scaleInProportion(rollout: Rollout, { maxSurge }: RollingLimits, sizes: Sizes): void {
  const { deployment } = rollout;
  const wanted = deployment.spec.replicas;
  const active = allOf(rollout).filter(({ spec }) => spec.replicas > 0);
  const toAdd = (wanted > 0 ? wanted + maxSurge : 0) - sum(active, ({ spec }) => spec.replicas);
  // The largest first; of equals, the newer when growing and the older when shrinking.
  const ordered = active.toSorted(
    (a, b) => b.spec.replicas - a.spec.replicas || (toAdd > 0 ? oldestFirst(b, a) : oldestFirst(a, b)),
  );
  let added = 0;
  for (const set of ordered) {
    const share = shareOf(set, deployment, maxSurge, toAdd, added);
    sizes.set(set, set.spec.replicas + share);
    added += share;
  }
  const [largest] = ordered;
  if (largest !== undefined && toAdd !== 0) {
    sizes.set(largest, Math.max(0, sizeIn(sizes, largest) + toAdd - added)); // what rounding left over
  }
}

/** A set's share of the `toAdd` replicas (negative when shrinking), of which `added` are given away. */
function shareOf(set: ReplicaSet, deployment: Deployment, maxSurge: number, toAdd: number, added: number): number {
  const size = set.spec.replicas;
  if (size === 0 || toAdd === 0 || toAdd === added) return 0;
  const wanted = deployment.spec.replicas;
  const formerMax = maxReplicasOf(set) ?? deployment.status?.replicas ?? 0;
  let share = -size;
  if (wanted > 0) share = formerMax === 0 ? 0 : Math.round((size * (wanted + maxSurge)) / formerMax) - size;
  return toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
}

/** The next sizes of a rolling update: the newest set first grows as far as it may; then old pods make room. */
export function planRolling(rollout: Rollout): Sizes {
  const sizes: Sizes = new Map();
  const { newest } = rollout;
  if (newest === undefined) return sizes;
  const wanted = rollout.deployment.spec.replicas;
  const size = newest.spec.replicas;
  const next = size > wanted ? wanted : newestSize(rollout, sizes, size);
  if (next !== size) return sizes.set(newest, next);
  shrinkOld(rollout, newest, sizes);
  return sizes;
}

function shrinkOld(rollout: Rollout, newest: ReplicaSet, sizes: Sizes): void {
  const { deployment } = rollout;
  const all = allOf(rollout);
  const old = rollout.old.filter(({ spec }) => spec.replicas > 0).toSorted(oldestFirst);
  if (old.length === 0) return;
  const availableMin = deployment.spec.replicas - rollingLimits(deployment).maxUnavailable;
  const unavailable = newest.spec.replicas - servingIn(newest);
  const spare = sum(all, ({ spec }) => spec.replicas) - availableMin - unavailable;
  if (spare <= 0) return;
  // Pods that do not serve go first: they cost no availability.
  let removed = 0;
  for (const set of old) {
    const broken = set.spec.replicas - servingIn(set);
    const count = Math.min(broken, spare - removed);
    if (count <= 0) continue;
    sizes.set(set, set.spec.replicas - count);
    removed += count;
  }
  let surplus = sum(all, servingIn) - availableMin;
  for (const set of old) {
    const count = Math.min(sizeIn(sizes, set), surplus);
    if (count <= 0) continue;
    sizes.set(set, sizeIn(sizes, set) - count);
    surplus -= count;
  }
}

/** Old sets beyond the history limit that have come to rest, oldest revision first. */
export function planCleanup({ deployment, old }: Rollout): readonly ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined || limit === 2 ** 31 - 1) return [];
  const alive = old.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  return alive
    .toSorted(lowestRevisionFirst)
    .slice(0, Math.max(0, alive.length - limit))
    .filter(
      ({ metadata, spec, status }) =>
        spec.replicas === 0 &&
        (status?.replicas ?? 0) === 0 &&
        (metadata?.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
}
