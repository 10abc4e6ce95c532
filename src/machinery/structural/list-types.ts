import { duplicate, invalid, type FieldError } from '../field-error.ts';
import { isList, isObject, schemaOfKey, type JsonSchema, type Value } from './json-schema.ts';

/**
 * Elements of sets must differ, and so must the keys of map lists. Each value is told of once, where it is met for the
 * second time. Source: apiextensions-apiserver pkg/apiserver/schema/listtype (validation.go).
 */
export function listTypeErrors(schema: JsonSchema | undefined, value: unknown, path = ''): readonly FieldError[] {
  if (schema === undefined) return [];
  if (isObject(value)) {
    return Object.entries(value).flatMap(([key, each]) => {
      const known = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
      const inside = known ? (path === '' ? key : `${path}.${key}`) : `${path}[${key}]`;
      return listTypeErrors(schemaOfKey(schema, key), each, inside);
    });
  }
  if (!isList(value)) return [];
  return [
    ...ownErrors(schema, value, path),
    ...value.flatMap((each, index) => listTypeErrors(schema.items, each, `${path}[${index}]`)),
  ];
}

function ownErrors(schema: JsonSchema, list: readonly unknown[], path: string): readonly FieldError[] {
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return repeated(list).map((index) => duplicate(`${path}[${index}]`, list[index]));
    case 'map': {
      const stranger = list.findIndex((each) => each !== null && !isObject(each));
      if (stranger >= 0) {
        const words = 'must be an object for an array of list-type map';
        return [invalid(`${path}[${stranger}]`, list[stranger], words)];
      }
      const names = schema['x-kubernetes-list-map-keys'] ?? [];
      const keys = list.map((each) => keysOf(each as Value | null, names));
      return repeated(keys).map((index) => duplicate(`${path}[${index}]`, keys[index]));
    }
    default:
      return [];
  }
}

function keysOf(item: Value | null, names: readonly string[]): Value {
  const keys: Record<string, unknown> = {};
  for (const name of names) if (item !== null && Object.hasOwn(item, name)) keys[name] = item[name];
  return keys;
}

function repeated(values: readonly unknown[]): readonly number[] {
  const seen = new Map<string, number>();
  const found: number[] = [];
  for (const [index, value] of values.entries()) {
    const text = canonical(value);
    const times = seen.get(text) ?? 0;
    if (times === 1) found.push(index);
    seen.set(text, times + 1);
  }
  return found;
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint'
      ? String(each)
      : isObject(each)
        ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : each,
  );
}
