import { badRequest } from '../status-error.ts';

/** Parsed JSON. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Deeper patches are refused: no API type comes near, and every walk over one is recursive. */
export const patchDepthMax = 1000;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `null` is a type of its own, and so is an array. */
export function typeOf(value: JsonValue | undefined): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** An own property; what objects inherit is not there. */
export function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Throws `BadRequest` for what no patch may carry: keys that change prototypes, and bottomless nesting. */
export function checkPatchValue(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > patchDepthMax) throw badRequest(`patch is nested deeper than ${patchDepthMax} levels`);
  if (Array.isArray(value)) {
    for (const item of value) checkPatchValue(item, depth + 1);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw badRequest('patch must not contain the key "__proto__"');
    checkPatchValue(item, depth + 1);
  }
}

/** Equal as JSON: the order of keys does not matter. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => sameJson(item, b[index]))
    );
  }
  const [left, right] = [a as JsonObject, b as JsonObject]; // arrays are gone
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]))
  );
}
