import type { Node } from '#api/core/node.ts';
import type { Taint, Toleration } from '#api/core/types.generated.ts';
import { timestamp } from './pod-state.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const unschedulable = 'node.kubernetes.io/unschedulable';

/** Which condition, with which status, keeps new pods away by which taint. Upstream's table. */
const taintedBy: readonly (readonly [condition: string, status: string, taint: string])[] = [
  ['Ready', 'False', notReady],
  ['Ready', 'Unknown', unreachable],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
];

/** Taints that are ours to set and to remove. */
const ours: ReadonlySet<string> = new Set([
  ...taintedBy.map(([, , taint]) => `${taint}:NoSchedule`),
  `${unschedulable}:NoSchedule`,
  `${notReady}:NoExecute`,
  `${unreachable}:NoExecute`,
]);

const idOf = ({ key, effect }: Taint) => `${key}:${effect}`;

/** The taint that drives pods away from a node that does not work, if it does not. */
export function evictingTaintOf(node: Node): 'not-ready' | 'unreachable' | undefined {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  if (ready === 'False') return 'not-ready';
  return ready === 'Unknown' ? 'unreachable' : undefined;
}

/** True if the node already drives pods away as its condition demands, so that doing so is no new disruption. */
export function isEvicting(node: Node): boolean {
  const wanted = evictingTaintOf(node);
  return (
    wanted !== undefined &&
    (node.spec.taints ?? []).some(({ key, effect }) => key === `node.kubernetes.io/${wanted}` && effect === 'NoExecute')
  );
}

/**
 * The taints that the node's conditions call for, other taints kept; the very same array if nothing changes. Without
 * `mayEvict` no pods are newly driven away, but a node that does so goes on, if under another reason.
 */
export function planTaints(node: Node, mayEvict: boolean, now: number): readonly Taint[] {
  const current = node.spec.taints ?? [];
  const wanted = new Set<string>();
  for (const [condition, status, taint] of taintedBy) {
    const found = node.status?.conditions?.find(({ type }) => type === condition);
    if (found?.status === status) wanted.add(`${taint}:NoSchedule`);
  }
  if (node.spec.unschedulable === true) wanted.add(`${unschedulable}:NoSchedule`);
  const evicting = evictingTaintOf(node);
  const evictsAlready = current.some(
    ({ key, effect }) => effect === 'NoExecute' && (key === notReady || key === unreachable),
  );
  if (evicting !== undefined && (mayEvict || evictsAlready)) wanted.add(`node.kubernetes.io/${evicting}:NoExecute`);

  const kept = current.filter((taint) => !ours.has(idOf(taint)) || wanted.has(idOf(taint)));
  const present = new Set(kept.map(idOf));
  const missing = [...wanted].filter((id) => !present.has(id));
  if (missing.length === 0 && kept.length === current.length) return current;
  const added = missing.map((id): Taint => {
    const [key = '', effect = ''] = id.split(':');
    return effect === 'NoExecute' ? { key, effect, timeAdded: timestamp(now) } : { key, effect };
  });
  return [...kept, ...added];
}

/** True if `toleration` is about `taint`. */
export function tolerates(
  { key = '', operator = 'Equal', value = '', effect = '' }: Toleration,
  taint: Taint,
): boolean {
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return key !== '' && operator === 'Equal' && value === (taint.value ?? '');
}

/**
 * When a pod with these tolerations has to leave a node with these taints: milliseconds since the epoch, 0 for at
 * once, undefined for never. Of several limits the shortest counts, from when its taint was added.
 */
export function leavesAt(tolerations: readonly Toleration[], taints: readonly Taint[]): number | undefined {
  let earliest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((each) => tolerates(each, taint));
    if (matching.length === 0) return 0;
    const seconds = matching.flatMap(({ tolerationSeconds }) =>
      tolerationSeconds === undefined ? [] : [tolerationSeconds],
    );
    if (seconds.length === 0) continue;
    const since = taint.timeAdded === undefined ? 0 : Date.parse(taint.timeAdded);
    const at = since + Math.max(0, Math.min(...seconds)) * 1000;
    if (earliest === undefined || at < earliest) earliest = at;
  }
  return earliest;
}
