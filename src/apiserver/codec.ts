import { decode, type FieldValidation } from '#machinery/decode.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest } from '#machinery/status-error.ts';

export interface ReadOptions {
  readonly validation: FieldValidation;
  /** Fields that occur twice in the body. */
  readonly duplicates?: readonly string[];
  /** Is told of what `Warn` finds. */
  readonly warn: (text: string) => void;
}

/**
 * A parsed body as an object of `kind`: pruned, defaulted, every field of its type, `apiVersion` and `kind` set.
 * Throws BadRequest for another kind or version, for wrong types, and for whatever `Strict` forbids.
 */
export function readObject<T extends ApiObject>(kind: Kind<T>, body: unknown, options: ReadOptions): T {
  const { object, warnings } = decode(kind, body, {
    validation: options.validation,
    ...(options.duplicates === undefined ? {} : { duplicates: options.duplicates }),
  });
  for (const warning of warnings) options.warn(warning);
  const identified = withIdentity(kind, object);
  return kind.defaults?.(identified) ?? identified;
}

function withIdentity<T extends ApiObject>(kind: Kind<T>, object: T): T {
  const apiVersion = apiVersionOf(kind);
  if (object.apiVersion === apiVersion && object.kind === kind.kind) return object;
  if (object.apiVersion !== undefined && object.apiVersion !== '' && object.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (object.kind !== undefined && object.kind !== '' && object.kind !== kind.kind) {
    throw badRequest(
      `the object provided is unrecognized: its kind is ${JSON.stringify(object.kind)}, expected ${JSON.stringify(kind.kind)}`,
    );
  }
  return { ...object, apiVersion, kind: kind.kind };
}
