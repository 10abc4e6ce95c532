/**
 * The small checks every kind's rules are made of. Each takes the path of a field and its value, and returns what is
 * wrong with it. Values are what clients sent: a required field may be missing and a list may be absent.
 */
import { duplicate, invalid, notSupported, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { immutableComplaint, negativeComplaint, positiveComplaint, rangeComplaint } from '#machinery/names.ts';

export function complain(field: string, value: unknown, complaints: readonly string[]): FieldError[] {
  return complaints.map((complaint) => invalid(field, value, complaint));
}

/** A required text, then its own complaints. */
export function text(
  field: string,
  value: string | undefined,
  complaintsOf?: (value: string) => readonly string[],
  detail = '',
): FieldError[] {
  if (value === undefined || value === '') return [required(field, detail)];
  return complaintsOf === undefined ? [] : complain(field, value, complaintsOf(value));
}

/** A text that may be absent or empty. */
export function optionalText(
  field: string,
  value: string | undefined,
  complaintsOf: (value: string) => readonly string[],
): FieldError[] {
  return value === undefined || value === '' ? [] : complain(field, value, complaintsOf(value));
}

/** A required value out of a set. */
export function choice(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  if (value === undefined || value === '') return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

export function optionalChoice(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return value === undefined || supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

export function nonNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(field, value, negativeComplaint)] : [];
}

export function positive(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value <= 0 ? [invalid(field, value, positiveComplaint)] : [];
}

export function inRange(field: string, value: number | undefined, low: number, high: number): FieldError[] {
  return value !== undefined && (value < low || value > high) ? [invalid(field, value, rangeComplaint(low, high))] : [];
}

export function immutable(field: string, value: unknown, stored: unknown): FieldError[] {
  return sameValue(value, stored) ? [] : [invalid(field, value ?? null, immutableComplaint)];
}

export function atMostBytes(field: string, value: string | undefined, bytesMax: number): FieldError[] {
  return value !== undefined && Buffer.byteLength(value) > bytesMax ? [tooLong(field, bytesMax)] : [];
}

/** One complaint for every value that came before. `fieldOf` names the place of the repeated one. */
export function unique<T>(
  list: readonly T[] | undefined,
  keyOf: (item: T) => string | undefined,
  fieldOf: (index: number) => string,
): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, item] of (list ?? []).entries()) {
    const key = keyOf(item);
    if (key === undefined || key === '') continue;
    if (seen.has(key)) errors.push(duplicate(fieldOf(index), key));
    seen.add(key);
  }
  return errors;
}

/** The errors of every element, which is told its own path `field[index]`. */
export function each<T>(
  field: string,
  list: readonly T[] | undefined,
  check: (itemField: string, item: T, index: number) => readonly FieldError[],
): FieldError[] {
  return (list ?? []).flatMap((item, index) => check(`${field}[${index}]`, item, index));
}

/** Equal as JSON values; an absent field equals one that is undefined or an empty list, as upstream compares. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isEmpty(a) && isEmpty(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return (
    Object.keys(left).every((key) => sameValue(left[key], right[key])) &&
    Object.keys(right).every((key) => Object.hasOwn(left, key) || isEmpty(right[key]))
  );
}

const isEmpty = (value: unknown) => value === undefined || (Array.isArray(value) && value.length === 0);
