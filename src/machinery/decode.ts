import { conform } from './conform.ts';
import { apiVersionOf, type Kind } from './kind.ts';
import type { ApiObject } from './object.ts';
import { badRequest } from './status-error.ts';

/** What a client wants done about unknown and duplicate fields: the `fieldValidation` parameter of writes. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface Decoded<T> {
  readonly object: T;
  /** For `Warning` headers. */
  readonly warnings: readonly string[];
}

/**
 * Reads a parsed body as an object of `kind`; `duplicates` are the paths found by `duplicateFields()`. Throws
 * `BadRequest` in upstream's words if a value has the wrong type or, with Strict, a field is unknown or repeated.
 */
export function decode<T extends ApiObject>(
  kind: Kind<T>,
  body: unknown,
  { validation, duplicates = [] }: { validation: FieldValidation; duplicates?: readonly string[] },
): Decoded<T> {
  const { value, unknown, errors } = conform(kind.schema, body);
  const cannot = `${kind.kind} in version ${JSON.stringify(apiVersionOf(kind))} cannot be handled as a ${kind.kind}`;
  if (errors[0] !== undefined) throw badRequest(`${cannot}: ${errors[0]}`);
  const warnings =
    validation === 'Ignore'
      ? []
      : [
          ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
          ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
        ];
  if (validation === 'Strict' && warnings.length > 0) {
    throw badRequest(`${cannot}: strict decoding error: ${warnings.join(', ')}`);
  }
  return { object: value as T, warnings }; // it conforms to the schema that T was generated from
}
