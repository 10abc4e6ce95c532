import type { ContainerRecord } from './container-record.ts';
import { statusOf } from './container-state.ts';

export interface StartFailure {
  readonly message: string;
  /** As Docker has them: 127 no such program, 126 not to be run, 125 anything else. */
  readonly exitCode: number;
  /** The request was at fault, not the cluster. */
  readonly isRequests: boolean;
}

const hopeless = /^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RunContainerError|CreateContainerError|CreateContainerConfigError|StartError|ContainerCannotRun)$/; // prettier-ignore

/**
 * Why a container that was asked to start will not; undefined while it still may. A pod that no node takes waits for
 * one in Kubernetes, but a Docker client wants to hear of it. Pure.
 */
export function startFailure(record: ContainerRecord): StartFailure | undefined {
  const { pod } = record;
  const unplaced = pod.status?.conditions?.find(
    ({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable',
  );
  if (unplaced !== undefined)
    return { message: placementMessage(record, unplaced.message ?? ''), exitCode: 128, isRequests: false };
  const { waiting, terminated } = statusOf(record)?.state ?? {};
  const { reason = '', message = '' } = waiting ?? terminated ?? {};
  if (hopeless.test(reason)) {
    const exitCode = /permission denied/i.test(message)
      ? 126
      : /no such file or directory|not found in \$PATH/i.test(message)
        ? 127
        : 125;
    const isPull = /Pull|Image/.test(reason);
    return {
      message: isPull ? message : `failed to create task for container: ${message}`,
      exitCode,
      isRequests: exitCode !== 125 && !isPull,
    };
  }
  const { phase, message: why } = pod.status ?? {};
  if (phase === 'Failed')
    return { message: why ?? 'the pod has failed before the container ran', exitCode: 125, isRequests: false };
  return undefined;
}

/** With the words that scripts look for when a port is taken. */
function placementMessage({ container }: ContainerRecord, why: string): string {
  const ports = (container.ports ?? []).flatMap(({ hostIP, hostPort }) =>
    hostPort === undefined ? [] : [`${hostIP ?? '0.0.0.0'}:${hostPort}`],
  );
  const taken =
    /free ports/.test(why) && ports.length > 0
      ? `Bind for ${ports.join(', ')} failed: port is already allocated: `
      : '';
  return `${taken}no resources available to schedule container: ${why}`;
}
