import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { boolean, ageColumn, column, nameColumn } from '../rules/columns.ts';
import { withDefaults } from '../rules/defaulting.ts';
import { choice, immutable, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type StorageClass = types.StorageClass;
export const StorageClass: Kind<StorageClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.StorageClass');
  },
  defaults: (storageClass) => withDefaults(storageClass, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  validate({ provisioner, reclaimPolicy, volumeBindingMode }) {
    return [
      ...text('provisioner', provisioner, (name) => qualifiedNameComplaints(name.toLowerCase())),
      ...choice('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']),
      ...choice('volumeBindingMode', volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
    ];
  },
  validateUpdate(storageClass, stored) {
    return (['provisioner', 'parameters', 'reclaimPolicy', 'volumeBindingMode'] as const).flatMap((name) =>
      immutable(name, storageClass[name], stored[name]),
    );
  },
  columns: [
    {
      ...nameColumn,
      cell: ({ metadata }) => {
        const isDefault = metadata?.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true';
        return `${metadata?.name ?? ''}${isDefault ? ' (default)' : ''}`;
      },
    },
    column('Provisioner', 'Who makes the volumes.', ({ provisioner }) => provisioner),
    column('ReclaimPolicy', 'What happens to volumes whose claim goes.', ({ reclaimPolicy = '' }) => reclaimPolicy),
    column('VolumeBindingMode', 'When volumes are made.', ({ volumeBindingMode = '' }) => volumeBindingMode),
    boolean(
      'AllowVolumeExpansion',
      'Whether volumes can grow.',
      ({ allowVolumeExpansion = false }) => allowVolumeExpansion,
    ),
    ageColumn,
  ],
};
