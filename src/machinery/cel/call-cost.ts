/**
 * What calls of functions cost at most, by the sizes of what they work on. Numbers and rules are part of the API: they
 * decide which rules a definition may have. Source: github.com/google/cel-go/checker (cost.go) and
 * k8s.io/apiserver/pkg/cel/library (cost.go).
 */
import { either, exactly, nothing, product, scaled, sum, unknownSize, type CostRange } from './cost-range.ts';
import type { Expr } from './syntax.ts';
import type { Type } from './types.ts';

/** Something that a function works on. */
export interface Operand {
  readonly expr: Expr;
  readonly type: Type;
  readonly size: CostRange | undefined;
  /** Of its elements, if it is a list whose elements' size is known. */
  itemSize(): CostRange | undefined;
}

export interface CallCost {
  readonly cost: CostRange;
  readonly size?: CostRange;
}

const perCharacter = 0.1;
const perPatternCharacter = 0.25;
const formatPatternMax = 128;
const checkCost = 350_000;
const addressBytes: CostRange = { min: 4, max: 16 };

/** What takes at most so many characters to write. */
const briefMax = 32;
const writtenBriefly = ['bool', 'int', 'uint', 'double', 'google.protobuf.Timestamp', 'google.protobuf.Duration'];

const one = exactly(1);
const sizeOf = (operand: Operand | undefined) => operand?.size ?? unknownSize;
const traversed = (size: CostRange, factor = perCharacter): CallCost => ({ cost: scaled(size, factor) });
const isSimple = ({ type }: Operand, ...names: readonly string[]) =>
  type.kind === 'simple' && names.includes(type.name);
const isOpen = ({ type }: Operand) => type.kind === 'parameter' || (type.kind === 'simple' && type.name === 'dyn');

/** Without the cost of its operands. `name` is that of the table, without dots before it; `target` that of a method. */
export function callCost(name: string, target: Operand | undefined, args: readonly Operand[]): CallCost {
  const [first, second] = args;
  switch (name) {
    case 'check':
      return { cost: exactly(checkCost) };
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf':
      return target === undefined ? { cost: one } : overList(target);
    case 'url':
    case 'jsonpatch.escapeKey':
      return { ...traversed(sizeOf(first)), size: sizeOf(first) };
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { ...traversed(sizeOf(target)), size: sizeOf(target) };
    case 'replace':
      return { ...traversed(sizeOf(target), 2 * perCharacter), size: replacedSize(target, first, second) };
    case 'split':
      return { ...traversed(sizeOf(target), 2 * perCharacter), size: { min: 0, max: partsMax(target, second) } };
    case 'join': {
      const size = joinedSize(target, first);
      return { ...traversed(size), size };
    }
    case 'find':
    case 'findAll':
      return { cost: patternCost(target, first), size: { min: 0, max: sizeOf(target).max } };
    case 'matches':
      return target === undefined ? { cost: one } : { cost: patternCost(target, first) };
    case 'contains':
      return { cost: product(scaled(sizeOf(target), perCharacter), scaled(sizeOf(first), perCharacter)) };
    case 'startsWith':
    case 'endsWith':
    case 'cidr':
    case 'isIP':
    case 'isCIDR':
    case 'quantity':
    case 'isQuantity':
    case 'semver':
    case 'isSemver':
      return traversed(sizeOf(first));
    case 'ip':
      return target === undefined ? traversed(sizeOf(first)) : { cost: one };
    case 'ip.isCanonical':
      return traversed(sizeOf(first), 2 * perCharacter);
    case 'containsIP':
      return { cost: sum(scaled(sum(addressBytes, addressBytes), perCharacter), parsed(first)) };
    case 'containsCIDR':
      return {
        cost: sum(
          scaled(sum(addressBytes, addressBytes), perCharacter),
          scaled(addressBytes, perCharacter),
          one,
          parsed(first),
        ),
      };
    case 'validate':
      return { cost: scaled(scaled(sizeOf(first), perCharacter), formatPatternMax * perPatternCharacter) };
    case 'format':
      return traversed(sizeOf(target));
    case 'sets.contains':
    case 'sets.intersects':
    case 'sets.equivalent':
      return { cost: sum(scaled(product(sizeOf(first), sizeOf(second)), name === 'sets.equivalent' ? 2 : 1), one) };
    case '@in':
      return second !== undefined && second.type.kind === 'map' ? { cost: one } : { cost: sizeOf(second) };
    case 'bytes':
      if (first === undefined || !isSimple(first, 'string')) return { cost: one };
      return { ...traversed(sizeOf(first)), size: { min: sizeOf(first).min, max: sizeOf(first).max * 4 } };
    case 'string':
      // Upstream knows no bound here, and so refuses what its own documentation shows as an example:
      // https://github.com/kubernetes/kubernetes/issues/124234
      if (first !== undefined && isSimple(first, ...writtenBriefly))
        return { cost: one, size: { min: 1, max: briefMax } };
      if (first === undefined || !isSimple(first, 'bytes')) return { cost: one };
      return { ...traversed(sizeOf(first)), size: { min: Math.floor(sizeOf(first).min / 4), max: sizeOf(first).max } };
    default:
      return first === undefined || second === undefined ? { cost: one } : operatorCost(name, first, second);
  }
}

function operatorCost(name: string, a: Operand, b: Operand): CallCost {
  switch (name) {
    case '_+_':
      return addition(a, b);
    case '_==_':
    case '_!=_':
      return { cost: comparison(a, b) };
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_': {
      const ofTexts = [a, b].some((each) => isSimple(each, 'string', 'bytes'));
      if (ofTexts) return { cost: comparison(a, b) };
      return { cost: isOpen(a) && isOpen(b) ? either(one, comparison(a, b)) : one };
    }
    default:
      return { cost: one };
  }
}

function addition(a: Operand, b: Operand): CallCost {
  const size = sum(sizeOf(a), sizeOf(b));
  if (a.type.kind === 'list' || b.type.kind === 'list') return { cost: one, size };
  if ([a, b].some((each) => isSimple(each, 'string', 'bytes'))) return { cost: scaled(size, perCharacter), size };
  return isOpen(a) && isOpen(b) ? { cost: either(one, scaled(size, perCharacter)), size } : { cost: one };
}

/** Equal sizes are all that is ever compared to the end. */
function comparison(a: Operand, b: Operand): CostRange {
  const max = Math.min(sizeOf(a).max, sizeOf(b).max);
  return scaled({ min: max > 0 ? 1 : 0, max }, perCharacter);
}

function overList(target: Operand): CallCost {
  if (target.type.kind !== 'list') return traversed(sizeOf(target));
  const { item } = target.type;
  const isText = item.kind === 'simple' && (item.name === 'string' || item.name === 'bytes');
  const each = isText ? sum(one, scaled(target.itemSize() ?? unknownSize, perCharacter)) : one;
  return { cost: product(sizeOf(target), each) };
}

/** The product of both lengths; an empty text still costs. */
function patternCost(target: Operand | undefined, pattern: Operand | undefined): CostRange {
  return product(scaled(sum(sizeOf(target), one), perCharacter), scaled(sizeOf(pattern), perPatternCharacter));
}

const parsed = (operand: Operand | undefined): CostRange =>
  operand !== undefined && isSimple(operand, 'string') ? scaled(sizeOf(operand), perCharacter) : nothing;

function partsMax(target: Operand | undefined, limit: Operand | undefined): number {
  const given = limit?.expr.kind === 'literal' && typeof limit.expr.value === 'bigint' ? Number(limit.expr.value) : -1;
  return given >= 0 ? given : sizeOf(target).max;
}

function joinedSize(target: Operand | undefined, separator: Operand | undefined): CostRange {
  const list = sizeOf(target);
  const items = target?.type.kind === 'list' ? product(list, target.itemSize() ?? unknownSize) : nothing;
  if (separator === undefined) return items;
  const gaps = { min: Math.max(0, list.min - 1), max: Math.max(0, list.max - 1) };
  return sum(items, product(sizeOf(separator), gaps));
}

function replacedSize(target: Operand | undefined, from: Operand | undefined, to: Operand | undefined): CostRange {
  const [size, before, after] = [sizeOf(target), sizeOf(from), sizeOf(to)];
  const longest =
    before.min === 0
      ? size.max + (size.max + 1) * after.max
      : after.max <= before.min
        ? size.max
        : Math.ceil(size.max / before.min) * after.max;
  const shortest =
    before.max === 0
      ? size.min + (size.min + 1) * after.min
      : before.max <= after.min
        ? size.min
        : Math.ceil(size.min / before.max) * after.min;
  return { min: shortest, max: Number.isNaN(longest) ? Infinity : longest };
}
