/**
 * JSON bodies as they come from clients: bytes in, a value out, with what `JSON.parse()` would hide found on request.
 * Integers beyond 2^53 that 64 bits hold are read as bigints, so that nothing is lost on the way through; that costs
 * nothing where there are none. Whatever may hold one is written by `formatJson()`.
 */
import { badRequest } from './status-error.ts';

/** Objects and lists within each other. Deeper bodies are refused before anything walks them. */
export const nestingMax = 500;
/** Duplicate fields that are named. */
const duplicatesMax = 20;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws `BadRequest` if `bytes` are not well-formed UTF-8, not JSON, or nested deeper than `nestingMax`. */
export function parseJson(body: Uint8Array | string): unknown {
  const text = typeof body === 'string' ? body : decodeText(body);
  if (nestingOf(text) > nestingMax) throw badRequest(`the JSON body is nested deeper than ${nestingMax} levels`);
  try {
    return parseExact(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw badRequest(
      text.trim() === '' ? 'the body is empty; a JSON object is expected' : `the body is not valid JSON: ${detail}`,
      error,
    );
  }
}

/** A number of so many digits may be beyond what a double holds; one within a string may look the same. */
const longNumber = /[:,[\s-]\d{16}/;
const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;

type ExactReviver = (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) => unknown;

/** `JSON.parse()`, with integers beyond 2^53 as bigints. Throws what that throws. */
export function parseExact(text: string): unknown {
  return longNumber.test(text) ? JSON.parse(text, exactly) : (JSON.parse(text) as unknown);
}

const exactly: ExactReviver = (_key, value, context) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return /^-?\d+$/.test(source) ? exactInteger(BigInt(source)) : value;
};

/** A bigint if a number would not hold it exactly and 64 bits do; else a number, as Go's decoder falls back to one. */
export function exactInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) || value < int64Min || value > int64Max ? number : value;
}

interface RawJson {
  rawJSON(this: void, text: string): unknown;
}

/** `JSON.stringify()` of a value that may hold what `parseExact()` gives. */
export function formatJson(value: unknown, space?: number): string {
  try {
    return JSON.stringify(value, undefined, space);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { rawJSON } = JSON as unknown as RawJson; // in V8 since 11.4, in TypeScript's library not yet
    const exact = (_key: string, each: unknown) => (typeof each === 'bigint' ? rawJSON(String(each)) : each);
    return JSON.stringify(value, exact, space);
  }
}

/** Throws `BadRequest` naming the first byte that is not UTF-8. */
export function decodeText(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (error) {
    throw badRequest(`the body is not valid UTF-8 at byte ${firstInvalidByte(body)}`, error);
  }
}

/**
 * Paths of the fields that occur more than once in the same object (`spec.replicas`), of which `JSON.parse()` keeps
 * only the last. `text` must be valid JSON and `value` what it parsed to.
 */
export function duplicateFields(text: string, value: unknown): readonly string[] {
  return countMembers(text) === countKeys(value) ? [] : findDuplicates(text);
}

/** How deep the brackets go; those in strings are only told apart when it matters. */
function nestingOf(text: string): number {
  if (text.length < nestingMax) return 0;
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x7b || code === 0x5b) {
      if (++depth > deepest) deepest = depth;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  if (deepest <= nestingMax) return deepest;
  depth = 0;
  deepest = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = endOfString(text, index);
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > deepest) deepest = depth;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}

/** The index of the quote that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x5c) index++;
    else if (code === 0x22) return index;
  }
  return text.length;
}

/** Outside strings, every colon stands behind a key. */
function countMembers(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = endOfString(text, index);
    else if (code === 0x3a) count++;
  }
  return count;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const each of value as readonly unknown[]) count += countKeys(each);
    return count;
  }
  for (const key in value) count += 1 + countKeys((value as Readonly<Record<string, unknown>>)[key]);
  return count;
}

interface Frame {
  readonly path: string;
  /** Undefined in a list. */
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

function findDuplicates(text: string): readonly string[] {
  const found: string[] = [];
  const stack: Frame[] = [];
  const childPath = () => {
    const frame = stack.at(-1);
    if (frame === undefined) return '';
    return frame.keys === undefined
      ? `${frame.path}[${frame.index}]`
      : frame.path === ''
        ? frame.key
        : `${frame.path}.${frame.key}`;
  };
  let expectsKey = false;
  for (let index = 0; index < text.length && found.length < duplicatesMax; index++) {
    const frame = stack.at(-1);
    switch (text[index]) {
      case '{':
        stack.push({ path: childPath(), keys: new Set(), key: '', index: 0 });
        expectsKey = true;
        break;
      case '[':
        stack.push({ path: childPath(), keys: undefined, key: '', index: 0 });
        expectsKey = false;
        break;
      case '}':
      case ']':
        stack.pop();
        expectsKey = false;
        break;
      case ',':
        if (frame === undefined) break;
        if (frame.keys === undefined) frame.index++;
        expectsKey = frame.keys !== undefined;
        break;
      case '"': {
        const end = endOfString(text, index);
        if (expectsKey && frame?.keys !== undefined) {
          frame.key = JSON.parse(text.slice(index, end + 1)) as string;
          if (frame.keys.has(frame.key)) found.push(childPath());
          frame.keys.add(frame.key);
          expectsKey = false;
        }
        index = end;
        break;
      }
      default:
        break;
    }
  }
  return [...new Set(found)];
}

function firstInvalidByte(body: Uint8Array): number {
  let good = 0;
  let bad = body.length;
  // The longest prefix that decodes as a stream (which may end within a character) ends before the bad byte.
  while (good < bad) {
    const middle = (good + bad + 1) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle - 1;
    }
  }
  return good;
}
