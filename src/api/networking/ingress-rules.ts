/** Rules of Ingresses. Source: kubernetes pkg/apis/networking/validation (validation.go). */
import { isIP } from 'node:net';
import { invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import {
  dns1035LabelComplaints,
  dns1123SubdomainComplaints,
  pathSegmentComplaints,
  portNameComplaints,
  portNumberComplaints,
  wildcardSubdomainComplaints,
} from '#machinery/names.ts';
import type * as core from '../core/types.generated.ts';
import { complain, each, optionalText, text } from '../rules/fields.ts';
import { ipErrors } from '../rules/ip-rules.ts';
import type * as types from './types.generated.ts';

const classAnnotation = 'kubernetes.io/ingress.class';
const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badSuffixes = ['/..', '/.'];

export function ingressSpecErrors(field: string, spec: types.IngressSpec): FieldError[] {
  const { rules = [], defaultBackend, tls, ingressClassName } = spec;
  return [
    ...(rules.length === 0 && defaultBackend === undefined
      ? [invalid(field, spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified')]
      : []),
    ...(defaultBackend === undefined ? [] : backendErrors(`${field}.defaultBackend`, defaultBackend)),
    ...each(`${field}.rules`, rules, ruleErrors),
    ...each(`${field}.tls`, tls, (path, { hosts, secretName }) => [
      ...each(`${path}.hosts`, hosts, hostErrors),
      ...optionalText(`${path}.secretName`, secretName, dns1123SubdomainComplaints),
    ]),
    ...(ingressClassName === undefined
      ? []
      : complain(`${field}.ingressClassName`, ingressClassName, dns1123SubdomainComplaints(ingressClassName))),
  ];
}

/** The old annotation and the field may not contradict each other on a new object. */
export function classAnnotationErrors({ metadata, spec }: types.Ingress): FieldError[] {
  const annotation = metadata?.annotations?.[classAnnotation];
  const { ingressClassName } = spec;
  return annotation !== undefined && ingressClassName !== undefined && annotation !== ingressClassName
    ? [invalid(`annotations.${classAnnotation}`, annotation, 'must match `ingressClassName` when both are specified')]
    : [];
}

export function ingressStatusErrors(field: string, status: types.IngressLoadBalancerStatus | undefined): FieldError[] {
  return each(`${field}.ingress`, status?.ingress, (path, { ip = '', hostname = '' }) => [
    ...(ip === '' ? [] : ipErrors(`${path}.ip`, ip)),
    ...(hostname === '' ? [] : nameNotAddress(`${path}.hostname`, hostname, dns1123SubdomainComplaints)),
  ]);
}

function hostErrors(field: string, host: string): FieldError[] {
  return complain(
    field,
    host,
    host.includes('*') ? wildcardSubdomainComplaints(host) : dns1123SubdomainComplaints(host),
  );
}

function nameNotAddress(field: string, host: string, complaintsOf: (value: string) => readonly string[]): FieldError[] {
  return [
    ...(isIP(host) === 0 ? [] : [invalid(field, host, 'must be a DNS name, not an IP address')]),
    ...complain(field, host, complaintsOf(host)),
  ];
}

function ruleErrors(field: string, { host = '', http }: types.IngressRule): FieldError[] {
  const complaintsOf = host.includes('*') ? wildcardSubdomainComplaints : dns1123SubdomainComplaints;
  const errors = host === '' ? [] : nameNotAddress(`${field}.host`, host, complaintsOf);
  if (http === undefined) return errors;
  if ((http.paths ?? []).length === 0) errors.push(required(`${field}.http.paths`));
  return [...errors, ...each(`${field}.http.paths`, http.paths, pathErrors)];
}

function pathErrors(field: string, { path = '', pathType, backend }: types.HTTPIngressPath): FieldError[] {
  if (pathType === undefined) return [required(`${field}.pathType`, 'pathType must be specified')];
  const errors: FieldError[] = [];
  const absolute = () => {
    if (!path.startsWith('/')) errors.push(invalid(`${field}.path`, path, 'must be an absolute path'));
  };
  if (pathType === 'Exact' || pathType === 'Prefix') {
    absolute();
    for (const sequence of badSequences) {
      if (path.includes(sequence)) errors.push(invalid(`${field}.path`, path, `must not contain '${sequence}'`));
    }
    for (const suffix of badSuffixes) {
      if (path.endsWith(suffix)) errors.push(invalid(`${field}.path`, path, `cannot end with '${suffix}'`));
    }
  } else if (pathType === 'ImplementationSpecific') {
    if (path !== '') absolute();
  } else {
    errors.push(notSupported(`${field}.pathType`, pathType, pathTypes));
  }
  return [...errors, ...backendErrors(`${field}.backend`, backend ?? {})];
}

function backendErrors(field: string, { resource, service }: types.IngressBackend): FieldError[] {
  if (resource !== undefined && service !== undefined) {
    return [invalid(field, '', 'cannot set both resource and service backends')];
  }
  if (resource !== undefined) return resourceErrors(`${field}.resource`, resource);
  if (service === undefined) return [invalid(field, '', 'resource or service backend is required')];
  const { name: portName = '', number = 0 } = service.port ?? {};
  const errors = text(`${field}.service.name`, service.name, dns1035LabelComplaints);
  if (portName !== '' && number !== 0) {
    errors.push(invalid(field, '', 'cannot set both port name & port number'));
  } else if (portName !== '') {
    errors.push(...complain(`${field}.service.port.name`, portName, portNameComplaints(portName)));
  } else if (number !== 0) {
    errors.push(...complain(`${field}.service.port.number`, number, portNumberComplaints(number)));
  } else {
    errors.push(required(field, 'port name or number is required'));
  }
  return errors;
}

function resourceErrors(field: string, { apiGroup, kind, name }: core.TypedLocalObjectReference): FieldError[] {
  return [
    ...(apiGroup === undefined ? [] : complain(`${field}.apiGroup`, apiGroup, dns1123SubdomainComplaints(apiGroup))),
    ...text(`${field}.kind`, kind, pathSegmentComplaints),
    ...text(`${field}.name`, name, pathSegmentComplaints),
  ];
}
