import type * as core from '#api/core/types.generated.ts';
import { isOver, type ObservedContainer } from './observed.ts';
import { containersOf, isFinished, restartsAfter, type PodContainer } from './pod-containers.ts';
import type { PodFacts } from './pod-facts.ts';
import { statusOf } from './plan-pod.ts';
import { restartAt } from './restart-backoff.ts';

/** RFC 3339 with whole seconds, as Kubernetes writes times. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** What the pod's status says of one container. */
export function containerStatus(facts: PodFacts, container: PodContainer): core.ContainerStatus {
  const { pod, observed } = facts;
  const { name } = container.spec;
  const instances = observed.containers.filter((instance) => instance.name === name);
  const [latest, previous] = instances;
  const known = statusOf(pod, name);
  if (latest === undefined) return statusWithoutInstance(facts, container, known);
  const waiting = latest.state === 'running' ? undefined : waitingState(facts, container, latest);
  const started = latest.state === 'running' && facts.started.has(latest.id);
  const last = waiting !== undefined && isOver(latest) ? latest : previous;
  const ended = last === undefined || !isOver(last) ? known?.lastState : { terminated: terminated(last) };
  const { requests, limits } = container.spec.resources ?? {};
  return {
    name,
    ...(latest.id === '' ? {} : { containerID: `containerd://${latest.id}` }),
    image: latest.image === '' ? (container.spec.image ?? '') : latest.image,
    imageID: latest.imageId,
    ...(ended === undefined || Object.keys(ended).length === 0 ? { lastState: {} } : { lastState: ended }),
    ready: isReady(facts, container, latest),
    restartCount: latest.attempt,
    started,
    state: waiting !== undefined ? { waiting } : stateOf(latest),
    ...(requests === undefined || latest.state !== 'running' ? {} : { allocatedResources: requests }),
    resources: { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) },
    ...(latest.user?.linux === undefined ? {} : { user: { linux: linuxUser(latest.user.linux) } }),
    ...mountStatuses(container),
  };
}

function isReady(facts: PodFacts, { role }: PodContainer, latest: ObservedContainer): boolean {
  if (role === 'ephemeral') return false;
  if (role === 'init') return latest.state === 'exited' && latest.exitCode === 0;
  return latest.state === 'running' && facts.ready.has(latest.id) && !facts.busy.has(`start/${latest.name}`);
}

function stateOf(container: ObservedContainer): core.ContainerState {
  if (isOver(container)) return { terminated: terminated(container) };
  return container.state === 'running' ? { running: { startedAt: rfc3339(container.startedAt) } } : {};
}

export function terminated(container: ObservedContainer): core.ContainerStateTerminated {
  const isLost = container.state === 'unknown';
  const exitCode = isLost ? 137 : container.exitCode;
  const reason = isLost ? 'ContainerStatusUnknown' : container.reason || (exitCode === 0 ? 'Completed' : 'Error');
  const message = isLost ? 'The container could not be located when the pod was terminated' : container.message;
  return {
    exitCode,
    reason,
    ...(message === '' ? {} : { message }),
    ...(container.startedAt === 0 ? {} : { startedAt: rfc3339(container.startedAt) }),
    ...(container.finishedAt === 0 ? {} : { finishedAt: rfc3339(container.finishedAt) }),
    containerID: `containerd://${container.id}`,
  };
}

/** Why a container that is not running is awaited; undefined if it is over for good. */
function waitingState(
  facts: PodFacts,
  container: PodContainer,
  latest: ObservedContainer,
): core.ContainerStateWaiting | undefined {
  const { pod, backoffs, busy, setbacks, now } = facts;
  const { name } = container.spec;
  if (latest.state === 'created') return { reason: startingReason(facts, container) };
  if (pod.metadata?.deletionTimestamp !== undefined || isFinished(pod) || facts.verdict !== undefined) return undefined;
  if (!restartsAfter(pod, container, latest.exitCode)) return undefined;
  if (container.role === 'init' && latest.exitCode === 0) return undefined;
  const setback = setbacks.get(`start/${name}`);
  if (setback !== undefined) return { reason: setback.reason, message: setback.message };
  if (busy.has(`start/${name}`)) return undefined;
  const backoff = backoffs.get(name);
  if (backoff === undefined || restartAt(backoff, latest.finishedAt) <= now) return undefined;
  const { namespace = '', name: podName = '', uid = '' } = pod.metadata ?? {};
  const delay = describeDelay(backoff.delayMs);
  return {
    reason: 'CrashLoopBackOff',
    message: `back-off ${delay} restarting failed container=${name} pod=${podName}_${namespace}(${uid})`,
  };
}

/** As Go prints a duration: `10s`, `1m20s`. */
export function describeDelay(ms: number): string {
  const [minutes, seconds] = [Math.floor(ms / 60_000), Math.round((ms % 60_000) / 1000)];
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}

function startingReason({ pod, observed }: PodFacts, { role }: PodContainer): string {
  const inits = containersOf(pod).filter((other) => other.role === 'init' || other.role === 'sidecar');
  if (inits.length === 0 || role === 'ephemeral') return 'ContainerCreating';
  if (role === 'main') {
    const passed = inits.every(({ spec }) => observed.containers.some(({ name }) => name === spec.name));
    return passed && pod.status?.initContainerStatuses?.every(({ ready }) => ready) === true
      ? 'ContainerCreating'
      : 'PodInitializing';
  }
  return 'PodInitializing';
}

/** Nothing in the runtime: not yet begun, or, where the API knows better, gone with its records. */
function statusWithoutInstance(
  facts: PodFacts,
  container: PodContainer,
  known: core.ContainerStatus | undefined,
): core.ContainerStatus {
  const { name, image = '' } = container.spec;
  const over =
    known?.state?.terminated !== undefined ||
    isFinished(facts.pod) ||
    facts.pod.metadata?.deletionTimestamp !== undefined;
  if (over && known?.containerID !== undefined) {
    const { state, ...rest } = known;
    if (state?.terminated !== undefined) return { ...known, ready: known.ready && container.role === 'init' };
    const lost: core.ContainerStateTerminated = {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
    };
    return { ...rest, ready: false, started: false, state: { terminated: lost } };
  }
  const setback =
    facts.setbacks.get(`start/${name}`) ??
    (container.role === 'main' || container.role === 'init' ? undefined : facts.setbacks.get('create-sandbox'));
  const waiting =
    setback === undefined
      ? { reason: startingReason(facts, container) }
      : { reason: setback.reason, message: setback.message };
  return {
    name,
    image,
    imageID: '',
    lastState:
      known?.state?.terminated === undefined ? (known?.lastState ?? {}) : { terminated: known.state.terminated },
    ready: false,
    restartCount: known?.restartCount ?? 0,
    started: false,
    state: { waiting },
  };
}

function linuxUser({
  uid,
  gid,
  supplementalGroups,
}: {
  uid: bigint;
  gid: bigint;
  supplementalGroups: readonly bigint[];
}) {
  return {
    uid: Number(uid),
    gid: Number(gid),
    ...(supplementalGroups.length === 0 ? {} : { supplementalGroups: supplementalGroups.map(Number) }),
  };
}

function mountStatuses({ spec }: PodContainer): { volumeMounts?: readonly core.VolumeMountStatus[] } {
  const { volumeMounts = [] } = spec;
  if (volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly === true ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}
