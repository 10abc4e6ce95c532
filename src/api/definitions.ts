/**
 * The schemas of Kubernetes' definitions, by OpenAPI name. They stand in `schemas/*.json`, one table a package, which
 * is read when the first of its definitions is asked for; a definition's fields are unfolded when they are first
 * looked at. Everything is kept afterwards.
 *
 * A table maps a definition's short name to a row: `f` fields, `r` required ones, `g` the group versions it is a kind
 * of, `m` map type, `u` unions, `a` instead of `f` for free-form values. A field is `[number, type, extras?]`; the
 * number is a path where JSON inlines what protobuf nests. Types: `*T` Go pointer, `[]T` list, `{}T` map of strings,
 * a scalar (`=` after it: published with its zero value as default), or a definition (`package#Name` of another
 * package). Extras: `d` default, `l` list type, `k` list map keys, `m` map type, `s` patch strategies, `p` patch merge
 * key, `x` further extensions.
 */
import { readFileSync } from 'node:fs';
import type {
  AnySchema,
  ArraySchema,
  Field,
  GroupVersionKind,
  MapSchema,
  ObjectSchema,
  Schema,
} from '#machinery/schema.ts';

/** `[number, type, extras?]` */
export type FieldRow = readonly [number | readonly number[], string, Extras?];
export interface Extras {
  readonly d?: unknown;
  readonly l?: 'atomic' | 'set' | 'map';
  readonly k?: readonly string[];
  readonly m?: 'atomic' | 'granular';
  readonly s?: readonly ('merge' | 'replace' | 'retainKeys')[];
  readonly p?: string;
  readonly x?: Readonly<Record<string, unknown>>;
}
export interface Row {
  readonly f?: Readonly<Record<string, FieldRow>>;
  readonly r?: readonly string[];
  readonly g?: readonly string[];
  readonly m?: 'atomic' | 'granular';
  readonly u?: readonly unknown[];
  readonly a?: 'any' | 'object';
}

const none: readonly string[] = [];
const runtimePackage = 'io.k8s.apimachinery.pkg.runtime';

const tables = new Map<string, Readonly<Record<string, Row>>>();
const resolved = new Map<string, ObjectSchema | AnySchema>();

/** The schema of an OpenAPI definition with fields, e.g. `io.k8s.api.core.v1.Pod`. Throws on an unknown name. */
export function definition(name: string): ObjectSchema {
  const schema = schemaOf(name);
  if (schema.type !== 'object') throw new Error(`${name} has no fields`);
  return schema;
}

/** The schema of any definition, free-form ones such as `RawExtension` included. Throws on an unknown name. */
export function schemaOf(name: string): ObjectSchema | AnySchema {
  let schema = resolved.get(name);
  if (schema !== undefined) return schema;
  const dot = name.lastIndexOf('.');
  const pkg = name.slice(0, dot);
  const short = name.slice(dot + 1);
  const row = pkg === runtimePackage ? { a: 'object' as const } : tableOf(pkg)[short];
  if (row === undefined) throw new Error(`unknown definition ${name}`);
  if (row.a === undefined) schema = new Definition(name, pkg, row);
  else if (short.startsWith('JSONSchemaPropsOr')) schema = new SchemaOr(name, `${pkg}.JSONSchemaProps`);
  else schema = { type: 'any', ...(row.a === 'object' ? { object: true } : {}), name };
  resolved.set(name, schema);
  return schema;
}

function tableOf(pkg: string): Readonly<Record<string, Row>> {
  let table = tables.get(pkg);
  if (table === undefined) {
    const file = tableFileOf(pkg);
    table = JSON.parse(readFileSync(new URL(`./schemas/${file}.json`, import.meta.url), 'utf8')) as Record<string, Row>;
    tables.set(pkg, table);
  }
  return table;
}

/** The table of a package: `core.v1`, and of packages of our own `tutti-scheduling.v1`. */
export function tableFileOf(pkg: string): string {
  const [group = '', version = ''] = pkg.split('.').slice(-2);
  return `${pkg.startsWith('dev.tutti.') ? 'tutti-' : ''}${group}.${version}`;
}

/** A JSON schema, or a boolean or list in its place: OpenAPI has no words for it. */
class SchemaOr implements AnySchema {
  readonly type = 'any';
  readonly name: string;
  readonly #objects: string;

  constructor(name: string, objects: string) {
    this.name = name;
    this.#objects = objects;
  }

  get objects(): ObjectSchema {
    return definition(this.#objects);
  }
}

class Definition implements ObjectSchema {
  readonly type = 'object';
  readonly zeroIsAbsent = true;
  readonly name: string;
  readonly required: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[];
  readonly unions?: readonly unknown[];
  readonly #pkg: string;
  readonly #row: Row;
  #fields: Readonly<Record<string, Field>> | undefined;

  constructor(name: string, pkg: string, row: Row, extras: Extras = {}) {
    this.name = name;
    this.required = row.r ?? none;
    const mapType = extras.m ?? row.m;
    if (mapType !== undefined) this.mapType = mapType;
    if (extras.s !== undefined) this.patchStrategy = extras.s;
    if (row.u !== undefined) this.unions = row.u;
    this.#pkg = pkg;
    this.#row = row;
  }

  get fields(): Readonly<Record<string, Field>> {
    if (this.#fields === undefined) {
      const fields: Record<string, Field> = Object.create(null);
      for (const [name, row] of Object.entries(this.#row.f ?? {})) fields[name] = fieldOf(row, this.#pkg);
      this.#fields = fields;
    }
    return this.#fields;
  }

  get kinds(): readonly GroupVersionKind[] {
    const kind = this.name.slice(this.name.lastIndexOf('.') + 1);
    return (this.#row.g ?? none).map((text) => {
      const slash = text.indexOf('/');
      return slash < 0
        ? { group: '', version: text, kind }
        : { group: text.slice(0, slash), version: text.slice(slash + 1), kind };
    });
  }

  /** The same definition where a field that refers to it says how it merges. */
  with(extras: Extras): ObjectSchema {
    return new Definition(this.name, this.#pkg, this.#row, extras);
  }
}

const empty: Extras = {};

function fieldOf([number, code, extras = empty]: FieldRow, pkg: string): Field {
  const pointer = code.startsWith('*');
  const schema = typeOf(pointer ? code.slice(1) : code, pkg, extras);
  const path = typeof number === 'number' ? undefined : number;
  const last = path === undefined ? (number as number) : path.at(-1)!;
  return {
    schema,
    ...(last === 0 ? {} : { number: last }),
    ...(path === undefined ? {} : { within: path.slice(0, -1) }),
    ...(pointer ? { pointer } : {}),
  };
}

/** Scalars without extras are one object each, shared by all fields of that type. */
const scalars: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  byte: { type: 'string', format: 'byte' },
  time: { type: 'string', format: 'date-time' },
  microtime: { type: 'string', format: 'micro-time' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  integer: { type: 'integer' },
  double: { type: 'number', format: 'double' },
  number: { type: 'number' },
  bool: { type: 'boolean' },
  quantity: { type: 'quantity' },
  intorstring: { type: 'int-or-string' },
  'string=': { type: 'string', default: '' },
  'int32=': { type: 'integer', format: 'int32', default: 0 },
  'int64=': { type: 'integer', format: 'int64', default: 0 },
  'bool=': { type: 'boolean', default: false },
};

function typeOf(code: string, pkg: string, extras: Extras): Schema {
  if (code.startsWith('[]')) return arrayOf(typeOf(code.slice(2), pkg, empty), extras);
  if (code.startsWith('{}')) return mapOf(typeOf(code.slice(2), pkg, empty), extras);
  const scalar = scalars[code];
  if (scalar !== undefined) {
    if (extras.d === undefined && extras.x === undefined) return scalar;
    return {
      ...scalar,
      ...(extras.d === undefined ? {} : { default: extras.d }),
      ...(extras.x === undefined ? {} : { extensions: extras.x }),
    };
  }
  const hash = code.indexOf('#');
  const schema = schemaOf(hash < 0 ? `${pkg}.${code}` : `${code.slice(0, hash)}.${code.slice(hash + 1)}`);
  return schema instanceof Definition && (extras.m !== undefined || extras.s !== undefined)
    ? schema.with(extras)
    : schema;
}

function arrayOf(items: Schema, extras: Extras): ArraySchema {
  return {
    type: 'array',
    items,
    ...(extras.l === undefined ? {} : { listType: extras.l }),
    ...(extras.k === undefined ? {} : { listMapKeys: extras.k }),
    ...(extras.s === undefined ? {} : { patchStrategy: extras.s }),
    ...(extras.p === undefined ? {} : { patchMergeKey: extras.p }),
  };
}

function mapOf(values: Schema, extras: Extras): MapSchema {
  return { type: 'map', values, ...(extras.m === undefined ? {} : { mapType: extras.m }) };
}
