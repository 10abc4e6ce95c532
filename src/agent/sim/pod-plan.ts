import type { Pod } from '#api/core/pod.ts';
import type { Container, ContainerStatus, PodCondition } from '#api/core/types.generated.ts';
import { parseTimestamp } from '#machinery/timestamp.ts';
import { behaviourOf, type Behaviour } from './behaviour.ts';

type PodStatus = NonNullable<Pod['status']>;

/** What is known of a pod besides the pod itself. Times in milliseconds since the epoch. */
export interface Circumstances {
  readonly now: number;
  /** When the pod was first seen on its node. */
  readonly since: number;
  /** From arrival to running, unless the pod says otherwise. */
  readonly startMs: number;
  readonly hostIp: string;
  readonly podIp: string;
}

export type PodPlan =
  /** Nothing to do until the pod changes. */
  | { readonly do: 'nothing' }
  /** Nothing to do until then. */
  | { readonly do: 'wait'; readonly untilMs: number }
  | { readonly do: 'report'; readonly status: PodStatus }
  /** Its containers have stopped: it can go. */
  | { readonly do: 'delete' };

/** Restart delays as upstream's: 10 s, doubled up to 5 min. */
const restartMsInitial = 10_000;
const restartMsMax = 300_000;
/** How long a container whose liveness fails lives: three failures, ten seconds apart. */
const livenessMs = 30_000;
const defaultGraceSeconds = 30;

/**
 * Decides the next step in a pretend pod's life from what the API server says of it. Pure and level-triggered: called
 * at any moment, after any pause, it goes on from there.
 */
export function planPod(pod: Pod, circumstances: Circumstances): PodPlan {
  const behaviour = behaviourOf(pod, circumstances.startMs);
  const phase = pod.status?.phase ?? 'Pending';
  if (pod.metadata?.deletionTimestamp !== undefined) return planDeletion(pod, behaviour, circumstances);
  if (phase === 'Succeeded' || phase === 'Failed') return { do: 'nothing' };
  const overdue = planDeadline(pod, circumstances);
  if (overdue?.do === 'report') return overdue;
  const plan =
    phase === 'Running' ? planRunning(pod, behaviour, circumstances) : planStart(pod, behaviour, circumstances);
  return earlier(plan, overdue);
}

function earlier(plan: PodPlan, other: PodPlan | undefined): PodPlan {
  if (other?.do !== 'wait' || plan.do === 'report' || plan.do === 'delete') return plan;
  return plan.do === 'wait' && plan.untilMs <= other.untilMs ? plan : other;
}

function planStart(pod: Pod, behaviour: Behaviour, circumstances: Circumstances): PodPlan {
  const due = circumstances.since + behaviour.startMs;
  if (behaviour.waiting !== undefined) return report(pod, waitingStatus(pod, behaviour.waiting, circumstances));
  if (circumstances.now < due) return { do: 'wait', untilMs: due };
  return report(
    pod,
    runningStatus(pod, behaviour, circumstances, () => started(circumstances.now)),
  );
}

/** How the containers of a running pod live. */
interface Life {
  readonly now: number;
  /** Until they exit; undefined for ever. */
  readonly lifeMs: number | undefined;
  readonly exitCode: number;
  readonly restarts: boolean;
}

/** What one container does next: changes now, or not before a moment. */
interface ContainerStep {
  readonly change?: Partial<ContainerStatus>;
  readonly nextMs?: number;
}

function planRunning(pod: Pod, behaviour: Behaviour, circumstances: Circumstances): PodPlan {
  const exitCode = behaviour.alive ? behaviour.exitCode : 137;
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const life: Life = {
    now: circumstances.now,
    lifeMs: behaviour.alive ? behaviour.runMs : Math.min(livenessMs, behaviour.runMs ?? Infinity),
    exitCode,
    restarts: policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0),
  };
  const before = pod.status?.containerStatuses ?? [];
  const steps = new Map(before.map((status) => [status.name, stepContainer(status, life)]));
  const changes = new Map(
    [...steps].flatMap(([name, { change }]) => (change === undefined ? [] : [[name, change] as const])),
  );
  const allEnded = before.every(({ name, state }) => (changes.get(name)?.state ?? state)?.terminated !== undefined);
  if (allEnded && before.length > 0) return report(pod, endedStatus(pod, changes, circumstances));
  const status = runningStatus(pod, behaviour, circumstances, (name) => changes.get(name));
  if (changes.size > 0 || readiness(before) !== readiness(status.containerStatuses)) return report(pod, status);
  const gates = (pod.spec?.readinessGates?.length ?? 0) > 0;
  if (gates && isReady(pod.status) !== isReady(status)) return report(pod, status);
  const next = Math.min(...[...steps.values()].map(({ nextMs = Infinity }) => nextMs));
  return next === Infinity ? { do: 'nothing' } : { do: 'wait', untilMs: next };
}

function stepContainer({ state, lastState, restartCount }: ContainerStatus, life: Life): ContainerStep {
  const { now, lifeMs, exitCode, restarts } = life;
  if (state?.running !== undefined && lifeMs !== undefined) {
    const end = (time(state.running.startedAt) ?? now) + lifeMs;
    if (end > now) return { nextMs: end };
    const terminated = terminatedState(exitCode, state.running.startedAt, end);
    return { change: restarts ? { state: crashLoop, lastState: { terminated } } : { state: { terminated } } };
  }
  if (state?.waiting !== undefined) {
    const again = (time(lastState?.terminated?.finishedAt) ?? now) + restartMs(restartCount);
    return again > now ? { nextMs: again } : { change: { ...started(now), restartCount: restartCount + 1 } };
  }
  return {};
}

const readiness = (statuses: readonly ContainerStatus[] = []) => statuses.map(({ ready }) => ready).join();
const isReady = (status: PodStatus | undefined) => status?.conditions?.find(({ type }) => type === 'Ready')?.status;

function planDeletion(pod: Pod, behaviour: Behaviour, circumstances: Circumstances): PodPlan {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed' || phase === undefined || phase === 'Pending')
    return { do: 'delete' };
  const graceMs = (pod.metadata?.deletionGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
  // The timestamp is when the grace ends: what is left of it began that much earlier.
  const asked = (time(pod.metadata?.deletionTimestamp) ?? circumstances.now) - graceMs;
  const stopped = asked + Math.min(behaviour.stopMs, graceMs);
  if (circumstances.now < stopped) return { do: 'wait', untilMs: stopped };
  const exitCode = behaviour.stopMs > graceMs ? 137 : 0;
  const terminated = new Map(
    (pod.status?.containerStatuses ?? []).map(({ name, state }) => [
      name,
      state?.terminated === undefined
        ? { state: { terminated: terminatedState(exitCode, state?.running?.startedAt, circumstances.now) } }
        : {},
    ]),
  );
  return { do: 'report', status: endedStatus(pod, terminated, circumstances) };
}

/** `activeDeadlineSeconds`: reports the failure, or says when it would come. */
function planDeadline(pod: Pod, { now, since }: Circumstances): PodPlan | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  if (seconds === undefined) return undefined;
  const due = (time(pod.status?.startTime) ?? since) + seconds * 1000;
  if (now < due) return { do: 'wait', untilMs: due };
  const message = 'Pod was active on the node longer than the specified deadline';
  return { do: 'report', status: { ...pod.status, phase: 'Failed', reason: 'DeadlineExceeded', message } };
}

/** Reports only what would change something. */
function report(pod: Pod, status: PodStatus): PodPlan {
  const same = pod.status !== undefined && JSON.stringify({ ...pod.status, ...status }) === JSON.stringify(pod.status);
  return same ? { do: 'nothing' } : { do: 'report', status };
}

const crashLoop = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off restarting failed container' } };
const restartMs = (restarts: number) => Math.min(restartMsMax, restartMsInitial * 2 ** Math.min(restarts, 10));
const seconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
const started = (now: number): Partial<ContainerStatus> => ({ state: { running: { startedAt: seconds(now) } } });

function time(text: string | undefined): number | undefined {
  const parsed = text === undefined ? undefined : parseTimestamp(text);
  return parsed === undefined ? undefined : parsed.seconds * 1000 + parsed.nanos / 1e6;
}

function terminatedState(exitCode: number, startedAt: string | undefined, finishedMs: number) {
  const finishedAt = seconds(finishedMs);
  const reason = exitCode === 0 ? 'Completed' : 'Error';
  return { exitCode, reason, startedAt: startedAt ?? finishedAt, finishedAt };
}

function runningStatus(
  pod: Pod,
  behaviour: Behaviour,
  circumstances: Circumstances,
  changeOf: (name: string) => Partial<ContainerStatus> | undefined,
): PodStatus {
  const containerStatuses = (pod.spec?.containers ?? []).map((container) => {
    const status = containerStatus(pod, container, changeOf(container.name));
    const runs = status.state?.running !== undefined;
    return { ...status, ready: runs && behaviour.ready, started: runs };
  });
  const ready = containerStatuses.every((status) => status.ready);
  const inits = (pod.spec?.initContainers ?? []).map((container) => initStatus(pod, container, circumstances.now));
  return {
    ...placeOf(pod, circumstances),
    phase: 'Running',
    conditions: conditions(pod, circumstances.now, { initialized: true, ready }),
    containerStatuses,
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
  };
}

function waitingStatus(pod: Pod, reason: string, circumstances: Circumstances): PodStatus {
  const containerStatuses = (pod.spec?.containers ?? []).map((container) => ({
    ...containerStatus(pod, container, { state: { waiting: { reason } } }),
    ready: false,
    started: false,
  }));
  return {
    ...placeOf(pod, circumstances),
    phase: 'Pending',
    conditions: conditions(pod, circumstances.now, { initialized: true, ready: false }),
    containerStatuses,
  };
}

function endedStatus(
  pod: Pod,
  changes: ReadonlyMap<string, Partial<ContainerStatus>>,
  circumstances: Circumstances,
): PodStatus {
  const containerStatuses = (pod.status?.containerStatuses ?? []).map((status) => ({
    ...status,
    ...changes.get(status.name),
    ready: false,
    started: false,
  }));
  const failed = containerStatuses.some(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  const reason = failed ? 'PodFailed' : 'PodCompleted';
  return {
    ...placeOf(pod, circumstances),
    phase: failed ? 'Failed' : 'Succeeded',
    conditions: conditions(pod, circumstances.now, { initialized: true, ready: false, reason }),
    containerStatuses,
  };
}

function placeOf(pod: Pod, { now, hostIp, podIp }: Circumstances): PodStatus {
  const ip = pod.spec?.hostNetwork === true ? hostIp : podIp;
  return {
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: ip,
    podIPs: [{ ip }],
    startTime: pod.status?.startTime ?? seconds(now),
    observedGeneration: pod.metadata?.generation ?? 0,
  };
}

function containerStatus(
  pod: Pod,
  container: Container,
  change: Partial<ContainerStatus> | undefined,
): ContainerStatus {
  const before = pod.status?.containerStatuses?.find(({ name }) => name === container.name);
  const fresh = {
    name: container.name,
    image: container.image ?? '',
    imageID: `sim://${container.image ?? ''}`,
    containerID: `sim://${pod.metadata?.uid ?? ''}/${container.name}`,
    ready: false,
    restartCount: 0,
  };
  return { ...fresh, ...before, ...change };
}

function initStatus(pod: Pod, container: Container, now: number): ContainerStatus {
  const before = pod.status?.initContainerStatuses?.find(({ name }) => name === container.name);
  if (before !== undefined) return before;
  const status = containerStatus(pod, container, {});
  if (container.restartPolicy === 'Always') return { ...status, ...started(now), ready: true, started: true };
  const terminated = terminatedState(0, seconds(now), now);
  return { ...status, ready: true, started: false, state: { terminated } };
}

/** The kubelet's conditions; others' (PodScheduled, readiness gates) are left as they are. */
function conditions(
  pod: Pod,
  now: number,
  { initialized, ready, reason }: { initialized: boolean; ready: boolean; reason?: string },
): readonly PodCondition[] {
  const gatesOpen = (pod.spec?.readinessGates ?? []).every(
    ({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status === 'True',
  );
  const facts: readonly [type: string, holds: boolean][] = [
    ['PodReadyToStartContainers', true],
    ['Initialized', initialized],
    ['ContainersReady', ready],
    ['Ready', ready && gatesOpen],
  ];
  return facts.map(([type, holds]) => {
    const status = holds ? 'True' : 'False';
    const before = pod.status?.conditions?.find((each) => each.type === type);
    const because = holds || reason === undefined ? {} : { reason };
    const notReady = holds || reason !== undefined || !type.endsWith('Ready') ? {} : { reason: 'ContainersNotReady' };
    return {
      type,
      status,
      lastTransitionTime:
        before?.status === status && before.lastTransitionTime !== undefined ? before.lastTransitionTime : seconds(now),
      ...because,
      ...notReady,
    };
  });
}
