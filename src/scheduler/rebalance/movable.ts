import type { Pod } from '#api/core/pod.ts';
import { reservationAnnotation } from '#api/tutti-scheduling/reservation.ts';
import { parseTimestamp } from '#machinery/timestamp.ts';

/** Pods of the cluster itself. Source: kubernetes pkg/apis/scheduling (SystemCriticalPriority). */
const systemPriority = 2_000_000_000;
/** `"false"` on a pod (or in its workload's template) keeps the rebalancer away. */
export const rebalanceAnnotation = 'tutti.dev/rebalance';

export interface MovableOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Younger pods are left alone, so that nothing is moved to and fro. */
  readonly ageMsMin: number;
}

/** Why a pod is not to be moved, or undefined if it may be: somebody must make a new one, and nothing be lost. */
export function immovable(pod: Pod, { now, ageMsMin }: MovableOptions): string | undefined {
  const { metadata, spec, status } = pod;
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return 'nobody would make a new one';
  if (owner.kind === 'DaemonSet' || owner.kind === 'Node') return 'it belongs to its node';
  if (owner.kind === 'Job') return 'its work would begin anew';
  if (metadata?.annotations?.[rebalanceAnnotation] === 'false') return `its annotation ${rebalanceAnnotation} says so`;
  if (metadata?.annotations?.[reservationAnnotation] !== undefined) return 'it is placed into a reservation';
  if (metadata?.deletionTimestamp !== undefined) return 'it is on its way out';
  if ((spec.priority ?? 0) >= systemPriority) return 'the cluster itself needs it';
  if (spec.volumes?.some(({ emptyDir, hostPath }) => emptyDir !== undefined || hostPath !== undefined) === true) {
    return 'it keeps data on its node';
  }
  if (status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True') !== true) {
    return 'it is not ready';
  }
  const started = parseTimestamp(status.startTime ?? metadata?.creationTimestamp ?? '');
  if (started === undefined || now - started.seconds * 1000 < ageMsMin) return 'it is too young';
  return undefined;
}
