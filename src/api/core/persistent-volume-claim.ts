import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { formatAccessModes } from './access-modes.ts';
import { claimSpecErrors } from './persistent-volume-claim-rules.ts';
import { claimUpdateErrors } from './persistent-volume-claim-update-rules.ts';
import type * as types from './types.generated.ts';

export type PersistentVolumeClaim = types.PersistentVolumeClaim;
export const PersistentVolumeClaim: Kind<PersistentVolumeClaim> = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  shortNames: ['pvc'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.PersistentVolumeClaim');
  },
  subresources: {
    status: true,
  },
  defaults(claim) {
    return mapField(
      mapField(withDefaults<types.PersistentVolumeClaim>(claim, { status: {} }), 'status', (status) =>
        withDefaults(status, { phase: 'Pending' }),
      ),
      'spec',
      (spec) => withDefaults(spec, { volumeMode: 'Filesystem' }),
    );
  },
  prepareForCreate: (claim) => ({ ...claim, status: { phase: 'Pending' } }),
  validate: ({ spec }) => claimSpecErrors('spec', spec),
  validateUpdate: (claim, stored) => claimUpdateErrors(claim, stored),
  columns: [
    nameColumn,
    column('Status', 'Where the claim is in its life.', ({ metadata, status }) =>
      metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
    ),
    column('Volume', 'Volume the claim is bound to.', ({ spec }) => spec.volumeName ?? ''),
    column('Capacity', 'Size of the volume.', ({ spec, status }) =>
      (spec.volumeName ?? '') === '' ? '' : (status?.capacity?.['storage'] ?? ''),
    ),
    column('Access Modes', 'How the volume may be mounted.', ({ spec, status }) =>
      (spec.volumeName ?? '') === '' ? '' : formatAccessModes(status?.accessModes),
    ),
    column('StorageClass', 'Class of the volume.', ({ spec }) => spec.storageClassName ?? ''),
    column(
      'VolumeAttributesClass',
      "Class of the volume's attributes.",
      ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    ),
    ageColumn,
    wide('VolumeMode', 'Block device or file system.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
  selectableFields: { name: ({ metadata }) => metadata?.name ?? '' },
};
