import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints } from '#machinery/names.ts';
import { complain, each, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

/** Source: kubernetes pkg/apis/flowcontrol/validation (ValidateFlowSchemaPolicyRulesWithSubjects). */
export function policyRulesErrors(path: string, rule: types.PolicyRulesWithSubjects): FieldError[] {
  const { subjects, resourceRules = [], nonResourceRules = [] } = rule;
  return [
    ...(subjects.length === 0 ? [required(`${path}.subjects`, 'subjects must contain at least one value')] : []),
    ...each(`${path}.subjects`, subjects, subjectErrors),
    ...(resourceRules.length === 0 && nonResourceRules.length === 0
      ? [required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty')]
      : []),
    ...each(`${path}.resourceRules`, resourceRules, resourceRuleErrors),
    ...each(`${path}.nonResourceRules`, nonResourceRules, nonResourceRuleErrors),
  ];
}

const members = { User: 'user', Group: 'group', ServiceAccount: 'serviceAccount' } as const;

function subjectErrors(path: string, subject: types.Subject): FieldError[] {
  const kinds = Object.keys(members) as (keyof typeof members)[];
  const kind = kinds.find((known) => known === subject.kind);
  if (kind === undefined) return [notSupported(`${path}.kind`, subject.kind, kinds.toSorted())];
  const foreign = kinds
    .filter((other) => other !== kind && subject[members[other]] !== undefined)
    .map((other) =>
      forbidden(`${path}.${members[other]}`, `${members[other]} is forbidden when subject kind is not '${other}'`),
    );
  const field = `${path}.${members[kind]}`;
  const own = subject[members[kind]];
  if (own === undefined)
    return [required(field, `${members[kind]} is required when subject kind is '${kind}'`), ...foreign];
  if (kind !== 'ServiceAccount') return [...text(`${field}.name`, own.name), ...foreign];
  const account = (complaintsOf: (name: string) => readonly string[]) => (name: string) =>
    name === '*' ? [] : complaintsOf(name);
  return [
    ...text(`${field}.name`, own.name, account(dns1123SubdomainComplaints)),
    ...text(
      `${field}.namespace`,
      subject.serviceAccount?.namespace,
      dns1123LabelComplaints,
      'must specify namespace for service account',
    ),
    ...foreign,
  ];
}

/** A list that must not be empty, and in which `*` stands alone. */
function listErrors(field: string, values: readonly string[], empty: string, others: string): FieldError[] {
  if (values.length === 0) return [required(field, empty)];
  return values.length > 1 && values.includes('*')
    ? [invalid(field, values, `if '*' is present, must not specify other ${others}`)]
    : [];
}

function verbErrors(field: string, values: readonly string[]): FieldError[] {
  const errors = listErrors(field, values, 'verbs must contain at least one value', 'verbs');
  if (errors.length > 0 || values.includes('*')) return errors;
  return values.every((verb) => verbs.includes(verb)) ? [] : [notSupported(field, values, verbs)];
}

function resourceRuleErrors(path: string, rule: types.ResourcePolicyRule): FieldError[] {
  const { apiGroups, resources, namespaces = [], clusterScope = false } = rule;
  return [
    ...verbErrors(`${path}.verbs`, rule.verbs),
    ...listErrors(`${path}.apiGroups`, apiGroups, 'resource rules must supply at least one api group', 'api groups'),
    ...listErrors(`${path}.resources`, resources, 'resource rules must supply at least one resource', 'resources'),
    ...namespacesErrors(`${path}.namespaces`, namespaces, clusterScope),
  ];
}

function namespacesErrors(field: string, namespaces: readonly string[], clusterScope: boolean): FieldError[] {
  if (namespaces.length === 0 && clusterScope) return [];
  const empty = 'resource rules that are not cluster scoped must supply at least one namespace';
  const errors = listErrors(field, namespaces, empty, 'namespaces');
  if (errors.length > 0 || namespaces.includes('*')) return errors;
  const intro = "each member of this list must be '*' or a DNS-1123 label; ";
  return each(field, namespaces, (at, name) =>
    complain(
      at,
      name,
      dns1123LabelComplaints(name).map((complaint) => intro + complaint),
    ),
  );
}

function nonResourceRuleErrors(
  path: string,
  { verbs: asked, nonResourceURLs }: types.NonResourcePolicyRule,
): FieldError[] {
  const field = `${path}.nonResourceURLs`;
  const errors = listErrors(
    field,
    nonResourceURLs,
    'nonResourceURLs must contain at least one value',
    'non-resource URLs',
  );
  const bad = nonResourceURLs.includes('*')
    ? []
    : each(field, nonResourceURLs, (at, url) => complain(at, url, urlComplaints(url)));
  return [...verbErrors(`${path}.verbs`, asked), ...errors, ...bad];
}

function urlComplaints(url: string): readonly string[] {
  if (url === '') return ['must not be empty'];
  if (url === '/') return [];
  if (!url.startsWith('/')) return ['must start with slash'];
  if (url.includes(' ')) return ['must not contain white-space'];
  if (url.includes('//')) return ['must not contain double slash'];
  const stars = url.split('*').length - 1;
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? ['wildcard can only do suffix matching'] : [];
}
