/**
 * What an expression can cost at most, before it is ever run. Source: github.com/google/cel-go/checker (cost.go); macros
 * are counted as what they stand for there.
 */
import { callCost, type Operand } from './call-cost.ts';
import { checkCel } from './check.ts';
import type { CelEnvironment, CelProgram } from './compile.ts';
import { either, exactly, nothing, product, sum, unknownSize, type CostRange } from './cost-range.ts';
import type { Expr } from './syntax.ts';
import { dyn, type Type } from './types.ts';

/**
 * How large what lies at a path may be, as far as that is known. A path begins with a variable, and goes on with names
 * of fields, `@items`, `@keys` and `@values`.
 */
export type SizeAt = (path: readonly string[]) => CostRange | undefined;

const one = exactly(1);
const [listCost, mapCost, structCost] = [exactly(10), exactly(30), exactly(40)];

/** The most that a run of `program` may cost. */
export function estimatedCost({ expr }: CelProgram, environment: CelEnvironment, sizeAt: SizeAt): number {
  const typeOf = new Map<Expr, Type>();
  checkCel(expr, environment.variables, environment.functions, environment.structs, typeOf);
  return new Estimation(typeOf, environment, sizeAt).cost(expr, undefined).max;
}

/** What is known of the elements of a list or a map. */
interface Entries {
  readonly of: 'list' | 'map';
  readonly key: CostRange;
  readonly value: CostRange;
}

interface Scope {
  readonly name: string;
  readonly path: readonly string[];
  readonly size: CostRange | undefined;
  readonly entries: Entries | undefined;
  readonly outer: Scope | undefined;
}

class Estimation {
  readonly #typeOf: ReadonlyMap<Expr, Type>;
  readonly #environment: CelEnvironment;
  readonly #sizeAt: SizeAt;
  readonly #paths = new Map<Expr, readonly string[]>();
  readonly #sizes = new Map<Expr, CostRange>();
  readonly #entries = new Map<Expr, Entries>();

  constructor(typeOf: ReadonlyMap<Expr, Type>, environment: CelEnvironment, sizeAt: SizeAt) {
    this.#typeOf = typeOf;
    this.#environment = environment;
    this.#sizeAt = sizeAt;
  }

  cost(expr: Expr, scope: Scope | undefined): CostRange {
    switch (expr.kind) {
      case 'literal':
        return nothing;
      case 'ident':
        this.#paths.set(expr, find(scope, expr.name)?.path ?? [expr.name]);
        return one;
      case 'select':
        return this.#select(expr, scope);
      case 'has':
        return this.cost(expr.operand, scope);
      case 'index':
        return this.#index(expr, scope);
      case 'call':
        return this.#call(expr, scope);
      case 'list': {
        const costs = expr.items.map(({ expr: item }) => this.cost(item, scope));
        const value = this.#sizesOf(
          expr.items.map(({ expr: item }) => item),
          scope,
        );
        this.#entries.set(expr, { of: 'list', key: one, value });
        return sum(...costs, listCost);
      }
      case 'map': {
        const costs = expr.entries.flatMap(({ key, value }) => [this.cost(key, scope), this.cost(value, scope)]);
        const key = this.#sizesOf(
          expr.entries.map((entry) => entry.key),
          scope,
        );
        const value = this.#sizesOf(
          expr.entries.map((entry) => entry.value),
          scope,
        );
        this.#entries.set(expr, { of: 'map', key, value });
        return sum(...costs, mapCost);
      }
      case 'struct':
        return sum(...expr.fields.map(({ value }) => this.cost(value, scope)), structCost);
      case 'and':
      case 'or':
        return eitherSide(this.cost(expr.left, scope), this.cost(expr.right, scope));
      case 'choice':
        return this.#choice(expr, scope);
      case 'each':
        return this.#each(expr, scope);
      case 'bind': {
        const init = this.cost(expr.value, scope);
        const body = this.cost(expr.body, this.#bound(expr.name, expr.value, scope));
        this.#copy(expr, expr.body, scope);
        return sum(listCost, init, body);
      }
      default:
        return this.#optMap(expr, scope);
    }
  }

  #select(expr: Expr & { kind: 'select' }, scope: Scope | undefined): CostRange {
    const operand = this.cost(expr.operand, scope);
    if (expr.optional) return sum(operand, one);
    this.#paths.set(expr, [...(this.#paths.get(expr.operand) ?? []), expr.field]);
    const { kind } = this.#type(expr.operand);
    const looksUp = kind === 'map' || kind === 'object' || kind === 'built' || kind === 'parameter';
    return looksUp ? sum(operand, one) : operand;
  }

  #index(expr: Expr & { kind: 'index' }, scope: Scope | undefined): CostRange {
    const cost = sum(this.cost(expr.operand, scope), this.cost(expr.index, scope), one);
    if (expr.optional) return cost;
    const isList = this.#type(expr.operand).kind === 'list';
    this.#paths.set(expr, [...(this.#paths.get(expr.operand) ?? []), isList ? '@items' : '@values']);
    const value = this.#entriesOf(expr.operand, scope)?.value;
    if (value !== undefined) this.#sizes.set(expr, value);
    return cost;
  }

  #call(expr: Expr & { kind: 'call' }, scope: Scope | undefined): CostRange {
    const { name, target, args } = expr;
    const costs = args.map((arg) => this.cost(arg, scope));
    const operands = args.map((arg) => this.#operand(arg, scope));
    if (name === 'dyn' && target === undefined && args[0] !== undefined) {
      this.#copy(expr, args[0], scope);
      return sum(...costs, one);
    }
    const isQualified =
      target?.kind === 'ident' &&
      find(scope, target.name) === undefined &&
      this.#environment.functions.has(`:${target.name}.${name}`);
    const method = target === undefined || isQualified ? undefined : target;
    const receiver = method === undefined ? nothing : this.cost(method, scope);
    const full = isQualified ? `${target.name}.${name}` : name;
    const result = callCost(full, method && this.#operand(method, scope), operands);
    const size = result.size ?? this.#sizeOf(expr, scope);
    if (size !== undefined) this.#sizes.set(expr, size);
    if (name === '_+_' && args[0] !== undefined && args[1] !== undefined) {
      this.#join(expr, this.#entriesOf(args[0], scope), this.#entriesOf(args[1], scope));
    }
    return sum(receiver, ...costs, result.cost);
  }

  #choice(expr: Expr & { kind: 'choice' }, scope: Scope | undefined): CostRange {
    const [test, yes, no] = [expr.test, expr.yes, expr.no].map((each) => this.cost(each, scope));
    this.#sizes.set(
      expr,
      either(this.#sizeOf(expr.yes, scope) ?? unknownSize, this.#sizeOf(expr.no, scope) ?? unknownSize),
    );
    this.#join(expr, this.#entriesOf(expr.yes, scope), this.#entriesOf(expr.no, scope));
    return sum(test!, either(yes!, no!));
  }

  #each(expr: Expr & { kind: 'each' }, scope: Scope | undefined): CostRange {
    const range = this.cost(expr.range, scope);
    const inner = this.#elements(expr, scope);
    const test = expr.test === undefined ? undefined : this.cost(expr.test, inner);
    const result = expr.result === undefined ? undefined : this.cost(expr.result, inner);
    const count = this.#sizeOf(expr.range, scope) ?? unknownSize;
    /** Of one turn, or of leaving it out. */
    const kept = (step: CostRange) => (test === undefined ? step : sum(test, either(step, one)));
    const total = (start: CostRange, step: CostRange, end = one) => sum(range, start, end, product(count, step));
    switch (expr.macro) {
      case 'all':
        this.#sizes.set(expr, one);
        return total(nothing, sum(exactly(2), eitherSide(one, test ?? nothing)));
      case 'exists':
        this.#sizes.set(expr, one);
        return total(nothing, sum(exactly(3), eitherSide(one, test ?? nothing)));
      case 'exists_one':
        this.#sizes.set(expr, one);
        return total(nothing, sum(test ?? nothing, { min: 1, max: 2 }), exactly(2));
      case 'transformMap':
        this.#sizes.set(expr, count);
        return total(mapCost, kept(sum(exactly(3), result ?? nothing)));
      default: {
        const item = expr.macro === 'filter' ? one : (result ?? nothing);
        const value =
          expr.macro === 'filter'
            ? (this.#entriesOf(expr.range, scope)?.value ?? inner.size)
            : this.#sizeOf(expr.result!, inner);
        this.#sizes.set(expr, count);
        this.#entries.set(expr, { of: 'list', key: one, value: { min: 0, max: (value ?? unknownSize).max } });
        return total(listCost, kept(sum(exactly(2), listCost, item)));
      }
    }
  }

  /** The scope in which one element of a range is looked at. */
  #elements(expr: Expr & { kind: 'each' }, outer: Scope | undefined): Scope {
    const entries = this.#entriesOf(expr.range, outer);
    const path = this.#paths.get(expr.range) ?? [];
    const isList = (entries?.of ?? this.#type(expr.range).kind) === 'list';
    const [first = '', second] = expr.names;
    const key = { path: [...path, isList ? '@indices' : '@keys'], size: entries?.key, entries: undefined };
    const value = { path: [...path, isList ? '@items' : '@values'], size: entries?.value, entries: undefined };
    if (second === undefined) return { name: first, ...(isList ? value : key), outer };
    return { name: second, ...value, outer: { name: first, ...key, outer } };
  }

  #optMap(expr: Expr & { kind: 'optMap' }, scope: Scope | undefined): CostRange {
    const target = this.cost(expr.target, scope);
    const inner: Scope = { name: expr.name, path: [], size: undefined, entries: undefined, outer: scope };
    const body = this.cost(expr.body, inner);
    const found = sum(listCost, target, one, body, expr.flat ? nothing : one);
    return sum(target, one, either(found, one));
  }

  #bound(name: string, value: Expr, outer: Scope | undefined): Scope {
    const path = this.#paths.get(value) ?? [];
    return { name, path, size: this.#sizeOf(value, outer), entries: this.#entriesOf(value, outer), outer };
  }

  #operand(expr: Expr, scope: Scope | undefined): Operand {
    const path = this.#paths.get(expr);
    const item = () => this.#entriesOf(expr, scope)?.value ?? (path && this.#sizeAt([...path, '@items']));
    return { expr, type: this.#type(expr), size: this.#sizeOf(expr, scope), itemSize: item };
  }

  #type(expr: Expr): Type {
    return this.#typeOf.get(expr) ?? dyn;
  }

  #sizesOf(exprs: readonly Expr[], scope: Scope | undefined): CostRange {
    if (exprs.length === 0) return nothing;
    return exprs.map((each) => this.#sizeOf(each, scope) ?? unknownSize).reduce(either);
  }

  #sizeOf(expr: Expr, scope: Scope | undefined): CostRange | undefined {
    const known = this.#sizes.get(expr) ?? writtenSize(expr);
    if (known !== undefined) return known;
    const path = this.#paths.get(expr);
    const found = path === undefined || path.length === 0 ? undefined : this.#sizeAt(path);
    if (found !== undefined) return found;
    if (isScalar(this.#type(expr))) return one;
    return expr.kind === 'ident' ? find(scope, expr.name)?.size : undefined;
  }

  #entriesOf(expr: Expr, scope: Scope | undefined): Entries | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? find(scope, expr.name)?.entries : undefined);
  }

  #join(expr: Expr, a: Entries | undefined, b: Entries | undefined): void {
    if (a === undefined || b === undefined) return;
    this.#entries.set(expr, { of: a.of, key: either(a.key, b.key), value: either(a.value, b.value) });
  }

  #copy(to: Expr, from: Expr, scope: Scope | undefined): void {
    const [size, entries] = [this.#sizeOf(from, scope), this.#entriesOf(from, scope)];
    if (size !== undefined) this.#sizes.set(to, size);
    if (entries !== undefined) this.#entries.set(to, entries);
  }
}

/** The left side alone may settle it. */
const eitherSide = (left: CostRange, right: CostRange): CostRange => ({ min: left.min, max: left.max + right.max });

function find(scope: Scope | undefined, name: string): Scope | undefined {
  for (let each = scope; each !== undefined; each = each.outer) if (each.name === name) return each;
  return undefined;
}

/** Of what is written out in the expression itself. */
function writtenSize(expr: Expr): CostRange | undefined {
  if (expr.kind === 'list') return exactly(expr.items.length);
  if (expr.kind === 'map') return exactly(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  if (typeof expr.value === 'string') return exactly(Array.from(expr.value).length);
  return exactly(expr.value instanceof Uint8Array ? expr.value.length : 1);
}

const scalars = new Set(['bool', 'double', 'int', 'uint', 'google.protobuf.Timestamp', 'google.protobuf.Duration']);

function isScalar(type: Type): boolean {
  return type.kind === 'optional' ? isScalar(type.value) : type.kind === 'simple' && scalars.has(type.name);
}
