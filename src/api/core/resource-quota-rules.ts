/** What a ResourceQuota may say. Source: kubernetes pkg/apis/core/validation (ValidateResourceQuotaSpec and around). */
import { invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { complain } from '../rules/fields.ts';
import { resourceNameComplaints } from './resource-names.ts';
import { amountErrors } from './resource-rules.ts';
import type * as types from './types.generated.ts';

const compute = ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]);
const ofPods = new Set(['pods', ...compute]);
const ofClaims = new Set(['persistentvolumeclaims', 'requests.storage']);
/** Names without a slash that a quota may limit, huge pages apart. */
const standard = new Set([
  ...ofPods,
  ...ofClaims,
  'ephemeral-storage',
  'requests.ephemeral-storage',
  'limits.ephemeral-storage',
  'resourcequotas',
  'services',
  'services.nodeports',
  'services.loadbalancers',
  'replicationcontrollers',
  'secrets',
  'configmaps',
]);

/** Which of the standard names may be limited within a scope; other names may in all. */
const limitedWithin: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['BestEffort', new Set(['pods'])],
  ...['CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating'].map(
    (scope) => [scope, ofPods] as const,
  ),
  ['VolumeAttributesClass', ofClaims],
]);

/** Scopes that an object is in or not, without values. */
const plainScopes = new Set([
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'Terminating',
]);
const contradictions = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

/** Names and amounts in `spec.hard`, `status.hard` and `status.used`. */
export function quotaAmountsErrors(field: string, list: Readonly<Record<string, string>> | undefined): FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, amount]) => {
    const path = `${field}[${name}]`;
    const isHugePages = name.startsWith('hugepages-') || name.startsWith('requests.hugepages-');
    const isUnknown = !name.includes('/') && !standard.has(name) && !isHugePages;
    return [
      ...complain(path, name, resourceNameComplaints(name)),
      ...(isUnknown ? [invalid(path, name, 'must be a standard resource for quota')] : []),
      ...amountErrors(path, name, amount),
    ];
  });
}

export function quotaScopesErrors(
  field: string,
  { hard = {}, scopes = [], scopeSelector }: types.ResourceQuotaSpec,
): FieldError[] {
  const path = `${field}.scopes`;
  const errors = scopes.flatMap((scope) => scopeErrors(path, scopes, scope, hard));
  errors.push(...contradictionErrors(path, scopes, scopes));
  const expressions = scopeSelector?.matchExpressions ?? [];
  const at = `${field}.scopeSelector.matchExpressions`;
  errors.push(
    // Upstream does not say which of the expressions is meant.
    ...expressions.flatMap(({ scopeName, operator, values = [] }) => [
      ...(limitedWithin.has(scopeName) ? [] : [invalid(`${at}.scopeName`, scopeName, 'unsupported scope')]),
      ...misappliedErrors(at, scopeSelector, scopeName, hard),
      ...operatorErrors(at, scopeName, operator, values),
    ]),
    ...contradictionErrors(
      at,
      expressions.map(({ scopeName }) => scopeName),
      scopes.length === 0 ? null : scopes,
    ),
  );
  return errors;
}

function scopeErrors(
  field: string,
  scopes: readonly string[],
  scope: string,
  hard: Readonly<Record<string, string>>,
): FieldError[] {
  return [
    ...(limitedWithin.has(scope) ? [] : [invalid(field, scopes, 'unsupported scope')]),
    ...misappliedErrors(field, scopes, scope, hard),
  ];
}

/** An unknown scope goes with everything. */
function misappliedErrors(
  field: string,
  value: unknown,
  scope: string,
  hard: Readonly<Record<string, string>>,
): FieldError[] {
  const allowed = limitedWithin.get(scope);
  if (allowed === undefined) return [];
  return Object.keys(hard)
    .filter((name) => standard.has(name) && !allowed.has(name))
    .map(() => invalid(field, value, 'unsupported scope applied to resource'));
}

function operatorErrors(field: string, scope: string, operator: string, values: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (plainScopes.has(scope) && operator !== 'Exists') {
    errors.push(
      invalid(
        `${field}.operator`,
        operator,
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      ),
    );
  }
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
        errors.push(required(`${field}.values`, detail));
      }
      return errors;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
        errors.push(invalid(`${field}.values`, values, detail));
      }
      return errors;
    default:
      return [...errors, invalid(`${field}.operator`, operator, 'not a valid selector operator')];
  }
}

function contradictionErrors(field: string, scopes: readonly string[], value: unknown): FieldError[] {
  return contradictions
    .filter((pair) => pair.every((scope) => scopes.includes(scope)))
    .map(() => invalid(field, value, 'conflicting scopes'));
}
