/**
 * `audit.k8s.io/v1 Policy`: which requests leave an event, and how much of them it holds. The first rule that fits
 * counts; without one nothing is left. Source: k8s.io/apiserver/pkg/audit/policy (checker.go, reader.go) and
 * pkg/apis/audit/validation.
 */
import type { UserInfo } from '#client/client.ts';
import { levels, stages, type Level, type Stage } from './event.ts';

/** What a rule looks at. */
export interface AuditedRequest {
  readonly user: UserInfo;
  readonly verb: string;
  readonly path: string;
  /** Undefined for paths that are no resource. */
  readonly resource:
    | {
        readonly group: string;
        readonly version: string;
        readonly plural: string;
        readonly subresource: string | undefined;
        readonly namespace: string | undefined;
        readonly name: string | undefined;
      }
    | undefined;
}

export interface Verdict {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

interface Rule extends Verdict {
  readonly users: ReadonlySet<string>;
  readonly groups: readonly string[];
  readonly verbs: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
  readonly resources: readonly GroupResources[];
  readonly paths: readonly string[];
}

interface GroupResources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly names: ReadonlySet<string>;
}

/** Rules one policy may have. */
const rulesMax = 1_000;

export class PolicyError extends Error {
  constructor(field: string, detail: string) {
    super(`${field}: ${detail}`);
    this.name = 'PolicyError';
  }
}

const nothing: Verdict = { level: 'None', omitStages: new Set(), omitManagedFields: false };

export class Policy {
  readonly #rules: readonly Rule[];

  /** Throws PolicyError. */
  constructor(value: unknown) {
    const { apiVersion, kind, rules, omitStages, omitManagedFields } = record(value, 'Policy');
    if (apiVersion !== 'audit.k8s.io/v1')
      throw new PolicyError('apiVersion', `must be "audit.k8s.io/v1", not ${JSON.stringify(apiVersion)}`);
    if (kind !== 'Policy') throw new PolicyError('kind', `must be "Policy", not ${JSON.stringify(kind)}`);
    const omitted = stagesOf(omitStages, 'omitStages');
    const all = list(rules, 'rules');
    if (all.length === 0) throw new PolicyError('rules', 'a policy without rules would audit nothing');
    if (all.length > rulesMax) throw new PolicyError('rules', `at most ${rulesMax}, not ${all.length}`);
    this.#rules = all.map((each, index) => ruleOf(each, `rules[${index}]`, omitted, omitManagedFields === true));
  }

  verdictOn(request: AuditedRequest): Verdict {
    return this.#rules.find((rule) => fits(rule, request)) ?? nothing;
  }
}

function fits(rule: Rule, { user, verb, path, resource }: AuditedRequest): boolean {
  if (rule.users.size > 0 && !rule.users.has(user.username)) return false;
  if (rule.groups.length > 0 && !rule.groups.some((group) => user.groups.includes(group))) return false;
  if (rule.verbs.size > 0 && !rule.verbs.has(verb) && !rule.verbs.has('*')) return false;
  if (rule.namespaces.size > 0 || rule.resources.length > 0) {
    if (resource === undefined) return false;
    if (rule.namespaces.size > 0 && !rule.namespaces.has(resource.namespace ?? '')) return false;
    return rule.resources.length === 0 || rule.resources.some((each) => namesResource(each, resource));
  }
  if (rule.paths.length > 0) return resource === undefined && rule.paths.some((pattern) => namesPath(pattern, path));
  return true;
}

function namesResource(
  { group, resources, names }: GroupResources,
  asked: NonNullable<AuditedRequest['resource']>,
): boolean {
  if (group !== asked.group) return false;
  if (resources.length === 0) return true;
  if (names.size > 0 && !names.has(asked.name ?? '')) return false;
  const { plural, subresource } = asked;
  const combined = subresource === undefined ? plural : `${plural}/${subresource}`;
  return resources.some(
    (each) =>
      each === combined ||
      each === '*' ||
      (subresource !== undefined && each === `*/${subresource}`) ||
      each === `${plural}/*`,
  );
}

function namesPath(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

function ruleOf(value: unknown, field: string, omitted: readonly Stage[], managed: boolean): Rule {
  const rule = record(value, field);
  const level = levels.find((each) => each === rule['level']);
  if (level === undefined)
    throw new PolicyError(
      `${field}.level`,
      `must be one of ${levels.join(', ')}, not ${JSON.stringify(rule['level'])}`,
    );
  const paths = texts(rule['nonResourceURLs'], `${field}.nonResourceURLs`);
  const resources = list(rule['resources'], `${field}.resources`).map((each, index) =>
    groupOf(each, `${field}.resources[${index}]`),
  );
  const namespaces = texts(rule['namespaces'], `${field}.namespaces`);
  if (paths.length > 0 && (resources.length > 0 || namespaces.length > 0))
    throw new PolicyError(
      `${field}.nonResourceURLs`,
      'rules cannot apply to both regular resources and non-resource URLs',
    );
  for (const each of paths) {
    if (each !== '*' && (!each.startsWith('/') || each.slice(0, -1).includes('*')))
      throw new PolicyError(
        `${field}.nonResourceURLs`,
        `${JSON.stringify(each)} must begin with "/" and hold "*" at its end alone`,
      );
  }
  const own = rule['omitManagedFields'];
  return {
    level,
    omitStages: new Set([...omitted, ...stagesOf(rule['omitStages'], `${field}.omitStages`)]),
    omitManagedFields: own === undefined ? managed : own === true,
    users: new Set(texts(rule['users'], `${field}.users`)),
    groups: texts(rule['userGroups'], `${field}.userGroups`),
    verbs: new Set(texts(rule['verbs'], `${field}.verbs`)),
    namespaces: new Set(namespaces),
    resources,
    paths,
  };
}

function groupOf(value: unknown, field: string): GroupResources {
  const { group = '', resources, resourceNames } = record(value, field);
  if (typeof group !== 'string' || group.includes('/'))
    throw new PolicyError(`${field}.group`, 'must be the name of a group alone, without its version');
  const names = texts(resourceNames, `${field}.resourceNames`);
  const all = texts(resources, `${field}.resources`);
  if (names.length > 0 && all.length === 0)
    throw new PolicyError(`${field}.resourceNames`, 'using resourceNames requires at least one resource');
  return { group, resources: all, names: new Set(names) };
}

function stagesOf(value: unknown, field: string): readonly Stage[] {
  return texts(value, field).map((text) => {
    const stage = stages.find((each) => each === text);
    if (stage === undefined)
      throw new PolicyError(field, `must be some of ${stages.join(', ')}, not ${JSON.stringify(text)}`);
    return stage;
  });
}

function texts(value: unknown, field: string): readonly string[] {
  const all = list(value, field);
  if (all.every((each) => typeof each === 'string')) return all;
  throw new PolicyError(field, 'must be a list of texts');
}

function list(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value as unknown[];
  throw new PolicyError(field, 'must be a list');
}

function record(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new PolicyError(field, 'must be an object');
}
