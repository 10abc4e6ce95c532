/** Source: kubernetes pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext). */
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { idComplaints } from '#machinery/names.ts';
import { choice, complain, each, optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';
import { descendingPathErrors } from './volume-rules.ts';

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlPattern = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`;
const sysctlNameMax = 253;
const appArmorProfileMax = 4095;

function idErrors(field: string, id: number | undefined): FieldError[] {
  return id === undefined ? [] : complain(field, id, idComplaints(id));
}

function seccompErrors(field: string, profile: types.SeccompProfile | undefined): FieldError[] {
  if (profile === undefined) return [];
  const { localhostProfile } = profile;
  const type = profile.type ?? '';
  const errors =
    type === ''
      ? [required(`${field}.type`, 'type is required when seccompProfile is set')]
      : choice(`${field}.type`, type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  if (type !== 'Localhost') {
    if (localhostProfile !== undefined) {
      errors.push(invalid(`${field}.localhostProfile`, profile, 'can only be set when seccomp type is Localhost'));
    }
  } else if (localhostProfile === undefined) {
    errors.push(required(`${field}.localhostProfile`, 'must be set when seccomp type is Localhost'));
  } else errors.push(...descendingPathErrors(`${field}.localhostProfile`, localhostProfile));
  return errors;
}

function appArmorErrors(field: string, profile: types.AppArmorProfile | undefined): FieldError[] {
  if (profile === undefined) return [];
  const { localhostProfile: local } = profile;
  const type = profile.type ?? '';
  const at = `${field}.localhostProfile`;
  const missing = required(at, 'must be set when AppArmor type is Localhost');
  switch (type) {
    case 'Localhost': {
      if (local === undefined) return [missing];
      const errors: FieldError[] = [];
      if (local.trim() !== local) errors.push(invalid(at, local, 'must not be padded with whitespace'));
      else if (local === '') errors.push(missing);
      if (Buffer.byteLength(local) > appArmorProfileMax) errors.push(tooLong(at, appArmorProfileMax));
      return errors;
    }
    case 'RuntimeDefault':
    case 'Unconfined':
      return local === undefined ? [] : [invalid(at, local, 'can only be set when AppArmor type is Localhost')];
    case '':
      return [required(`${field}.type`, 'type is required when appArmorProfile is set')];
    default:
      return [notSupported(`${field}.type`, type, ['Localhost', 'RuntimeDefault', 'Unconfined'])];
  }
}

/** Of one container. `hostUsers` is false if the pod has a user namespace of its own. */
export function securityContextErrors(
  field: string,
  context: types.SecurityContext | undefined,
  hostUsers: boolean,
): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...idErrors(`${field}.runAsUser`, context.runAsUser),
    ...idErrors(`${field}.runAsGroup`, context.runAsGroup),
    ...optionalChoice(`${field}.procMount`, context.procMount, ['Default', 'Unmasked']),
    ...(hostUsers && context.procMount === 'Unmasked'
      ? [invalid(`${field}.procMount`, 'Unmasked', '`hostUsers` must be false to use `Unmasked`')]
      : []),
    ...seccompErrors(`${field}.seccompProfile`, context.seccompProfile),
  ];
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true) {
      errors.push(invalid(field, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'));
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true) {
      errors.push(
        invalid(field, context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'),
      );
    }
  }
  return [...errors, ...appArmorErrors(`${field}.appArmorProfile`, context.appArmorProfile)];
}

/** Of the whole pod. */
export function podSecurityContextErrors(field: string, spec: types.PodSpec): FieldError[] {
  const context = spec.securityContext ?? {};
  return [
    ...idErrors(`${field}.fsGroup`, context.fsGroup),
    ...idErrors(`${field}.runAsUser`, context.runAsUser),
    ...idErrors(`${field}.runAsGroup`, context.runAsGroup),
    ...each(`${field}.supplementalGroups`, context.supplementalGroups, idErrors),
    ...(spec.shareProcessNamespace === true && spec.hostPID === true
      ? [invalid(`${field}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled')]
      : []),
    ...sysctlErrors(`${field}.sysctls`, context.sysctls, spec.hostNetwork === true, spec.hostIPC === true),
    ...optionalChoice(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']),
    ...seccompErrors(`${field}.seccompProfile`, context.seccompProfile),
    ...appArmorErrors(`${field}.appArmorProfile`, context.appArmorProfile),
    ...optionalChoice(`${field}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict']),
    ...optionalChoice(`${field}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['MountOption', 'Recursive']),
  ];
}

/** A user namespace of its own goes with no namespace of the host; upstream spells two of the fields as Go does. */
export function hostUsersErrors(field: string, spec: types.PodSpec): FieldError[] {
  if (spec.hostUsers !== false) return [];
  const taken = [
    ['hostNetwork', spec.hostNetwork],
    ['HostPID', spec.hostPID],
    ['HostIPC', spec.hostIPC],
  ] as const;
  return taken
    .filter(([, value]) => value === true)
    .map(([name]) => forbidden(`${field}.${name}`, 'when `hostUsers` is false'));
}

function sysctlErrors(
  field: string,
  sysctls: readonly types.Sysctl[] | undefined,
  hostNetwork: boolean,
  hostIpc: boolean,
): FieldError[] {
  const names = new Set<string>();
  return each(field, sysctls, (path, { name }) => {
    const at = `${path}.name`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(at));
    else if (name.length > sysctlNameMax || !new RegExp(sysctlPattern).test(name)) {
      errors.push(invalid(at, name, `must have at most ${sysctlNameMax} characters and match regex ${sysctlPattern}`));
    } else if (names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
    const dotted = name.replaceAll('/', '.');
    if (hostNetwork && dotted.startsWith('net.')) {
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"));
    } else if (hostIpc && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) {
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"));
    }
    return errors;
  });
}

export const osErrors = (field: string, os: types.PodOS | undefined) =>
  os === undefined
    ? []
    : os.name === ''
      ? [required(`${field}.name`)]
      : os.name === 'linux' || os.name === 'windows'
        ? []
        : [notSupported(field, os.name, ['linux', 'windows'])];
