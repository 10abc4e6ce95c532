import type { ObjectSchema, Schema } from '../schema.ts';

/** What is known of a value before it is there. `dyn` is anything. */
export type Type =
  | { readonly kind: 'simple'; readonly name: string }
  | { readonly kind: 'list'; readonly item: Type }
  | { readonly kind: 'map'; readonly key: Type; readonly value: Type }
  | { readonly kind: 'optional'; readonly value: Type }
  | { readonly kind: 'type'; readonly of: Type }
  /** A struct of a schema: its fields are known. */
  | { readonly kind: 'object'; readonly name: string; readonly schema: ObjectSchema }
  /** A struct that the expression itself builds (`Object.spec{…}`): any field. */
  | { readonly kind: 'built'; readonly name: string }
  | { readonly kind: 'parameter'; readonly name: string };

export const dyn: Type = { kind: 'simple', name: 'dyn' };
const simple = (name: string): Type => ({ kind: 'simple', name });
export const types = {
  bool: simple('bool'),
  int: simple('int'),
  uint: simple('uint'),
  double: simple('double'),
  string: simple('string'),
  bytes: simple('bytes'),
  null: simple('null_type'),
  timestamp: simple('google.protobuf.Timestamp'),
  duration: simple('google.protobuf.Duration'),
} as const;
export const listOf = (item: Type): Type => ({ kind: 'list', item });
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'map', key, value });
export const optionalOf = (value: Type): Type => ({ kind: 'optional', value });
export const opaque = simple;

/** The type of values of a schema, as upstream declares them. Source: apiextensions-apiserver/pkg/apiserver/schema/cel/model. */
export function typeOfSchema(schema: Schema): Type {
  switch (schema.type) {
    case 'boolean':
      return types.bool;
    case 'integer':
      return types.int;
    case 'number':
      return types.double;
    case 'quantity':
      return types.string;
    case 'string':
      return stringType(schema.format);
    case 'array':
      return listOf(typeOfSchema(schema.items));
    case 'map':
      return mapOf(types.string, typeOfSchema(schema.values));
    case 'object':
      return schema.preserveUnknownFields === true && Object.keys(schema.fields).length === 0
        ? dyn
        : { kind: 'object', name: schema.name ?? 'object', schema };
    default:
      return dyn;
  }
}

function stringType(format: string | undefined): Type {
  switch (format) {
    case 'byte':
      return types.bytes;
    case 'date':
    case 'date-time':
    case 'micro-time':
      return types.timestamp;
    case 'duration':
      return types.duration;
    default:
      return types.string;
  }
}

export function typeText(type: Type): string {
  switch (type.kind) {
    case 'simple':
    case 'object':
    case 'built':
      return type.name;
    case 'parameter':
      return 'dyn';
    case 'list':
      return `list(${typeText(type.item)})`;
    case 'map':
      return `map(${typeText(type.key)}, ${typeText(type.value)})`;
    case 'optional':
      return `optional_type(${typeText(type.value)})`;
    default:
      return `type(${typeText(type.of)})`;
  }
}

const isDyn = (type: Type) => type.kind === 'simple' && type.name === 'dyn';

const isNull = (type: Type) => type.kind === 'simple' && type.name === 'null_type';
const neverNull = new Set(['bool', 'int', 'uint', 'double', 'string', 'bytes']);
/** Structs, times and values of libraries may be null; lists, maps and scalars never are. */
const isNullable = (type: Type) =>
  type.kind === 'object' ||
  type.kind === 'built' ||
  type.kind === 'optional' ||
  (type.kind === 'simple' && !neverNull.has(type.name));

/** Of the elements of an empty list, and of an empty map's: whatever is wanted of them. */
export const open: Type = { kind: 'parameter', name: '_' };

/** Whether a value of type `given` may stand where `wanted` is; binds parameters of `wanted`. */
export function fits(wanted: Type, given: Type, bound: Map<string, Type>): boolean {
  if (wanted.kind === 'parameter') {
    const known = bound.get(wanted.name);
    if (known === undefined || isDyn(known) || known.kind === 'parameter') {
      bound.set(wanted.name, given);
      return true;
    }
    if (fits(known, given, bound)) return true;
    if (!fits(given, known, bound)) return false;
    bound.set(wanted.name, given);
    return true;
  }
  if (isDyn(wanted) || isDyn(given) || given.kind === 'parameter') return true;
  if ((isNull(given) && isNullable(wanted)) || (isNull(wanted) && isNullable(given))) return true;
  if (wanted.kind !== given.kind) {
    // A struct is a map of whatever, and what an expression builds is a struct.
    const loose = (type: Type) => type.kind === 'object' || type.kind === 'built' || type.kind === 'map';
    return loose(wanted) && loose(given);
  }
  switch (wanted.kind) {
    case 'simple':
    case 'built':
      return wanted.name === (given as typeof wanted).name;
    case 'object':
      return wanted.schema === (given as typeof wanted).schema || wanted.name === (given as typeof wanted).name;
    case 'list':
      return fits(wanted.item, (given as typeof wanted).item, bound);
    case 'map':
      return (
        fits(wanted.key, (given as typeof wanted).key, bound) &&
        fits(wanted.value, (given as typeof wanted).value, bound)
      );
    case 'optional':
      return fits(wanted.value, (given as typeof wanted).value, bound);
    default:
      return true;
  }
}

/** `type` with its parameters as they were bound; `dyn` for those that were not. */
export function substitute(type: Type, bound: ReadonlyMap<string, Type>): Type {
  switch (type.kind) {
    case 'parameter':
      return bound.get(type.name) ?? dyn;
    case 'list':
      return listOf(substitute(type.item, bound));
    case 'map':
      return mapOf(substitute(type.key, bound), substitute(type.value, bound));
    case 'optional':
      return optionalOf(substitute(type.value, bound));
    case 'type':
      return { kind: 'type', of: substitute(type.of, bound) };
    default:
      return type;
  }
}

/** The narrowest type that both fit. */
export function join(a: Type, b: Type): Type {
  if (a.kind === 'parameter') return b;
  if (b.kind === 'parameter') return a;
  if (a.kind === 'list' && b.kind === 'list') return listOf(join(a.item, b.item));
  if (a.kind === 'map' && b.kind === 'map') return mapOf(join(a.key, b.key), join(a.value, b.value));
  if (a.kind === 'optional' && b.kind === 'optional') return optionalOf(join(a.value, b.value));
  return typeText(a) === typeText(b) ? a : dyn;
}

/**
 * Names of fields that are no identifiers, or that CEL has reserved, are written with escapes.
 * Source: https://kubernetes.io/docs/reference/using-api/cel/#escaping
 */
export function unescapeField(name: string): string {
  if (!name.includes('__')) return name;
  const keyword =
    /^__(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while)__$/.exec(
      name,
    );
  if (keyword?.[1] !== undefined) return keyword[1];
  return name.replaceAll(/__(underscores|dot|dash|slash)__/g, (_, word: string) => escapes[word] ?? '');
}
const escapes: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' };
