/**
 * How server-side apply sees a value of a schema: as one thing that has one owner, or as parts that are owned one by
 * one. Source: sigs.k8s.io/structured-merge-diff and
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
 */
import { formatJson } from '../json.ts';
import type { ArraySchema, Field, ObjectSchema, Schema } from '../schema.ts';

export type Value = Readonly<Record<string, unknown>>;
export const isMap = (value: unknown): value is Value =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value without a schema of its own (a custom resource's): maps are owned by entry, the rest as a whole. */
const deduced: Schema = { type: 'any' };

/** A map or struct whose entries have owners of their own. */
export interface Entries {
  readonly kind: 'entries';
  /** The schema of the value under a key. */
  valueOf(key: string): Schema;
  /** True if the key is a field of a struct, and not an entry of a map. */
  isField(key: string): boolean;
  /** True if the field is there even when nobody sets it: a struct within a struct, a list that is always printed. */
  isAlwaysThere(key: string): boolean;
}

/** A list whose elements have owners of their own. */
export interface Elements {
  readonly kind: 'elements';
  readonly items: Schema;
  /** The path element of an element; undefined if it lacks a key that has no default. */
  elementOf(item: unknown): string | undefined;
}

export type Shape = Entries | Elements | undefined;

const shapes = new WeakMap<Schema, { readonly shape: Shape }>();

/** Undefined for what has one owner: scalars, and atomic lists and maps. */
export function shapeOf(schema: Schema): Shape {
  let known = shapes.get(schema);
  if (known === undefined) shapes.set(schema, (known = { shape: compile(schema) }));
  return known.shape;
}

function compile(schema: Schema): Shape {
  switch (schema.type) {
    case 'object':
      return schema.mapType === 'atomic' ? undefined : entriesOf(schema);
    case 'map':
      if (schema.mapType === 'atomic') return undefined;
      return { kind: 'entries', valueOf: () => schema.values, isField: () => false, isAlwaysThere: () => false };
    case 'any':
      // What has a name is a definition of its own (RawExtension), and owned as a whole.
      if (schema.name !== undefined) return undefined;
      return { kind: 'entries', valueOf: () => deduced, isField: () => false, isAlwaysThere: () => false };
    case 'array':
      return elementsOf(schema);
    default:
      return undefined;
  }
}

function entriesOf({ fields, required, preserveUnknownFields }: ObjectSchema): Entries {
  const own = (key: string): Field | undefined => (Object.hasOwn(fields, key) ? fields[key] : undefined);
  return {
    kind: 'entries',
    valueOf: (key) => own(key)?.schema ?? deduced,
    isField: (key) => own(key) !== undefined || preserveUnknownFields !== true,
    isAlwaysThere(key) {
      const field = own(key);
      if (field === undefined || field.pointer === true) return false;
      return field.schema.type === 'object' || (field.schema.type === 'array' && required.includes(key));
    },
  };
}

function elementsOf({ listType, listMapKeys = [], items }: ArraySchema): Elements | undefined {
  if (listType === 'set') return { kind: 'elements', items, elementOf: (item) => `v:${formatJson(item)}` };
  if (listType !== 'map') return undefined;
  const keys = listMapKeys.toSorted();
  const defaults = new Map(
    keys.map((key) => [key, items.type === 'object' ? items.fields[key]?.schema.default : undefined] as const),
  );
  return {
    kind: 'elements',
    items,
    elementOf(item) {
      if (!isMap(item)) return undefined;
      const key: Record<string, unknown> = {};
      for (const name of keys) {
        const value = item[name] ?? defaults.get(name);
        if (value === undefined) return undefined;
        key[name] = value;
      }
      return `k:${formatJson(key)}`;
    },
  };
}

/**
 * The elements of a list by their path element, in order. Undefined if they cannot be told apart: one has no key, or
 * two share one. The list then has one owner.
 */
export function byElement(elements: Elements, list: readonly unknown[]): ReadonlyMap<string, unknown> | undefined {
  const found = new Map<string, unknown>();
  for (const item of list) {
    const element = elements.elementOf(item);
    if (element === undefined || found.has(element)) return undefined;
    found.set(element, item);
  }
  return found;
}
