import type { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import type { UserInfo } from '#client/client.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** What tells a request's flow from others of its schema. */
export interface Flow {
  readonly schema: string;
  readonly schemaUid: string;
  readonly level: string;
  readonly distinguisher: string;
}

type PolicyRules = NonNullable<FlowSchema['spec']['rules']>[number];
type Subject = PolicyRules['subjects'][number];
type ResourceRule = NonNullable<PolicyRules['resourceRules']>[number];

/** In the order in which they are tried: by precedence, then by name. */
export function inOrder(schemas: readonly FlowSchema[]): readonly FlowSchema[] {
  const precedence = ({ spec }: FlowSchema) => spec.matchingPrecedence ?? Number.MAX_SAFE_INTEGER;
  const name = ({ metadata }: FlowSchema) => metadata?.name ?? '';
  return schemas.toSorted((a, b) => precedence(a) - precedence(b) || (name(a) < name(b) ? -1 : 1));
}

/** The flow of a request among schemas in order; undefined if none fits. */
export function flowOf(schemas: readonly FlowSchema[], info: RequestInfo, user: UserInfo): Flow | undefined {
  const schema = schemas.find(({ spec }) => spec.rules?.some((rules) => fits(rules, info, user)) === true);
  if (schema === undefined) return undefined;
  return {
    schema: schema.metadata?.name ?? '',
    schemaUid: schema.metadata?.uid ?? '',
    level: schema.spec.priorityLevelConfiguration.name,
    distinguisher: distinguisherOf(schema, info, user),
  };
}

function distinguisherOf({ spec }: FlowSchema, { resource }: RequestInfo, user: UserInfo): string {
  switch (spec.distinguisherMethod?.type) {
    case 'ByUser':
      return user.username;
    case 'ByNamespace':
      return resource?.namespace ?? '';
    default:
      return '';
  }
}

function fits(rules: PolicyRules, info: RequestInfo, user: UserInfo): boolean {
  if (!rules.subjects.some((subject) => isSubject(subject, user))) return false;
  const { verb, path, resource } = info;
  if (resource !== undefined) return rules.resourceRules?.some((rule) => names(rule, verb, resource)) === true;
  return (
    rules.nonResourceRules?.some(
      (rule) => holds(rule.verbs, verb) && rule.nonResourceURLs.some((pattern) => fitsPath(pattern, path)),
    ) === true
  );
}

function isSubject({ kind, user, group, serviceAccount }: Subject, caller: UserInfo): boolean {
  switch (kind) {
    case 'User':
      return user?.name === '*' || user?.name === caller.username;
    case 'Group':
      return group?.name === '*' || caller.groups.includes(group?.name ?? '');
    case 'ServiceAccount': {
      const prefix = `system:serviceaccount:${serviceAccount?.namespace}:`;
      return serviceAccount?.name === '*'
        ? caller.username.startsWith(prefix)
        : caller.username === `${prefix}${serviceAccount?.name}`;
    }
    default:
      return false;
  }
}

function names(rule: ResourceRule, verb: string, asked: NonNullable<RequestInfo['resource']>): boolean {
  const { plural, subresource, namespace } = asked;
  if (!holds(rule.verbs, verb) || !holds(rule.apiGroups, asked.group)) return false;
  if (!holds(rule.resources, subresource === undefined ? plural : `${plural}/${subresource}`)) return false;
  return namespace === undefined ? rule.clusterScope === true : holds(rule.namespaces ?? [], namespace);
}

function fitsPath(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('/*') && path.startsWith(pattern.slice(0, -1)));
}

const holds = (values: readonly string[], value: string) => values.includes('*') || values.includes(value);
