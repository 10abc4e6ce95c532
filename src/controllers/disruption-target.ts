import { Pod } from '#api/core/pod.ts';
import { refOfObject } from './claims.ts';
import type { ReconcileContext } from './controller.ts';
import { isTerminal, podCondition, timestamp } from './pod-state.ts';

/**
 * Notes on a pod that is deleted through no fault of its own why that is: Jobs do not count it as a failure of
 * theirs. With `phase` it also ends, for want of a node that could say so. Returns the pod as it then is.
 */
export async function markDisrupted(
  pod: Pod,
  reason: string,
  message: string,
  { client, clock, signal }: Pick<ReconcileContext, 'client' | 'clock' | 'signal'>,
  phase?: 'Failed',
): Promise<Pod> {
  const isMarked = podCondition(pod, 'DisruptionTarget')?.status === 'True';
  const ends = phase !== undefined && !isTerminal(pod);
  if (isMarked && !ends) return pod;
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason,
    message,
    lastTransitionTime: timestamp(clock.now()),
  };
  const status = { ...pod.status, conditions: [...conditions, condition], ...(ends ? { phase } : {}) };
  return await client.update(Pod, { ...pod, status }, { signal, subresource: 'status' });
}

/** Deletes exactly this pod. Throws NotFound if it is gone, and Conflict if another has taken its name. */
export async function deletePod(
  pod: Pod,
  gracePeriodSeconds: number | undefined,
  { client, signal }: Pick<ReconcileContext, 'client' | 'signal'>,
): Promise<void> {
  const { uid } = pod.metadata ?? {};
  await client.delete(Pod, refOfObject(pod), {
    signal,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(uid === undefined ? {} : { preconditions: { uid } }),
  });
}
