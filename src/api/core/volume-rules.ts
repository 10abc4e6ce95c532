/** Rules of volumes and their mounts. Source: kubernetes pkg/apis/core/validation (ValidateVolumes and around). */
import { forbidden, invalid, notFound, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints } from '#machinery/names.ts';
import { choice, each, optionalChoice, text, unique } from '../rules/fields.ts';
import { fieldRefErrors, resourceFieldErrors } from './environment-rules.ts';
import { claimSpecErrors } from './persistent-volume-claim-rules.ts';
import { amountErrors } from './resource-rules.ts';
import type * as types from './types.generated.ts';

const fileModeMax = 0o777;

export function volumesErrors(field: string, volumes: readonly types.Volume[] | undefined): FieldError[] {
  return [
    ...each(field, volumes, (path, volume) => [
      ...text(`${path}.name`, volume.name, dns1123LabelComplaints),
      ...sourceErrors(path, volume),
    ]),
    ...unique(
      volumes,
      ({ name }) => name,
      (index) => `${field}[${index}].name`,
    ),
  ];
}

type Checks = {
  readonly [K in keyof types.Volume]?: (field: string, source: NonNullable<types.Volume[K]>) => readonly FieldError[];
};

const checks: Checks = {
  emptyDir: (field, { sizeLimit, medium }) => [
    ...(sizeLimit === undefined ? [] : amountErrors(`${field}.sizeLimit`, 'ephemeral-storage', sizeLimit)),
    ...(medium === undefined || medium === '' || medium === 'Memory' || medium.startsWith('HugePages')
      ? []
      : [notSupported(`${field}.medium`, medium, ['', 'HugePages', 'Memory'])]),
  ],
  hostPath: (field, { path, type }) => [
    ...text(`${field}.path`, path),
    ...backstepErrors(`${field}.path`, path ?? ''),
    ...optionalChoice(`${field}.type`, type, [
      '',
      'DirectoryOrCreate',
      'Directory',
      'FileOrCreate',
      'File',
      'Socket',
      'CharDevice',
      'BlockDevice',
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
    ...each(field, items, downwardFileErrors),
  ],
  projected: (field, source) => projectedErrors(field, source),
  persistentVolumeClaim: (field, { claimName }) => text(`${field}.claimName`, claimName),
  ephemeral: (field, { volumeClaimTemplate }) =>
    volumeClaimTemplate === undefined
      ? [required(`${field}.volumeClaimTemplate`)]
      : claimSpecErrors(`${field}.volumeClaimTemplate.spec`, volumeClaimTemplate.spec),
  csi: (field, { driver, nodePublishSecretRef }) => [
    ...text(`${field}.driver`, driver, (name) => dns1123SubdomainComplaints(name.toLowerCase())),
    ...(nodePublishSecretRef === undefined
      ? []
      : text(`${field}.nodePublishSecretRef.name`, nodePublishSecretRef.name)),
  ],
  nfs: (field, { server, path }) => [
    ...text(`${field}.server`, server),
    ...text(`${field}.path`, path),
    ...(path !== undefined && path !== '' && !path.startsWith('/')
      ? [invalid(`${field}.path`, path, 'must be an absolute path')]
      : []),
  ],
  image: (field, { reference, pullPolicy }) => [
    ...text(`${field}.reference`, reference),
    ...optionalChoice(`${field}.pullPolicy`, pullPolicy, ['Always', 'IfNotPresent', 'Never']),
  ],
  gitRepo: (field, { repository }) => text(`${field}.repository`, repository),
};

/** Exactly one source. Sources of old storage plug-ins carry no rules beyond their shape. */
function sourceErrors(field: string, volume: types.Volume): FieldError[] {
  const errors: FieldError[] = [];
  let sources = 0;
  for (const name of Object.keys(volume) as (keyof types.Volume)[]) {
    const source = volume[name];
    if (name === 'name' || source === undefined) continue;
    sources++;
    if (sources > 1) errors.push(forbidden(`${field}.${name}`, 'may not specify more than 1 volume type'));
    // The table pairs each name with the type of that very field.
    else
      errors.push(
        ...((checks[name] as ((path: string, value: unknown) => readonly FieldError[]) | undefined)?.(
          `${field}.${name}`,
          source,
        ) ?? []),
      );
  }
  if (sources === 0) errors.push(required(field, 'must specify a volume type'));
  return errors;
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
    errors.push(required(`${field}.fieldRef`, 'one of fieldRef and resourceFieldRef is required'));
  } else errors.push(...resourceFieldErrors(`${field}.resourceFieldRef`, resourceFieldRef, true));
  return [...errors, ...modeErrors(`${field}.mode`, mode)];
}

function projectedErrors(field: string, { sources, defaultMode }: types.ProjectedVolumeSource): FieldError[] {
  const paths = new Set<string>();
  const once = (path: string | undefined, source: string, at: string): FieldError[] => {
    if (path === undefined || path === '') return [];
    if (paths.has(path)) return [invalid(at, source, `conflicting duplicate paths: ${path}`)];
    paths.add(path);
    return [];
  };
  return [
    ...each(`${field}.sources`, sources, (path, projection) => {
      const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle } = projection;
      const errors: FieldError[] = [];
      if (secret !== undefined) {
        errors.push(
          ...text(`${path}.secret.name`, secret.name),
          ...each(`${path}.secret.items`, secret.items, (at, item) => [
            ...keyToPathErrors(at, item),
            ...once(item.path, secret.name ?? '', path),
          ]),
        );
      }
      if (configMap !== undefined) {
        errors.push(
          ...text(`${path}.configMap.name`, configMap.name),
          ...each(`${path}.configMap.items`, configMap.items, (at, item) => [
            ...keyToPathErrors(at, item),
            ...once(item.path, configMap.name ?? '', path),
          ]),
        );
      }
      if (downwardAPI !== undefined) {
        errors.push(
          ...each(`${path}.downwardAPI`, downwardAPI.items, (at, item) => [
            ...downwardFileErrors(at, item),
            ...once(item.path, 'downwardAPI', path),
          ]),
        );
      }
      if (serviceAccountToken !== undefined) {
        const { expirationSeconds, path: file } = serviceAccountToken;
        const at = `${path}.serviceAccountToken`;
        if (expirationSeconds !== undefined && expirationSeconds < 600) {
          errors.push(
            invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes'),
          );
        }
        if (expirationSeconds !== undefined && expirationSeconds > 2 ** 32) {
          errors.push(
            invalid(
              `${at}.expirationSeconds`,
              expirationSeconds,
              'may not specify a duration larger than 2^32 seconds',
            ),
          );
        }
        errors.push(...text(`${at}.path`, file), ...once(file, 'serviceAccountToken', path));
      }
      if (clusterTrustBundle !== undefined)
        errors.push(...text(`${path}.clusterTrustBundle.path`, clusterTrustBundle.path));
      const given = Object.values(projection).filter((source) => source !== undefined).length;
      if (given === 0) errors.push(required(path, 'must specify a source type'));
      if (given > 1) errors.push(forbidden(path, 'may not specify more than 1 volume type'));
      return errors;
    }),
    ...modeErrors(`${field}.defaultMode`, defaultMode),
  ];
}

function backstepErrors(field: string, path: string): FieldError[] {
  return path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : [];
}

/** A path inside a volume: relative, and never out of it. */
export function localPathErrors(field: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (path.startsWith('/')) errors.push(invalid(field, path, 'must be a relative path'));
  errors.push(...backstepErrors(field, path));
  if (path.startsWith('..') && !path.startsWith('../') && path !== '..') {
    errors.push(invalid(field, path, "must not start with '..'"));
  }
  return errors;
}

/** Mounts of one container; `volumes` are the pod's, by name. */
export function mountsErrors(
  field: string,
  mounts: readonly types.VolumeMount[] | undefined,
  devices: readonly types.VolumeDevice[] | undefined,
  volumes: ReadonlyMap<string, types.Volume>,
  privileged: boolean,
): FieldError[] {
  const devicePaths = new Set((devices ?? []).map(({ devicePath }) => devicePath));
  return [
    ...each(field, mounts, (path, mount) => {
      const errors = text(`${path}.name`, mount.name);
      if (errors.length === 0 && !volumes.has(mount.name)) errors.push(notFound(`${path}.name`, mount.name));
      errors.push(...text(`${path}.mountPath`, mount.mountPath));
      if (devicePaths.has(mount.mountPath)) {
        errors.push(invalid(`${path}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'));
      }
      if ((mount.subPath ?? '') !== '') errors.push(...localPathErrors(`${path}.subPath`, mount.subPath ?? ''));
      if ((mount.subPathExpr ?? '') !== '') {
        if ((mount.subPath ?? '') !== '') {
          errors.push(
            invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
          );
        }
        errors.push(...localPathErrors(`${path}.subPathExpr`, mount.subPathExpr ?? ''));
      }
      if (mount.mountPropagation !== undefined) {
        errors.push(
          ...choice(`${path}.mountPropagation`, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']),
        );
        if (mount.mountPropagation === 'Bidirectional' && !privileged) {
          errors.push(
            forbidden(
              `${path}.mountPropagation`,
              'Bidirectional mount propagation is available only to privileged containers',
            ),
          );
        }
      }
      if (mount.recursiveReadOnly !== undefined) {
        errors.push(
          ...choice(`${path}.recursiveReadOnly`, mount.recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']),
        );
        if (mount.recursiveReadOnly !== 'Disabled' && mount.readOnly !== true) {
          errors.push(forbidden(`${path}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
        }
      }
      return errors;
    }),
    ...unique(
      mounts,
      ({ mountPath }) => mountPath,
      (index) => `${field}[${index}].mountPath`,
    ).map((error) => ({
      ...error,
      type: 'FieldValueInvalid' as const,
      message: `${error.message.replace('Duplicate value', 'Invalid value')}: must be unique`,
    })),
  ];
}

export function devicesErrors(
  field: string,
  devices: readonly types.VolumeDevice[] | undefined,
  volumes: ReadonlyMap<string, types.Volume>,
): FieldError[] {
  return [
    ...each(field, devices, (path, { name, devicePath }) => {
      const errors = text(`${path}.name`, name);
      const volume = volumes.get(name);
      if (errors.length === 0 && volume === undefined) errors.push(notFound(`${path}.name`, name));
      else if (volume !== undefined && volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
        errors.push(
          invalid(
            `${path}.name`,
            name,
            'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
          ),
        );
      }
      return [
        ...errors,
        ...text(`${path}.devicePath`, devicePath),
        ...backstepErrors(`${path}.devicePath`, devicePath ?? ''),
      ];
    }),
    ...unique(
      devices,
      ({ devicePath }) => devicePath,
      (index) => `${field}[${index}].devicePath`,
    ),
  ];
}
