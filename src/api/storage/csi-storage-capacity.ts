import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { amountErrors } from '../core/resource-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { complain, immutable } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type * as types from './types.generated.ts';

export type CSIStorageCapacity = types.CSIStorageCapacity;
export const CSIStorageCapacity: Kind<CSIStorageCapacity> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  singular: 'csistoragecapacity',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.storage.v1.CSIStorageCapacity');
  },
  /** Source: kubernetes pkg/apis/storage/validation (ValidateCSIStorageCapacity). */
  validate: ({ nodeTopology, storageClassName, capacity }) => [
    ...labelSelectorErrors('nodeTopology', nodeTopology),
    ...complain('storageClassName', storageClassName ?? '', dns1123SubdomainComplaints(storageClassName ?? '')),
    ...(capacity === undefined ? [] : amountErrors('capacity', 'storage', capacity)),
  ],
  validateUpdate: (capacity, stored) => [
    ...immutable('nodeTopology', capacity.nodeTopology, stored.nodeTopology),
    ...immutable('storageClassName', capacity.storageClassName, stored.storageClassName),
  ],
  columns: [
    nameColumn,
    column('StorageClassName', 'Class of the volumes there is room for.', ({ storageClassName }) => storageClassName),
    column('Capacity', 'How much room there is.', ({ capacity = '' }) => capacity),
    ageColumn,
  ],
};
