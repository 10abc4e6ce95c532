import { isIP } from 'node:net';
import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';

/** Source: k8s.io/apimachinery/pkg/util/validation (ip.go). */
export function ipErrors(field: string, value: string): FieldError[] {
  return isIP(value) === 0 || value.includes('%')
    ? [invalid(field, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]
    : [];
}

export function cidrErrors(field: string, value: string): FieldError[] {
  const [address = '', prefix = '', ...rest] = value.split('/');
  const version = isIP(address);
  const fine =
    version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
  return fine ? [] : [invalid(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}

/** At most one network of each family. */
export function oneCidrPerFamilyErrors(field: string, values: readonly string[]): FieldError[] {
  const families = new Set(values.map((value) => isIP(value.split('/')[0] ?? '')));
  return values.length > 1 && (families.size < 2 || values.length > 2)
    ? [invalid(field, values, 'may specify no more than one CIDR for each IP family')]
    : [];
}

/** 127.0.0.0/8, ::1, 169.254.0.0/16, fe80::/10, multicast and unspecified addresses are nobody's endpoint. */
export function endpointIpErrors(field: string, value: string): FieldError[] {
  if (ipErrors(field, value).length > 0) return [invalid(field, value, 'must be a valid IP address')];
  const errors: FieldError[] = [];
  const lower = value.toLowerCase();
  if (lower === '0.0.0.0' || lower === '::') {
    errors.push(invalid(field, value, `may not be unspecified (${value})`));
  }
  if (lower.startsWith('127.') || lower === '::1') {
    errors.push(invalid(field, value, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'));
  }
  if (lower.startsWith('169.254.') || /^fe[89ab]/.test(lower)) {
    errors.push(invalid(field, value, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'));
  }
  if (lower.startsWith('224.0.0.') || lower.startsWith('ff02:')) {
    errors.push(invalid(field, value, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'));
  }
  return errors;
}
