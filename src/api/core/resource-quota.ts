import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { column, nameColumn, ageColumn } from '../rules/columns.ts';
import { immutable } from '../rules/fields.ts';
import { quotaAmountsErrors, quotaScopesErrors } from './resource-quota-rules.ts';
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
  validate: ({ spec, status }) => [
    ...quotaAmountsErrors('spec.hard', spec.hard),
    ...quotaScopesErrors('spec', spec),
    ...quotaAmountsErrors('status.hard', status?.hard),
    ...quotaAmountsErrors('status.used', status?.used),
  ],
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

function usage({ status }: types.ResourceQuota, wanted: (name: string) => boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => wanted(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');
}
