import { builtinByKind } from '#api/kinds.ts';
import type { Kind } from '#machinery/kind.ts';
import type { GroupVersionKind } from '#machinery/schema.ts';

/** The component of a kind: its definition's name or, for kinds of our own, `dev.tutti.swarm.v1.Service`. */
export function componentOfKind({
  schema,
  group,
  version,
  kind,
}: Pick<Kind, 'schema' | 'group' | 'version' | 'kind'>): string {
  return schema.name ?? [...group.split('.').toReversed(), version, kind].join('.');
}

export function listComponentOf(kind: Kind): string {
  return kind.listKind === undefined
    ? `${componentOfKind(kind)}List`
    : componentOfKind({ ...kind, schema: { ...kind.schema, fields: {} }, kind: kind.listKind });
}

/** The component of a subresource's body, e.g. of `policy/v1 Eviction`. */
export function bodyComponentOf({ group, version, kind }: GroupVersionKind): string {
  const builtin = builtinByKind(group, version, kind);
  return componentOfKind(builtin ?? { group, version, kind, schema: { type: 'object', fields: {}, required: [] } });
}
