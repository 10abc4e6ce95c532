import { keyOf, type ApiObject } from '#machinery/object.ts';

/** `namespace/name` of an object, or `name` if it has no namespace. */
export function keyOfObject(object: ApiObject): string {
  const { name = '', namespace } = object.metadata ?? {};
  return keyOf(namespace === undefined ? { name } : { name, namespace });
}

const empty: ReadonlyMap<string, never> = new Map<string, never>();

/** Finds objects by values derived from them. Each object stands under all its values. */
class Index<T extends ApiObject> {
  readonly #valuesOf: (object: T) => readonly string[];
  readonly #buckets = new Map<string, Map<string, T>>();

  constructor(valuesOf: (object: T) => readonly string[]) {
    this.#valuesOf = valuesOf;
  }

  replace(key: string, previous: T | undefined, object: T | undefined): void {
    const before = previous === undefined ? [] : this.#valuesOf(previous);
    const after = object === undefined ? [] : this.#valuesOf(object);
    for (const value of before) {
      if (after.includes(value)) continue;
      const bucket = this.#buckets.get(value);
      bucket?.delete(key);
      if (bucket?.size === 0) this.#buckets.delete(value);
    }
    if (object === undefined) return;
    for (const value of after) {
      let bucket = this.#buckets.get(value);
      if (bucket === undefined) this.#buckets.set(value, (bucket = new Map<string, T>()));
      bucket.set(key, object);
    }
  }

  under(value: string): ReadonlyMap<string, T> {
    return this.#buckets.get(value) ?? empty;
  }
}

/** Objects of one kind by key, with indexes that always agree with them. */
export class ObjectIndex<T extends ApiObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  get size(): number {
    return this.#objects.size;
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  all(): Iterable<T> {
    return this.#objects.values();
  }

  /** Stores, or with undefined removes, what is under `key`; returns what was there. */
  set(key: string, object: T | undefined): T | undefined {
    const previous = this.#objects.get(key);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    for (const index of this.#indexes.values()) index.replace(key, previous, object);
    return previous;
  }

  hasIndex(name: string): boolean {
    return this.#indexes.has(name);
  }

  /** Builds an index from what is there and keeps it from now on. A name that is taken is left as it is. */
  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index = new Index(valuesOf);
    for (const [key, object] of this.#objects) index.replace(key, undefined, object);
    this.#indexes.set(name, index);
  }

  byIndex(name: string, value: string): Iterable<T> {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`No index "${name}" has been registered`);
    return index.under(value).values();
  }
}
