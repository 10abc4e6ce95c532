import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { choice, immutable, optionalChoice, optionalText, text } from '../rules/fields.ts';
import { formatAccessModes } from './access-modes.ts';
import { accessModesErrors, positiveAmountErrors } from './persistent-volume-claim-rules.ts';
import { nodeSelectorErrors } from './scheduling-rules.ts';
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
  /** Source: kubernetes pkg/apis/core/validation (ValidatePersistentVolumeSpec). */
  validate({ spec }) {
    const storage = spec.capacity?.['storage'];
    const errors: FieldError[] = [
      ...accessModesErrors('spec.accessModes', spec.accessModes),
      ...(storage === undefined
        ? [required('spec.capacity')]
        : positiveAmountErrors('spec.capacity[storage]', storage)),
      ...choice('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, [
        'Delete',
        'Recycle',
        'Retain',
      ]),
      ...optionalChoice('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']),
      ...optionalText('spec.storageClassName', spec.storageClassName, dns1123SubdomainComplaints),
    ];
    const affinity = spec.nodeAffinity?.required;
    if (affinity !== undefined) errors.push(...nodeSelectorErrors('spec.nodeAffinity.required', affinity));
    else if (spec.nodeAffinity !== undefined) {
      errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'));
    }
    return [...errors, ...sourceErrors(spec)];
  },
  validateUpdate({ spec }, { spec: stored }) {
    return sources
      .flatMap((name) => immutable('spec.persistentvolumesource', spec[name], stored[name]))
      .concat(immutable('spec.volumeMode', spec.volumeMode, stored.volumeMode));
  },
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

const sources = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'csi',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'glusterfs',
  'hostPath',
  'iscsi',
  'local',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
] as const satisfies readonly (keyof types.PersistentVolumeSpec)[];

/** Exactly one source. */
function sourceErrors(spec: types.PersistentVolumeSpec): FieldError[] {
  const given = sources.filter((name) => spec[name] !== undefined);
  if (given.length === 0) return [required('spec', 'must specify a volume type')];
  const errors = given.slice(1).map((name) => forbidden(`spec.${name}`, 'may not specify more than 1 volume type'));
  if (spec.hostPath !== undefined) {
    errors.push(...text('spec.hostPath.path', spec.hostPath.path));
    if (spec.hostPath.path.split('/').includes('..')) {
      errors.push(invalid('spec.hostPath.path', spec.hostPath.path, "must not contain '..'"));
    }
    if (spec.hostPath.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
      errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"));
    }
  }
  if (spec.local !== undefined) {
    errors.push(...text('spec.local.path', spec.local.path));
    if (spec.nodeAffinity === undefined)
      errors.push(required('spec.nodeAffinity', 'Local volume requires node affinity'));
  }
  if (spec.csi !== undefined) {
    errors.push(...text('spec.csi.driver', spec.csi.driver), ...text('spec.csi.volumeHandle', spec.csi.volumeHandle));
  }
  if (spec.nfs !== undefined) {
    errors.push(...text('spec.nfs.server', spec.nfs.server), ...text('spec.nfs.path', spec.nfs.path));
  }
  return errors;
}
