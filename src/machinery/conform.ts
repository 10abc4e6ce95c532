/**
 * One walk over a value and its schema: checks types, prunes unknown fields, applies the schema's defaults and
 * brings quantities and times into the form they are stored in. It does what decoding into Go structs does upstream,
 * with its words for what is wrong, so that what Tutti stores is what Kubernetes would have stored:
 *
 * - `null` is absence; in a list or map it is the zero value of its elements.
 * - In Go structs (`zeroIsAbsent`) a zero scalar that is no pointer is absence too, and so are optional lists and maps
 *   that are empty: what is stored upstream cannot tell them from absent ones.
 * - Published defaults apply to what is absent, zero ones included: those are the fields Go always prints. Required
 *   lists and maps, and `spec`, become empty ones for the same reason.
 *
 * Values are never changed: a part that needs no change is the very same object in the result. Objects whose keys
 * could reach a prototype (`__proto__`) are refused, as is anything nested deeper than `nestingMax`.
 *
 * Schemas are compiled into closures on first use, one a schema object, and kept as long as the schema lives.
 */
import { checkScalar } from './conform-scalar.ts';
import { goTypeOf, jsonTypeOf } from './go-type.ts';
import { nestingMax } from './json.ts';
import type { ArraySchema, Field, MapSchema, ObjectSchema, Schema } from './schema.ts';
import { zeroOf } from './zero.ts';

/** Problems named in one result; more are not looked for. */
const problemsMax = 100;

export interface Conformed {
  /** Conforms only if there are no errors. */
  readonly value: unknown;
  /** Paths of the fields that the schema does not know, and that `value` lacks. */
  readonly unknown: readonly string[];
  /** What could not be read, each naming its path. */
  readonly errors: readonly string[];
}

/** Never throws, whatever `value` is; conforming the result again changes nothing. */
export function conform(schema: ObjectSchema, value: unknown): Conformed {
  const run: Run = { path: [], unknown: [], errors: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    run.errors.push(`json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type ${goTypeOf(schema)}`);
    return { value, unknown: run.unknown, errors: run.errors };
  }
  return { value: compiled(schema)(value, run, ''), unknown: run.unknown, errors: run.errors };
}

/** The state of one walk. */
export interface Run {
  /** Keys and indexes that lead to the value being checked. */
  readonly path: (string | number)[];
  readonly unknown: string[];
  readonly errors: string[];
}

/** Gives the value to store; `owner` is the struct whose field it is, for messages. */
type Check = (value: unknown, run: Run, owner: string) => unknown;
type Value = Readonly<Record<string, unknown>>;

interface CompiledField {
  readonly check: Check;
  /** True for a value that means absent. */
  readonly isDropped: ((value: unknown) => boolean) | undefined;
  /** What an absent field becomes. */
  readonly fill: (() => unknown) | undefined;
}

const checks = new WeakMap<ObjectSchema, Check>();

function compiled(schema: ObjectSchema): Check {
  let check = checks.get(schema);
  if (check === undefined) {
    check = compileObject(schema);
    checks.set(schema, check);
  }
  return check;
}

function compile(schema: Schema): Check {
  switch (schema.type) {
    case 'object':
      // Definitions may contain themselves: compile what is inside when it is first met.
      return (value, run, owner) => compiled(schema)(value, run, owner);
    case 'array':
      return compileArray(schema);
    case 'map':
      return compileMap(schema);
    case 'any':
      return (value, run, owner) => {
        if (schema.object === true && (typeof value !== 'object' || Array.isArray(value)))
          return mismatch(value, schema, run, owner);
        if (schema.objects !== undefined && typeof value === 'object' && !Array.isArray(value)) {
          return compiled(schema.objects)(value, run, owner);
        }
        return checkFree(value, run, run.path.length);
      };
    case 'string':
      if (schema.format !== undefined || schema.enum !== undefined) break;
      return (value, run, owner) => (typeof value === 'string' ? value : mismatch(value, schema, run, owner));
    case 'boolean':
      return (value, run, owner) => (typeof value === 'boolean' ? value : mismatch(value, schema, run, owner));
    default:
      break;
  }
  return (value, run, owner) => {
    const result = checkScalar(schema, value);
    if (result.problem === undefined) return result.value;
    if (result.problem === 'type') return mismatch(value, schema, run, owner);
    return failed(`${pathOf(run)}: ${result.problem}`, value, run);
  };
}

function compileObject(schema: ObjectSchema): Check {
  const fields = new Map<string, CompiledField>();
  const filled: [string, CompiledField & { fill: () => unknown }][] = [];
  for (const [name, field] of Object.entries(schema.fields)) {
    const compiledField = compileField(name, field, schema);
    fields.set(name, compiledField);
    const { fill } = compiledField;
    if (fill !== undefined) filled.push([name, { ...compiledField, fill }]);
  }
  const keepUnknown = schema.preserveUnknownFields === true;
  const name = structName(schema);

  return (value, run, owner) => {
    if (typeof value !== 'object' || Array.isArray(value)) return mismatch(value, schema, run, owner);
    if (run.path.length > nestingMax) return tooDeep(value, run);
    const source = value as Value;
    let target: Record<string, unknown> | undefined;
    for (const key in source) {
      const before = source[key];
      const field = fields.get(key);
      let after: unknown;
      if (field === undefined) {
        if (keepUnknown && key !== '__proto__') after = checkFreeAt(key, before, run);
        else if (run.unknown.length < problemsMax) run.unknown.push(pathOf(run, key));
      } else if (before !== null && before !== undefined && field.isDropped?.(before) !== true) {
        run.path.push(key);
        after = field.check(before, run, name);
        run.path.pop();
      }
      if (target === undefined) {
        if (after === before && before !== undefined) continue;
        target = keysBefore(source, key);
      }
      if (after !== undefined) target[key] = after;
    }
    for (const [key, field] of filled) {
      if ((target ?? source)[key] !== undefined) continue;
      target ??= { ...source };
      run.path.push(key);
      target[key] = field.check(field.fill(), run, name);
      run.path.pop();
    }
    return target ?? source;
  };
}

function compileField(name: string, field: Field, owner: ObjectSchema): CompiledField {
  const { schema } = field;
  const isZero = zeroTest(schema, !owner.required.includes(name));
  const drops = owner.zeroIsAbsent === true && field.pointer !== true && isZero?.(schema.default) === false;
  return { check: compile(schema), isDropped: drops ? isZero : undefined, fill: fillOf(name, field, owner) };
}

/** What a value of `schema` is when Go does not write it; undefined where it always does. */
function zeroTest(schema: Schema, isOptional: boolean): ((value: unknown) => boolean) | undefined {
  if (isPlain(schema)) {
    const zero = schema.type === 'string' ? '' : schema.type === 'boolean' ? false : 0;
    return (value) => value === zero;
  }
  if (!isOptional) return undefined;
  switch (schema.type) {
    case 'int-or-string':
      return (value) => value === 0;
    case 'array':
      return (value) => Array.isArray(value) && value.length === 0;
    case 'map':
      return isEmptyMap;
    default:
      return undefined;
  }
}

function isEmptyMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const _ in value) return false;
  return true;
}

/** Times are structs in Go, and quantities too: only plain scalars vanish when they are zero. */
function isPlain(schema: Schema): boolean {
  if (schema.type === 'string') return schema.format !== 'date-time' && schema.format !== 'micro-time';
  return schema.type === 'integer' || schema.type === 'number' || schema.type === 'boolean';
}

function fillOf(name: string, { schema, pointer }: Field, owner: ObjectSchema): (() => unknown) | undefined {
  if (schema.default !== undefined) {
    const value = schema.default;
    return () => value;
  }
  if (owner.zeroIsAbsent !== true || pointer === true) return undefined;
  if (schema.type === 'array' && owner.required.includes(name)) return () => [];
  if (schema.type === 'map' && owner.required.includes(name)) return () => ({});
  if (schema.type === 'object' && name === 'spec') return () => ({});
  return undefined;
}

function compileArray(schema: ArraySchema): Check {
  const check = compile(schema.items);
  const zero = () => zeroOf(schema.items);
  return (value, run, owner) => {
    if (!Array.isArray(value)) return mismatch(value, schema, run, owner);
    const source: readonly unknown[] = value;
    let target: unknown[] | undefined;
    for (let index = 0; index < source.length; index++) {
      const before = source[index];
      run.path.push(index);
      const after =
        before === null || before === undefined ? checkZero(zero, check, run, owner) : check(before, run, owner);
      run.path.pop();
      if (after !== before) target ??= source.slice();
      if (target !== undefined) target[index] = after;
    }
    return target ?? source;
  };
}

function checkZero(zero: () => unknown, check: Check, run: Run, owner: string): unknown {
  const value = zero();
  return value === null ? null : check(value, run, owner);
}

function compileMap(schema: MapSchema): Check {
  const check = compile(schema.values);
  const zero = () => zeroOf(schema.values);
  return (value, run, owner) => {
    if (typeof value !== 'object' || Array.isArray(value)) return mismatch(value, schema, run, owner);
    const source = value as Value;
    let target: Record<string, unknown> | undefined;
    for (const key in source) {
      if (key === '__proto__') return forbiddenKey(value, run);
      const before = source[key];
      run.path.push(key);
      const after =
        before === null || before === undefined ? checkZero(zero, check, run, owner) : check(before, run, owner);
      run.path.pop();
      if (target === undefined) {
        if (after === before) continue;
        target = keysBefore(source, key);
      }
      target[key] = after;
    }
    return target ?? source;
  };
}

/** A free-form value is kept as it is, if it is one that can be kept at all. */
function checkFree(value: unknown, run: Run, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > nestingMax) return tooDeep(value, run);
  if (Array.isArray(value)) {
    for (const each of value as readonly unknown[]) checkFree(each, run, depth + 1);
    return value;
  }
  for (const key in value) {
    if (key === '__proto__') return forbiddenKey(value, run);
    checkFree((value as Value)[key], run, depth + 1);
  }
  return value;
}

function checkFreeAt(key: string, value: unknown, run: Run): unknown {
  run.path.push(key);
  const result = checkFree(value, run, run.path.length);
  run.path.pop();
  return result;
}

/** A copy of the fields that come before `key`. */
function keysBefore(source: Value, key: string): Record<string, unknown> {
  const target: Record<string, unknown> = {};
  for (const each in source) {
    if (each === key) break;
    target[each] = source[each];
  }
  return target;
}

function mismatch(value: unknown, schema: Schema, run: Run, owner: string): unknown {
  const what = typeof value === 'number' || typeof value === 'bigint' ? `number ${value}` : jsonTypeOf(value);
  const path = pathOf(run);
  const where = owner === '' ? path : `${owner}.${path}`;
  return failed(`json: cannot unmarshal ${what} into Go struct field ${where} of type ${goTypeOf(schema)}`, value, run);
}

const tooDeep = (value: unknown, run: Run) =>
  failed(`${pathOf(run).slice(0, 100)}…: nested deeper than ${nestingMax} levels`, value, run);
const forbiddenKey = (value: unknown, run: Run) =>
  failed(`${pathOf(run)}: the key "__proto__" is not allowed`, value, run);

function failed(message: string, value: unknown, run: Run): unknown {
  if (run.errors.length < problemsMax) run.errors.push(message);
  return value;
}

/** `spec.containers[0].image`. */
function pathOf(run: Run, key?: string): string {
  let text = '';
  for (const step of key === undefined ? run.path : [...run.path, key]) {
    text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  }
  return text;
}

/** The struct's name as Go prints it: `PodSpec`. */
function structName({ name }: ObjectSchema): string {
  return name === undefined ? '' : name.slice(name.lastIndexOf('.') + 1);
}
