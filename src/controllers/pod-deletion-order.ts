import type { Pod } from '#api/core/pod.ts';
import { isReady, readySince, timeOf } from './pod-state.ts';

const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Which of a set's pods to give up first when there are too many: those that serve least. In order: not yet placed,
 * earlier phase, not ready, lower deletion cost, more pods of the same workload on its node, ready for a shorter
 * time, more restarts, younger. Ages count in powers of two, so that old pods are not always spared.
 * Source of the order: k8s.io/kubernetes/pkg/controller (ActivePodsWithRanks).
 */
export function leastUsefulFirst(now: number, related: readonly Pod[]): (a: Pod, b: Pod) => number {
  const perNode = new Map<string, number>();
  for (const { spec } of related) {
    if (spec.nodeName !== undefined) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1);
  }
  const neighbours = ({ spec }: Pod) => perNode.get(spec.nodeName ?? '') ?? 0;
  return (a, b) =>
    Number(isPlaced(a)) - Number(isPlaced(b)) ||
    (phaseRank[a.status?.phase ?? ''] ?? 0) - (phaseRank[b.status?.phase ?? ''] ?? 0) ||
    Number(isReady(a)) - Number(isReady(b)) ||
    costOf(a) - costOf(b) ||
    neighbours(b) - neighbours(a) ||
    byAge(a, b, readySince(a), readySince(b), now) ||
    restartsOf(b, 'regular') - restartsOf(a, 'regular') ||
    restartsOf(b, 'sidecar') - restartsOf(a, 'sidecar') ||
    byAge(a, b, timeOf(a.metadata?.creationTimestamp), timeOf(b.metadata?.creationTimestamp), now);
}

const isPlaced = ({ spec }: Pod) => spec.nodeName !== undefined && spec.nodeName !== '';

/** Younger first; of two in the same order of magnitude, the lower uid. */
function byAge(a: Pod, b: Pod, since: number | undefined, otherSince: number | undefined, now: number): number {
  if (since === otherSince) return 0;
  if (since === undefined) return -1;
  if (otherSince === undefined) return 1;
  return (
    magnitude(now - since) - magnitude(now - otherSince) || ((a.metadata?.uid ?? '') < (b.metadata?.uid ?? '') ? -1 : 1)
  );
}

/** Upstream takes the logarithm of nanoseconds. */
const magnitude = (ms: number) => (ms > 0 ? Math.floor(Math.log2(ms * 1e6)) : -1);

function costOf({ metadata }: Pod): number {
  const text = metadata?.annotations?.[costAnnotation];
  return text !== undefined && /^(0|-?[1-9]\d*|\+[1-9]\d*)$/.test(text) ? Number(text) : 0;
}

/** The most restarts of any one container. Sidecars are init containers that always restart. */
function restartsOf({ spec, status }: Pod, which: 'regular' | 'sidecar'): number {
  let most = 0;
  if (which === 'regular') {
    for (const { restartCount } of status?.containerStatuses ?? []) most = Math.max(most, restartCount ?? 0);
    return most;
  }
  const sidecars = new Set(
    (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  );
  for (const { name, restartCount } of status?.initContainerStatuses ?? []) {
    if (sidecars.has(name)) most = Math.max(most, restartCount ?? 0);
  }
  return most;
}
