import type { FilterPlugin } from '../plugin.ts';
import { tolerates, unschedulableTaint } from '../taints.ts';

/** Cordoned nodes take no pods, but those that tolerate the cordon's taint. */
export const nodeUnschedulable = {
  name: 'NodeUnschedulable',
  reads: 'node',
  preFilter: ({ tolerations }) =>
    tolerations.some((toleration) => tolerates(toleration, unschedulableTaint)) ? undefined : true,
  filter: (_, node) => !node.unschedulable,
  filterRows(_, { table: { unschedulable }, end, refused }, mark) {
    for (let row = 0; row < end; row++) if (refused[row] === 0 && unschedulable[row] === 1) refused[row] = mark;
  },
  refusals: (_, node) =>
    node.unschedulable ? [{ plugin: 'NodeUnschedulable', reason: 'node(s) were unschedulable', curable: false }] : [],
} satisfies FilterPlugin<true>;
