import type { PolicyRule } from '#api/rbac/types.generated.ts';
import type { UserInfo } from '#client/client.ts';
import type { Attributes } from '../request.ts';

/** The rules of a caller, and why there may be more that could not be found out. */
export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  readonly problems: readonly string[];
  /** There are rights that are no rules. */
  readonly incomplete?: boolean;
}

/** Where rules come from. */
export interface RuleSource {
  /** Every rule that holds for `user` in `namespace`; undefined asks for those that hold cluster-wide. */
  rulesFor(user: UserInfo, namespace: string | undefined): Promise<ResolvedRules>;
}

/**
 * True if `rule` lets its holder do what `attributes` say. Meaning of `*`, `pods/status` and path suffixes:
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  const { kind, name } = attributes;
  if (kind === undefined) {
    return (
      holds(rule.verbs, attributes.verb) &&
      (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, attributes.path))
    );
  }
  const { resourceNames = [] } = rule;
  return (
    ruleConcerns(rule, attributes) &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  );
}

/** The same for resources, whatever the name of the object. */
export function ruleConcerns(rule: PolicyRule, { verb, kind, subresource }: Attributes): boolean {
  if (kind === undefined || !holds(rule.verbs, verb) || !holds(rule.apiGroups ?? [], kind.group)) return false;
  const { resources = [] } = rule;
  if (subresource === undefined) return holds(resources, kind.plural);
  return holds(resources, `${kind.plural}/${subresource}`) || resources.includes(`*/${subresource}`);
}

function holds(allowed: readonly string[], value: string): boolean {
  return allowed.includes('*') || allowed.includes(value);
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
