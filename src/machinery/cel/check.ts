import type { CelFunction, FunctionTable } from './functions.ts';
import type { Expr } from './syntax.ts';
import {
  dyn,
  fits,
  join,
  listOf,
  mapOf,
  open,
  optionalOf,
  substitute,
  types,
  typeOfSchema,
  typeText,
  unescapeField,
  type Type,
} from './types.ts';

/** What is wrong with an expression before it is ever run. */
export interface Complaint {
  readonly at: number;
  readonly message: string;
}

export type Declarations = Readonly<Record<string, Type>>;

/** The types that expressions may build by their names (`Object.spec{…}`); undefined for what is none. */
export type StructTypes = (name: string) => Type | undefined;

/**
 * Infers the type of an expression; what it cannot know is `dyn`. All complaints are collected. The name of a variable
 * may have dots: the longest name that is declared counts. `typeOf` is told the type of every part.
 */
export function checkCel(
  expr: Expr,
  variables: Declarations,
  functions: FunctionTable,
  structs: StructTypes = () => undefined,
  typeOf?: Map<Expr, Type>,
): { readonly type: Type; readonly complaints: readonly Complaint[] } {
  const checker = new Checker(variables, functions, structs, typeOf);
  const type = checker.infer(expr, undefined);
  return { type: substitute(type, new Map()), complaints: checker.complaints };
}

interface Scope {
  readonly name: string;
  readonly type: Type;
  readonly outer: Scope | undefined;
}

const typeTypes: Readonly<Record<string, Type>> = {
  bool: types.bool,
  int: types.int,
  uint: types.uint,
  double: types.double,
  string: types.string,
  bytes: types.bytes,
  list: listOf(dyn),
  map: mapOf(dyn, dyn),
  null_type: types.null,
  type: dyn,
  optional_type: optionalOf(dyn),
};
const isDyn = (type: Type) => type.kind === 'simple' && type.name === 'dyn';

class Checker {
  readonly complaints: Complaint[] = [];
  readonly #variables: Declarations;
  readonly #functions: FunctionTable;
  readonly #structs: StructTypes;
  readonly #typeOf: Map<Expr, Type> | undefined;

  constructor(
    variables: Declarations,
    functions: FunctionTable,
    structs: StructTypes,
    typeOf: Map<Expr, Type> | undefined,
  ) {
    this.#typeOf = typeOf;
    this.#variables = variables;
    this.#functions = functions;
    this.#structs = structs;
  }

  infer(expr: Expr, scope: Scope | undefined): Type {
    const type = this.#infer(expr, scope);
    this.#typeOf?.set(expr, type);
    return type;
  }

  #infer(expr: Expr, scope: Scope | undefined): Type {
    switch (expr.kind) {
      case 'literal':
        return literalType(expr.value);
      case 'ident':
        return this.#ident(expr.name, expr.at, scope);
      case 'select': {
        const qualified = this.#qualified(expr, scope);
        if (qualified !== undefined) return qualified;
        const operand = this.infer(expr.operand, scope);
        const isOptional = operand.kind === 'optional' || expr.optional;
        const field = this.#field(operand.kind === 'optional' ? operand.value : operand, expr.field, expr.at);
        return isOptional ? optionalOf(field) : field;
      }
      case 'has': {
        if (this.#qualified(expr, scope) !== undefined) return types.bool;
        const operand = this.infer(expr.operand, scope);
        this.#field(operand.kind === 'optional' ? operand.value : operand, expr.field, expr.at);
        return types.bool;
      }
      case 'index':
        return this.#index(expr, scope);
      case 'call':
        return this.#call(expr, scope);
      case 'list': {
        const items = expr.items.map(({ expr: item, optional }) => {
          const type = this.infer(item, scope);
          return optional && type.kind === 'optional' ? type.value : type;
        });
        return listOf(items.length === 0 ? open : items.reduce(join));
      }
      case 'map': {
        const keys = expr.entries.map(({ key }) => this.infer(key, scope));
        const values = expr.entries.map(({ value }) => this.infer(value, scope));
        return mapOf(keys.length === 0 ? open : keys.reduce(join), values.length === 0 ? open : values.reduce(join));
      }
      case 'struct':
        return this.#struct(expr, scope);
      case 'and':
      case 'or':
        for (const side of [expr.left, expr.right])
          this.#mustBe(types.bool, side, scope, expr.kind === 'or' ? '_||_' : '_&&_');
        return types.bool;
      case 'choice': {
        this.#mustBe(types.bool, expr.test, scope, '_?_:_');
        const [yes, no] = [this.infer(expr.yes, scope), this.infer(expr.no, scope)];
        if (!fits(yes, no, new Map()) && !fits(no, yes, new Map())) {
          this.#complain(expr.at, noOverload('_?_:_', [types.bool, yes, no]));
        }
        return isDyn(yes) ? no : join(yes, no);
      }
      case 'each':
        return this.#each(expr, scope);
      case 'bind':
        return this.infer(expr.body, { name: expr.name, type: this.infer(expr.value, scope), outer: scope });
      default: {
        const target = this.infer(expr.target, scope);
        const inner = target.kind === 'optional' ? target.value : dyn;
        const body = this.infer(expr.body, { name: expr.name, type: inner, outer: scope });
        return expr.flat ? body : optionalOf(body);
      }
    }
  }

  #complain(at: number, message: string): Type {
    this.complaints.push({ at, message });
    return dyn;
  }

  #local(name: string, scope: Scope | undefined): Type | undefined {
    for (let each = scope; each !== undefined; each = each.outer) if (each.name === name) return each.type;
    return Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
  }

  #ident(name: string, at: number, scope: Scope | undefined): Type {
    const known = this.#local(name, scope);
    if (known !== undefined) return known;
    if (Object.hasOwn(typeTypes, name)) return { kind: 'type', of: typeTypes[name]! };
    return this.#complain(at, `undeclared reference to '${name}' (in container '')`);
  }

  /** A dotted name that is a variable or a type by itself. */
  #qualified(expr: Expr & { kind: 'select' | 'has' }, scope: Scope | undefined): Type | undefined {
    if (expr.kind === 'select' && expr.optional) return undefined;
    const names: string[] = [expr.field];
    let operand = expr.operand;
    while (operand.kind === 'select' && !operand.optional) {
      names.unshift(operand.field);
      operand = operand.operand;
    }
    if (operand.kind !== 'ident' || isBound(operand.name, scope)) return undefined;
    const name = [operand.name, ...names].join('.');
    if (Object.hasOwn(this.#variables, name)) return this.#variables[name];
    if (Object.hasOwn(this.#variables, operand.name)) return undefined;
    if (name === 'google.protobuf.Timestamp') return { kind: 'type', of: types.timestamp };
    return name === 'google.protobuf.Duration' ? { kind: 'type', of: types.duration } : undefined;
  }

  #field(operand: Type, field: string, at: number): Type {
    switch (operand.kind) {
      case 'object': {
        const { fields, preserveUnknownFields } = operand.schema;
        const name = Object.hasOwn(fields, field) ? field : unescapeField(field);
        if (Object.hasOwn(fields, name)) return typeOfSchema(fields[name]!.schema);
        return preserveUnknownFields === true ? dyn : this.#complain(at, `undefined field '${field}'`);
      }
      case 'map':
        return operand.value;
      case 'built':
        return dyn;
      default:
        if (isDyn(operand) || operand.kind === 'parameter') return dyn;
        return this.#complain(at, `type '${typeText(operand)}' does not support field selection`);
    }
  }

  #index(expr: Expr & { kind: 'index' }, scope: Scope | undefined): Type {
    const operand = this.infer(expr.operand, scope);
    const index = this.infer(expr.index, scope);
    const inner = operand.kind === 'optional' ? operand.value : operand;
    const wrap = (type: Type) => (operand.kind === 'optional' || expr.optional ? optionalOf(type) : type);
    const refuse = () => this.#complain(expr.at, noOverload('_[_]', [operand, index]));
    switch (inner.kind) {
      case 'list':
        return fits(types.int, index, new Map()) || fits(types.uint, index, new Map()) ? wrap(inner.item) : refuse();
      case 'map':
        return fits(inner.key, index, new Map()) ? wrap(inner.value) : refuse();
      default:
        return isDyn(inner) || inner.kind === 'parameter' ? wrap(dyn) : refuse();
    }
  }

  #struct(expr: Expr & { kind: 'struct' }, scope: Scope | undefined): Type {
    const declared = this.#structs(expr.type);
    if (declared === undefined)
      return this.#complain(expr.at, `undeclared reference to '${expr.type}' (in container '')`);
    for (const { name, value } of expr.fields) {
      const given = this.infer(value, scope);
      const wanted = this.#field(declared, name, expr.at);
      const inner = given.kind === 'optional' ? given.value : given;
      if (!fits(wanted, inner, new Map())) {
        this.#complain(
          value.at,
          `expected type of field '${name}' is '${typeText(wanted)}' but provided type is '${typeText(inner)}'`,
        );
      }
    }
    return declared;
  }

  #mustBe(wanted: Type, expr: Expr, scope: Scope | undefined, name: string): void {
    const given = this.infer(expr, scope);
    if (!fits(wanted, given, new Map())) this.#complain(expr.at, noOverload(name, [given]));
  }

  #call({ name, target, args, at }: Expr & { kind: 'call' }, scope: Scope | undefined): Type {
    if (target?.kind === 'ident' && this.#local(target.name, scope) === undefined) {
      const fn = this.#functions.get(`:${target.name}.${name}`);
      if (fn !== undefined)
        return this.#resolve(
          fn,
          args.map((arg) => this.infer(arg, scope)),
          at,
        );
    }
    const given = [...(target === undefined ? [] : [target]), ...args].map((arg) => this.infer(arg, scope));
    const fn = this.#functions.get(target === undefined ? name : `.${name}`);
    if (fn === undefined) return this.#complain(at, `undeclared reference to '${name}' (in container '')`);
    return this.#resolve(fn, given, at);
  }

  #resolve(fn: CelFunction, given: readonly Type[], at: number): Type {
    let result: Type | undefined;
    for (const overload of fn.overloads) {
      const bound = new Map<string, Type>();
      if (overload.args.length !== given.length) continue;
      if (!overload.args.every((wanted, i) => fits(wanted, given[i]!, bound))) continue;
      const type = substitute(overload.result, bound);
      result = result === undefined ? type : join(result, type);
    }
    return (
      result ??
      this.#complain(at, noOverload(fn.isMethod ? `.${fn.name}` : fn.name.replace(':', ''), given, fn.isMethod))
    );
  }

  #each(expr: Expr & { kind: 'each' }, scope: Scope | undefined): Type {
    const range = this.infer(expr.range, scope);
    const [first = '', second] = expr.names;
    let [key, value]: readonly [Type, Type] = [dyn, dyn];
    if (range.kind === 'list') [key, value] = [types.int, range.item];
    else if (range.kind === 'map') [key, value] = [range.key, range.value];
    else if (range.kind === 'object') [key, value] = [types.string, dyn];
    else if (!isDyn(range) && range.kind !== 'parameter') {
      this.#complain(
        expr.range.at,
        `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      );
    }
    const single = range.kind === 'list' ? value : key;
    const inner: Scope =
      second === undefined
        ? { name: first, type: isDyn(range) ? dyn : single, outer: scope }
        : { name: second, type: value, outer: { name: first, type: key, outer: scope } };
    if (expr.test !== undefined) this.#mustBe(types.bool, expr.test, inner, expr.macro);
    const result = expr.result === undefined ? dyn : this.infer(expr.result, inner);
    switch (expr.macro) {
      case 'all':
      case 'exists':
      case 'exists_one':
        return types.bool;
      case 'filter':
        return listOf(single);
      case 'map':
      case 'transformList':
        return listOf(result);
      default:
        return mapOf(key, result);
    }
  }
}

function isBound(name: string, scope: Scope | undefined): boolean {
  for (let each = scope; each !== undefined; each = each.outer) if (each.name === name) return true;
  return false;
}

function noOverload(name: string, given: readonly Type[], isMethod = false): string {
  const [receiver, ...rest] = given.map(typeText);
  const applied = isMethod ? `${receiver ?? ''}.(${rest.join(', ')})` : `(${given.map(typeText).join(', ')})`;
  return `found no matching overload for '${name.replace(/^\./, '')}' applied to '${applied}'`;
}

function literalType(value: unknown): Type {
  switch (typeof value) {
    case 'boolean':
      return types.bool;
    case 'bigint':
      return types.int;
    case 'number':
      return types.double;
    case 'string':
      return types.string;
    default:
      if (value === null) return types.null;
      return value instanceof Uint8Array ? types.bytes : types.uint;
  }
}
