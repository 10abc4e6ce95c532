import { parseTimestamp } from '../timestamp.ts';
import type { Schema } from '../schema.ts';

/** An evaluation that cannot go on; the text is what users read. */
export class CelError extends Error {
  constructor(message: string) {
    // Errors are values of the language, absorbed by the thousand; a stack, which nobody reads, would be most of their cost.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'CelError';
  }
}

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}
/** Nanoseconds since the Unix epoch. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    if (nanos < -62_135_596_800_000_000_000n || nanos > 253_402_300_799_999_999_999n) {
      throw new CelError('timestamp overflow');
    }
    this.nanos = nanos;
  }
}
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    if (nanos < -(2n ** 63n) || nanos >= 2n ** 63n) throw new CelError('duration overflow');
    this.nanos = nanos;
  }
}
export class Optional {
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
}
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
/** A value of a library's own: a quantity, an address, an authorizer. */
export abstract class Opaque {
  abstract readonly typeName: string;
  equals(other: Opaque): boolean {
    return this === other;
  }
}
/** Keys are strings, bools, ints and uints. */
export interface CelMap {
  readonly isCelMap: true;
  readonly size: number;
  /** Undefined if there is no such key. */
  get(key: CelValue): CelValue | undefined;
  keys(): readonly CelValue[];
}

/** Ints are bigints, doubles numbers; lists arrays. */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | Optional
  | TypeValue
  | Opaque
  | CelMap
  | readonly CelValue[];

export const isList = (value: CelValue): value is readonly CelValue[] => Array.isArray(value);
export const isCelMap = (value: CelValue): value is CelMap =>
  typeof value === 'object' && value !== null && 'isCelMap' in value;

export function typeNameOf(value: CelValue): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    default:
      break;
  }
  if (value === null) return 'null_type';
  if (isList(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof TypeValue) return 'type';
  if (value instanceof Opaque) return value.typeName;
  return 'map';
}

const keyText = (key: CelValue): string | undefined => {
  switch (typeof key) {
    case 'string':
      return `s${key}`;
    case 'boolean':
      return `b${String(key)}`;
    case 'bigint':
      return `n${key}`;
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : undefined;
    default:
      return key instanceof Uint ? `n${key.value}` : undefined;
  }
};

/** A map that an expression builds. */
export class BuiltMap implements CelMap {
  readonly isCelMap = true;
  readonly #entries = new Map<string, readonly [CelValue, CelValue]>();

  /** Throws for a key that is there already, or of a type that keys cannot have. */
  set(key: CelValue, value: CelValue): void {
    const text = keyText(key);
    if (text === undefined || typeof key === 'number') throw new CelError(`unsupported key type: ${typeNameOf(key)}`);
    if (this.#entries.has(text)) throw new CelError(`insert failed: key ${celText(key)} already exists`);
    this.#entries.set(text, [key, value]);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: CelValue): CelValue | undefined {
    const text = keyText(key);
    return text === undefined ? undefined : this.#entries.get(text)?.[1];
  }

  keys(): readonly CelValue[] {
    return [...this.#entries.values()].map(([key]) => key);
  }
}

/** A struct that an expression builds by the name of its type: `Object.spec{replicas: 1}`. */
export class BuiltStruct extends BuiltMap {
  readonly type: string;
  constructor(type: string) {
    super();
    this.type = type;
  }
}

/** A JSON object, read as its schema says when a field is asked for. */
export class JsonMap implements CelMap {
  readonly isCelMap = true;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly #schema: Schema | undefined;
  readonly #seen = new Map<string, CelValue>();

  constructor(raw: Readonly<Record<string, unknown>>, schema: Schema | undefined) {
    this.raw = raw;
    this.#schema = schema;
  }

  get size(): number {
    return Object.keys(this.raw).length;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.raw, key)) return undefined;
    let value = this.#seen.get(key);
    if (value === undefined) this.#seen.set(key, (value = fromJson(this.raw[key], schemaBelow(this.#schema, key))));
    return value;
  }

  keys(): readonly CelValue[] {
    return Object.keys(this.raw);
  }
}

function schemaBelow(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema?.type === 'object') return Object.hasOwn(schema.fields, key) ? schema.fields[key]?.schema : undefined;
  return schema?.type === 'map' ? schema.values : undefined;
}

/** A JSON value as CEL sees it: whole numbers of no schema are ints, times and bytes are what their format says. */
export function fromJson(value: unknown, schema?: Schema): CelValue {
  switch (typeof value) {
    case 'string':
      return schema?.type === 'string' ? formatted(value, schema.format) : value;
    case 'boolean':
      return value;
    case 'number':
      return schema?.type === 'number' || !Number.isInteger(value) ? value : BigInt(value);
    case 'bigint':
      return value;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) {
        const items = schema?.type === 'array' ? schema.items : undefined;
        return value.map((item) => fromJson(item, items));
      }
      return new JsonMap(value as Readonly<Record<string, unknown>>, schema);
    default:
      return null;
  }
}

function formatted(text: string, format: string | undefined): CelValue {
  switch (format) {
    case 'byte':
      return new Uint8Array(Buffer.from(text, 'base64'));
    case 'date-time':
    case 'micro-time':
    case 'date': {
      const time = parseTimestamp(format === 'date' ? `${text}T00:00:00Z` : text);
      return time === undefined ? text : new Timestamp(BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanos));
    }
    case 'duration':
      return durationOf(text) ?? text;
    default:
      return text;
  }
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Go's `time.ParseDuration`: `1h30m`, `-1.5s`, `0`. Undefined if it is none. */
export function durationOf(text: string): Duration | undefined {
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return new Duration(0n);
  if (rest.length > 64 || !/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = units[unit] ?? 0n;
    nanos += BigInt(whole === '' ? 0 : whole) * scale;
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  if (nanos >= 2n ** 63n) return undefined;
  return new Duration(sign === '-' ? -nanos : nanos);
}

/** A value as plain JSON, for messages, patches and object construction. Throws CelError for what JSON cannot say. */
export function toJson(value: CelValue): unknown {
  switch (typeof value) {
    case 'bigint':
      return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
        ? Number(value)
        : value;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (isList(value)) return value.map(toJson);
  if (value instanceof JsonMap) return value.raw;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Uint) return toJson(value.value);
  if (value instanceof Timestamp || value instanceof Duration) return celText(value);
  if (isCelMap(value)) {
    const object: Record<string, unknown> = Object.create(null);
    for (const key of value.keys()) object[celText(key)] = toJson(value.get(key)!);
    return { ...object };
  }
  throw new CelError(`a ${typeNameOf(value)} has no JSON form`);
}

/** What `string()` makes of a value. */
export function celText(value: CelValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(value);
    } catch {
      throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
    }
  }
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return `${decimal(value.nanos)}s`;
  if (value instanceof TypeValue) return value.name;
  if (isList(value)) return `[${value.map(celText).join(', ')}]`;
  if (value instanceof Optional)
    return value.value === undefined ? 'optional.none()' : `optional(${celText(value.value)})`;
  if (isCelMap(value))
    return `{${value
      .keys()
      .map((key) => `${celText(key)}: ${celText(value.get(key)!)}`)
      .join(', ')}}`;
  return value.typeName;
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

function decimal(nanos: bigint): string {
  const sign = nanos < 0n ? '-' : '';
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = String(size % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${sign}${size / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

function timestampText({ nanos }: Timestamp): string {
  const seconds = nanos >= 0n ? nanos / 1_000_000_000n : (nanos - 999_999_999n) / 1_000_000_000n;
  const fraction = String(nanos - seconds * 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const whole = new Date(Number(seconds) * 1000).toISOString().replace(/\.\d+Z$/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`}Z`;
}

const asNumber = (value: CelValue): bigint | number | undefined =>
  typeof value === 'bigint' || typeof value === 'number' ? value : value instanceof Uint ? value.value : undefined;

/** Equality across numeric types, deep for lists and maps; never fails. */
export function celEquals(a: CelValue, b: CelValue): boolean {
  const [x, y] = [asNumber(a), asNumber(b)];
  // oxlint-disable-next-line eqeqeq -- 1n == 1 compares a bigint and a number by value, which is what is meant
  if (x !== undefined && y !== undefined) return x == y;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, i) => celEquals(item, b[i]!));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return celEquals(a.value, b.value);
  }
  if (a instanceof Opaque) return b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
  if (!isCelMap(a) || !isCelMap(b) || a.size !== b.size) return false;
  return a.keys().every((key) => {
    const other = b.get(key);
    return other !== undefined && celEquals(a.get(key)!, other);
  });
}

/** -1, 0 or 1; undefined if the two have no order. Strings by code point. */
export function celCompare(a: CelValue, b: CelValue): number | undefined {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x !== undefined && y !== undefined) {
    // An int beside a double counts as one, as the language has it, also where that loses digits.
    const [left, right] = typeof x === typeof y ? [x, y] : [Number(x), Number(y)];
    if (Number.isNaN(left) || Number.isNaN(right)) return NaN;
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  const sameTime =
    (a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration);
  if (sameTime) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Opaque && b instanceof Opaque && 'compare' in a && a.typeName === b.typeName) {
    return (a as Opaque & { compare(other: Opaque): number }).compare(b);
  }
  return undefined;
}
