import type { PlacementChange, WorkloadChange } from '#cluster/rehearsal/placements.ts';
import { table } from './terminal.ts';

/** Pods named one by one; of more only numbers are given. */
const podsShownMax = 20;

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** `n1 2, n2 1`, the fullest first. */
function perNode(pods: WorkloadChange['created']): string {
  const counts = new Map<string, number>();
  for (const { node = 'no node' } of pods) counts.set(node, (counts.get(node) ?? 0) + 1);
  const sorted = [...counts].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const shown = sorted.slice(0, podsShownMax).map(([node, count]) => `${node} ${count}`);
  return [...shown, ...(sorted.length > podsShownMax ? [`${sorted.length - podsShownMax} more nodes`] : [])].join(', ');
}

/** What a rehearsal changed about where pods are, for people. */
export function placementsText({ workloads, placed, unplaced }: PlacementChange): string {
  if (workloads.length + placed.length + unplaced.length === 0) return 'No pod would come, go or move.\n';
  const rows = workloads.map(({ workload, created, removed }) => [
    workload,
    removed.length === 0 ? '' : `-${removed.length}  (${perNode(removed)})`,
    created.length === 0 ? '' : `+${created.length}  (${perNode(created)})`,
  ]);
  const waiting = placed.map(({ pod, node }) => `  ${pod} gets ${node}\n`);
  return [
    rows.length === 0 ? '' : table(['WORKLOAD', 'GOES', 'COMES'], rows),
    waiting.length === 0 ? '' : `\n${plural(placed.length, 'waiting pod')} would find a node:\n`,
    ...waiting.slice(0, podsShownMax),
    unplaced.length === 0 ? '' : `\n${plural(unplaced.length, 'pod')} would find no node:\n`,
    ...unplacedLines(unplaced),
  ].join('');
}

/** Pods that wait for the same reasons are told together. */
export function unplacedLines(unplaced: PlacementChange['unplaced']): readonly string[] {
  const groups = Map.groupBy(unplaced, ({ dimensions, wouldFit }) => JSON.stringify([dimensions, wouldFit]));
  return [...groups.values()].slice(0, podsShownMax).flatMap((pods) => {
    const [{ pod, dimensions, wouldFit, summary }] = pods as [(typeof pods)[number]];
    const reasons = Object.entries(dimensions).toSorted(([, a], [, b]) => b - a);
    return [
      `  ${pod}${pods.length === 1 ? '' : ` and ${pods.length - 1} more`}\n`,
      ...(reasons.length === 0
        ? [`    ${summary}\n`]
        : reasons.map(([reason, nodes]) => `    ${plural(nodes, 'node')}: ${reason}\n`)),
      ...wouldFit.map((line) => `    → ${line}\n`),
    ];
  });
}
