import { duplicate, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { choice, complain, each } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { resourceRuleErrors } from './resource-rules.ts';
import type { MatchResources, NamedRuleWithOperations } from './types.generated.ts';

/** Source: kubernetes pkg/apis/admissionregistration/v1/defaults.go. */
export function withMatchDefaults(match: MatchResources): MatchResources {
  const scoped = (rules: readonly NamedRuleWithOperations[]) =>
    rules.map((rule) => (rule.scope === undefined ? { ...rule, scope: '*' } : rule));
  const { resourceRules, excludeResourceRules } = match;
  return {
    ...match,
    matchPolicy: match.matchPolicy ?? 'Equivalent',
    namespaceSelector: match.namespaceSelector ?? {},
    objectSelector: match.objectSelector ?? {},
    ...(resourceRules === undefined ? {} : { resourceRules: scoped(resourceRules) }),
    ...(excludeResourceRules === undefined ? {} : { excludeResourceRules: scoped(excludeResourceRules) }),
  };
}

/** Source: kubernetes pkg/apis/admissionregistration/validation (validateMatchResources). */
export function matchErrors(field: string, match: MatchResources | undefined): readonly FieldError[] {
  if (match === undefined) return [];
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules, excludeResourceRules } = match;
  return [
    ...choice(`${field}.matchPolicy`, matchPolicy, ['Equivalent', 'Exact']),
    ...labelSelectorErrors(`${field}.namespaceSelector`, namespaceSelector),
    ...labelSelectorErrors(`${field}.objectSelector`, objectSelector),
    ...each(`${field}.resourceRules`, resourceRules, namedRuleErrors),
    ...each(`${field}.excludeResourceRules`, excludeResourceRules, namedRuleErrors),
  ];
}

/** Of a policy, which must say what it is about. */
export function constraintErrors(field: string, match: MatchResources | undefined): readonly FieldError[] {
  if (match === undefined) return [required(field)];
  const none = (match.resourceRules ?? []).length === 0;
  return [...matchErrors(field, match), ...(none ? [required(`${field}.resourceRules`)] : [])];
}

const mutable = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** What is deleted cannot be changed. Source: validateMutatingAdmissionPolicySpec. */
export function mutableOperationErrors(field: string, match: MatchResources | undefined): readonly FieldError[] {
  return (match?.resourceRules ?? []).flatMap(({ operations = [] }) =>
    operations.flatMap((operation) =>
      mutable.includes(operation) ? [] : [notSupported(`${field}.resourceRules.operations`, operation, mutable)],
    ),
  );
}

function namedRuleErrors(field: string, rule: NamedRuleWithOperations): readonly FieldError[] {
  const names = rule.resourceNames ?? [];
  return [
    ...each(`${field}.resourceNames`, names, (at, name, index) => [
      ...complain(at, name, pathSegmentComplaints(name)),
      ...(names.indexOf(name) < index ? [duplicate(at, name)] : []),
    ]),
    ...resourceRuleErrors(field, rule),
  ];
}
