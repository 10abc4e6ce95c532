/** CEL's extended string functions. Source: https://github.com/google/cel-go/tree/master/ext#strings */
import { chargeText } from './standard.ts';
import type { CallContext, Library } from '../functions.ts';
import { CelError, celText, isList, typeNameOf, Uint, type CelMap, type CelValue } from '../values.ts';

const points = (text: string) => Array.from(text);
/** Texts that a function makes may not be longer than this. */
const lengthMax = 1 << 20;

function bounded(text: string): string {
  if (text.length > lengthMax) throw new CelError(`a text of more than ${lengthMax} characters`);
  return text;
}

function indexOf(text: string, part: string, from: bigint): bigint {
  const [whole, wanted] = [points(text), points(part)];
  if (from < 0n || from > BigInt(whole.length)) throw new CelError(`index out of range: ${from}`);
  for (let i = Number(from); i + wanted.length <= whole.length; i++) {
    if (wanted.every((point, j) => point === whole[i + j])) return BigInt(i);
  }
  return -1n;
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const [whole, wanted] = [points(text), points(part)];
  const last = from ?? BigInt(whole.length);
  if (last < 0n || last > BigInt(whole.length)) throw new CelError(`index out of range: ${last}`);
  for (let i = Math.min(Number(last), whole.length - wanted.length); i >= 0; i--) {
    if (wanted.every((point, j) => point === whole[i + j])) return BigInt(i);
  }
  return -1n;
}

function substring(text: string, start: bigint, end?: bigint): string {
  const whole = points(text);
  const to = end ?? BigInt(whole.length);
  if (start < 0n || to < 0n || start > BigInt(whole.length) || to > BigInt(whole.length) || start > to) {
    throw new CelError(`invalid substring range. start: ${start}, end: ${to}`);
  }
  return whole.slice(Number(start), Number(to)).join('');
}

function split(text: string, separator: string, limit: bigint): readonly string[] {
  if (limit === 0n) return [];
  const pieces = separator === '' ? points(text) : text.split(separator);
  if (limit < 0n || BigInt(pieces.length) <= limit) return pieces;
  const head = pieces.slice(0, Number(limit) - 1);
  return [...head, pieces.slice(Number(limit) - 1).join(separator)];
}

function replace(text: string, from: string, to: string, limit: bigint): string {
  let left = limit < 0n ? Infinity : Number(limit);
  return bounded(text.replaceAll(from, (found) => (left-- > 0 ? to : found)));
}

const asciiCase = (text: string, upper: boolean) =>
  text.replaceAll(upper ? /[a-z]/g : /[A-Z]/g, (letter) => (upper ? letter.toUpperCase() : letter.toLowerCase()));

/** `%s %d %.2f`. Source: cel-go ext/formatting.go. */
function format(template: string, args: readonly CelValue[]): string {
  let next = 0;
  const result = template.replaceAll(
    /%(?:%|(?:\.(\d+))?([a-zA-Z]?))/g,
    (clause, precision: string | undefined, verb: string | undefined) => {
      if (clause === '%%') return '%';
      const index = next++;
      if (index >= args.length) throw new CelError(`index ${index} out of range`);
      return clauseText(verb ?? '', precision === undefined ? 6 : Number(precision), args[index]!);
    },
  );
  return bounded(result);
}

function clauseText(verb: string, precision: number, arg: CelValue): string {
  const whole = typeof arg === 'bigint' ? arg : arg instanceof Uint ? arg.value : undefined;
  const real = typeof arg === 'number' ? arg : undefined;
  const refuse = (what: string) =>
    new CelError(
      `error during formatting: ${what} clause can only be used on ${what === 'decimal' ? 'integers' : 'other values'}, was given ${typeNameOf(arg)}`,
    );
  switch (verb) {
    case 's':
      return shown(arg);
    case 'd':
      if (whole !== undefined) return String(whole);
      if (real !== undefined && !Number.isFinite(real)) return special(real);
      throw refuse('decimal');
    case 'f':
    case 'e': {
      const value = real ?? (whole === undefined ? undefined : Number(whole));
      if (value === undefined) throw refuse(verb === 'f' ? 'fixed-point' : 'scientific notation');
      if (!Number.isFinite(value)) return special(value);
      if (precision > 100) throw new CelError(`precision ${precision} is too large`);
      return verb === 'f' ? fixed(value, precision) : value.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');
    }
    case 'b':
      if (typeof arg === 'boolean') return arg ? '1' : '0';
      if (whole === undefined) throw refuse('binary');
      return whole.toString(2);
    case 'o':
      if (whole === undefined) throw refuse('octal');
      return whole.toString(8);
    case 'x':
    case 'X': {
      const text = whole === undefined ? hex(arg) : whole.toString(16);
      if (text === undefined) throw refuse('hex');
      return verb === 'X' ? text.toUpperCase() : text;
    }
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

/** Halves go to the even neighbour, as Go writes them. */
function fixed(value: number, precision: number): string {
  const scaled = value * 10 ** precision;
  const isHalf = Math.abs(scaled) < 2 ** 52 && Math.abs(scaled % 1) === 0.5;
  return (isHalf ? (2 * Math.round(scaled / 2)) / 10 ** precision : value).toFixed(precision);
}

const hex = (value: CelValue) =>
  typeof value === 'string' || value instanceof Uint8Array ? Buffer.from(value as string).toString('hex') : undefined;
const special = (value: number) => (Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity');

/** What `%s` makes of a value; maps in the order of their keys. */
function shown(value: CelValue): string {
  if (typeof value === 'number') return Number.isFinite(value) ? celText(value) : special(value);
  if (isList(value)) return `[${value.map(shown).join(', ')}]`;
  if (typeof value === 'object' && value !== null && 'isCelMap' in value) return mapText(value);
  return celText(value);
}

function mapText(map: CelMap): string {
  const entries = map.keys().map((key) => [shown(key), shown(map.get(key)!)] as const);
  return `{${entries
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')}}`;
}

const escapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
// oxlint-disable-next-line no-control-regex -- those are the characters that have escapes
const quoted = (text: string) => `"${text.replaceAll(/[\u0007\b\f\n\r\t\v\\"]/g, (each) => escapes[each] ?? each)}"`;

/** White space as Unicode has it. */
const trimmed = (text: string) => text.replaceAll(/^[\p{White_Space}]+|[\p{White_Space}]+$/gu, '');

const over =
  (call: (text: string, ...more: never[]) => CelValue) =>
  (context: CallContext, text: string, ...more: never[]) => {
    chargeText(context, text);
    return call(text, ...more);
  };

export const stringLibrary: Library = {
  'string.charAt(int) string': over((text: string, index: bigint) => {
    const whole = points(text);
    if (index < 0n || index > BigInt(whole.length)) throw new CelError(`index out of range: ${index}`);
    return whole[Number(index)] ?? '';
  }),
  'string.indexOf(string) int': over((text: string, part: string) => indexOf(text, part, 0n)),
  'string.indexOf(string, int) int': over((text: string, part: string, from: bigint) => indexOf(text, part, from)),
  'string.lastIndexOf(string) int': over((text: string, part: string) => lastIndexOf(text, part)),
  'string.lastIndexOf(string, int) int': over((text: string, part: string, from: bigint) =>
    lastIndexOf(text, part, from),
  ),
  'string.lowerAscii() string': over((text: string) => asciiCase(text, false)),
  'string.upperAscii() string': over((text: string) => asciiCase(text, true)),
  'string.replace(string, string) string': over((text: string, from: string, to: string) =>
    replace(text, from, to, -1n),
  ),
  'string.replace(string, string, int) string': over((text: string, from: string, to: string, limit: bigint) =>
    replace(text, from, to, limit),
  ),
  'string.split(string) list<string>': over((text: string, separator: string) => split(text, separator, -1n)),
  'string.split(string, int) list<string>': over((text: string, separator: string, limit: bigint) =>
    split(text, separator, limit),
  ),
  'string.substring(int) string': over((text: string, start: bigint) => substring(text, start)),
  'string.substring(int, int) string': over((text: string, start: bigint, end: bigint) => substring(text, start, end)),
  'string.trim() string': over(trimmed),
  'string.reverse() string': over((text: string) => points(text).toReversed().join('')),
  'list<string>.join() string': (context, list: readonly CelValue[]) => joined(context, list, ''),
  'list<string>.join(string) string': (context, list: readonly CelValue[], separator: string) =>
    joined(context, list, separator),
  'string.format(list<dyn>) string': (context, template: string, args: readonly CelValue[]) => {
    const text = format(template, args);
    chargeText(context, template, text);
    return text;
  },
  ':strings.quote(string) string': (context, text: string) => {
    chargeText(context, text);
    return quoted(text);
  },
};

function joined(context: CallContext, list: readonly CelValue[], separator: string): string {
  for (const item of list) {
    if (typeof item !== 'string') throw new CelError(`no such overload: join() of ${typeNameOf(item)}`);
  }
  const text = bounded((list as readonly string[]).join(separator));
  chargeText(context, text);
  return text;
}
