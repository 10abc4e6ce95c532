import { badRequest } from '../status-error.ts';
import { checkPatchValue, isObject, own } from './json-value.ts';
import type { JsonObject, JsonValue } from './json-value.ts';

/**
 * RFC 7386: `null` removes, objects merge, everything else replaces. Changes neither argument; what the patch leaves
 * alone is shared with the result. Throws `BadRequest` for a patch that is no object.
 */
export function applyMergePatch<T extends object>(document: T, patch: unknown): T {
  if (!isObject(patch)) throw badRequest('merge patch must be a JSON object');
  checkPatchValue(patch);
  return merge(document as unknown as JsonObject, patch) as unknown as T; // a document is JSON; its type is the caller's claim
}

function merge(document: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const merged: Record<string, JsonValue> = { ...(isObject(document) ? document : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(own(merged, key), value);
  }
  return merged;
}
