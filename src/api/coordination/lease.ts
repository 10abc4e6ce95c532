import { invalid } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { nonNegative, optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type Lease = types.Lease;
export const Lease: Kind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.coordination.v1.Lease');
  },
  validate({ spec }) {
    return [
      ...(spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0
        ? [invalid('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0')]
        : []),
      ...nonNegative('spec.leaseTransitions', spec.leaseTransitions),
      ...optionalChoice('spec.strategy', spec.strategy, ['OldestEmulationVersion']),
      ...(spec.preferredHolder !== undefined && spec.preferredHolder !== '' && (spec.strategy ?? '') === ''
        ? [invalid('spec.preferredHolder', spec.preferredHolder, 'can only be specified when strategy is set')]
        : []),
    ];
  },
  columns: [nameColumn, column('Holder', 'Who holds the lease.', ({ spec }) => spec.holderIdentity ?? ''), ageColumn],
};
