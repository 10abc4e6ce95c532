/** Source: kubernetes pkg/registry/rbac/reconciliation (what is missing is added, nothing is taken away). */
import type { ClusterRole, PolicyRule, RoleRef, Subject } from '#api/rbac/types.generated.ts';
import type { ApiObject } from '#machinery/object.ts';
import { uncovered } from '../rbac/coverage.ts';
import { autoUpdateAnnotation } from './default-policy.ts';

type SomeRole = ApiObject & Pick<ClusterRole, 'rules' | 'aggregationRule'>;
type SomeBinding = ApiObject & { readonly roleRef: RoleRef; readonly subjects?: readonly Subject[] };

/** True for objects whose owner does not want them mended. */
export const isProtected = ({ metadata }: ApiObject): boolean =>
  metadata?.annotations?.[autoUpdateAnnotation] === 'false';

/** The stored role with what it lacks of the wanted one; the very same object if it lacks nothing. */
export function mendedRole<T extends SomeRole>(stored: T, wanted: T): T {
  const marked = withMarks(stored, wanted);
  if (wanted.aggregationRule !== undefined) {
    const present = stored.aggregationRule?.clusterRoleSelectors ?? [];
    const missing = (wanted.aggregationRule.clusterRoleSelectors ?? []).filter(
      (selector) => !present.some((other) => JSON.stringify(other) === JSON.stringify(selector)),
    );
    return missing.length === 0
      ? marked
      : { ...marked, aggregationRule: { ...stored.aggregationRule, clusterRoleSelectors: [...present, ...missing] } };
  }
  const missing: readonly PolicyRule[] = uncovered(stored.rules ?? [], wanted.rules ?? []);
  return missing.length === 0 ? marked : { ...marked, rules: [...(stored.rules ?? []), ...missing] };
}

/** The same for a binding. Undefined if it leads to another role: a reference cannot change, it must be made anew. */
export function mendedBinding<T extends SomeBinding>(stored: T, wanted: T): T | undefined {
  if (stored.roleRef.kind !== wanted.roleRef.kind || stored.roleRef.name !== wanted.roleRef.name) return undefined;
  const marked = withMarks(stored, wanted);
  const present = stored.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(
    ({ kind, name, namespace = '' }) =>
      !present.some((each) => each.kind === kind && each.name === name && (each.namespace ?? '') === namespace),
  );
  return missing.length === 0 ? marked : { ...marked, subjects: [...present, ...missing] };
}

function withMarks<T extends ApiObject>(stored: T, wanted: T): T {
  const { labels = {}, annotations = {} } = stored.metadata ?? {};
  const lacks = (have: Readonly<Record<string, string>>, want: Readonly<Record<string, string>> = {}) =>
    Object.entries(want).some(([key, value]) => have[key] !== value);
  if (!lacks(labels, wanted.metadata?.labels) && !lacks(annotations, wanted.metadata?.annotations)) return stored;
  return {
    ...stored,
    metadata: {
      ...stored.metadata,
      labels: { ...labels, ...wanted.metadata?.labels },
      annotations: { ...annotations, ...wanted.metadata?.annotations },
    },
  };
}
