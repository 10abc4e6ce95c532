import { accepts, type CallContext, type CelFunction, type FunctionTable } from './functions.ts';
import type { Expr, Literal } from './syntax.ts';
import { unescapeField } from './types.ts';
import {
  BuiltMap,
  BuiltStruct,
  CelError,
  celText,
  isCelMap,
  isList,
  JsonMap,
  Optional,
  TypeValue,
  typeNameOf,
  Uint,
  type CelMap,
  type CelValue,
} from './values.ts';

/** Counts what evaluations cost; several may share one. Source: k8s.io/apiserver/pkg/apis/cel (PerCallLimit). */
export class CelBudget implements CallContext {
  #left: number;

  constructor(limit: number) {
    this.#left = limit;
  }

  get left(): number {
    return this.#left;
  }

  readonly charge = (cost: number): void => {
    this.#left -= cost;
    if (this.#left < 0) throw new CostExceeded();
  };
}

/** Nothing absorbs this one, not even `||`. */
export class CostExceeded extends CelError {
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

/** Values of an expression's variables; a function is only called if the expression asks for the variable. */
export type Bindings = Readonly<Record<string, CelValue | (() => CelValue)>>;

interface Scope {
  readonly name: string;
  readonly value: CelValue;
  readonly outer: Scope | undefined;
}

/** One evaluation of a parsed expression. Throws CelError. */
export function evaluate(expr: Expr, bindings: Bindings, functions: FunctionTable, budget: CelBudget): CelValue {
  return new Evaluation(bindings, functions, budget).value(expr, undefined);
}

const qualifiedTypes = new Set(['google.protobuf.Timestamp', 'google.protobuf.Duration']);
const typeNames = new Set([
  'bool',
  'int',
  'uint',
  'double',
  'string',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
  'optional_type',
]);

class Evaluation {
  readonly #bindings: Bindings;
  readonly #functions: FunctionTable;
  readonly #budget: CelBudget;
  readonly #lazy = new Map<string, CelValue>();

  constructor(bindings: Bindings, functions: FunctionTable, budget: CelBudget) {
    this.#bindings = bindings;
    this.#functions = functions;
    this.#budget = budget;
  }

  value(expr: Expr, scope: Scope | undefined): CelValue {
    this.#budget.charge(1);
    switch (expr.kind) {
      case 'literal':
        return literal(expr.value);
      case 'ident':
        return this.#variable(expr.name, scope);
      case 'select':
        return this.#select(expr, scope);
      case 'has': {
        if (this.#isVariable(qualifiedName(expr.operand, expr.field), scope)) return true;
        const operand = this.value(expr.operand, scope);
        if (operand instanceof Optional) return operand.value !== undefined && hasField(operand.value, expr.field);
        return hasField(operand, expr.field);
      }
      case 'index':
        return this.#index(expr, scope);
      case 'call':
        return this.#call(expr, scope);
      case 'list': {
        const items: CelValue[] = [];
        for (const { expr: item, optional } of expr.items) {
          const value = this.value(item, scope);
          if (!optional) items.push(value);
          else if (optionalValue(value) !== undefined) items.push(optionalValue(value)!);
        }
        return items;
      }
      case 'map': {
        const map = new BuiltMap();
        for (const { key, value, optional } of expr.entries) {
          const [k, v] = [this.value(key, scope), this.value(value, scope)];
          const present = optional ? optionalValue(v) : v;
          if (present !== undefined) map.set(k, present);
        }
        return map;
      }
      case 'struct': {
        const map = new BuiltStruct(expr.type);
        for (const { name, value, optional } of expr.fields) {
          const v = this.value(value, scope);
          const present = optional ? optionalValue(v) : v;
          if (present !== undefined) map.set(unescapeField(name), present);
        }
        return map;
      }
      case 'and':
      case 'or':
        return this.#logic(expr.left, expr.right, expr.kind === 'or', scope);
      case 'choice': {
        const test = this.value(expr.test, scope);
        if (typeof test !== 'boolean') throw noOverload('_?_:_', [test]);
        return this.value(test ? expr.yes : expr.no, scope);
      }
      case 'each':
        return this.#each(expr, scope);
      case 'bind':
        return this.value(expr.body, { name: expr.name, value: this.value(expr.value, scope), outer: scope });
      default: {
        const target = this.value(expr.target, scope);
        if (!(target instanceof Optional)) throw noOverload(expr.flat ? 'optFlatMap' : 'optMap', [target]);
        if (target.value === undefined) return target;
        const result = this.value(expr.body, { name: expr.name, value: target.value, outer: scope });
        return expr.flat ? result : new Optional(result);
      }
    }
  }

  #variable(name: string, scope: Scope | undefined): CelValue {
    for (let each = scope; each !== undefined; each = each.outer) if (each.name === name) return each.value;
    if (Object.hasOwn(this.#bindings, name)) {
      const bound = this.#bindings[name]!;
      if (typeof bound !== 'function') return bound;
      const known = this.#lazy.get(name);
      if (known !== undefined) return known;
      const value = bound();
      this.#lazy.set(name, value);
      return value;
    }
    if (typeNames.has(name)) return new TypeValue(name);
    throw new CelError(`undeclared reference to '${name}'`);
  }

  #select({ operand, field, optional }: Expr & { kind: 'select' }, scope: Scope | undefined): CelValue {
    const qualified = optional ? undefined : qualifiedName(operand, field);
    if (qualified !== undefined) {
      if (this.#isVariable(qualified, scope)) return this.#variable(qualified, undefined);
      if (qualifiedTypes.has(qualified) && this.#isUnbound(qualified, scope)) return new TypeValue(qualified);
    }
    const value = this.value(operand, scope);
    const inner = value instanceof Optional ? value.value : value;
    if (value instanceof Optional || optional) {
      const found = inner === undefined ? undefined : fieldOf(inner, field);
      return new Optional(found);
    }
    const found = fieldOf(value, field);
    if (found === undefined) throw new CelError(`no such key: ${unescapeField(field)}`);
    return found;
  }

  /** A variable whose name has dots, and that no variable of a macro hides. */
  #isVariable(qualified: string | undefined, scope: Scope | undefined): qualified is string {
    if (qualified === undefined || !Object.hasOwn(this.#bindings, qualified)) return false;
    const [first = ''] = qualified.split('.');
    for (let each = scope; each !== undefined; each = each.outer) if (each.name === first) return false;
    return true;
  }

  /** A dotted name whose first word is no variable: a type (`google.protobuf.Timestamp`). */
  #isUnbound(qualified: string, scope: Scope | undefined): boolean {
    const [first = ''] = qualified.split('.');
    for (let each = scope; each !== undefined; each = each.outer) if (each.name === first) return false;
    return !Object.hasOwn(this.#bindings, first);
  }

  #index({ operand, index, optional }: Expr & { kind: 'index' }, scope: Scope | undefined): CelValue {
    const value = this.value(operand, scope);
    const key = this.value(index, scope);
    const inner = value instanceof Optional ? value.value : value;
    if (value instanceof Optional || optional) {
      return new Optional(inner === undefined ? undefined : elementOf(inner, key));
    }
    const found = elementOf(value, key);
    if (found !== undefined) return found;
    throw new CelError(`${isList(value) ? 'index out of bounds' : 'no such key'}: ${celText(key)}`);
  }

  /** An error on one side counts only if the other does not settle it. */
  #logic(left: Expr, right: Expr, settles: boolean, scope: Scope | undefined): boolean {
    let failure: unknown;
    for (const side of [left, right]) {
      try {
        const value = this.value(side, scope);
        if (value === settles) return settles;
        if (typeof value !== 'boolean') failure ??= noOverload(settles ? '_||_' : '_&&_', [value]);
      } catch (error) {
        if (!(error instanceof CelError) || error instanceof CostExceeded) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !settles;
  }

  #call({ name, target, args }: Expr & { kind: 'call' }, scope: Scope | undefined): CelValue {
    if (target !== undefined) {
      const qualified = this.#qualifiedFunction(target, name, scope);
      if (qualified !== undefined)
        return this.#run(
          qualified,
          args.map((arg) => this.value(arg, scope)),
        );
    }
    const fn = this.#functions.get(target === undefined ? name : `.${name}`);
    if (fn === undefined) throw new CelError(`undeclared reference to '${name}'`);
    const values = [...(target === undefined ? [] : [target]), ...args].map((arg) => this.value(arg, scope));
    return this.#run(fn, values);
  }

  /** `optional.of(…)`, `ip.isCanonical(…)`: functions whose names have dots. */
  #qualifiedFunction(target: Expr, name: string, scope: Scope | undefined): CelFunction | undefined {
    if (target.kind !== 'ident') return undefined;
    const fn = this.#functions.get(`:${target.name}.${name}`);
    return fn !== undefined && this.#isUnbound(target.name, scope) ? fn : undefined;
  }

  #run(fn: CelFunction, values: readonly CelValue[]): CelValue {
    for (const { args, call } of fn.overloads) {
      if (args.length === values.length && args.every((type, i) => accepts(type, values[i]!))) {
        return call(this.#budget, ...(values as never[]));
      }
    }
    throw noOverload(fn.name, values);
  }

  #each(expr: Expr & { kind: 'each' }, scope: Scope | undefined): CelValue {
    const range = this.value(expr.range, scope);
    if (!isList(range) && !isCelMap(range)) throw noOverload(expr.macro, [range]);
    const [first, second] = expr.names;
    const inner = (key: CelValue, value: CelValue): Scope => {
      if (second === undefined) return { name: first!, value: isList(range) ? value : key, outer: scope };
      return { name: second, value, outer: { name: first!, value: key, outer: scope } };
    };
    const scopes = function* (): Iterable<Scope & { key: CelValue }> {
      if (isList(range)) {
        for (const [index, value] of range.entries()) yield { ...inner(BigInt(index), value), key: BigInt(index) };
      } else for (const key of range.keys()) yield { ...inner(key, range.get(key)!), key };
    };
    return this.#gather(expr, scopes());
  }

  #gather(
    { macro, test, result }: Expr & { kind: 'each' },
    scopes: Iterable<Scope & { readonly key: CelValue }>,
  ): CelValue {
    const holds = (scope: Scope): boolean => {
      const value = this.value(test!, scope);
      if (typeof value !== 'boolean') throw noOverload(macro, [value]);
      return value;
    };
    switch (macro) {
      case 'all':
      case 'exists': {
        const settles = macro === 'exists';
        let failure: unknown;
        for (const scope of scopes) {
          try {
            if (holds(scope) === settles) return settles;
          } catch (error) {
            if (!(error instanceof CelError) || error instanceof CostExceeded) throw error;
            failure ??= error;
          }
        }
        if (failure !== undefined) throw failure;
        return !settles;
      }
      case 'exists_one': {
        let count = 0;
        for (const scope of scopes) if (holds(scope)) count++;
        return count === 1;
      }
      case 'filter': {
        const kept: CelValue[] = [];
        for (const scope of scopes) if (holds(scope)) kept.push(scope.value);
        return kept;
      }
      case 'map':
      case 'transformList': {
        const made: CelValue[] = [];
        for (const scope of scopes) if (test === undefined || holds(scope)) made.push(this.value(result!, scope));
        return made;
      }
      default: {
        const map = new BuiltMap();
        for (const scope of scopes)
          if (test === undefined || holds(scope)) map.set(scope.key, this.value(result!, scope));
        return map;
      }
    }
  }
}

function literal(value: Literal): CelValue {
  if (typeof value === 'object' && value !== null && 'uint' in value) return new Uint(value.uint);
  return value;
}

function optionalValue(value: CelValue): CelValue | undefined {
  if (!(value instanceof Optional))
    throw new CelError(`cannot initialize optional entry from non-optional value ${typeNameOf(value)}`);
  return value.value;
}

function noOverload(name: string, values: readonly CelValue[]): CelError {
  return new CelError(`no such overload: ${name}(${values.map(typeNameOf).join(', ')})`);
}

/** `a.b.c`, if the operand is nothing but names. */
function qualifiedName(operand: Expr, field: string): string | undefined {
  if (operand.kind === 'ident') return `${operand.name}.${field}`;
  if (operand.kind !== 'select' || operand.optional) return undefined;
  const outer = qualifiedName(operand.operand, operand.field);
  return outer === undefined ? undefined : `${outer}.${field}`;
}

function fieldOf(value: CelValue, field: string): CelValue | undefined {
  if (!isCelMap(value)) throw new CelError(`no such overload: ${typeNameOf(value)} has no field ${field}`);
  return getField(value, field);
}

/** As written or, in JSON, with its escapes undone. */
function getField(map: CelMap, field: string): CelValue | undefined {
  const value = map.get(field);
  return value === undefined && map instanceof JsonMap ? map.get(unescapeField(field)) : value;
}

function hasField(value: CelValue, field: string): boolean {
  if (!isCelMap(value)) throw new CelError(`no such overload: has() on ${typeNameOf(value)}`);
  return getField(value, field) !== undefined;
}

function elementOf(value: CelValue, key: CelValue): CelValue | undefined {
  if (isCelMap(value)) return value.get(key);
  if (!isList(value)) throw noOverload('_[_]', [value, key]);
  const index = typeof key === 'bigint' ? Number(key) : key instanceof Uint ? Number(key.value) : key;
  if (typeof index !== 'number' || !Number.isInteger(index)) throw noOverload('_[_]', [value, key]);
  return value[index];
}
