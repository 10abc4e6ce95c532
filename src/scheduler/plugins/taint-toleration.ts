import type { Toleration } from '#api/core/types.generated.ts';
import type { NodeTable } from '../node-table.ts';
import type { FilterPlugin, ScorePlugin } from '../plugin.ts';
import { untolerated, type Taint } from '../taints.ts';

/** Remembers an answer per list of taints: the nodes of a cluster share a few lists. */
interface ByTaints<T> {
  readonly tolerations: readonly Toleration[];
  readonly known: (T | undefined)[];
}

const name = 'TaintToleration';

/** Nodes with a NoSchedule or NoExecute taint take only pods that tolerate it. */
export const taintToleration = {
  name,
  reads: 'node',
  preFilter: ({ tolerations }) => ({ tolerations, known: [] }),
  filter: (state, node) => offending(state, node.taintList, node.table).length === 0,
  filterRows(state, { table, end, refused }, mark) {
    for (let row = 0; row < end; row++) {
      if (refused[row] === 0 && offending(state, table.taintList[row] ?? 0, table).length > 0) refused[row] = mark;
    }
  },
  refusals: (state, node) =>
    offending(state, node.taintList, node.table)
      .slice(0, 1)
      .map((taint) => ({
        plugin: name,
        // Which taint is no business of every reader of a pod; `why` tells it to those who may ask.
        reason: 'node(s) had untolerated taint(s)',
        curable: false,
        taint,
      })),
} satisfies FilterPlugin<ByTaints<readonly Taint[]>>;

function offending(state: ByTaints<readonly Taint[]>, list: number, table: NodeTable): readonly Taint[] {
  return (state.known[list] ??= untolerated(table.taintLists.list(list), state.tolerations, 'NoSchedule', 'NoExecute'));
}

/** Nodes with fewer PreferNoSchedule taints that the pod does not tolerate are better. */
export const taintTolerationScore = {
  name,
  reads: 'node',
  normalize: 'lowest',
  preScore: ({ tolerations }) => ({
    tolerations: tolerations.filter(
      ({ effect }) => effect === undefined || effect === '' || effect === 'PreferNoSchedule',
    ),
    known: [],
  }),
  score: ({ tolerations, known }, node) => intolerable(known, tolerations, node.table, node.taintList),
  scoreRows({ tolerations, known }, { table, end, refused }, weight, totals) {
    for (let row = 0; row < end; row++) {
      if (refused[row] !== 0) continue;
      totals[row]! += weight * intolerable(known, tolerations, table, table.taintList[row] ?? 0); // it reaches to `end`
    }
  },
} satisfies ScorePlugin<ByTaints<number>>;

const intolerable = (
  known: (number | undefined)[],
  tolerations: readonly Toleration[],
  { taintLists }: NodeTable,
  list: number,
) => (known[list] ??= untolerated(taintLists.list(list), tolerations, 'PreferNoSchedule').length);
