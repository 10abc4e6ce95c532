/** Gives equal strings the same small number, in order of first sight. Numbers are never reused. */
export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(first: readonly string[] = []) {
    for (const name of first) this.id(name);
  }

  get size(): number {
    return this.#names.length;
  }

  id(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#names.length;
      this.#ids.set(name, id);
      this.#names.push(name);
    }
    return id;
  }

  /** The number of a name seen before, or -1. */
  find(name: string): number {
    return this.#ids.get(name) ?? -1;
  }

  name(id: number): string {
    return this.#names[id] ?? '';
  }
}
