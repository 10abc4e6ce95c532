import { badRequest } from '#machinery/status-error.ts';
import type { PodSecurityOptions } from './pod-security.ts';
import { defaultPolicy, labelPrefix, type Policy, policyOf } from './policy.ts';

type Open = Readonly<Record<string, unknown>>;

const kinds = ['enforce', 'audit', 'warn'] as const;
const exemptions = ['usernames', 'namespaces', 'runtimeClasses'] as const;

/**
 * Reads a `PodSecurityConfiguration` (`pod-security.admission.config.k8s.io`). Throws BadRequest, naming the field.
 * Source: k8s.io/pod-security-admission/admission/api.
 */
export function parsePodSecurityConfiguration(value: unknown): PodSecurityOptions {
  const { kind, defaults = {}, exemptions: exempt = {}, apiVersion: _version, ...unknown } = objectAt('', value);
  if (kind !== undefined && kind !== 'PodSecurityConfiguration') {
    throw badRequest(`kind: must be PodSecurityConfiguration, not ${JSON.stringify(kind)}`);
  }
  refuseUnknown('', unknown);
  return { defaults: policyFrom(objectAt('defaults', defaults)), exempt: exemptFrom(objectAt('exemptions', exempt)) };
}

/** The same words as the labels of a namespace. */
function policyFrom(fields: Open): Policy {
  const known = new Set(kinds.flatMap((mode) => [mode, `${mode}-version`]));
  refuseUnknown('defaults.', Object.fromEntries(Object.entries(fields).filter(([name]) => !known.has(name))));
  const labels = Object.fromEntries(
    Object.entries(fields)
      .filter(([, text]) => text !== '')
      .map(([name, text]) => [`${labelPrefix}${name}`, String(text)]),
  );
  // What is not said stays privileged: a stricter default for warnings is for those to ask for who write the file.
  const said = { [`${labelPrefix}warn`]: 'privileged', ...labels };
  const { policy, errors } = policyOf(said, defaultPolicy);
  const [error] = errors;
  if (error === undefined) return policy;
  throw badRequest(`${error.field.replace(`metadata.labels[${labelPrefix}`, 'defaults[')}: ${error.message}`);
}

function exemptFrom(fields: Open): NonNullable<PodSecurityOptions['exempt']> {
  const { usernames: _u, namespaces: _n, runtimeClasses: _r, ...unknown } = fields;
  refuseUnknown('exemptions.', unknown);
  const entries = exemptions.map((name) => [name, namesAt(`exemptions.${name}`, fields[name] ?? [])] as const);
  return Object.fromEntries(entries);
}

function namesAt(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw badRequest(`${field}: must be a list`);
  for (const [index, name] of value.entries()) {
    if (typeof name !== 'string' || name === '') throw badRequest(`${field}[${index}]: must not be empty`);
    if (value.indexOf(name) < index) throw badRequest(`${field}[${index}]: Duplicate value: ${JSON.stringify(name)}`);
  }
  return value as readonly string[];
}

function objectAt(field: string, value: unknown): Open {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Open;
  throw badRequest(`${field === '' ? 'configuration' : field}: must be an object`);
}

function refuseUnknown(prefix: string, unknown: Open): void {
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw badRequest(`unknown field "${prefix}${name}"`);
}
