import type { Pod } from '#api/core/pod.ts';

/** Labels and annotations by which our sandboxes and containers are known again, under kubelet's names for `crictl`. */
export const labels = {
  pod: 'io.kubernetes.pod.name',
  namespace: 'io.kubernetes.pod.namespace',
  uid: 'io.kubernetes.pod.uid',
  container: 'io.kubernetes.container.name',
} as const;

export const annotations = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationPath: 'io.kubernetes.container.terminationMessagePath',
  terminationPolicy: 'io.kubernetes.container.terminationMessagePolicy',
  /** Where the termination message lies on the host; empty if the container has none. */
  terminationFile: 'tutti.dev/termination-file',
  graceSeconds: 'io.kubernetes.pod.terminationGracePeriod',
} as const;

export function podLabels({ metadata }: Pod): Record<string, string> {
  return {
    ...metadata?.labels,
    [labels.pod]: metadata?.name ?? '',
    [labels.namespace]: metadata?.namespace ?? '',
    [labels.uid]: metadata?.uid ?? '',
  };
}

/** Directory of a pod's container logs, below the agent's. */
export function logDirName({ metadata }: Pod): string {
  return `${metadata?.namespace ?? ''}_${metadata?.name ?? ''}_${metadata?.uid ?? ''}`;
}
