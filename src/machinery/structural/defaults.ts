import { isList, isObject, schemaOfKey, type JsonSchema, type Value } from './json-schema.ts';

/**
 * Fills in the defaults of a structural schema. A null where none may be is taken for absence: replaced by the default,
 * or dropped if there is none. What needs no change stays the very same object.
 * Source: apiextensions-apiserver pkg/apiserver/schema/defaulting (algorithm.go, prunenulls.go).
 */
export function withDefaults(schema: JsonSchema | undefined, value: unknown): unknown {
  if (schema === undefined) return value;
  if (isObject(value)) return objectWithDefaults(schema, value);
  if (!isList(value)) return value;
  const { items } = schema;
  if (items === undefined) return value;
  let target: unknown[] | undefined;
  for (const [index, before] of value.entries()) {
    const given = isForbiddenNull(before, items) && items.default !== undefined ? items.default : before;
    const after = withDefaults(items, given);
    if (after !== before) (target ??= value.slice())[index] = after;
  }
  return target ?? value;
}

function objectWithDefaults(schema: JsonSchema, source: Value): Value {
  let target: Record<string, unknown> | undefined;
  for (const key of Object.keys(source)) {
    const before = source[key];
    const sub = schemaOfKey(schema, key);
    if (sub === undefined) continue;
    if (isForbiddenNull(before, sub)) {
      target ??= { ...source };
      if (sub.default === undefined) delete target[key];
      else target[key] = withDefaults(sub, sub.default);
      continue;
    }
    const after = withDefaults(sub, before);
    if (after !== before) (target ??= { ...source })[key] = after;
  }
  for (const [key, sub] of Object.entries(schema.properties ?? {})) {
    if (sub.default === undefined || Object.hasOwn(target ?? source, key)) continue;
    (target ??= { ...source })[key] = withDefaults(sub, sub.default);
  }
  return target ?? source;
}

const isForbiddenNull = (value: unknown, schema: JsonSchema) => value === null && schema.nullable !== true;
