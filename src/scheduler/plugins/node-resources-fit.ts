import { resource, type NodeTable } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import type { FilterPlugin, Refusal } from '../plugin.ts';

interface Requests {
  readonly table: NodeTable;
  readonly resources: readonly number[];
  readonly amounts: readonly number[];
}

const name = 'NodeResourcesFit';

/** Extended resources that somebody else hands out: by name, or by what stands before the `/` in it. */
export interface IgnoredResources {
  readonly names: readonly string[];
  readonly groups: readonly string[];
}

/** Everything the pod requests must be free on the node, but for what is ignored, and a pod slot with it. */
export const nodeResourcesFitBut = ({ names, groups }: IgnoredResources = { names: [], groups: [] }) =>
  ({
    name,
    reads: 'use',
    preFilter(demand, table) {
      const resources: number[] = [resource.pods];
      const amounts: number[] = [1];
      for (const [resourceName, amount] of demand.requests) {
        if (amount <= 0 || resourceName === 'pods') continue;
        // What is not extended has no domain in its name, and can only be meant by mistake.
        const slash = resourceName.indexOf('/');
        if (slash > 0 && (names.includes(resourceName) || groups.includes(resourceName.slice(0, slash)))) continue;
        resources.push(table.resourceId(resourceName));
        amounts.push(amount);
      }
      return { table, resources, amounts };
    },
    filter({ resources, amounts }, node) {
      for (let index = 0; index < resources.length; index++) {
        if ((amounts[index] ?? 0) > node.free(resources[index] ?? 0)) return false;
      }
      return true;
    },
    filterRows({ resources, amounts }, { table, end, refused }, mark) {
      for (let index = 0; index < resources.length; index++) {
        const id = resources[index] ?? 0;
        const [allocatable, used, amount] = [table.allocatable[id], table.used[id], amounts[index] ?? 0];
        if (allocatable === undefined || used === undefined) continue; // every resource has its columns
        for (let row = 0; row < end; row++) {
          if (refused[row] === 0 && amount > allocatable[row]! - used[row]!) refused[row] = mark; // columns reach to `end`
        }
      }
    },
    refusals: ({ resources, amounts, table }, node) =>
      resources.flatMap((id, index) => shortage(table, node, id, amounts[index] ?? 0)),
  }) satisfies FilterPlugin<Requests>;

function shortage(table: NodeTable, node: NodeView, id: number, requested: number): Refusal | readonly Refusal[] {
  const [free, capacity] = [node.free(id), node.allocatable(id)];
  if (requested <= free) return [];
  const resourceName = table.resources.name(id);
  return {
    plugin: name,
    reason: id === resource.pods ? 'Too many pods' : `Insufficient ${resourceName}`,
    curable: requested <= capacity,
    short: { resource: resourceName, requested, free, capacity },
  };
}
