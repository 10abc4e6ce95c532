import type { FilterPlugin } from '../plugin.ts';
import { tolerates, unschedulableTaint } from '../taints.ts';

/** Cordoned nodes take no pods, but those that tolerate the cordon's taint. */
export const nodeUnschedulable = {
  name: 'NodeUnschedulable',
  reads: 'node',
  preFilter: ({ tolerations }) =>
    tolerations.some((toleration) => tolerates(toleration, unschedulableTaint)) ? undefined : true,
  filter: (_, node) => !node.unschedulable,
  refusals: (_, node) =>
    node.unschedulable ? [{ plugin: 'NodeUnschedulable', reason: 'node(s) were unschedulable', curable: false }] : [],
} satisfies FilterPlugin<true>;
