/** CEL's own functions. Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions */
import { RE2JS } from 're2js';
import { parseTimestamp } from '../../timestamp.ts';
import type { CallContext, Library } from '../functions.ts';
import {
  BuiltMap,
  CelError,
  celCompare,
  celEquals,
  celText,
  Duration,
  durationOf,
  Optional,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type CelMap,
  type CelValue,
} from '../values.ts';

const [intMin, intMax, uintMax] = [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n];
const int = (value: bigint): bigint => {
  if (value < intMin || value > intMax) throw new CelError('integer overflow');
  return value;
};
const uint = (value: bigint): Uint => {
  if (value < 0n || value > uintMax) throw new CelError('unsigned integer overflow');
  return new Uint(value);
};
const divisor = (value: bigint): bigint => {
  if (value === 0n) throw new CelError('division by zero');
  return value;
};
const modulus = (value: bigint): bigint => {
  if (value === 0n) throw new CelError('modulus by zero');
  return value;
};

/** Patterns are compiled once; what a hostile pattern can cost is bounded by RE2, which never backtracks. */
const patterns = new Map<string, RE2JS>();
const patternsMax = 256;
export function patternOf(text: string): RE2JS {
  let pattern = patterns.get(text);
  if (pattern === undefined) {
    try {
      pattern = RE2JS.compile(text);
    } catch (error) {
      throw new CelError(`error parsing regexp: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (patterns.size >= patternsMax) patterns.clear();
    patterns.set(text, pattern);
  }
  return pattern;
}

/** A pattern's work is the product of both lengths. Source: k8s.io/apiserver/pkg/cel/library (cost.go). */
export function chargeRegex({ charge }: CallContext, text: string, pattern: string): void {
  charge(Math.ceil((1 + text.length) * 0.1) * Math.max(1, Math.ceil(pattern.length * 0.25)));
}
/** Looking through a text costs a tenth of its length. */
export const chargeText = ({ charge }: CallContext, ...texts: readonly string[]): void => {
  for (const text of texts) charge(Math.ceil(text.length * 0.1));
};

const compare = (holds: (order: number) => boolean) => (context: CallContext, a: CelValue, b: CelValue) => {
  const order = celCompare(a, b);
  if (order === undefined) throw new CelError(`no such overload: ${typeNameOf(a)} and ${typeNameOf(b)} have no order`);
  if (typeof a === 'string' && typeof b === 'string') chargeText(context, a.length < b.length ? a : b);
  return holds(order);
};

const codePoints = (text: string) => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

function toInt(value: CelValue): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return int(value.value);
  if (value instanceof Timestamp)
    return value.nanos >= 0n ? value.nanos / 1_000_000_000n : (value.nanos - 999_999_999n) / 1_000_000_000n;
  if (typeof value === 'number') {
    if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new CelError('integer overflow');
    return BigInt(Math.trunc(value));
  }
  if (typeof value === 'string' && /^[+-]?\d{1,20}$/.test(value)) return int(BigInt(value.replace(/^\+/, '')));
  throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'int'`);
}

function toUint(value: CelValue): Uint {
  if (value instanceof Uint) return value;
  if (typeof value === 'bigint') return uint(value);
  if (typeof value === 'number') {
    if (!(value >= 0 && value < 2 ** 64)) throw new CelError('unsigned integer overflow');
    return new Uint(BigInt(Math.trunc(value)));
  }
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return uint(BigInt(value));
  throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'uint'`);
}

function toDouble(value: CelValue): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (typeof value === 'string') {
    const special = {
      NaN: NaN,
      Inf: Infinity,
      '+Inf': Infinity,
      '-Inf': -Infinity,
      Infinity: Infinity,
      '-Infinity': -Infinity,
    }[value];
    if (special !== undefined) return special;
    if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)) return Number(value);
  }
  throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'double'`);
}

function toBool(value: CelValue): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    if (['1', 't', 'true', 'TRUE', 'True'].includes(value)) return true;
    if (['0', 'f', 'false', 'FALSE', 'False'].includes(value)) return false;
  }
  throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'bool'`);
}

function toTimestamp(value: CelValue): Timestamp {
  if (value instanceof Timestamp) return value;
  if (typeof value === 'bigint') return new Timestamp(value * 1_000_000_000n);
  const parsed = typeof value === 'string' ? parseTimestamp(value) : undefined;
  if (parsed === undefined)
    throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'google.protobuf.Timestamp'`);
  return new Timestamp(BigInt(parsed.seconds) * 1_000_000_000n + BigInt(parsed.nanos));
}

function toDuration(value: CelValue): Duration {
  if (value instanceof Duration) return value;
  const parsed = typeof value === 'string' ? durationOf(value) : undefined;
  if (parsed === undefined)
    throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'google.protobuf.Duration'`);
  return parsed;
}

/** A moment on the clocks of a time zone: an IANA name or an offset (`+05:30`); UTC without one. */
function dateIn({ nanos }: Timestamp, zone = 'UTC'): Date {
  const ms = Number(nanos / 1_000_000n);
  const offset = /^([+-]?)(\d{2}):(\d{2})$/.exec(zone);
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(ms + (offset[1] === '-' ? -minutes : minutes) * 60_000);
  }
  if (zone === 'UTC' || zone === '') return new Date(ms);
  try {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    }).formatToParts(ms);
    const part = (type: string) => Number(parts.find((each) => each.type === type)?.value ?? 0);
    return new Date(
      Date.UTC(
        part('year'),
        part('month') - 1,
        part('day'),
        part('hour'),
        part('minute'),
        part('second'),
        ((ms % 1000) + 1000) % 1000,
      ),
    );
  } catch {
    throw new CelError(`unknown time zone ${zone}`);
  }
}

const dayOfYear = (date: Date) =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  );

/** Parts of a time by accessor, with and without a zone. */
const parts: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getDayOfYear: dayOfYear,
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};
const accessors: Library = Object.fromEntries(
  Object.entries(parts).flatMap(([name, read]) => [
    [`timestamp.${name}() int`, (_: CallContext, time: Timestamp) => BigInt(read(dateIn(time)))],
    [
      `timestamp.${name}(string) int`,
      (_: CallContext, time: Timestamp, zone: string) => BigInt(read(dateIn(time, zone))),
    ],
  ]),
);

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));

export const standardLibrary: Library = {
  '!_(bool) bool': (_, value: boolean) => !value,
  '-_(int) int': (_, value: bigint) => int(-value),
  '-_(double) double': (_, value: number) => -value,
  '_==_(A, A) bool': ({ charge }, a: CelValue, b: CelValue) => {
    charge(sizeOf(a));
    return celEquals(a, b);
  },
  '_!=_(A, A) bool': ({ charge }, a: CelValue, b: CelValue) => {
    charge(sizeOf(a));
    return !celEquals(a, b);
  },
  '_<_(A, A) bool': compare((order) => order < 0),
  '_<=_(A, A) bool': compare((order) => order <= 0),
  '_>_(A, A) bool': compare((order) => order > 0),
  '_>=_(A, A) bool': compare((order) => order >= 0),
  '_+_(int, int) int': (_, a: bigint, b: bigint) => int(a + b),
  '_+_(uint, uint) uint': (_, a: Uint, b: Uint) => uint(a.value + b.value),
  '_+_(double, double) double': (_, a: number, b: number) => a + b,
  '_+_(string, string) string': (context, a: string, b: string) => {
    chargeText(context, a, b);
    return a + b;
  },
  '_+_(bytes, bytes) bytes': ({ charge }, a: Uint8Array, b: Uint8Array) => {
    charge(Math.ceil((a.length + b.length) * 0.1));
    return new Uint8Array(Buffer.concat([a, b]));
  },
  '_+_(list<A>, list<A>) list<A>': ({ charge }, a: readonly CelValue[], b: readonly CelValue[]) => {
    charge(Math.ceil((a.length + b.length) * 0.1));
    return [...a, ...b];
  },
  '_+_(timestamp, duration) timestamp': (_, a: Timestamp, b: Duration) => new Timestamp(a.nanos + b.nanos),
  '_+_(duration, timestamp) timestamp': (_, a: Duration, b: Timestamp) => new Timestamp(a.nanos + b.nanos),
  '_+_(duration, duration) duration': (_, a: Duration, b: Duration) => new Duration(a.nanos + b.nanos),
  '_-_(int, int) int': (_, a: bigint, b: bigint) => int(a - b),
  '_-_(uint, uint) uint': (_, a: Uint, b: Uint) => uint(a.value - b.value),
  '_-_(double, double) double': (_, a: number, b: number) => a - b,
  '_-_(timestamp, timestamp) duration': (_, a: Timestamp, b: Timestamp) => new Duration(a.nanos - b.nanos),
  '_-_(timestamp, duration) timestamp': (_, a: Timestamp, b: Duration) => new Timestamp(a.nanos - b.nanos),
  '_-_(duration, duration) duration': (_, a: Duration, b: Duration) => new Duration(a.nanos - b.nanos),
  '_*_(int, int) int': (_, a: bigint, b: bigint) => int(a * b),
  '_*_(uint, uint) uint': (_, a: Uint, b: Uint) => uint(a.value * b.value),
  '_*_(double, double) double': (_, a: number, b: number) => a * b,
  '_/_(int, int) int': (_, a: bigint, b: bigint) => int(a / divisor(b)),
  '_/_(uint, uint) uint': (_, a: Uint, b: Uint) => new Uint(a.value / divisor(b.value)),
  '_/_(double, double) double': (_, a: number, b: number) => a / b,
  '_%_(int, int) int': (_, a: bigint, b: bigint) => a % modulus(b),
  '_%_(uint, uint) uint': (_, a: Uint, b: Uint) => new Uint(a.value % modulus(b.value)),
  '@in(A, list<A>) bool': ({ charge }, value: CelValue, list: readonly CelValue[]) => {
    charge(list.length);
    return list.some((item) => celEquals(item, value));
  },
  '@in(A, map<A, B>) bool': (_, key: CelValue, map: CelMap) => map.get(key) !== undefined,
  'size(string) int': (context, text: string) => {
    chargeText(context, text);
    return BigInt(codePoints(text));
  },
  'size(bytes) int': (_, bytes: Uint8Array) => BigInt(bytes.length),
  'size(list<A>) int': (_, list: readonly CelValue[]) => BigInt(list.length),
  'size(map<A, B>) int': (_, map: CelMap) => BigInt(map.size),
  'string.size() int': (context, text: string) => {
    chargeText(context, text);
    return BigInt(codePoints(text));
  },
  'bytes.size() int': (_, bytes: Uint8Array) => BigInt(bytes.length),
  'list<A>.size() int': (_, list: readonly CelValue[]) => BigInt(list.length),
  'map<A, B>.size() int': (_, map: CelMap) => BigInt(map.size),
  'string.contains(string) bool': (context, text: string, part: string) => {
    chargeText(context, text);
    return text.includes(part);
  },
  'string.startsWith(string) bool': (context, text: string, part: string) => {
    chargeText(context, part);
    return text.startsWith(part);
  },
  'string.endsWith(string) bool': (context, text: string, part: string) => {
    chargeText(context, part);
    return text.endsWith(part);
  },
  'string.matches(string) bool': (context, text: string, pattern: string) => {
    chargeRegex(context, text, pattern);
    return patternOf(pattern).matcher(text).find();
  },
  'matches(string, string) bool': (context, text: string, pattern: string) => {
    chargeRegex(context, text, pattern);
    return patternOf(pattern).matcher(text).find();
  },
  'int(dyn) int': (_, value: CelValue) => toInt(value),
  'uint(dyn) uint': (_, value: CelValue) => toUint(value),
  'double(dyn) double': (_, value: CelValue) => toDouble(value),
  'bool(dyn) bool': (_, value: CelValue) => toBool(value),
  'string(dyn) string': (context, value: CelValue) => {
    if (value === null || typeNameOf(value) === 'list' || typeNameOf(value) === 'map') {
      throw new CelError(`type conversion error from '${typeNameOf(value)}' to 'string'`);
    }
    const text = celText(value);
    chargeText(context, text);
    return text;
  },
  'bytes(bytes) bytes': (_, value: Uint8Array) => value,
  'bytes(string) bytes': (context, value: string) => {
    chargeText(context, value);
    return utf8(value);
  },
  'timestamp(dyn) timestamp': (_, value: CelValue) => toTimestamp(value),
  'duration(dyn) duration': (_, value: CelValue) => toDuration(value),
  'type(dyn) type<dyn>': (_, value: CelValue) => new TypeValue(typeNameOf(value)),
  'dyn(dyn) dyn': (_, value: CelValue) => value,
  ...accessors,
  'duration.getHours() int': (_, { nanos }: Duration) => nanos / 3_600_000_000_000n,
  'duration.getMinutes() int': (_, { nanos }: Duration) => nanos / 60_000_000_000n,
  'duration.getSeconds() int': (_, { nanos }: Duration) => nanos / 1_000_000_000n,
  'duration.getMilliseconds() int': (_, { nanos }: Duration) => (nanos / 1_000_000n) % 1000n,
};

/** How much there is to look at in a value, roughly. */
function sizeOf(value: CelValue): number {
  if (typeof value === 'string') return Math.ceil(value.length * 0.1);
  if (Array.isArray(value)) return value.length;
  return value instanceof BuiltMap ? value.size : 1;
}

/** Values that may be missing. Source: https://github.com/google/cel-go/blob/master/cel/library.go (OptionalTypes). */
export const optionalLibrary: Library = {
  ':optional.of(A) optional<A>': (_, value: CelValue) => new Optional(value),
  ':optional.none() optional<dyn>': () => new Optional(undefined),
  ':optional.ofNonZeroValue(A) optional<A>': (_, value: CelValue) => new Optional(isZero(value) ? undefined : value),
  'optional<A>.hasValue() bool': (_, { value }: Optional) => value !== undefined,
  'optional<A>.value() A': (_, { value }: Optional) => {
    if (value === undefined) throw new CelError('optional.none() dereference');
    return value;
  },
  'optional<A>.or(optional<A>) optional<A>': (_, first: Optional, second: Optional) =>
    first.value === undefined ? second : first,
  'optional<A>.orValue(A) A': (_, { value }: Optional, other: CelValue) => value ?? other,
};

function isZero(value: CelValue): boolean {
  if (value === null || value === false || value === 0n || value === 0 || value === '') return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  return typeof value === 'object' && 'isCelMap' in value && value.size === 0;
}
