import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { formatAccessModes } from './access-modes.ts';
import { volumeErrors, volumeUpdateErrors } from './persistent-volume-rules.ts';
import type * as types from './types.generated.ts';

export type PersistentVolume = types.PersistentVolume;
export const PersistentVolume: Kind<PersistentVolume> = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.core.v1.PersistentVolume');
  },
  subresources: {
    status: true,
  },
  defaults(volume) {
    return mapField(
      mapField(withDefaults<types.PersistentVolume>(volume, { status: {} }), 'status', (status) =>
        withDefaults(status, { phase: 'Pending' }),
      ),
      'spec',
      (spec) => withDefaults(spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' }),
    );
  },
  prepareForCreate: (volume) => ({ ...volume, status: { phase: 'Pending' } }),
  validate: ({ spec }) => volumeErrors(spec),
  validateUpdate: ({ spec }, stored) => volumeUpdateErrors(spec, stored.spec),
  columns: [
    nameColumn,
    column('Capacity', 'Size of the volume.', ({ spec }) => spec.capacity?.['storage'] ?? ''),
    column('Access Modes', 'How the volume may be mounted.', ({ spec }) => formatAccessModes(spec.accessModes)),
    column(
      'Reclaim Policy',
      'What happens to the volume when its claim goes.',
      ({ spec }) => spec.persistentVolumeReclaimPolicy ?? '',
    ),
    column('Status', 'Where the volume is in its life.', ({ metadata, status }) =>
      metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
    ),
    column('Claim', 'Claim the volume is bound to.', ({ spec }) =>
      spec.claimRef === undefined ? '' : `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}`,
    ),
    column('StorageClass', 'Class of the volume.', ({ spec }) => spec.storageClassName ?? ''),
    column(
      'VolumeAttributesClass',
      "Class of the volume's attributes.",
      ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    ),
    column('Reason', 'Why the volume is in its phase.', ({ status }) => status?.reason ?? ''),
    ageColumn,
    wide('VolumeMode', 'Block device or file system.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
};
