import { isDeepStrictEqual } from 'node:util';
import { Deployment } from '#api/apps/deployment.ts';
import type { ReplicaSet } from '#api/apps/replica-set.ts';
import type { DeploymentStatus } from '#api/apps/types.generated.ts';
import type { Pod } from '#api/core/pod.ts';
import type { EventFact } from '#client/event-queue.ts';
import { withCondition } from './conditions.ts';
import {
  isScalingEvent,
  newestSize,
  oldestFirst,
  planCleanup,
  planRolling,
  planScaling,
  type Rollout,
  type Sizes,
  sizeIn,
} from './deployment-scaling.ts';
import {
  countsOf,
  deadlineMs,
  hasDeadline,
  isComplete,
  pauseCondition,
  progressing,
  rolloutStatus,
} from './deployment-status.ts';
import { controllerReference } from './owner-reference.ts';
import { isTerminal } from './pod-state.ts';
import {
  type Annotations,
  hashLabel,
  isSameTemplate,
  newestAnnotations,
  revisionAnnotation,
  revisionOf,
  templateHash,
  withReplicasNoted,
} from './revision.ts';
import { isRolling, rollingLimits } from './rolling-limits.ts';

export type DeploymentStep =
  | { readonly do: 'create' | 'update' | 'delete'; readonly set: ReplicaSet; readonly event?: EventFact }
  /** Notes the newest revision on the Deployment, where `kubectl rollout history` looks for it. */
  | { readonly do: 'annotate'; readonly revision: string };

export interface DeploymentPlan {
  readonly steps: readonly DeploymentStep[];
  /** The status to write once the steps are done. */
  readonly status: DeploymentStatus;
  /** Look again after this, though nothing may have changed: the progress deadline. */
  readonly againMs?: number;
}

/** All that a plan depends on. `sets` are the ReplicaSets the Deployment controls, `pods` theirs. */
export interface DeploymentState {
  readonly deployment: Deployment;
  readonly sets: readonly ReplicaSet[];
  readonly pods: readonly Pod[];
  readonly now: number;
}

/** Decides the next step of a Deployment: what to scale, create and delete, and what its status then says. */
export function planDeployment({ deployment, sets, pods, now }: DeploymentState): DeploymentPlan {
  const found = newestOf(deployment, sets);
  const old = sets.filter((set) => set !== found);
  if (deployment.metadata?.deletionTimestamp !== undefined) {
    return { steps: [], status: countsOf(deployment, sets, found, now) };
  }
  const pause = pauseCondition(deployment, now);
  const marked = pause === undefined ? deployment : withConditions(deployment, pause);
  const draft = new Draft(marked, found, old, now);
  const rollout = { deployment: marked, newest: found, old };
  if (deployment.spec.paused === true) {
    draft.resize(planScaling(rollout));
    draft.cleanUp();
    return draft.settled();
  }
  if (isScalingEvent(rollout)) {
    draft.resize(planScaling(rollout));
    return draft.settled();
  }
  if (isRolling(deployment.spec)) {
    draft.ensureNewest();
    const sizes = planRolling(draft.rollout());
    draft.resize(sizes);
    if (sizes.size === 0 && isComplete(marked, marked.status ?? {})) draft.cleanUp();
    return draft.rolling();
  }
  const retire: Sizes = new Map(old.filter(({ spec }) => spec.replicas > 0).map((set) => [set, 0]));
  draft.resize(retire);
  if (retire.size > 0 || oldPodsRun(old, found, pods)) return draft.rolling();
  draft.ensureNewest();
  const { newest } = draft.rollout();
  if (newest !== undefined) draft.resize(new Map([[newest, deployment.spec.replicas]]));
  if (isComplete(marked, marked.status ?? {})) draft.cleanUp();
  return draft.rolling();
}

/** The oldest set with the Deployment's template: there may be several after a quick change back and forth. */
export function newestOf(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return sets
    .toSorted(oldestFirst)
    .find(({ spec }) => spec.template !== undefined && isSameTemplate(spec.template, deployment.spec.template));
}

function withConditions(deployment: Deployment, condition: Parameters<typeof withCondition>[1]): Deployment {
  const { status = {} } = deployment;
  return { ...deployment, status: { ...status, conditions: withCondition(status.conditions ?? [], condition) } };
}

/** A pod of an older template may still run: Recreate waits for it, terminating ones included. */
function oldPodsRun(old: readonly ReplicaSet[], newest: ReplicaSet | undefined, pods: readonly Pod[]): boolean {
  if (old.some(({ status }) => (status?.replicas ?? 0) > 0)) return true;
  const newestUid = newest?.metadata?.uid;
  return pods.some((pod) => !isTerminal(pod) && !pod.metadata?.ownerReferences?.some(({ uid }) => uid === newestUid));
}

/** Collects what a plan changes, set by set. */
class Draft {
  readonly #deployment: Deployment;
  #newest: ReplicaSet | undefined;
  readonly #old: readonly ReplicaSet[];
  readonly #now: number;
  readonly #steps: DeploymentStep[] = [];
  /** Sets as they will be once the steps are done, by the set they were. */
  readonly #changed = new Map<ReplicaSet, ReplicaSet>();
  #conditions: NonNullable<DeploymentStatus['conditions']>;

  constructor(deployment: Deployment, newest: ReplicaSet | undefined, old: readonly ReplicaSet[], now: number) {
    this.#deployment = deployment;
    this.#newest = newest;
    this.#old = old;
    this.#now = now;
    this.#conditions = deployment.status?.conditions ?? [];
    if (newest !== undefined) this.#refreshNewest(newest);
  }

  rollout(): Rollout {
    return { deployment: this.#deployment, newest: this.#newest, old: this.#old };
  }

  /** Brings the newest set's annotations and minReadySeconds up to date. */
  #refreshNewest(newest: ReplicaSet): void {
    const revision = Math.max(0, ...this.#old.map(revisionOf)) + 1;
    const current = newest.metadata?.annotations ?? {};
    const annotations = newestAnnotations(this.#deployment, current, revision);
    const minReadySeconds = this.#deployment.spec.minReadySeconds ?? 0;
    const isFreshEnough = minReadySeconds === (newest.spec.minReadySeconds ?? 0);
    if (!isFreshEnough || !isDeepStrictEqual(annotations, current)) {
      this.#changed.set(newest, {
        ...newest,
        metadata: { ...newest.metadata, annotations },
        spec: isFreshEnough ? newest.spec : { ...newest.spec, minReadySeconds },
      });
    }
    const name = newest.metadata?.name ?? '';
    this.#noteRevision(annotations);
    if (hasDeadline(this.#deployment) && !this.#conditions.some(({ type }) => type === 'Progressing')) {
      this.#progress('FoundNewReplicaSet', `Found new replica set "${name}"`);
    }
  }

  /** Makes the set of the current template, if there is none yet, as large as it may be at once. */
  ensureNewest(): void {
    if (this.#newest !== undefined) return;
    const deployment = this.#deployment;
    const { template, selector, minReadySeconds = 0, replicas } = deployment.spec;
    const { name = '', namespace } = deployment.metadata ?? {};
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template.metadata?.labels, [hashLabel]: hash };
    const size = newestSize(this.rollout(), new Map(), 0);
    const revision = Math.max(0, ...this.#old.map(revisionOf)) + 1;
    const annotations = withReplicasNoted(
      newestAnnotations(deployment, {}, revision),
      replicas,
      replicas + rollingLimits(deployment).maxSurge,
    );
    const set: ReplicaSet = {
      metadata: {
        name: `${name}-${hash}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels,
        annotations,
        ownerReferences: [controllerReference(Deployment, deployment)],
      },
      spec: {
        replicas: size,
        ...(minReadySeconds === 0 ? {} : { minReadySeconds }),
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    this.#newest = set;
    const event = size > 0 ? { event: scaled(set, 0, size) } : {};
    this.#steps.push({ do: 'create', set, ...event });
    this.#noteRevision(annotations);
    if (hasDeadline(deployment)) {
      this.#progress('NewReplicaSetCreated', `Created new replica set "${set.metadata?.name ?? ''}"`);
    }
  }

  /** Changes the sizes of sets, and notes on each what proportional scaling needs later. */
  resize(sizes: Sizes): void {
    const { replicas } = this.#deployment.spec;
    const max = replicas + rollingLimits(this.#deployment).maxSurge;
    for (const set of sizes.keys()) {
      const size = sizeIn(sizes, set);
      const base = this.#changed.get(set) ?? set;
      const annotations = withReplicasNoted(base.metadata?.annotations ?? {}, replicas, max);
      if (size === base.spec.replicas && isDeepStrictEqual(annotations, base.metadata?.annotations)) continue;
      this.#changed.set(set, {
        ...base,
        metadata: { ...base.metadata, annotations },
        spec: { ...base.spec, replicas: size },
      });
    }
  }

  cleanUp(): void {
    for (const set of planCleanup(this.rollout())) this.#steps.push({ do: 'delete', set });
  }

  /** The plan of a Deployment that scales, or is paused: counts only. */
  settled(): DeploymentPlan {
    return this.#finish(countsOf(this.#withConditions(), this.#after(), this.#newestAfter(), this.#now));
  }

  /** The plan of a rollout, with its progress. */
  rolling(): DeploymentPlan {
    const deployment = this.#withConditions();
    const [sets, newest] = [this.#after(), this.#newestAfter()];
    const counts = countsOf(deployment, sets, newest, this.#now);
    return this.#finish(rolloutStatus(deployment, counts, sets, newest, this.#now));
  }

  #finish(status: DeploymentStatus): DeploymentPlan {
    const updates = [...this.#changed].map(([before, set]): DeploymentStep => {
      const resized = before.spec.replicas !== set.spec.replicas;
      const event = resized ? { event: scaled(set, before.spec.replicas, set.spec.replicas) } : {};
      return { do: 'update', set, ...event };
    });
    const againMs = deadlineMs(this.#deployment, status, this.#now);
    return { steps: [...this.#steps, ...updates], status, ...(againMs === undefined ? {} : { againMs }) };
  }

  #after(): readonly ReplicaSet[] {
    const sets = this.#newest === undefined ? this.#old : [...this.#old, this.#newest];
    return sets.map((set) => this.#changed.get(set) ?? set);
  }

  #newestAfter(): ReplicaSet | undefined {
    return this.#newest === undefined ? undefined : (this.#changed.get(this.#newest) ?? this.#newest);
  }

  #withConditions(): Deployment {
    const { status = {} } = this.#deployment;
    return { ...this.#deployment, status: { ...status, conditions: this.#conditions } };
  }

  #progress(reason: string, message: string): void {
    this.#conditions = withCondition(this.#conditions, progressing('True', reason, message, this.#now));
  }

  #noteRevision(annotations: Annotations): void {
    const revision = annotations[revisionAnnotation];
    if (revision === undefined || this.#deployment.metadata?.annotations?.[revisionAnnotation] === revision) return;
    this.#steps.push({ do: 'annotate', revision });
  }
}

function scaled(set: ReplicaSet, from: number, to: number): EventFact {
  const direction = to > from ? 'up' : 'down';
  const message = `Scaled ${direction} replica set ${set.metadata?.name ?? ''} from ${from} to ${to}`;
  return { type: 'Normal', reason: 'ScalingReplicaSet', message };
}
