/** Rules of volumes and their mounts. Source: kubernetes pkg/apis/core/validation (ValidateVolumes and around). */
import { duplicate, forbidden, invalid, notFound, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors } from '#machinery/labels.ts';
import { annotationsErrors } from '#machinery/metadata-rules.ts';
import { dns1123LabelComplaints } from '#machinery/names.ts';
import type { ObjectMeta } from '#machinery/object.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { choice, each, optionalChoice, text } from '../rules/fields.ts';
import { driverNameErrors } from '../storage/driver-name.ts';
import { fieldRefErrors, resourceFieldErrors } from './environment-rules.ts';
import { claimSpecErrors } from './persistent-volume-claim-rules.ts';
import type * as types from './types.generated.ts';

const fileModeMax = 0o777;

/** What is wrong with a pod's volumes, and by name those that nothing is wrong with: only they can be mounted. */
export function checkVolumes(
  field: string,
  volumes: readonly types.Volume[] | undefined,
  isPod: boolean,
): { readonly errors: FieldError[]; readonly good: ReadonlyMap<string, types.Volume> } {
  const good = new Map<string, types.Volume>();
  const errors = each(field, volumes, (path, volume) => {
    const found = [...sourceErrors(path, volume, isPod), ...text(`${path}.name`, volume.name, dns1123LabelComplaints)];
    if (good.has(volume.name)) found.push(duplicate(`${path}.name`, volume.name));
    if (found.length === 0) good.set(volume.name, volume);
    return found;
  });
  return { errors, good };
}

type Checks = {
  readonly [K in keyof types.Volume]?: (
    field: string,
    source: NonNullable<types.Volume[K]>,
    isPod: boolean,
  ) => readonly FieldError[];
};

const checks: Checks = {
  emptyDir: (field, { sizeLimit = '0' }) =>
    compareQuantities(sizeLimit, '0') < 0
      ? [forbidden(`${field}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : [],
  hostPath: (field, { path, type }) =>
    (path ?? '') === ''
      ? [required(`${field}.path`)]
      : [
          ...backstepErrors(`${field}.path`, path),
          ...optionalChoice(`${field}.type`, type, [
            '',
            'BlockDevice',
            'CharDevice',
            'Directory',
            'DirectoryOrCreate',
            'File',
            'FileOrCreate',
            'Socket',
          ]),
        ],
  secret: (field, { secretName, defaultMode, items }) => [
    ...text(`${field}.secretName`, secretName),
    ...modeErrors(`${field}.defaultMode`, defaultMode),
    ...each(`${field}.items`, items, keyToPathErrors),
  ],
  configMap: (field, { name, defaultMode, items }) => [
    ...text(`${field}.name`, name),
    ...modeErrors(`${field}.defaultMode`, defaultMode),
    ...each(`${field}.items`, items, keyToPathErrors),
  ],
  downwardAPI: (field, { defaultMode, items }) => [
    ...modeErrors(`${field}.defaultMode`, defaultMode),
    // Upstream does not say which of the files is meant.
    ...each(field, items, (_, item) => downwardFileErrors(field, item)),
  ],
  projected: (field, source) => projectedErrors(field, source),
  persistentVolumeClaim: (field, { claimName }) => text(`${field}.claimName`, claimName),
  ephemeral: (field, { volumeClaimTemplate }) =>
    volumeClaimTemplate === undefined
      ? [required(`${field}.volumeClaimTemplate`)]
      : [
          ...templateMetadataErrors(`${field}.volumeClaimTemplate.metadata`, volumeClaimTemplate.metadata),
          ...claimSpecErrors(`${field}.volumeClaimTemplate.spec`, volumeClaimTemplate.spec),
        ],
  csi: (field, { driver, nodePublishSecretRef }) => [
    ...driverNameErrors(`${field}.driver`, driver),
    ...(nodePublishSecretRef === undefined
      ? []
      : text(`${field}.nodePublishSecretRef.name`, nodePublishSecretRef.name)),
  ],
  nfs: (field, { server, path }) => [
    ...text(`${field}.server`, server),
    ...text(`${field}.path`, path),
    ...((path ?? '').startsWith('/') ? [] : [invalid(`${field}.path`, path ?? '', 'must be an absolute path')]),
  ],
  image: (field, { reference, pullPolicy }, isPod) => [
    ...(isPod ? text(`${field}.reference`, reference) : []),
    ...choice(`${field}.pullPolicy`, pullPolicy, ['Always', 'IfNotPresent', 'Never']),
  ],
  gitRepo: (field, { repository, directory = '' }) => [
    ...text(`${field}.repository`, repository),
    ...descendingPathErrors(`${field}.directory`, directory),
  ],
};

/** The order that upstream looks at them in: every source but the first is one too many. */
const sourceOrder: readonly (keyof types.Volume)[] = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

/** Only labels and annotations of a claim's template mean anything. Source: ValidateTemplateObjectMeta. */
function templateMetadataErrors(field: string, metadata: ObjectMeta | undefined): FieldError[] {
  const { annotations, labels, ...others } = metadata ?? {};
  return [
    ...annotationsErrors(`${field}.annotations`, annotations),
    ...labelsErrors(`${field}.labels`, labels),
    ...Object.entries(others)
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name]) => forbidden(`${field}.${name}`, 'cannot be set')),
  ];
}

/** Exactly one source. Sources of old storage plug-ins carry no rules beyond their shape. */
function sourceErrors(field: string, volume: types.Volume, isPod: boolean): FieldError[] {
  const [first, ...others] = sourceOrder.filter((name) => volume[name] !== undefined);
  if (first === undefined) return [required(field, 'must specify a volume type')];
  // The table pairs each name with the type of that very field.
  const check = checks[first] as ((path: string, value: unknown, isPod: boolean) => readonly FieldError[]) | undefined;
  return [
    ...(check?.(`${field}.${first}`, volume[first], isPod) ?? []),
    ...others.map((name) => forbidden(`${field}.${name}`, 'may not specify more than 1 volume type')),
  ];
}

const modeErrors = (field: string, mode: number | undefined) =>
  mode !== undefined && (mode < 0 || mode > fileModeMax)
    ? [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : [];

function keyToPathErrors(field: string, { key, path, mode }: types.KeyToPath): FieldError[] {
  return [
    ...text(`${field}.key`, key),
    ...text(`${field}.path`, path),
    ...localPathErrors(`${field}.path`, path ?? ''),
    ...modeErrors(`${field}.mode`, mode),
  ];
}

function downwardFileErrors(field: string, file: types.DownwardAPIVolumeFile): FieldError[] {
  const { path, fieldRef, resourceFieldRef, mode } = file;
  const errors = [...text(`${field}.path`, path), ...localPathErrors(`${field}.path`, path ?? '')];
  if (fieldRef !== undefined) {
    errors.push(...fieldRefErrors(`${field}.fieldRef`, fieldRef));
    if (resourceFieldRef !== undefined) {
      errors.push(invalid(field, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (resourceFieldRef === undefined) {
    errors.push(required(field, 'one of fieldRef and resourceFieldRef is required'));
  } else errors.push(...resourceFieldErrors(`${field}.resourceFieldRef`, resourceFieldRef, true));
  return [...errors, ...modeErrors(`${field}.mode`, mode)];
}

/** No two of the files may have one path. Upstream quotes the secret or config map that the second comes from. */
function projectedErrors(field: string, { sources, defaultMode }: types.ProjectedVolumeSource): FieldError[] {
  const paths = new Set<string>();
  const once = (path: string | undefined, source: string): FieldError[] => {
    if (path === undefined || path === '') return [];
    if (paths.has(path)) return [invalid(field, source, 'conflicting duplicate paths')];
    paths.add(path);
    return [];
  };
  const named = (at: string, { name = '', items }: types.SecretProjection): FieldError[] => [
    ...text(`${at}.name`, name),
    ...each(`${at}.items`, items, (path, item) => [...keyToPathErrors(path, item), ...once(item.path, name)]),
  ];
  return [
    ...modeErrors(`${field}.defaultMode`, defaultMode),
    ...each(`${field}.sources`, sources, (path, projection) => {
      const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle } = projection;
      const errors: FieldError[] = [];
      if (secret !== undefined) errors.push(...named(`${path}.secret`, secret));
      if (configMap !== undefined) errors.push(...named(`${path}.configMap`, configMap));
      for (const item of downwardAPI?.items ?? []) {
        errors.push(...downwardFileErrors(`${path}.downwardAPI`, item), ...once(item.path, item.path));
      }
      if (serviceAccountToken !== undefined) {
        errors.push(...tokenErrors(field, `${path}.serviceAccountToken`, serviceAccountToken));
      }
      if (clusterTrustBundle !== undefined) {
        const { path: file } = clusterTrustBundle;
        errors.push(
          ...text(`${path}.clusterTrustBundle.path`, file),
          ...localPathErrors(`${path}.clusterTrustBundle.path`, file ?? ''),
          ...once(file, file ?? ''),
        );
      }
      const given = Object.values(projection).filter((source) => source !== undefined).length;
      if (given > 1) errors.push(forbidden(path, 'may not specify more than 1 volume type per source'));
      return errors;
    }),
  ];
}

const tokenSecondsMin = 10 * 60;
const tokenSecondsMax = 2 ** 32;

/** Upstream names the path of a token as one of the whole volume. */
function tokenErrors(volume: string, field: string, token: types.ServiceAccountTokenProjection): FieldError[] {
  const { expirationSeconds: seconds } = token;
  const path = token.path ?? '';
  const at = `${field}.expirationSeconds`;
  const errors: FieldError[] = [];
  if (seconds !== undefined && seconds < tokenSecondsMin) {
    errors.push(invalid(at, seconds, 'may not specify a duration less than 10 minutes'));
  }
  if (seconds !== undefined && seconds > tokenSecondsMax) {
    errors.push(invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  errors.push(...text(`${volume}.path`, path), ...localPathErrors(`${volume}.path`, path));
  return errors;
}

function backstepErrors(field: string, path: string): FieldError[] {
  return path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : [];
}

/** A path inside something: relative, and never out of it. */
export function descendingPathErrors(field: string, path: string): FieldError[] {
  return [
    ...(path.startsWith('/') ? [invalid(field, path, 'must be a relative path')] : []),
    ...backstepErrors(field, path),
  ];
}

/** A path inside a volume, where names that begin with two dots are the kubelet's. */
function localPathErrors(field: string, path: string): FieldError[] {
  const errors = descendingPathErrors(field, path);
  if (path.startsWith('..') && !path.startsWith('../')) errors.push(invalid(field, path, "must not start with '..'"));
  return errors;
}

type Mounting = Pick<types.Container, 'volumeMounts' | 'volumeDevices' | 'securityContext'>;

/** Mounts of one container; `volumes` are the pod's, by name. Some fields upstream names as of the whole list. */
export function mountsErrors(
  field: string,
  { volumeMounts, volumeDevices = [], securityContext }: Mounting,
  volumes: ReadonlyMap<string, types.Volume>,
): FieldError[] {
  const devices = new Set(volumeDevices.map(({ name }) => name));
  const devicePaths = new Set(volumeDevices.map(({ devicePath }) => devicePath));
  const paths = new Set<string>();
  return each(field, volumeMounts, (path, mount) => {
    const { name, mountPath, subPath = '', subPathExpr = '', mountPropagation: propagation } = mount;
    const errors = text(`${path}.name`, name);
    if (!volumes.has(name)) errors.push(notFound(`${path}.name`, name));
    errors.push(...text(`${path}.mountPath`, mountPath));
    if (paths.has(mountPath)) errors.push(invalid(`${path}.mountPath`, mountPath, 'must be unique'));
    paths.add(mountPath);
    if (devices.has(name)) errors.push(invalid(`${path}.name`, name, 'must not already exist in volumeDevices'));
    if (devicePaths.has(mountPath)) {
      errors.push(invalid(`${path}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'));
    }
    errors.push(...descendingPathErrors(`${field}.subPath`, subPath));
    if (subPath !== '' && subPathExpr !== '') {
      errors.push(invalid(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    }
    errors.push(
      ...descendingPathErrors(`${field}.subPathExpr`, subPathExpr),
      ...optionalChoice(`${field}.mountPropagation`, propagation, ['Bidirectional', 'HostToContainer', 'None']),
    );
    if (propagation === 'Bidirectional' && securityContext?.privileged !== true) {
      errors.push(
        forbidden(
          `${field}.mountPropagation`,
          'Bidirectional mount propagation is available only to privileged containers',
        ),
      );
    }
    return [...errors, ...recursiveReadOnlyErrors(`${field}.recursiveReadOnly`, mount)];
  });
}

function recursiveReadOnlyErrors(field: string, mount: types.VolumeMount): FieldError[] {
  const { recursiveReadOnly, readOnly, mountPropagation = 'None' } = mount;
  const errors = optionalChoice(field, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']);
  if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible') return errors;
  if (readOnly !== true) errors.push(forbidden(field, 'may only be specified when readOnly is true'));
  if (mountPropagation !== 'None') {
    errors.push(forbidden(field, 'may only be specified when mountPropagation is None or not specified'));
  }
  return errors;
}

/** Block devices of one container. */
export function devicesErrors(
  field: string,
  { volumeMounts = [], volumeDevices }: Mounting,
  volumes: ReadonlyMap<string, types.Volume>,
): FieldError[] {
  const mounts = new Set(volumeMounts.map(({ name }) => name));
  const mountPaths = new Set(volumeMounts.map(({ mountPath }) => mountPath));
  const names = new Set<string>();
  const paths = new Set<string>();
  return each(field, volumeDevices, (path, { name, devicePath }) => {
    const errors = text(`${path}.name`, name);
    const volume = volumes.get(name);
    const bad = (what: 'name' | 'devicePath', value: string, why: string) =>
      errors.push(invalid(`${path}.${what}`, value, why));
    if (names.has(name)) bad('name', name, 'must be unique');
    if (volume === undefined) errors.push(notFound(`${path}.name`, name));
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      bad('name', name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode');
    }
    errors.push(...text(`${path}.devicePath`, devicePath));
    if (paths.has(devicePath)) bad('devicePath', devicePath, 'must be unique');
    if (devicePath.split('/').includes('..')) bad('devicePath', devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.has(name)) bad('name', name, 'must not already exist in volumeMounts');
    if (mountPaths.has(devicePath)) bad('devicePath', devicePath, 'must not already exist as a path in volumeMounts');
    if (name !== '') names.add(name);
    return errors;
  });
}
