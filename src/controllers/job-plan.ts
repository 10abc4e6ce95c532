import type { Job } from '#api/batch/job.ts';
import type { JobCondition, JobStatus } from '#api/batch/types.generated.ts';
import type { Pod } from '#api/core/pod.ts';
import type { EventFact } from '#client/event-queue.ts';
import { backoffMs } from '#lib/backoff.ts';
import { withCondition } from './conditions.ts';
import { formatIndexes, indexKey, parseIndexes } from './job-indexes.ts';
import { leastUsefulFirst } from './pod-deletion-order.ts';
import { isActive, isReady, isTerminating, timeOf, timestamp } from './pod-state.ts';

/**
 * How a Job runs to its end. Every pod carries a finalizer, so that none disappears before it has been counted: an
 * ended pod is first noted in the status by uid, then loses its finalizer, then is added to the count. Each step can
 * be repeated after a crash without counting twice.
 */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

/** After a pod failed the next waits: 10 s, 20 s, … Upstream's values. */
const retry = { initialMs: 10_000, maxMs: 600_000 };
const createMax = 500;

export interface JobPlan {
  /** Completion indexes to make pods for; undefined for pods without one. */
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
  readonly status: JobStatus;
  /** Pods that may go once the status is written: they are counted, or noted there. */
  readonly release: readonly Pod[];
  readonly events: readonly EventFact[];
  readonly againMs?: number;
}

export interface JobState {
  readonly job: Job;
  readonly pods: readonly Pod[];
  readonly now: number;
}

export const isTracked = ({ metadata }: Pod): boolean => metadata?.finalizers?.includes(trackingFinalizer) ?? false;
const hasCondition = ({ status }: Job, ...types: readonly string[]) =>
  status?.conditions?.find((each) => types.includes(each.type) && each.status === 'True');

/** The condition that says that the Job has ended, if it has. */
export const finishedCondition = (job: Job): JobCondition | undefined => hasCondition(job, 'Complete', 'Failed');

/** When a pod of a Job ended, in milliseconds since the epoch. */
function endedAt({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).flatMap(({ state }) => timeOf(state?.terminated?.finishedAt) ?? []);
  const fallback = timeOf(metadata?.deletionTimestamp) ?? timeOf(metadata?.creationTimestamp) ?? 0;
  return ends.length === 0 ? fallback : Math.max(...ends);
}

const succeededPod = ({ status }: Pod) => status?.phase === 'Succeeded';
/** A pod on its way out will not succeed any more, and may never say so. */
const failedPod = (pod: Pod) =>
  pod.status?.phase === 'Failed' || (pod.metadata?.deletionTimestamp !== undefined && !succeededPod(pod));

function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata?.annotations?.[indexKey];
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

interface Counts {
  readonly succeeded: number;
  readonly failed: number;
  readonly completed: ReadonlySet<number>;
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  readonly release: readonly Pod[];
}

/** Moves what was noted before and has been released since into the counts, and notes what has ended now. */
function count({ job, pods }: JobState): Counts {
  const { status, spec } = job;
  const indexed = spec.completionMode === 'Indexed';
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata?.uid ?? ''));
  const noted = status?.uncountedTerminatedPods ?? {};
  const still = (uids: readonly string[] | undefined) => (uids ?? []).filter((uid) => tracked.has(uid));
  const done = (uids: readonly string[] | undefined) => (uids ?? []).filter((uid) => !tracked.has(uid)).length;
  const succeeded = still(noted.succeeded);
  const failed = still(noted.failed);
  // An index is completed once, however many pods did it: the set itself is the count.
  const completed = parseIndexes(status?.completedIndexes, spec.completions ?? 0);
  const release: Pod[] = [];
  for (const pod of pods.filter(isTracked)) {
    const uid = pod.metadata?.uid ?? '';
    if (succeededPod(pod)) {
      const index = indexOf(pod);
      if (!indexed) {
        if (!succeeded.includes(uid)) succeeded.push(uid);
      } else if (index !== undefined && index < (spec.completions ?? 0)) completed.add(index);
      release.push(pod);
    } else if (failedPod(pod)) {
      if (!failed.includes(uid)) failed.push(uid);
      release.push(pod);
    }
  }
  return {
    succeeded: indexed ? completed.size : (status?.succeeded ?? 0) + done(noted.succeeded),
    failed: (status?.failed ?? 0) + done(noted.failed),
    completed,
    uncounted: { succeeded, failed },
    release,
  };
}

/** Decides one step of a Job that has not ended. */
export function planJob(state: JobState): JobPlan {
  const { job, pods, now } = state;
  const counts = count(state);
  const active = pods.filter(isActive);
  const total = {
    succeeded: counts.succeeded + counts.uncounted.succeeded.length,
    failed: counts.failed + counts.uncounted.failed.length,
  };
  const draft = new Draft(state, counts);
  const target = hasCondition(job, 'FailureTarget', 'SuccessCriteriaMet');
  const failure = target === undefined ? failureOf(state, active, total.failed) : undefined;
  if (failure !== undefined) draft.condition('FailureTarget', 'True', failure.reason, failure.message);
  else if (target === undefined && isComplete(job, total.succeeded, active.length)) {
    draft.condition('SuccessCriteriaMet', 'True', 'CompletionsReached', 'Reached expected number of succeeded pods');
  }
  if (draft.target() !== undefined) {
    draft.remove(active);
    const isCounted = counts.uncounted.succeeded.length + counts.uncounted.failed.length === 0;
    if (active.length === 0 && isCounted && !pods.some(isTerminating)) draft.finish();
    return draft.plan();
  }
  draft.suspendOrResume();
  if (job.spec.suspend === true) draft.remove(active);
  else manage(state, { active, ...total, completed: counts.completed }, draft);
  const deadline = job.spec.activeDeadlineSeconds;
  const started = timeOf(draft.startTime());
  if (deadline !== undefined && started !== undefined) draft.again(started + deadline * 1000 - now);
  return draft.plan();
}

function failureOf(
  { job, now }: JobState,
  active: readonly Pod[],
  failed: number,
): { reason: string; message: string } | undefined {
  const { backoffLimit = 6, activeDeadlineSeconds, template, suspend } = job.spec;
  const restarts = active.reduce((sum, { status }) => {
    const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    return sum + all.reduce((each, { restartCount }) => each + (restartCount ?? 0), 0);
  }, 0);
  // Containers that restart in place never become failed pods.
  const restartsExceed =
    template.spec.restartPolicy === 'OnFailure' && (backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit);
  if (failed > backoffLimit || restartsExceed) {
    return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  }
  const started = timeOf(job.status?.startTime);
  if (
    suspend !== true &&
    activeDeadlineSeconds !== undefined &&
    started !== undefined &&
    now >= started + activeDeadlineSeconds * 1000
  ) {
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  return undefined;
}

/** Without a number of completions the first success says that the work is done, and the others finish. */
function isComplete({ spec }: Job, succeeded: number, active: number): boolean {
  if (spec.completions === undefined) return succeeded > 0 && active === 0;
  return succeeded >= spec.completions;
}

function manage(
  { job, pods, now }: JobState,
  facts: { active: readonly Pod[]; succeeded: number; completed: ReadonlySet<number> },
  draft: Draft,
): void {
  const { completions, parallelism = 1, completionMode } = job.spec;
  const { active, succeeded, completed } = facts;
  let wanted = Math.min(parallelism, Math.max(0, (completions ?? 0) - succeeded));
  if (completions === undefined) wanted = succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  let useful = active;
  if (completionMode === 'Indexed') {
    const seen = new Set<number>(completed);
    useful = active.filter((pod) => {
      const index = indexOf(pod);
      const isFirst = index !== undefined && index < (completions ?? 0) && !seen.has(index);
      if (isFirst) seen.add(index);
      return isFirst;
    });
    draft.remove(active.filter((pod) => !useful.includes(pod)));
  }
  if (useful.length > wanted) {
    draft.remove(useful.toSorted(leastUsefulFirst(now, active)).slice(0, useful.length - wanted));
    return;
  }
  const missing = Math.min(wanted - useful.length, createMax);
  if (missing === 0) return;
  const waitMs = retryWaitMs(pods, now);
  if (waitMs > 0) draft.again(waitMs);
  else if (completionMode === 'Indexed') {
    const taken = new Set([...completed, ...useful.flatMap((pod) => indexOf(pod) ?? [])]);
    const free: number[] = [];
    for (let index = 0; free.length < missing && index < (completions ?? 0); index++) {
      if (!taken.has(index)) free.push(index);
    }
    draft.create(free);
  } else draft.create(Array.from({ length: missing }, () => undefined));
}

/** How long to wait after the pods that failed since the last one succeeded. */
function retryWaitMs(pods: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(succeededPod).map(endedAt));
  const failures = pods.filter((pod) => pod.status?.phase === 'Failed' && endedAt(pod) > lastSuccess).map(endedAt);
  if (failures.length === 0) return 0;
  return Math.max(...failures) + backoffMs(retry, failures.length) - now;
}

/** Collects what a plan changes. */
class Draft {
  readonly #state: JobState;
  readonly #counts: Counts;
  #conditions: readonly JobCondition[];
  #startTime: string | undefined;
  #completionTime: string | undefined;
  #create: readonly (number | undefined)[] = [];
  readonly #remove: Pod[] = [];
  readonly #events: EventFact[] = [];
  #againMs: number | undefined;

  constructor(state: JobState, counts: Counts) {
    this.#state = state;
    this.#counts = counts;
    this.#conditions = state.job.status?.conditions ?? [];
    this.#startTime = state.job.status?.startTime;
    if (this.#startTime === undefined && state.job.spec.suspend !== true) this.#startTime = timestamp(state.now);
  }

  startTime(): string | undefined {
    return this.#startTime;
  }

  create(indexes: readonly (number | undefined)[]): void {
    this.#create = indexes;
  }

  remove(pods: readonly Pod[]): void {
    this.#remove.push(...pods);
  }

  again(ms: number): void {
    if (this.#againMs === undefined || ms < this.#againMs) this.#againMs = Math.max(0, ms);
  }

  condition(type: string, status: string, reason: string, message: string): void {
    const time = timestamp(this.#state.now);
    const condition = { type, status, reason, message, lastProbeTime: time, lastTransitionTime: time };
    this.#conditions = withCondition(this.#conditions, condition);
  }

  /** The condition that says which end the Job is heading for. */
  target(): JobCondition | undefined {
    return this.#conditions.find(
      ({ type, status }) => (type === 'FailureTarget' || type === 'SuccessCriteriaMet') && status === 'True',
    );
  }

  finish(): void {
    const { type, reason = '', message = '' } = this.target() ?? { type: 'FailureTarget' };
    if (type === 'FailureTarget') {
      this.condition('Failed', 'True', reason, message);
      this.#events.push({ type: 'Warning', reason, message });
    } else {
      this.condition('Complete', 'True', reason, message);
      this.#completionTime = timestamp(this.#state.now);
      this.#events.push({ type: 'Normal', reason: 'Completed', message: 'Job completed' });
    }
  }

  suspendOrResume(): void {
    const { job, now } = this.#state;
    const isMarked = hasCondition(job, 'Suspended') !== undefined;
    if (job.spec.suspend === true) {
      this.#startTime = undefined; // the deadline counts anew once it is resumed
      if (isMarked) return;
      this.condition('Suspended', 'True', 'JobSuspended', 'Job suspended');
      this.#events.push({ type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
    } else if (isMarked) {
      this.condition('Suspended', 'False', 'JobResumed', 'Job resumed');
      this.#startTime = timestamp(now);
      this.#events.push({ type: 'Normal', reason: 'Resumed', message: 'Job resumed' });
    }
  }

  plan(): JobPlan {
    const { job, pods } = this.#state;
    const { succeeded, failed, completed, uncounted, release } = this.#counts;
    const active = pods.filter(isActive);
    const activeAfter = active.length - new Set(this.#remove).size + this.#create.length;
    const completionTime = this.#completionTime ?? job.status?.completionTime;
    const status: JobStatus = {
      ...(activeAfter === 0 ? {} : { active: activeAfter }),
      ...(succeeded === 0 ? {} : { succeeded }),
      ...(failed === 0 ? {} : { failed }),
      ready: active.filter((pod) => isReady(pod) && !this.#remove.includes(pod)).length,
      terminating: pods.filter(isTerminating).length,
      uncountedTerminatedPods: {
        ...(uncounted.succeeded.length === 0 ? {} : { succeeded: uncounted.succeeded }),
        ...(uncounted.failed.length === 0 ? {} : { failed: uncounted.failed }),
      },
      ...(completed.size === 0 ? {} : { completedIndexes: formatIndexes(completed) }),
      ...(this.#startTime === undefined ? {} : { startTime: this.#startTime }),
      ...(completionTime === undefined ? {} : { completionTime }),
      ...(this.#conditions.length === 0 ? {} : { conditions: this.#conditions }),
    };
    const againMs = this.#againMs;
    return {
      create: this.#create,
      remove: this.#remove,
      status,
      release,
      events: this.#events,
      ...(againMs === undefined ? {} : { againMs }),
    };
  }
}
