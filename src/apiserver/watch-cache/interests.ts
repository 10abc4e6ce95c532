import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { fieldValue } from '../registry/selection.ts';
import type { CacheEvent } from './cache-event.ts';
import type { Watcher } from './watcher.ts';

/** Adds to the set under `key`, making it on first use. */
function add<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function remove<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}

/**
 * Who must be woken for an event. Watchers that demand one value of a field (an agent: `spec.nodeName=n1`) are
 * found by it, those of one namespace by that, so that five thousand agents do not each look at every pod.
 */
export class Interests<T extends ApiObject> {
  readonly #kind: Kind<T>;
  readonly #everywhere = new Set<Watcher<T>>();
  readonly #byNamespace = new Map<string, Set<Watcher<T>>>();
  readonly #byField = new Map<string, Map<string, Set<Watcher<T>>>>();
  readonly #all = new Set<Watcher<T>>();

  constructor(kind: Kind<T>) {
    this.#kind = kind;
  }

  get all(): ReadonlySet<Watcher<T>> {
    return this.#all;
  }

  add(watcher: Watcher<T>): void {
    this.#all.add(watcher);
    const { exact } = watcher.selection;
    if (exact !== undefined) {
      const values = this.#byField.get(exact.field) ?? new Map<string, Set<Watcher<T>>>();
      this.#byField.set(exact.field, values);
      add(values, exact.value, watcher);
    } else if (watcher.namespace !== undefined) add(this.#byNamespace, watcher.namespace, watcher);
    else this.#everywhere.add(watcher);
  }

  delete(watcher: Watcher<T>): void {
    this.#all.delete(watcher);
    const { exact } = watcher.selection;
    if (exact !== undefined) {
      const values = this.#byField.get(exact.field);
      if (values !== undefined) remove(values, exact.value, watcher);
      if (values?.size === 0) this.#byField.delete(exact.field);
    } else if (watcher.namespace !== undefined) remove(this.#byNamespace, watcher.namespace, watcher);
    else this.#everywhere.delete(watcher);
  }

  wake(event: CacheEvent<T>, position: number): void {
    for (const watcher of this.#everywhere) watcher.wake(position);
    if (this.#byNamespace.size > 0) {
      for (const watcher of this.#byNamespace.get(event.subject.namespace ?? '') ?? []) watcher.wake(position);
    }
    for (const [field, values] of this.#byField) {
      const now = event.current && this.#valueOf(event.current, field);
      const before = event.previous && this.#valueOf(event.previous, field);
      if (now !== undefined) for (const watcher of values.get(now) ?? []) watcher.wake(position);
      if (before !== undefined && before !== now)
        for (const watcher of values.get(before) ?? []) watcher.wake(position);
    }
  }

  #valueOf(item: NonNullable<CacheEvent<T>['current']>, field: string): string {
    if (field === 'metadata.name') return item.name;
    if (field === 'metadata.namespace') return item.namespace ?? '';
    return fieldValue(this.#kind, item.object, field);
  }
}
