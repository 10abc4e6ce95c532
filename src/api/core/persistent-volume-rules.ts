/** Source: kubernetes pkg/apis/core/validation (ValidatePersistentVolumeSpec, ValidatePersistentVolumeUpdate). */
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints, immutableComplaint } from '#machinery/names.ts';
import { compareQuantities, parseQuantity } from '#machinery/quantity.ts';
import { immutable, optionalChoice, optionalText, sameValue, text } from '../rules/fields.ts';
import { driverNameErrors } from '../storage/driver-name.ts';
import { accessModesErrors, positiveAmountErrors } from './persistent-volume-claim-rules.ts';
import { nodeSelectorErrors } from './scheduling-rules.ts';
import type * as types from './types.generated.ts';

/** In the order that upstream looks at them in: every source but the first is one too many. */
const sources = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const satisfies readonly (keyof types.PersistentVolumeSpec)[];

export function volumeErrors(spec: types.PersistentVolumeSpec): FieldError[] {
  const attributesClass = spec.volumeAttributesClassName;
  return [
    ...((spec.accessModes ?? []).length === 0 ? [required('spec.accessModes')] : []),
    ...accessModesErrors('spec.accessModes', spec.accessModes),
    ...capacityErrors('spec.capacity', spec.capacity),
    ...optionalChoice('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, [
      'Delete',
      'Recycle',
      'Retain',
    ]),
    ...affinityErrors('spec.nodeAffinity', spec.nodeAffinity),
    ...sourceErrors(spec),
    ...optionalText('spec.storageClassName', spec.storageClassName, dns1123SubdomainComplaints),
    ...optionalChoice('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']),
    ...(attributesClass === undefined
      ? []
      : [
          ...text(
            'spec.volumeAttributesClassName',
            attributesClass,
            dns1123SubdomainComplaints,
            'an empty string is disallowed',
          ),
          ...(spec.csi === undefined
            ? [required('spec.csi', 'has to be specified when using volumeAttributesClassName')]
            : []),
        ]),
  ];
}

/** Storage, and nothing else. */
function capacityErrors(field: string, capacity: Readonly<Record<string, string>> | undefined): FieldError[] {
  const entries = Object.entries(capacity ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const errors = entries.length === 0 ? [required(field)] : [];
  if (capacity?.['storage'] === undefined || entries.length > 1) {
    errors.push(notSupported(field, entries.length === 0 ? null : Object.fromEntries(entries), ['storage']));
  }
  for (const [name, amount] of entries) {
    const path = `${field}[${name}]`;
    if (compareQuantities(amount, '0') < 0) {
      const whole = Number(parseQuantity(amount).nanos / 1_000_000_000n);
      errors.push(invalid(path, whole, 'must be a valid resource quantity'));
    }
    errors.push(...positiveAmountErrors(path, amount));
  }
  return errors;
}

function affinityErrors(field: string, affinity: types.VolumeNodeAffinity | undefined): FieldError[] {
  if (affinity === undefined) return [];
  return affinity.required === undefined
    ? [required(`${field}.required`, 'must specify required node constraints')]
    : nodeSelectorErrors(`${field}.required`, affinity.required);
}

const backstepComplaints = (path: string) => (path.split('/').includes('..') ? ["must not contain '..'"] : []);

/** Exactly one source. */
function sourceErrors(spec: types.PersistentVolumeSpec): FieldError[] {
  const [first, ...others] = sources.filter((name) => spec[name] !== undefined);
  if (first === undefined) return [required('spec', 'must specify a volume type')];
  const errors = [
    ...ownErrors(first, spec),
    ...others.map((name) => forbidden(`spec.${name}`, 'may not specify more than 1 volume type')),
  ];
  if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"));
  }
  return errors;
}

/** Sources of old storage plug-ins carry no rules beyond their shape. */
function ownErrors(source: (typeof sources)[number], spec: types.PersistentVolumeSpec): FieldError[] {
  const { hostPath, local, nfs, csi, nodeAffinity } = spec;
  if (source === 'hostPath') return text('spec.hostPath.path', hostPath?.path, backstepComplaints);
  if (source === 'local') {
    return [
      ...text('spec.local.path', local?.path, backstepComplaints),
      ...(nodeAffinity === undefined ? [required('spec.nodeAffinity', 'Local volume requires node affinity')] : []),
    ];
  }
  if (source === 'nfs') {
    const path = nfs?.path ?? '';
    return [
      ...text('spec.nfs.server', nfs?.server),
      ...text('spec.nfs.path', path),
      ...(path.startsWith('/') ? [] : [invalid('spec.nfs.path', path, 'must be an absolute path')]),
    ];
  }
  if (source !== 'csi' || csi === undefined) return [];
  return [
    ...driverNameErrors('spec.csi.driver', csi.driver),
    ...text('spec.csi.volumeHandle', csi.volumeHandle),
    ...secretErrors('spec.csi.controllerPublishSecretRef', csi.controllerPublishSecretRef),
    ...secretErrors('spec.csi.controllerExpandSecretRef', csi.controllerExpandSecretRef),
    ...secretErrors('spec.csi.nodePublishSecretRef', csi.nodePublishSecretRef),
    ...secretErrors('spec.csi.nodeExpandSecretRef', csi.nodeExpandSecretRef),
  ];
}

function secretErrors(field: string, secret: types.SecretReference | undefined): FieldError[] {
  if (secret === undefined) return [];
  return [
    ...text(`${field}.name`, secret.name, dns1123SubdomainComplaints),
    ...text(`${field}.namespace`, secret.namespace, dns1123LabelComplaints),
  ];
}

/** Where the bytes are stays what it was; a secret for growing may be named later. */
export function volumeUpdateErrors(spec: types.PersistentVolumeSpec, stored: types.PersistentVolumeSpec): FieldError[] {
  const errors: FieldError[] = [];
  const changed = sources.filter((name) => !sameValue(withoutLateSecret(name, spec, stored), stored[name]));
  if (changed.length > 0) {
    const list = changed.map((name) => `spec.${name}`).join(', ');
    errors.push(
      forbidden(
        'spec.persistentvolumesource',
        `spec.persistentvolumesource is immutable after creation\n  changed: ${list}`,
      ),
    );
  }
  errors.push(...immutable('volumeMode', spec.volumeMode, stored.volumeMode));
  if (stored.nodeAffinity !== undefined && !sameValue(withStableLabels(spec), withStableLabels(stored))) {
    errors.push(
      invalid(
        'nodeAffinity',
        spec.nodeAffinity ?? null,
        `${immutableComplaint}, except for updating from beta label to GA`,
      ),
    );
  }
  if (stored.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'));
  }
  return errors;
}

function withoutLateSecret(
  name: (typeof sources)[number],
  spec: types.PersistentVolumeSpec,
  stored: types.PersistentVolumeSpec,
): unknown {
  if (name !== 'csi' || spec.csi === undefined || stored.csi?.controllerExpandSecretRef !== undefined)
    return spec[name];
  const { controllerExpandSecretRef: _, ...others } = spec.csi;
  return others;
}

const stableLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

function withStableLabels({ nodeAffinity }: types.PersistentVolumeSpec): unknown {
  return nodeAffinity?.required?.nodeSelectorTerms?.map((term) => ({
    ...term,
    matchExpressions: term.matchExpressions?.map((requirement) => ({
      ...requirement,
      key: stableLabels[requirement.key] ?? requirement.key,
    })),
  }));
}
