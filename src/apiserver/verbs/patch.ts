import type { FieldValidation } from '#machinery/decode.ts';
import { invalid } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { applyJsonPatch } from '#machinery/patch/json-patch.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '#machinery/patch/strategic-merge-patch.ts';
import { invalidObject, type StatusError } from '#machinery/status-error.ts';
import { unreachable } from '#lib/unreachable.ts';
import { readObject } from '../codec.ts';
import type { Wanted } from './update.ts';

/** A parsed patch of one of the kinds that apply to what is stored. */
export interface PatchBody {
  readonly type: 'json' | 'merge' | 'strategic';
  readonly patch: unknown;
  /** Fields that occur twice in the patch. */
  readonly duplicates?: readonly string[];
}

/** What becomes of the stored object: applied anew to each newer one it meets. */
export function patchedBy<T extends ApiObject>(
  kind: Kind<T>,
  body: PatchBody,
  options: { readonly validation: FieldValidation; readonly warn: (text: string) => void },
): Wanted<T> {
  const { duplicates = [] } = body;
  return async (stored) => {
    const patched = applied(kind, body, stored);
    return readObject(kind, patched, { ...options, duplicates, refuse: (detail) => invalidPatch(patched, detail) });
  };
}

/** A patch that makes of an object what it cannot be. Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go. */
function invalidPatch(patched: unknown, detail: string): StatusError {
  return invalidObject({ group: '', kind: '' }, '', [invalid('patch', patched, detail)]);
}

function applied<T extends ApiObject>(kind: Kind<T>, { type, patch }: PatchBody, stored: T): T {
  switch (type) {
    case 'json':
      return applyJsonPatch(stored, patch);
    case 'merge':
      return applyMergePatch(stored, patch);
    case 'strategic':
      return applyStrategicMergePatch(stored, patch, kind.schema);
    default:
      return unreachable(type);
  }
}
