import type { Node } from '#api/core/node.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm } from '#api/core/types.generated.ts';

export const labelOf = (node: Node, key: string) => node.metadata?.labels?.[key];

/** Whether a node is what a term means: as the random clusters have them, with labels only. */
export function matches({ matchExpressions = [] }: NodeSelectorTerm, node: Node): boolean {
  return matchExpressions.length > 0 && matchExpressions.every((requirement) => holds(requirement, node));
}

function holds({ key, operator, values = [] }: NodeSelectorRequirement, node: Node): boolean {
  const value = node.metadata?.labels?.[key];
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  if (operator === 'In') return value !== undefined && values.includes(value);
  if (operator === 'NotIn') return value === undefined || !values.includes(value);
  if (operator === 'Gt') return value !== undefined && Number(value) > Number(values[0]);
  return value !== undefined && Number(value) < Number(values[0]);
}
