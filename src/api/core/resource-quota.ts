import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { column, nameColumn, ageColumn } from '../rules/columns.ts';
import { complain, each, optionalChoice, immutable } from '../rules/fields.ts';
import { amountErrors } from './resource-rules.ts';
import type * as types from './types.generated.ts';

export type ResourceQuota = types.ResourceQuota;
export const ResourceQuota: Kind<ResourceQuota> = {
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  singular: 'resourcequota',
  shortNames: ['quota'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.ResourceQuota');
  },
  subresources: {
    status: true,
  },
  prepareForCreate: (quota) => ({ ...quota, status: {} }),
  validate({ spec, status }) {
    return [
      ...hardErrors('spec.hard', spec.hard),
      ...each('spec.scopes', spec.scopes, (_, scope) => optionalChoice('spec.scopes', scope, scopes)),
      ...each('spec.scopeSelector.matchExpressions', spec.scopeSelector?.matchExpressions, (path, expression) => [
        ...optionalChoice(`${path}.scopeName`, expression.scopeName, scopes),
        ...optionalChoice(`${path}.operator`, expression.operator, ['In', 'NotIn', 'Exists', 'DoesNotExist']),
        ...((expression.operator === 'In' || expression.operator === 'NotIn') === (expression.values ?? []).length > 0
          ? []
          : [invalid(`${path}.values`, expression.values ?? [], 'must be given for In and NotIn, and for them alone')]),
      ]),
      ...hardErrors('status.hard', status?.hard),
      ...hardErrors('status.used', status?.used),
    ];
  },
  validateUpdate: ({ spec }, stored) => immutable('spec.scopes', spec.scopes, stored.spec.scopes),
  columns: [
    nameColumn,
    column('Request', 'What is used of each limit on requests and counts.', (quota) =>
      usage(quota, (name) => !name.startsWith('limits')),
    ),
    column('Limit', 'What is used of each limit on limits.', (quota) =>
      usage(quota, (name) => name.startsWith('limits')),
    ),
    ageColumn,
  ],
};

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];

function hardErrors(field: string, hard: Readonly<Record<string, string>> | undefined): FieldError[] {
  return Object.entries(hard ?? {}).flatMap(([name, amount]) => [
    ...complain(`${field}[${name}]`, name, qualifiedNameComplaints(name)),
    ...amountErrors(`${field}[${name}]`, name, amount),
  ]);
}

function usage({ status }: types.ResourceQuota, wanted: (name: string) => boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => wanted(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');
}
