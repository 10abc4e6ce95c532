/** What Secrets of known types must hold. Source: kubernetes pkg/apis/core/validation (ValidateSecret). */
import { invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { configKeyComplaints } from '#machinery/names.ts';
import { complain } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export function secretDataErrors({ type, data = {}, metadata }: types.Secret): FieldError[] {
  const errors = Object.keys(data).flatMap((key) => complain(`data[${key}]`, key, configKeyComplaints(key)));
  const need = (...keys: readonly string[]) =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(`data[${key}]`));
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if ((metadata?.annotations?.['kubernetes.io/service-account.name'] ?? '') === '') {
        errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'));
      }
      return errors;
    case 'kubernetes.io/dockercfg':
      return [...errors, ...need('.dockercfg'), ...jsonErrors(data, '.dockercfg')];
    case 'kubernetes.io/dockerconfigjson':
      return [...errors, ...need('.dockerconfigjson'), ...jsonErrors(data, '.dockerconfigjson')];
    case 'kubernetes.io/basic-auth':
      if (!Object.hasOwn(data, 'username') && !Object.hasOwn(data, 'password'))
        errors.push(...need('username', 'password'));
      return errors;
    case 'kubernetes.io/ssh-auth':
      if ((data['ssh-privatekey'] ?? '') === '') errors.push(required('data[ssh-privatekey]'));
      return errors;
    case 'kubernetes.io/tls':
      return [...errors, ...need('tls.crt', 'tls.key')];
    default:
      return errors;
  }
}

function jsonErrors(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  if (value === undefined) return [];
  try {
    JSON.parse(Buffer.from(value, 'base64').toString());
    return [];
  } catch {
    return [invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON')];
  }
}
