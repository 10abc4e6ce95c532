import { cannotBeHandled, decode, type FieldValidation } from '#machinery/decode.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest, type StatusError } from '#machinery/status-error.ts';

export interface ReadOptions {
  readonly validation: FieldValidation;
  /** Fields that occur twice in the body. */
  readonly duplicates?: readonly string[];
  /** Makes the error for wrong types and for what `Strict` forbids; BadRequest unless given. */
  readonly refuse?: (detail: string) => StatusError;
  /** Is told of what `Warn` finds. */
  readonly warn: (text: string) => void;
}

/**
 * A parsed body as an object of `kind`: pruned, defaulted, every field of its type, `apiVersion` and `kind` set.
 * Throws BadRequest for another kind or version, for wrong types, and for whatever `Strict` forbids.
 */
export function readObject<T extends ApiObject>(kind: Kind<T>, body: unknown, options: ReadOptions): T {
  const { warn, ...how } = options;
  checkKind(kind, body);
  const { object, warnings } = decode(kind, body, how);
  for (const warning of warnings) warn(warning);
  const identified = withIdentity(kind, object);
  return kind.defaults?.(identified) ?? identified;
}

/** An object of another kind is refused as that, before its fields are held against the wrong schema. */
function checkKind(kind: Kind, body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const { kind: found, apiVersion } = body as { readonly kind?: unknown; readonly apiVersion?: unknown };
  if (typeof found !== 'string' || found === '' || found === kind.kind) return;
  const version = typeof apiVersion === 'string' ? apiVersion.slice(apiVersion.indexOf('/') + 1) : kind.version;
  throw cannotBeHandled({ kind: found, version }, kind, `the request is for a ${kind.kind}, its body is a ${found}`);
}

function withIdentity<T extends ApiObject>(kind: Kind<T>, object: T): T {
  const apiVersion = apiVersionOf(kind);
  if (object.apiVersion === apiVersion && object.kind === kind.kind) return object;
  if (object.apiVersion !== undefined && object.apiVersion !== '' && object.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  return { ...object, apiVersion, kind: kind.kind };
}
