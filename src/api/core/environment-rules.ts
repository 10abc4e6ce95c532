/** Rules of environment variables. Source: kubernetes pkg/apis/core/validation (ValidateEnv, validateEnvVarValueFrom). */
import { invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import {
  configKeyComplaints,
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  environmentNameComplaints,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { complain, each, optionalText, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const environmentFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Fields of a pod that have a label, though no container may read them. */
const selectableFields = ['spec.restartPolicy', 'spec.schedulerName', 'status.phase'];
const volumeFields = ['metadata.name', 'metadata.namespace', 'metadata.labels', 'metadata.annotations', 'metadata.uid'];
const environmentResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

export function environmentErrors(field: string, list: readonly types.EnvVar[] | undefined): FieldError[] {
  return each(field, list, (path, variable) => [
    ...text(`${path}.name`, variable.name, environmentNameComplaints),
    ...valueFromErrors(`${path}.valueFrom`, variable),
  ]);
}

function valueFromErrors(field: string, { value, valueFrom }: types.EnvVar): FieldError[] {
  if (valueFrom === undefined) return [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  const errors: FieldError[] = [];
  if (fieldRef !== undefined) errors.push(...fieldRefErrors(`${field}.fieldRef`, fieldRef, environmentFields));
  if (resourceFieldRef !== undefined) {
    errors.push(...resourceFieldErrors(`${field}.resourceFieldRef`, resourceFieldRef, false));
  }
  if (configMapKeyRef !== undefined) errors.push(...keyRefErrors(`${field}.configMapKeyRef`, configMapKeyRef));
  if (secretKeyRef !== undefined) errors.push(...keyRefErrors(`${field}.secretKeyRef`, secretKeyRef));
  if (fileKeyRef !== undefined) {
    errors.push(
      ...text(`${field}.fileKeyRef.key`, fileKeyRef.key, environmentNameComplaints),
      ...text(`${field}.fileKeyRef.volumeName`, fileKeyRef.volumeName, dns1123LabelComplaints),
      ...text(`${field}.fileKeyRef.path`, fileKeyRef.path, (path) =>
        path.split('/').includes('..') ? ["must not contain '..'"] : [],
      ),
    );
  }
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(
    (source) => source !== undefined,
  ).length;
  if (sources === 0) {
    errors.push(
      invalid(
        field,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    );
  } else if ((value ?? '') !== '') errors.push(invalid(field, '', 'may not be specified when `value` is not empty'));
  else if (sources > 1) errors.push(invalid(field, '', 'may not have more than one field specified at a time'));
  return errors;
}

function keyRefErrors(field: string, ref: types.SecretKeySelector): FieldError[] {
  return [
    ...complain(`${field}.name`, ref.name ?? '', dns1123SubdomainComplaints(ref.name ?? '')),
    ...text(`${field}.key`, ref.key, configKeyComplaints),
  ];
}

/** A field of the pod, plain or `metadata.labels['key']`; `supported` lists the plain ones. */
export function fieldRefErrors(
  field: string,
  ref: types.ObjectFieldSelector,
  supported: readonly string[] = volumeFields,
): FieldError[] {
  if ((ref.apiVersion ?? '') === '') return [required(`${field}.apiVersion`)];
  if ((ref.fieldPath ?? '') === '') return [required(`${field}.fieldPath`)];
  const inconvertible = (why: string) => [
    invalid(`${field}.fieldPath`, ref.fieldPath, `error converting fieldPath: ${why}`),
  ];
  if (ref.apiVersion !== 'v1') return inconvertible(`unsupported pod version: ${ref.apiVersion}`);
  const subscript = /^([^[]*)\['(.*)'\]$/s.exec(ref.fieldPath);
  if (subscript !== null) {
    const [, map, key = ''] = subscript;
    if (map !== 'metadata.labels' && map !== 'metadata.annotations') {
      return inconvertible(`field label does not support subscript: ${ref.fieldPath}`);
    }
    const name = map === 'metadata.annotations' ? key.toLowerCase() : key;
    return complain(field, name, qualifiedNameComplaints(name));
  }
  const known = [...environmentFields, ...volumeFields, ...selectableFields].includes(ref.fieldPath);
  if (!known) return inconvertible(`field label not supported: ${ref.fieldPath}`);
  return supported.includes(ref.fieldPath)
    ? []
    : [notSupported(`${field}.fieldPath`, ref.fieldPath, supported.toSorted())];
}

/** A container's own limit or request. In volumes the container must be named. */
export function resourceFieldErrors(field: string, ref: types.ResourceFieldSelector, inVolume: boolean): FieldError[] {
  if (inVolume && (ref.containerName ?? '') === '') return [required(`${field}.containerName`)];
  if ((ref.resource ?? '') === '') return [required(`${field}.resource`)];
  if (!environmentResources.includes(ref.resource) && !/^(limits|requests)\.hugepages-/.test(ref.resource)) {
    return [notSupported(`${field}.resource`, ref.resource, environmentResources)];
  }
  return divisorErrors(`${field}.divisor`, ref);
}

const divisors: Readonly<Record<string, readonly string[]>> = {
  cpu: ['1m', '1'],
  memory: ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'],
};

function divisorErrors(field: string, { resource, divisor = '0' }: types.ResourceFieldSelector): FieldError[] {
  const kind = resource.endsWith('.cpu') ? 'cpu' : 'memory';
  const name = resource.slice(resource.indexOf('.') + 1);
  const what =
    name === 'ephemeral-storage' ? 'local ephemeral storage' : name.startsWith('hugepages-') ? 'hugepages' : name;
  try {
    if (parseQuantity(divisor).nanos === 0n || divisors[kind]?.includes(divisor) === true) return [];
  } catch {
    // told below
  }
  const units =
    kind === 'cpu'
      ? "only divisor's values 1m and 1 are supported with the cpu resource"
      : `only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the ${what} resource`;
  // Upstream quotes the resource, not the divisor.
  return [invalid(field, resource, units)];
}

/** Upstream does not say which of the sources is none, or two. */
export function environmentSourceErrors(field: string, list: readonly types.EnvFromSource[] | undefined): FieldError[] {
  return each(field, list, (path, { prefix, configMapRef, secretRef }) => {
    const errors = optionalText(`${path}.prefix`, prefix, environmentNameComplaints);
    if (configMapRef !== undefined) {
      errors.push(...text(`${path}.configMapRef.name`, configMapRef.name, dns1123SubdomainComplaints));
    }
    if (secretRef !== undefined) {
      errors.push(...text(`${path}.secretRef.name`, secretRef.name, dns1123SubdomainComplaints));
    }
    if (configMapRef === undefined && secretRef === undefined) {
      errors.push(invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`'));
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      errors.push(invalid(field, '', 'may not have more than one field specified at a time'));
    }
    return errors;
  });
}
