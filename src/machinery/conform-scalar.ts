import { canonicalQuantity } from './quantity.ts';
import type {
  IntegerSchema,
  IntOrStringSchema,
  NumberSchema,
  QuantitySchema,
  BooleanSchema,
  StringSchema,
} from './schema.ts';
import { canonicalTimestamp } from './timestamp.ts';

export type ScalarSchema =
  | StringSchema
  | IntegerSchema
  | NumberSchema
  | BooleanSchema
  | QuantitySchema
  | IntOrStringSchema;

/** The value to store, or what is wrong: `type` if it is not even of the right JSON type. */
export interface Scalar {
  readonly value?: unknown;
  readonly problem?: string;
}

const wrongType: Scalar = { problem: 'type' };
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Checks one value that has no parts. Never throws. */
export function checkScalar(schema: ScalarSchema, value: unknown): Scalar {
  switch (schema.type) {
    case 'string':
      return typeof value === 'string' ? checkString(schema, value) : wrongType;
    case 'integer':
      return checkInteger(value, schema.format === 'int32');
    case 'number':
      if (typeof value === 'bigint') return { value: Number(value) };
      return typeof value === 'number' && Number.isFinite(value) ? { value } : wrongType;
    case 'boolean':
      return typeof value === 'boolean' ? { value } : wrongType;
    case 'int-or-string':
      return typeof value === 'string' ? { value } : checkInteger(value, true);
    case 'quantity':
      return checkQuantity(value);
  }
}

function checkString(schema: StringSchema, value: string): Scalar {
  if (schema.format === 'byte') return checkBytes(value);
  if (schema.format === 'date-time' || schema.format === 'micro-time') {
    const micro = schema.format === 'micro-time';
    const canonical = canonicalTimestamp(value, micro);
    if (canonical !== undefined) return { value: canonical };
    const example = micro ? '2006-01-02T15:04:05.000000Z' : '2006-01-02T15:04:05Z';
    return { problem: `parsing time ${JSON.stringify(shortened(value))}: it must look like "${example}"` };
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return {
      problem: `${JSON.stringify(shortened(value))} is none of ${schema.enum.map((each) => JSON.stringify(each)).join(', ')}`,
    };
  }
  return { value };
}

/** Go's decoder skips line breaks in base64; they are gone afterwards. */
function checkBytes(value: string): Scalar {
  const text = value.includes('\n') || value.includes('\r') ? value.replaceAll(/[\r\n]/g, '') : value;
  if (text.length % 4 === 0 && base64.test(text)) return { value: text };
  const bad = /[^A-Za-z0-9+/]/.exec(text.replace(/={1,2}$/, ''));
  return { problem: `illegal base64 data at input byte ${bad === null ? text.length - (text.length % 4) : bad.index}` };
}

/** Rules compute with the integers of built-in kinds, so those beyond 2^53, which no field has a use for, are refused. */
function checkInteger(value: unknown, is32: boolean): Scalar {
  if (typeof value === 'bigint' && !is32) return { problem: beyond(value) };
  if (typeof value !== 'number' || !Number.isInteger(value)) return wrongType;
  if (is32 ? value !== (value | 0) : !Number.isSafeInteger(value)) {
    if (is32) return wrongType;
    return { problem: beyond(value) };
  }
  return { value: value === 0 ? 0 : value }; // -0 is none of JSON's integers
}

const beyond = (value: number | bigint) =>
  `${value} is beyond the integers that can be kept exactly (±${Number.MAX_SAFE_INTEGER})`;

function checkQuantity(given: unknown): Scalar {
  const value = typeof given === 'bigint' ? String(given) : given;
  if (typeof value !== 'string' && typeof value !== 'number') return wrongType;
  try {
    return { value: canonicalQuantity(value) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

const shortened = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
