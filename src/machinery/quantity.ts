import { badRequest } from './status-error.ts';

/**
 * Resource quantities: exact decimal numbers with a unit, as Kubernetes writes them (`100m`, `1.5Gi`, `2e3`).
 * The finest unit is a billionth; finer amounts round away from zero. Canonical form keeps no precision unsaid: the
 * largest suffix that leaves an integer. Source: k8s.io/apimachinery/pkg/api/resource (quantity.go, suffix.go).
 */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** Billionths. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

const nanosPerUnit = 1_000_000_000n;
const binaryNanosMax = (2n ** 63n - 1n) * nanosPerUnit;
/** Bounds the work a short text can ask for; upstream's largest suffix is 18. */
const exponentMax = 100;
const lengthMax = 256;

const decimalSuffixes: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const binarySuffixes: ReadonlyMap<string, number> = new Map([
  ['Ki', 10],
  ['Mi', 20],
  ['Gi', 30],
  ['Ti', 40],
  ['Pi', 50],
  ['Ei', 60],
]);
const decimalSuffixOf = new Map([...decimalSuffixes].map(([suffix, exponent]) => [exponent, suffix]));
const binarySuffixOf = new Map([...binarySuffixes].map(([suffix, exponent]) => [exponent, suffix]));

const wrongFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const wrongNumber = 'unable to parse numeric part of quantity';
const wrongSuffix = "unable to parse quantity's suffix";

/** Reads a quantity; JSON numbers are taken as written in decimal. Throws `BadRequest` with upstream's words. */
export function parseQuantity(value: string | number): Quantity {
  const text = String(value);
  if (text.length > lengthMax) throw badRequest(wrongFormat);
  const match = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/.exec(text);
  if (match === null || text === '') throw badRequest(wrongFormat);
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  // Upstream reads a number without digits as 0 when it has a suffix ("Mi"), but not a lone sign or point.
  if (whole === '' && fraction === '' && suffix === '') throw badRequest(wrongNumber);
  const unit = unitOf(suffix);
  if (unit === undefined) throw badRequest(wrongSuffix);
  if (Math.abs(unit.exponent) > exponentMax) throw badRequest(wrongNumber);
  const digits = BigInt(`${whole}${fraction}` || '0');
  const amount = unit.base === 2 ? digits << BigInt(unit.exponent) : digits;
  const scale = 9 - fraction.length + (unit.base === 10 ? unit.exponent : 0);
  let nanos = scale >= 0 ? amount * 10n ** BigInt(scale) : divideUp(amount, 10n ** BigInt(-scale));
  if (unit.base === 2 && nanos > binaryNanosMax) nanos = binaryNanosMax;
  return { nanos: sign === '-' ? -nanos : nanos, format: unit.format };
}

function unitOf(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } | undefined {
  const decimal = decimalSuffixes.get(suffix);
  if (decimal !== undefined) return { base: 10, exponent: decimal, format: 'DecimalSI' };
  const binary = binarySuffixes.get(suffix);
  if (binary !== undefined) return { base: 2, exponent: binary, format: 'BinarySI' };
  const exponent = /^[eE]([-+]?\d{1,9})$/.exec(suffix)?.[1];
  return exponent === undefined ? undefined : { base: 10, exponent: Number(exponent), format: 'DecimalExponent' };
}

const divideUp = (amount: bigint, by: bigint) => (amount + by - 1n) / by;

/** The canonical text. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  const binary =
    format === 'BinarySI' &&
    nanos % nanosPerUnit === 0n &&
    (nanos <= -1024n * nanosPerUnit || nanos >= 1024n * nanosPerUnit);
  return binary ? formatBinary(nanos / nanosPerUnit) : formatDecimal(nanos, format);
}

function formatBinary(units: bigint): string {
  let [amount, exponent] = [units, 0];
  while (amount % 1024n === 0n && exponent < 60) [amount, exponent] = [amount / 1024n, exponent + 10];
  return `${amount}${binarySuffixOf.get(exponent) ?? ''}`;
}

function formatDecimal(nanos: bigint, format: QuantityFormat): string {
  let [amount, exponent] = [nanos, -9];
  while (amount % 1000n === 0n) [amount, exponent] = [amount / 1000n, exponent + 3];
  const suffix = format === 'DecimalExponent' ? undefined : decimalSuffixOf.get(exponent);
  if (exponent === 0) return String(amount);
  return `${amount}${suffix ?? `e${exponent}`}`;
}

/** The canonical text of a quantity, as it is stored and shown. Throws `BadRequest` like `parseQuantity()`. */
export function canonicalQuantity(value: string | number): string {
  if (typeof value === 'string' && isCanonicalAlready(value)) return value;
  return formatQuantity(parseQuantity(value));
}

/** The common forms that need no work: few digits, at most one suffix, and no factor that a larger suffix would take. */
function isCanonicalAlready(text: string): boolean {
  const match = /^([1-9]\d{0,9})(m|k|M|G|Ki|Mi|Gi|Ti)?$/.exec(text);
  if (match === null) return text === '0';
  const [, digits = '', suffix = ''] = match;
  return suffix.endsWith('i') ? Number(digits) % 1024 !== 0 : !digits.endsWith('000');
}

/** Negative, zero or positive, as for `Array.sort()`. */
export function compareQuantities(a: string | number, b: string | number): number {
  const difference = parseQuantity(a).nanos - parseQuantity(b).nanos;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The sum, in the format of the first that is not zero, as upstream adds. */
export function addQuantities(...values: readonly (string | number)[]): string {
  let sum: Quantity = { nanos: 0n, format: 'DecimalSI' };
  for (const value of values) {
    const quantity = parseQuantity(value);
    sum = { nanos: sum.nanos + quantity.nanos, format: sum.nanos === 0n ? quantity.format : sum.format };
  }
  return formatQuantity(sum);
}

export function subtractQuantity(from: string | number, value: string | number): string {
  const quantity = parseQuantity(from);
  return formatQuantity({ ...quantity, nanos: quantity.nanos - parseQuantity(value).nanos });
}

/** Thousandths, rounded up: how CPU is counted. Exact up to 2^53. */
export function toMilli(value: string | number): number {
  if (typeof value === 'string' && /^\d{1,12}m$/.test(value)) return Number(value.slice(0, -1));
  const units = fastNumber(value);
  if (units !== undefined && Math.abs(units) <= Number.MAX_SAFE_INTEGER / 1000) return units * 1000;
  return Number(roundUp(parseQuantity(value).nanos, 1_000_000n));
}

/** Whole units, rounded up: bytes, counts. Exact up to 2^53. */
export function toUnits(value: string | number): number {
  const fast = fastNumber(value);
  return fast !== undefined && Number.isInteger(fast)
    ? fast
    : Number(roundUp(parseQuantity(value).nanos, nanosPerUnit));
}

/** As a floating-point number of units. */
export function toNumber(value: string | number): number {
  const fast = fastNumber(value);
  if (fast !== undefined) return fast;
  const { nanos } = parseQuantity(value);
  return nanos % nanosPerUnit === 0n ? Number(nanos / nanosPerUnit) : Number(nanos) / 1e9;
}

const fastFactors: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
]);

/** Plain integers with a common suffix, exactly; undefined for everything else. */
function fastNumber(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  let [end, amount] = [0, 0];
  for (; end < value.length && end < 10; end++) {
    const digit = value.charCodeAt(end) - 48;
    if (digit < 0 || digit > 9) break;
    amount = amount * 10 + digit;
  }
  const factor = end === 0 ? undefined : fastFactors.get(value.slice(end));
  if (factor === undefined) return undefined;
  const units = amount * factor;
  return units <= Number.MAX_SAFE_INTEGER ? units : undefined;
}

/** Towards positive infinity for positive amounts and away from zero for negative ones, as upstream scales. */
function roundUp(nanos: bigint, by: bigint): bigint {
  return nanos < 0n ? -divideUp(-nanos, by) : divideUp(nanos, by);
}

/** The canonical text of whole units, in binary or decimal suffixes. */
export function quantityOfUnits(units: number | bigint, format: QuantityFormat = 'DecimalSI'): string {
  return formatQuantity({ nanos: BigInt(units) * nanosPerUnit, format });
}

/** The canonical text of thousandths. */
export function quantityOfMilli(milli: number | bigint): string {
  return formatQuantity({ nanos: BigInt(milli) * 1_000_000n, format: 'DecimalSI' });
}
