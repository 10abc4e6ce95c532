/**
 * A scheduler plugin: racks have a power budget. Nodes say in labels which rack they stand in and how many watts they
 * have for pods (`rack`, `watts`), pods how many they draw (`watts`).
 *
 * - filter: a node without enough watts left takes no pod, and says so.
 * - score: the larger the share of watts left, the better.
 * - permit: the first pod of a rack waits until the rack's breaker is closed.
 * - bind: binds the pod, and notes the rack on it.
 */
import type { PluginNode, SchedulerPlugin } from 'tutti';
import type { Pod } from 'tutti/api/core/pod';

interface Args {
  /** Of nodes without the label. */
  readonly usualWatts: number;
  readonly breakerMilliseconds: number;
}

export default function rackBudget({ usualWatts, breakerMilliseconds }: Args): SchedulerPlugin {
  const rackOf = new Map<string, string>();
  const closed = new Set<string>();

  const draws = ({ metadata }: Pod) => Number(metadata?.labels?.['watts'] ?? 0);
  const all = ({ labels }: PluginNode) => Number(labels['watts'] ?? usualWatts);
  const left = (node: PluginNode) =>
    (node.pods ?? []).reduce((watts, { labels }) => watts - Number(labels['watts'] ?? 0), all(node));

  return {
    reads: 'use', // what is left depends on the pods there
    filter(pod, node) {
      const rack = node.labels['rack'] ?? 'none';
      rackOf.set(node.name, rack);
      return draws(pod) <= left(node) || `node(s) had too few watts left in rack ${rack}`;
    },
    score: (pod, node) => (100 * (left(node) - draws(pod))) / Math.max(1, all(node)),
    async permit(_pod, nodeName, { signal }) {
      const rack = rackOf.get(nodeName) ?? 'none';
      if (closed.has(rack)) return;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, breakerMilliseconds);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          reject(signal.reason);
        });
      });
      closed.add(rack);
    },
    bind: (_pod, nodeName, call) => call.bind({ 'example.com/rack': rackOf.get(nodeName) ?? 'none' }),
  };
}
