import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { stopGraceAnnotation } from '#client/pod-annotations.ts';

/**
 * What a container is to its pod: `init` runs to its end before the next; `sidecar` is an init container that keeps
 * running; `main` is what the pod is for; `ephemeral` was added to a running pod to look into it.
 */
export type ContainerRole = 'init' | 'sidecar' | 'main' | 'ephemeral';

export interface PodContainer {
  readonly role: ContainerRole;
  readonly spec: core.Container & { readonly targetContainerName?: string };
}

/** Init containers and sidecars in their order, then the main ones, then ephemeral ones. */
export function containersOf(pod: Pod): readonly PodContainer[] {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  return [
    ...initContainers.map((spec): PodContainer => ({
      role: spec.restartPolicy === 'Always' ? 'sidecar' : 'init',
      spec,
    })),
    ...containers.map((spec): PodContainer => ({ role: 'main', spec })),
    ...ephemeralContainers.map((spec): PodContainer => ({ role: 'ephemeral', spec })),
  ];
}

/** Whether a container that ended with `exitCode` is to run again. */
export function restartsAfter(pod: Pod, { role, spec }: PodContainer, exitCode: number): boolean {
  if (role === 'ephemeral') return false;
  if (role === 'sidecar') return true;
  for (const { action, exitCodes } of spec.restartPolicyRules ?? []) {
    const listed = exitCodes?.values?.includes(exitCode) ?? false;
    if (exitCodes !== undefined && listed === (exitCodes.operator === 'In')) return action === 'Restart';
  }
  const policy = spec.restartPolicy ?? pod.spec.restartPolicy ?? 'Always';
  if (policy === 'Never') return false;
  return exitCode !== 0 || (policy === 'Always' && role === 'main');
}

export const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
export const isDeleting = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;
/** Nothing of a pod in such a phase ever runs again. */
export const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Seconds from SIGTERM to SIGKILL. */
export function graceSecondsOf({ metadata, spec }: Pod): number {
  const annotated = metadata?.annotations?.[stopGraceAnnotation];
  const asked = annotated !== undefined && /^\d{1,9}$/.test(annotated) ? Number(annotated) : undefined;
  return metadata?.deletionGracePeriodSeconds ?? asked ?? spec.terminationGracePeriodSeconds ?? 30;
}
