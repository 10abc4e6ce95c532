import assert from 'node:assert/strict';
import fc from 'fast-check';
import { StatusError } from '#machinery/status-error.ts';

/** Something that reads what strangers send. */
export interface Target {
  readonly name: string;
  /** Inputs that mean something; what is tried is made of them. Bytes are written as Latin-1. */
  readonly seeds: readonly string[];
  /** Pieces that mean something in this grammar, repeated to make inputs that are slow to read. */
  readonly tokens: readonly string[];
  /** Takes the input as bytes (from Latin-1); as text unless given. */
  readonly isBinary?: boolean;
  /** Reads the input, and goes over what comes out. Its result is checked for prototypes that it should not have. */
  readonly read: (input: string, bytes: Buffer) => unknown;
  /** The most that is read on the thread that serves everybody; 64 KiB unless given. */
  readonly bytesMax?: number;
  /** Errors beside StatusError that readers of this throw by design. */
  readonly throws?: readonly (abstract new (...args: never[]) => Error)[];
}

export const inputBytesMax = 64 * 1024;
/** What reading `inputBytesMax` may cost the thread that serves everybody, on a machine like the one we measure on. */
export const cpuMsMax = 100;

/** Runs `read`; throws if it fails otherwise than its readers expect, or what it makes is not plain data. */
export function tryRead({ read, throws = [] }: Target, input: string): void {
  let result: unknown;
  try {
    result = read(input, Buffer.from(input, 'latin1'));
  } catch (error) {
    if (error instanceof StatusError || throws.some((each) => error instanceof each)) return;
    throw error;
  }
  mustBePlain(result, 0);
  assert.deepEqual(Object.keys(Object.prototype), [], 'Object.prototype has been written to');
  assert.deepEqual(Object.keys(Array.prototype), [], 'Array.prototype has been written to');
}

const depthMax = 10_000;

function mustBePlain(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > depthMax) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) {
    // An object whose prototype came with the input has none of the names that ours have.
    const { constructor } = prototype as { readonly constructor?: unknown };
    assert.equal(typeof constructor, 'function', 'an object got its prototype from the input');
    return;
  }
  for (const each of Object.values(value)) mustBePlain(each, depth + 1);
}

/** Names that mean something to JavaScript. */
export const treacherous = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];

/** Seeds with a few edits: pieces left out, doubled, swapped for tokens or other characters. */
export function inputsOf({ seeds, tokens, bytesMax = inputBytesMax }: Target): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat(4_000),
    length: fc.nat(12),
    text: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...tokens) },
      { weight: 2, arbitrary: fc.constantFrom(...treacherous) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
      { weight: 1, arbitrary: fc.constantFrom('', '\0', '\u00ff', '\ufeff', '9'.repeat(400), '-', '\ud800') },
    ),
    times: fc.constantFrom(1, 1, 1, 2, 40),
  });
  return fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { maxLength: 8 })).map(([seed, edits]) => {
    let input = seed;
    for (const { at, length, text, times } of edits) {
      const start = at % (input.length + 1);
      input = input.slice(0, start) + text.repeat(times) + input.slice(start + length);
    }
    return input.slice(0, bytesMax);
  });
}

/** Inputs of full size that would be slow for a careless reader: pieces over and over, nested, or one after the other. */
export function* baitsOf({ seeds, tokens, bytesMax = inputBytesMax }: Target): Generator<string> {
  const fill = (text: string) => text.repeat(Math.ceil(bytesMax / text.length)).slice(0, bytesMax);
  const pieces = [...tokens, ...seeds.filter((seed) => seed !== '').map((seed) => seed.slice(0, 2_000))];
  for (const piece of pieces) {
    yield fill(piece);
    for (const seed of seeds) {
      // In the middle, at the front and at the end of something that means something.
      const room = bytesMax - seed.length;
      if (room <= 0) continue;
      const middle = Math.floor(seed.length / 2);
      const long = fill(piece).slice(0, room);
      yield seed.slice(0, middle) + long + seed.slice(middle);
      yield seed + long;
    }
  }
  for (const [a, b] of pairs(tokens)) yield fill(a + b);
  for (const [open, close] of pairs(tokens)) {
    const count = Math.floor(bytesMax / (open.length + close.length));
    yield open.repeat(count) + close.repeat(count);
  }
}

function* pairs(tokens: readonly string[]): Generator<readonly [string, string]> {
  for (const a of tokens) for (const b of tokens) if (a !== b) yield [a, b];
}

/** CPU milliseconds that this thread takes for `work`: the least of some tries, so that neither compiling nor a pause counts. */
export function cpuMsOf(work: () => void, enoughMs: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 4 && least > enoughMs; attempt++) {
    const start = process.threadCpuUsage();
    work();
    const { user, system } = process.threadCpuUsage(start);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** The same in another order, which `seed` decides: a short run tries others each time. */
export function shuffled<T>(list: readonly T[], seed: number): readonly T[] {
  let state = seed >>> 0 || 1;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    return state;
  };
  return list
    .map((item) => ({ item, order: next() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

/** Microseconds that JSON.parse() takes for a pod of 1.6 KB on the machine of `machinery/README.md`. */
const referenceMicros = 5;

/** How many times slower than that machine this one is just now; at least 1. */
export function slowness(): number {
  const env = Array.from({ length: 24 }, (_, index) => ({ name: `VARIABLE_${index}`, value: 'a value as pods have' }));
  const pod = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ env }] },
  });
  const rounds = 400;
  const ms = cpuMsOf(() => {
    for (let round = 0; round < rounds; round++) JSON.parse(pod);
  }, 0);
  return Math.max(1, (ms * 1000) / rounds / referenceMicros);
}
