/** Source: kubernetes pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext). */
import { duplicate, forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { idComplaints, patternComplaint } from '#machinery/names.ts';
import { choice, complain, each, optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';
import { localPathErrors } from './volume-rules.ts';

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlPattern = `(${sysctlSegment}(\\.|\\/))*${sysctlSegment}`;
const sysctlNameMax = 253;

function idErrors(field: string, id: number | undefined): FieldError[] {
  return id === undefined ? [] : complain(field, id, idComplaints(id));
}

function seccompErrors(field: string, profile: types.SeccompProfile | undefined): FieldError[] {
  if (profile === undefined) return [];
  const errors: FieldError[] = [];
  if (profile.type === 'Localhost') {
    if (profile.localhostProfile === undefined) {
      errors.push(required(`${field}.localhostProfile`, 'must be set when seccomp type is Localhost'));
    } else errors.push(...localPathErrors(`${field}.localhostProfile`, profile.localhostProfile));
  } else if (profile.localhostProfile !== undefined) {
    errors.push(
      invalid(`${field}.localhostProfile`, profile.localhostProfile, 'can only be set when seccomp type is Localhost'),
    );
  }
  return [...errors, ...choice(`${field}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined'])];
}

function appArmorErrors(field: string, profile: types.AppArmorProfile | undefined): FieldError[] {
  if (profile === undefined) return [];
  const errors = choice(`${field}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  const local = (profile.localhostProfile ?? '').trim();
  if (profile.type === 'Localhost' && local === '') {
    errors.push(required(`${field}.localhostProfile`, 'must be set when AppArmor type is Localhost'));
  } else if (profile.type !== 'Localhost' && profile.localhostProfile !== undefined) {
    errors.push(
      invalid(`${field}.localhostProfile`, profile.localhostProfile, 'can only be set when AppArmor type is Localhost'),
    );
  }
  return errors;
}

/** Of one container. */
export function securityContextErrors(field: string, context: types.SecurityContext | undefined): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...idErrors(`${field}.runAsUser`, context.runAsUser),
    ...idErrors(`${field}.runAsGroup`, context.runAsGroup),
    ...optionalChoice(`${field}.procMount`, context.procMount, ['Default', 'Unmasked']),
    ...seccompErrors(`${field}.seccompProfile`, context.seccompProfile),
    ...appArmorErrors(`${field}.appArmorProfile`, context.appArmorProfile),
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
  return errors;
}

/** Of the whole pod. */
export function podSecurityContextErrors(field: string, spec: types.PodSpec): FieldError[] {
  const context = spec.securityContext ?? {};
  const errors = [
    ...idErrors(`${field}.fsGroup`, context.fsGroup),
    ...idErrors(`${field}.runAsUser`, context.runAsUser),
    ...idErrors(`${field}.runAsGroup`, context.runAsGroup),
    ...each(`${field}.supplementalGroups`, context.supplementalGroups, idErrors),
    ...optionalChoice(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['OnRootMismatch', 'Always']),
    ...optionalChoice(`${field}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict']),
    ...seccompErrors(`${field}.seccompProfile`, context.seccompProfile),
    ...appArmorErrors(`${field}.appArmorProfile`, context.appArmorProfile),
    ...sysctlErrors(`${field}.sysctls`, context.sysctls, spec.hostNetwork === true, spec.hostIPC === true),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    errors.push(
      invalid(`${field}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    );
  }
  if (spec.hostUsers === false) {
    for (const name of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
      if (spec[name] === true) errors.push(forbidden(`${field}.${name}`, 'when `hostUsers` is false'));
    }
  }
  return errors;
}

function sysctlErrors(
  field: string,
  sysctls: readonly types.Sysctl[] | undefined,
  hostNetwork: boolean,
  hostIpc: boolean,
): FieldError[] {
  const names = new Set<string>();
  return each(field, sysctls, (path, { name }) => {
    if (name === '') return [required(`${path}.name`)];
    const errors: FieldError[] = [];
    const dotted = name.replaceAll('/', '.');
    if (name.length > sysctlNameMax || !new RegExp(`^${sysctlPattern}$`).test(name)) {
      errors.push(
        invalid(
          `${path}.name`,
          name,
          patternComplaint(
            `must have at most ${sysctlNameMax} characters and match regex ${sysctlPattern}`,
            sysctlPattern,
          ),
        ),
      );
    } else if (names.has(dotted)) errors.push(duplicate(`${path}.name`, name));
    names.add(dotted);
    if (hostNetwork && dotted.startsWith('net.')) {
      errors.push(invalid(`${path}.name`, name, "may not be specified when 'hostNetwork' is true"));
    }
    if (hostIpc && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) {
      errors.push(invalid(`${path}.name`, name, "may not be specified when 'hostIPC' is true"));
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
        : [notSupported(`${field}.name`, os.name, ['linux', 'windows'])];
