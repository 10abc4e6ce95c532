import type { Kind } from '#machinery/kind.ts';
import type { QuotaEvaluator } from './quota-evaluator.ts';

type Named = Pick<Kind, 'group' | 'plural'>;

/** The name under which a quota counts the objects of any kind: `count/deployments.apps`. */
export const countName = ({ group, plural }: Named): string => `count/${group === '' ? plural : `${plural}.${group}`}`;

/** These have a short name from before any kind could be counted. */
const shortNames = new Set(['/configmaps', '/replicationcontrollers', '/resourcequotas', '/secrets']);

/** Each object counts for one. */
export function objectCount(kind: Named): QuotaEvaluator {
  const names = [countName(kind), ...(shortNames.has(`${kind.group}/${kind.plural}`) ? [kind.plural] : [])];
  const usage = Object.fromEntries(names.map((name) => [name, '1']));
  return {
    counts: (name) => names.includes(name),
    handles: ({ operation, subresource }) => operation === 'CREATE' && subresource === undefined,
    usage: () => usage,
    matchesScope: () => false,
  };
}
