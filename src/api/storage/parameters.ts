import { invalid, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';

const countMax = 512;
const bytesMax = 256 * 1024;

/** Parameters of a class of volumes. Source: kubernetes pkg/apis/storage/validation (validateParameters). */
export function parametersErrors(
  field: string,
  parameters: Readonly<Record<string, string>> | undefined,
  { mayBeEmpty }: { readonly mayBeEmpty: boolean },
): FieldError[] {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > countMax) return [tooLong(field, countMax)];
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return [
    ...entries.flatMap(([key]) => (key === '' ? [invalid(field, key, 'field can not be empty.')] : [])),
    ...(bytes > bytesMax ? [tooLong(field, bytesMax)] : []),
    ...(entries.length === 0 && !mayBeEmpty ? [required(field, 'must contain at least one key/value pair')] : []),
  ];
}
