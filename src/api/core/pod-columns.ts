/** `kubectl get pods`. Source: kubernetes pkg/printers/internalversion (printPod). */
import { age } from '#machinery/human-duration.ts';
import type { Column } from '#machinery/kind.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import type * as types from './types.generated.ts';

interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly status: string;
  readonly restarts: number;
  /** Milliseconds since the epoch; undefined if nothing restarted. */
  readonly lastRestart: number | undefined;
}

const timeOf = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));
const later = (a: number | undefined, b: number | undefined) =>
  b === undefined || Number.isNaN(b) || (a !== undefined && a > b) ? a : b;

/** Sidecars: init containers that keep running. */
const sidecarsOf = (pod: types.Pod) =>
  new Set(
    (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  );

/** The pod in the few words of a list: what is most worth knowing about its containers. */
export function summarizePod(pod: types.Pod): PodSummary {
  const { containerStatuses = [], conditions = [] } = pod.status ?? {};
  const sidecars = sidecarsOf(pod);
  const total = (pod.spec?.containers ?? []).length + sidecars.size;
  let status = (pod.status?.reason ?? '') === '' ? (pod.status?.phase ?? '') : (pod.status?.reason ?? '');
  if (conditions.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated')) {
    status = 'SchedulingGated';
  }

  const init = summarizeInit(pod, sidecars);
  let { ready, restarts, lastRestart } = init;
  if (init.status !== undefined) status = init.status;
  if (init.status === undefined || isTrue(conditions, 'Initialized')) {
    restarts = init.sidecarRestarts;
    lastRestart = init.sidecarLastRestart;
    let running = false;
    for (const container of containerStatuses.toReversed()) {
      restarts += container.restartCount;
      lastRestart = later(lastRestart, timeOf(container.lastState?.terminated?.finishedAt));
      const { waiting, terminated } = container.state ?? {};
      if (waiting !== undefined && (waiting.reason ?? '') !== '') status = waiting.reason ?? '';
      else if (terminated !== undefined) status = terminationText(terminated, '');
      else if (container.ready && container.state?.running !== undefined) {
        running = true;
        ready++;
      }
    }
    // A pod with one finished and one running container runs.
    if (status === 'Completed' && running) status = isTrue(conditions, 'Ready') ? 'Running' : 'NotReady';
  }
  if (pod.metadata?.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') status = 'Unknown';
    else if (!isFinished(pod)) status = 'Terminating';
  }
  return { ready, total, status, restarts, lastRestart };
}

interface InitSummary {
  /** Undefined once every init container is done or, for sidecars, started. */
  readonly status: string | undefined;
  readonly ready: number;
  readonly restarts: number;
  readonly lastRestart: number | undefined;
  readonly sidecarRestarts: number;
  readonly sidecarLastRestart: number | undefined;
}

function summarizeInit(pod: types.Pod, sidecars: ReadonlySet<string>): InitSummary {
  let [status, ready, restarts, sidecarRestarts]: [string | undefined, number, number, number] = [undefined, 0, 0, 0];
  let lastRestart: number | undefined;
  let sidecarLastRestart: number | undefined;
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const isSidecar = sidecars.has(container.name);
    const finishedAt = timeOf(container.lastState?.terminated?.finishedAt);
    restarts += container.restartCount;
    lastRestart = later(lastRestart, finishedAt);
    if (isSidecar) {
      sidecarRestarts += container.restartCount;
      sidecarLastRestart = later(sidecarLastRestart, finishedAt);
    }
    const { waiting, terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (isSidecar && container.started === true) {
      if (container.ready) ready++;
      continue;
    }
    if (terminated !== undefined) status = terminationText(terminated, 'Init:');
    else if (waiting !== undefined && (waiting.reason ?? '') !== '' && waiting.reason !== 'PodInitializing') {
      status = `Init:${waiting.reason ?? ''}`;
    } else status = `Init:${index}/${(pod.spec?.initContainers ?? []).length}`;
    break;
  }
  return { status, ready, restarts, lastRestart, sidecarRestarts, sidecarLastRestart };
}

function terminationText(
  { reason = '', signal = 0, exitCode }: types.ContainerStateTerminated,
  prefix: string,
): string {
  if (reason !== '') return `${prefix}${reason}`;
  return signal !== 0 ? `${prefix}Signal:${signal}` : `${prefix}ExitCode:${exitCode}`;
}

const isTrue = (conditions: readonly types.PodCondition[], wanted: string) =>
  conditions.some(({ type, status }) => type === wanted && status === 'True');

export const isFinished = (pod: types.Pod) => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

const orNone = (value: string | undefined) => (value === undefined || value === '' ? '<none>' : value);

export const podColumns: readonly Column<types.Pod>[] = [
  nameColumn,
  column('Ready', 'The aggregate readiness state of this pod for accepting traffic.', (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  column('Status', 'The aggregate status of the containers in this pod.', (pod) => summarizePod(pod).status),
  column(
    'Restarts',
    'The number of times the containers in this pod have been restarted and when the last container restarted.',
    (pod, now) => {
      const { restarts, lastRestart } = summarizePod(pod);
      return restarts === 0 || lastRestart === undefined
        ? String(restarts)
        : `${restarts} (${age(new Date(lastRestart).toISOString(), now)} ago)`;
    },
  ),
  ageColumn,
  wide('IP', 'Address of the pod.', ({ status }) => orNone(status?.podIPs?.[0]?.ip ?? status?.podIP)),
  wide('Node', 'Node the pod is bound to.', ({ spec }) => orNone(spec?.nodeName)),
  wide('Nominated Node', 'Node where room is being made for the pod.', ({ status }) =>
    orNone(status?.nominatedNodeName),
  ),
  wide(
    'Readiness Gates',
    'Conditions beyond its containers that the pod waits for to be ready.',
    ({ spec, status }) => {
      const gates = spec?.readinessGates ?? [];
      if (gates.length === 0) return '<none>';
      const met = gates.filter(({ conditionType }) => isTrue(status?.conditions ?? [], conditionType)).length;
      return `${met}/${gates.length}`;
    },
  ),
];
