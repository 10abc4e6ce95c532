import { conform } from './conform.ts';
import type { Kind } from './kind.ts';
import type { ApiObject } from './object.ts';
import { badRequest, type StatusError } from './status-error.ts';

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
  options: {
    readonly validation: FieldValidation;
    readonly duplicates?: readonly string[];
    /** Makes the error; BadRequest naming the kind unless given. */
    readonly refuse?: (detail: string) => StatusError;
  },
): Decoded<T> {
  const { validation, duplicates = [], refuse = (detail) => cannotBeHandled(kind, kind, detail) } = options;
  const { value, unknown, errors } = kind.custom?.conform(body) ?? conform(kind.schema, body);
  if (errors[0] !== undefined) throw refuse(errors[0]);
  const warnings =
    validation === 'Ignore'
      ? []
      : [
          ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
          ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
        ];
  if (validation === 'Strict' && warnings.length > 0) {
    throw refuse(`strict decoding error: ${warnings.join(', ')}`);
  }
  return { object: value as T, warnings }; // it conforms to the schema that T was generated from
}

/** Upstream's words for a body that is not what its URL takes; it names the version without the group. */
export function cannotBeHandled(
  found: { readonly kind: string; readonly version: string },
  wanted: { readonly kind: string },
  detail: string,
): StatusError {
  return badRequest(
    `${found.kind} in version ${JSON.stringify(found.version)} cannot be handled as a ${wanted.kind}: ${detail}`,
  );
}
