import type { Schema } from '../schema.ts';
import { isMember, type Fields } from './fields.ts';
import { byElement, isMap, shapeOf, type Elements, type Entries, type Value } from './shape.ts';

/**
 * `live` with everything that `config` sets. Elements of lists have the order of `config`; those that only `live` has
 * come as early as their own order allows. Source: structured-merge-diff typed/merge.go.
 */
export function mergeFields(schema: Schema, live: unknown, config: unknown): unknown {
  if (config === undefined || live === config) return live;
  if (live === undefined) return config;
  const shape = shapeOf(schema);
  if (shape?.kind === 'entries' && isMap(live) && isMap(config)) return mergeEntries(shape, live, config);
  if (shape?.kind === 'elements' && Array.isArray(live) && Array.isArray(config)) {
    return mergeElements(shape, live, config) ?? config;
  }
  return config;
}

function mergeEntries(shape: Entries, live: Value, config: Value): Value {
  let result: Record<string, unknown> | undefined;
  for (const key of Object.keys(config)) {
    const old = Object.hasOwn(live, key) ? live[key] : undefined;
    const value = mergeFields(shape.valueOf(key), old, config[key]);
    if (value !== old) (result ??= { ...live })[key] = value;
  }
  return result ?? live;
}

function mergeElements(
  shape: Elements,
  live: readonly unknown[],
  config: readonly unknown[],
): readonly unknown[] | undefined {
  const [olds, nows] = [byElement(shape, live), byElement(shape, config)];
  if (olds === undefined || nows === undefined) return undefined;
  const order = [...olds.keys()];
  const result: unknown[] = [];
  let next = 0;
  /** Those of `live` alone up to `end`; with what is in `config`, its own order counts. */
  const passTo = (end: number) => {
    for (; next < end; next++) if (!nows.has(order[next]!)) result.push(olds.get(order[next]!));
  };
  for (const [element, item] of nows) {
    while (next < order.length && !nows.has(order[next]!)) passTo(next + 1);
    const at = order.indexOf(element, next);
    if (at >= 0) {
      passTo(at);
      next = at + 1;
    }
    result.push(mergeFields(shape.items, olds.get(element), item));
  }
  passTo(order.length);
  return result.length === live.length && result.every((item, index) => item === live[index]) ? live : result;
}

/**
 * `merged` without what the manager had applied before (`last`) and nobody manages any more (`managed` is what all
 * managers have now). What goes takes along what lies below it, unless somebody manages that.
 * Source: structured-merge-diff merge/update.go (prune).
 */
export function pruneFields(
  schema: Schema,
  merged: unknown,
  last: Fields | undefined,
  managed: Fields | undefined,
): unknown {
  if (last === undefined) return merged;
  const shape = shapeOf(schema);
  if (shape?.kind === 'entries' && isMap(merged)) return pruneEntries(shape, merged, last, managed);
  if (shape?.kind === 'elements' && Array.isArray(merged)) return pruneElements(shape, merged, last, managed);
  return merged;
}

/** A field of a struct is meant wherever something below it is; entries and elements are members by themselves. */
const isMeant = (node: Fields | undefined, isField: boolean) => node !== undefined && (isField || isMember(node));

function pruneEntries(shape: Entries, merged: Value, last: Fields, managed: Fields | undefined): Value {
  let result: Record<string, unknown> | undefined;
  for (const key of Object.keys(merged)) {
    const element = `f:${key}`;
    const mine = last[element];
    if (mine === undefined) continue;
    const theirs = managed?.[element];
    const isField = shape.isField(key);
    if (isMeant(mine, isField) && !isMeant(theirs, isField)) {
      delete (result ??= { ...merged })[key];
      continue;
    }
    const value = pruneFields(shape.valueOf(key), merged[key], mine, theirs);
    if (value !== merged[key]) (result ??= { ...merged })[key] = value;
  }
  return result ?? merged;
}

function pruneElements(
  shape: Elements,
  merged: readonly unknown[],
  last: Fields,
  managed: Fields | undefined,
): readonly unknown[] {
  let changed = false;
  const kept: unknown[] = [];
  for (const item of merged) {
    const element = shape.elementOf(item);
    const mine = element === undefined ? undefined : last[element];
    const theirs = element === undefined ? undefined : managed?.[element];
    if (mine !== undefined && isMember(mine) && !isMeant(theirs, false)) {
      changed = true;
      continue;
    }
    const value = pruneFields(shape.items, item, mine, theirs);
    changed ||= value !== item;
    kept.push(value);
  }
  return changed ? kept : merged;
}
