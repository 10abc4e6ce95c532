import type * as core from '#api/core/types.generated.ts';
import type { ContainerRecord } from './container-record.ts';
import { marks } from './marks.ts';

export interface ContainerState {
  readonly status: 'created' | 'running' | 'restarting' | 'removing' | 'exited';
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  /** RFC 3339, Docker's zero time where there is none. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly restartCount: number;
  /** As the health check says, if there is one. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** Why it does not start, in Kubernetes' word and sentence. */
  readonly waiting: core.ContainerStateWaiting | undefined;
}

const never = '0001-01-01T00:00:00Z';
/** How the end of a container that left no exit code is told: as if it had been killed. */
const killedCode = 137;

export function statusOf({ pod, container }: ContainerRecord): core.ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    ({ name }) => name === container.name,
  );
}

export const isGated = ({ pod }: ContainerRecord): boolean => (pod.spec.schedulingGates ?? []).length > 0;

/** Docker's state of a container at `now` (ms since the epoch), from the pod's status. */
export function stateOf(record: ContainerRecord, now: number): ContainerState {
  const { pod } = record;
  const status = statusOf(record);
  const { running, terminated, waiting } = status?.state ?? {};
  const last = terminated ?? status?.lastState?.terminated;
  const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  const isDeleting = pod.metadata?.deletionTimestamp !== undefined;
  const failure = failureOf(record);
  const word = (): ContainerState['status'] => {
    if (isOver) return 'exited';
    if (running !== undefined) return 'running';
    if (isDeleting) return 'removing';
    if (terminated !== undefined) return willRestart(record, terminated.exitCode) ? 'restarting' : 'exited';
    return last === undefined ? 'created' : 'restarting';
  };
  const found = word();
  return {
    status: found,
    exitCode: found === 'running' ? 0 : (last?.exitCode ?? (isOver ? killedCode : (failure?.exitCode ?? 0))),
    error: failure?.error ?? (isOver && last === undefined ? (pod.status?.message ?? '') : ''),
    oomKilled: found !== 'running' && last?.reason === 'OOMKilled',
    startedAt: running?.startedAt ?? last?.startedAt ?? never,
    finishedAt: last?.finishedAt ?? never,
    restartCount: status?.restartCount ?? 0,
    health: healthOf(record, status, now),
    waiting,
  };
}

function willRestart({ pod, container }: ContainerRecord, exitCode: number): boolean {
  const isInit = pod.spec.initContainers?.some(({ name }) => name === container.name) === true;
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always';
  if (pod.spec.ephemeralContainers?.some(({ name }) => name === container.name) === true) return false;
  return policy === 'Always'
    ? !isInit || container.restartPolicy === 'Always' || exitCode !== 0
    : policy === 'OnFailure' && exitCode !== 0;
}

function failureOf({ pod }: ContainerRecord): { readonly exitCode: number; readonly error: string } | undefined {
  const text = pod.metadata?.annotations?.[marks.failure];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as { exitCode: number; error: string };
  } catch {
    return undefined;
  }
}

function healthOf(
  { container }: ContainerRecord,
  status: core.ContainerStatus | undefined,
  now: number,
): ContainerState['health'] {
  if (container.readinessProbe === undefined || status?.state?.running === undefined) return undefined;
  if (status.ready) return 'healthy';
  const since = Date.parse(status.state.running.startedAt ?? '');
  const { periodSeconds = 10, failureThreshold = 3, initialDelaySeconds = 0 } = container.readinessProbe;
  const patience = (initialDelaySeconds + periodSeconds * failureThreshold) * 1000;
  return now - since > patience ? 'unhealthy' : 'starting';
}
