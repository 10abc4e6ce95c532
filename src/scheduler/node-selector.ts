import type { NodeSelectorRequirement, NodeSelectorTerm } from '#api/core/types.generated.ts';

/** What a selector reads of a node. */
export interface NodeLike {
  readonly name: string;
  label(key: string): string | undefined;
}

/** A prepared question about one node. */
export type NodeMatcher = (node: NodeLike) => boolean;

/** Matches nodes that have all of `labels`. */
export function matchLabels(labels: Readonly<Record<string, string>>): NodeMatcher {
  const pairs = Object.entries(labels);
  return (node) => pairs.every(([key, value]) => node.label(key) === value);
}

/** Matches nodes that any of `terms` matches; a term without requirements, and a list without terms, match none. */
export function matchAnyTerm(terms: readonly NodeSelectorTerm[]): NodeMatcher {
  const matchers = terms.map(matchTerm);
  return (node) => matchers.some((matches) => matches(node));
}

/** Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity. */
export function matchTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): NodeMatcher {
  const requirements = [
    ...matchExpressions.map((requirement) => matchRequirement(requirement, (node) => node.label(requirement.key))),
    ...matchFields.map((requirement) =>
      matchRequirement(requirement, (node) => (requirement.key === 'metadata.name' ? node.name : undefined)),
    ),
  ];
  if (requirements.length === 0) return () => false;
  return (node) => requirements.every((matches) => matches(node));
}

function matchRequirement(
  { operator, values = [] }: NodeSelectorRequirement,
  read: (node: NodeLike) => string | undefined,
): NodeMatcher {
  const wanted = new Set(values);
  switch (operator) {
    case 'In':
      return (node) => has(wanted, read(node));
    case 'NotIn':
      return (node) => !has(wanted, read(node));
    case 'Exists':
      return (node) => read(node) !== undefined;
    case 'DoesNotExist':
      return (node) => read(node) === undefined;
    case 'Gt':
    case 'Lt': {
      const bound = parseInteger(values.length === 1 ? values[0] : undefined);
      if (bound === undefined) return () => false;
      return (node) => {
        const value = parseInteger(read(node));
        return value !== undefined && (operator === 'Gt' ? value > bound : value < bound);
      };
    }
    default:
      return () => false; // Validation lets no other operator in; an unknown one must not match.
  }
}

const has = (wanted: ReadonlySet<string>, value: string | undefined) => value !== undefined && wanted.has(value);

/** Labels compared by size are whole numbers of 64 bits; anything else never matches. */
function parseInteger(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?\d+$/.test(text)) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}
