import type { PolicyRule } from '#api/rbac/types.generated.ts';
import type { UserInfo } from '#client/client.ts';
import type { Attributes } from '../request.ts';

/** Where rules come from: the fixed table today, Role and ClusterRole objects beside it once they are read. */
export interface RuleSource {
  /** Every rule that holds for `user` in `namespace`; undefined asks for those that hold cluster-wide. */
  rulesFor(user: UserInfo, namespace: string | undefined): Promise<readonly PolicyRule[]>;
}

/**
 * True if `rule` lets its holder do what `attributes` say. Meaning of `*`, `pods/status` and path suffixes:
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!holds(rule.verbs, attributes.verb)) return false;
  const { kind, subresource, name } = attributes;
  if (kind === undefined) return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, attributes.path));
  const resource = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  return (
    holds(rule.apiGroups ?? [], kind.group) &&
    ((rule.resources ?? []).some((pattern) => pattern === '*' || pattern === resource) ||
      (subresource !== undefined && (rule.resources ?? []).includes(`*/${subresource}`))) &&
    (rule.resourceNames === undefined ||
      rule.resourceNames.length === 0 ||
      (name !== undefined && rule.resourceNames.includes(name)))
  );
}

function holds(allowed: readonly string[], value: string): boolean {
  return allowed.includes('*') || allowed.includes(value);
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
