import { isDeepStrictEqual } from 'node:util';
import type { Schema } from '../schema.ts';
import { nodeOf, type Fields } from './fields.ts';
import { byElement, isMap, shapeOf, type Elements, type Entries, type Value } from './shape.ts';

/** Three sets of paths: what the new value has in addition, no longer, or otherwise. */
export interface Comparison {
  readonly added: Fields | undefined;
  readonly removed: Fields | undefined;
  readonly modified: Fields | undefined;
}

const same: Comparison = { added: undefined, removed: undefined, modified: undefined };

/** How `after` differs from `before`, both of `schema`. Parts that are the same object are not looked at. */
export function compareFields(schema: Schema, before: unknown, after: unknown): Comparison {
  return compare(schema, before, after).below;
}

/** What a value's own path and the paths below it are in. */
interface Verdict {
  readonly own: 'same' | 'added' | 'removed' | 'modified';
  readonly below: Comparison;
}

const unchanged: Verdict = { own: 'same', below: same };

function compare(schema: Schema, before: unknown, after: unknown): Verdict {
  if (before === after) return unchanged;
  const own = before === undefined ? 'added' : after === undefined ? 'removed' : 'same';
  const shape = shapeOf(schema);
  if (shape?.kind === 'entries') {
    const maps = (before === undefined || isMap(before)) && (after === undefined || isMap(after));
    if (maps) return { own, below: compareEntries(shape, before ?? none, after ?? none) };
  } else if (shape?.kind === 'elements') {
    const lists = compareElements(shape, before, after);
    if (lists !== undefined) return { own, below: lists };
  }
  if (own !== 'same') return { own, below: same };
  return isDeepStrictEqual(before, after) ? unchanged : { own: 'modified', below: same };
}

const none: Value = {};

class Collector {
  #added: Record<string, Fields> | undefined;
  #removed: Record<string, Fields> | undefined;
  #modified: Record<string, Fields> | undefined;

  add(element: string, { own, below }: Verdict): void {
    const [added, removed, modified] = [
      nodeOf(own === 'added', below.added),
      nodeOf(own === 'removed', below.removed),
      nodeOf(own === 'modified', below.modified),
    ];
    if (added !== undefined) (this.#added ??= {})[element] = added;
    if (removed !== undefined) (this.#removed ??= {})[element] = removed;
    if (modified !== undefined) (this.#modified ??= {})[element] = modified;
  }

  get result(): Comparison {
    return { added: this.#added, removed: this.#removed, modified: this.#modified };
  }
}

function compareEntries(shape: Entries, before: Value, after: Value): Comparison {
  const collector = new Collector();
  const look = (key: string) => {
    const [old, now] = [before[key], after[key]];
    if (old === now) return;
    const verdict = compare(shape.valueOf(key), old, now);
    // A struct within a struct does not come or go by itself: only what is in it does.
    const own = shape.isAlwaysThere(key) && verdict.own !== 'modified' ? 'same' : verdict.own;
    collector.add(`f:${key}`, { own: own, below: verdict.below });
  };
  for (const key of Object.keys(after).toSorted()) look(key);
  for (const key in before) if (!Object.hasOwn(after, key)) look(key);
  return collector.result;
}

/** Undefined if elements cannot be told apart. */
function compareElements(shape: Elements, before: unknown, after: unknown): Comparison | undefined {
  const [old, now] = [before ?? [], after ?? []];
  if (!Array.isArray(old) || !Array.isArray(now)) return undefined;
  const [olds, nows] = [byElement(shape, old), byElement(shape, now)];
  if (olds === undefined || nows === undefined) return undefined;
  const collector = new Collector();
  for (const [element, item] of nows) {
    const was = olds.get(element);
    if (was === item && olds.has(element)) continue;
    collector.add(element, compare(shape.items, was, item));
  }
  for (const [element, item] of olds)
    if (!nows.has(element)) collector.add(element, compare(shape.items, item, undefined));
  return collector.result;
}
