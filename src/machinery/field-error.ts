import { formatJson } from './json.ts';

/**
 * One thing wrong with one field, in the words and codes Kubernetes uses for the causes of `Invalid`.
 * Source: k8s.io/apimachinery/pkg/util/validation/field (error.go).
 */
export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueNotFound'
  | 'FieldValueNotSupported'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

export interface FieldError {
  readonly type: FieldErrorType;
  /** Path as clients see it: `spec.containers[0].image`, `metadata.labels`. */
  readonly field: string;
  /** The text after the path: `Required value`, `Invalid value: "x": must be …`. */
  readonly message: string;
}

/** More than any name, list or map has that is worth reading; upstream quotes whatever it was given. */
const quotedLengthMax = 10_000;

/** How a bad value is quoted in a message: strings and numbers as JSON, objects compactly. */
function quoted(value: unknown): string {
  const text = value === undefined ? 'null' : formatJson(value);
  return text.length > quotedLengthMax ? `${text.slice(0, quotedLengthMax)}…` : text;
}

export const required = (field: string, detail = ''): FieldError => ({
  type: 'FieldValueRequired',
  field,
  message: detail === '' ? 'Required value' : `Required value: ${detail}`,
});

export const invalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${quoted(value)}${detail === '' ? '' : `: ${detail}`}`,
});

/** What is wrong is not the value itself, or it is too long to be told. */
export const invalidUnquoted = (field: string, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${detail}`,
});

/** A value of the wrong type. */
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError => ({
  ...invalid(field, value, detail),
  type: 'FieldValueTypeInvalid',
});

export const duplicate = (field: string, value: unknown): FieldError => ({
  type: 'FieldValueDuplicate',
  field,
  message: `Duplicate value: ${quoted(value)}`,
});

export const forbidden = (field: string, detail: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${detail}`,
});

export const notFound = (field: string, value: unknown, detail = ''): FieldError => ({
  type: 'FieldValueNotFound',
  field,
  message: `Not found: ${quoted(value)}${detail === '' ? '' : `: ${detail}`}`,
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${quoted(value)}: supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`,
});

export const tooLong = (field: string, bytesMax: number): FieldError => ({
  type: 'FieldValueTooLong',
  field,
  message: `Too long: may not be more than ${bytesMax} bytes`,
});

export const tooMany = (field: string, count: number, countMax: number): FieldError => ({
  type: 'FieldValueTooMany',
  field,
  message: `Too many: ${count}: must have at most ${countMax} ${countMax === 1 ? 'item' : 'items'}`,
});
