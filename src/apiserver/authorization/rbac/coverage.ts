/** Source: kubernetes staging/src/k8s.io/component-helpers/auth/rbac/validation (policy_comparator.go). */
import type { PolicyRule } from '#api/rbac/types.generated.ts';

/** Single rights that one comparison takes apart; more are not held by anybody who does not hold them as a whole. */
export const rightsMax = 100_000;

/** Of `wanted`, what a holder of `held` does not have, as rules of one right each. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  const missing: PolicyRule[] = [];
  let left = rightsMax;
  for (const rule of wanted) {
    if (held.some((holder) => covers(holder, rule))) continue;
    left -= countOf(rule);
    if (left < 0) return [...missing, rule];
    for (const right of takenApart(rule)) if (!held.some((holder) => covers(holder, right))) missing.push(right);
  }
  return missing;
}

/** True if `holder` alone gives everything that `rule` gives. */
function covers(holder: PolicyRule, rule: PolicyRule): boolean {
  return (
    hasAll(holder.verbs, rule.verbs) &&
    hasAll(holder.apiGroups, rule.apiGroups) &&
    coversResources(holder.resources ?? [], rule.resources ?? []) &&
    coversUrls(holder.nonResourceURLs ?? [], rule.nonResourceURLs ?? []) &&
    coversNames(holder.resourceNames ?? [], rule.resourceNames ?? [])
  );
}

function hasAll(held: readonly string[] = [], wanted: readonly string[] = []): boolean {
  return held.includes('*') || wanted.every((each) => held.includes(each));
}

function coversResources(held: readonly string[], wanted: readonly string[]): boolean {
  if (held.includes('*')) return true;
  return wanted.every((each) => {
    const slash = each.indexOf('/');
    return held.includes(each) || (slash > 0 && held.includes(`*${each.slice(slash)}`));
  });
}

function coversUrls(held: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((path) =>
    held.some((pattern) => pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)))),
  );
}

function coversNames(held: readonly string[], wanted: readonly string[]): boolean {
  if (held.length === 0) return true;
  return wanted.length > 0 && wanted.every((each) => held.includes(each));
}

function countOf({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule) {
  return (
    verbs.length * (apiGroups.length * resources.length * Math.max(1, resourceNames.length) + nonResourceURLs.length)
  );
}

function* takenApart(rule: PolicyRule): Generator<PolicyRule> {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  for (const group of apiGroups) {
    for (const resource of resources) {
      for (const verb of verbs) {
        const right = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (resourceNames.length === 0) yield right;
        else for (const name of resourceNames) yield { ...right, resourceNames: [name] };
      }
    }
  }
  for (const url of nonResourceURLs) for (const verb of verbs) yield { nonResourceURLs: [url], verbs: [verb] };
}

/** Joins rules that differ by their verbs alone; those with names or paths stay as they are. */
export function compacted(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const others: PolicyRule[] = [];
  const simple = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
    if (apiGroups.length !== 1 || resources.length !== 1 || resourceNames.length + nonResourceURLs.length > 0) {
      others.push(rule);
      continue;
    }
    const key = `${apiGroups[0]}/${resources[0]}`;
    const known = simple.get(key);
    simple.set(key, known === undefined ? rule : { ...known, verbs: [...known.verbs, ...rule.verbs] });
  }
  return [...others, ...simple.values()];
}

/** A rule as upstream's messages show it: `{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}`. */
export function described(rule: PolicyRule): string {
  const parts = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ] as const;
  const shown = parts.flatMap(([name, values = []]) => (values.length === 0 ? [] : [`${name}:${quotedList(values)}`]));
  return `{${shown.join(', ')}}`;
}

/** Go's `%q` of a list of strings. */
export const quotedList = (values: readonly string[]): string =>
  `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
