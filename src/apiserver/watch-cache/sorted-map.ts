const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A map whose keys can be walked in order. Sorting happens only when somebody walks, so bursts of writes stay cheap. */
export class SortedMap<V> {
  readonly #map = new Map<string, V>();
  #sorted: string[] = [];
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();

  get size(): number {
    return this.#map.size;
  }

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#map.has(key) && !this.#removed.delete(key)) this.#added.add(key);
    this.#map.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#map.delete(key)) return false;
    if (!this.#added.delete(key)) this.#removed.add(key);
    return true;
  }

  /** Values in no particular order. */
  values(): Iterable<V> {
    return this.#map.values();
  }

  /** All keys in order. Valid until the next change. */
  keys(): readonly string[] {
    if (this.#removed.size > 0) this.#sorted = this.#sorted.filter((key) => !this.#removed.has(key));
    if (this.#added.size > 0) this.#sorted = [...this.#sorted, ...this.#added].sort(compare);
    this.#removed.clear();
    this.#added.clear();
    return this.#sorted;
  }

  /** Position of the first key that is not less than `key`. */
  lowerBound(key: string): number {
    const keys = this.keys();
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
