import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { isTerminal, timeOf } from './pod-state.ts';

export type PodGarbage =
  /** Ended, and there are too many of those. */
  | { readonly why: 'terminated'; readonly pod: Pod }
  /** Being deleted, and no node will ever confirm it. */
  | { readonly why: 'unscheduled' | 'out-of-service'; readonly pod: Pod }
  /** Its node seems to be gone. */
  | { readonly why: 'orphaned'; readonly pod: Pod };

const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

/**
 * Pods that nobody else will clear away. Beyond `terminatedMax` pods that ended, the oldest go. Source of the rules:
 * k8s.io/kubernetes/pkg/controller/podgc.
 */
export function findPodGarbage(
  pods: readonly Pod[],
  nodes: ReadonlyMap<string, Node>,
  terminatedMax: number,
): readonly PodGarbage[] {
  const garbage: PodGarbage[] = [];
  const terminated: Pod[] = [];
  for (const pod of pods) {
    const { nodeName = '' } = pod.spec;
    const deleting = pod.metadata?.deletionTimestamp !== undefined;
    const node = nodes.get(nodeName);
    if (nodeName !== '' && node === undefined) garbage.push({ why: 'orphaned', pod });
    else if (nodeName === '' && deleting) garbage.push({ why: 'unscheduled', pod });
    else if (deleting && node !== undefined && isOutOfService(node)) garbage.push({ why: 'out-of-service', pod });
    else if (isTerminal(pod) && !deleting) terminated.push(pod);
  }
  const surplus = terminated.length - terminatedMax;
  if (surplus <= 0) return garbage;
  const age = ({ metadata }: Pod) => timeOf(metadata?.creationTimestamp) ?? 0;
  // Evicted pods have the least to tell.
  const isEvicted = ({ status }: Pod) => status?.reason === 'Evicted';
  const oldest = terminated
    .toSorted((a, b) => Number(isEvicted(b)) - Number(isEvicted(a)) || age(a) - age(b))
    .slice(0, surplus);
  return [...garbage, ...oldest.map((pod) => ({ why: 'terminated' as const, pod }))];
}

function isOutOfService({ spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(({ type, status: ready }) => type === 'Ready' && ready === 'True') ?? false;
  return !isReady && (spec.taints ?? []).some(({ key }) => key === outOfServiceTaint);
}
