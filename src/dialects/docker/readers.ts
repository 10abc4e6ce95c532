/**
 * Counts who still reads what a container wrote, so that a container with --rm is removed only after they have got
 * all of it: with its pod goes its log.
 */
export class Readers {
  readonly #open = new Map<string, Set<Promise<void>>>();

  /** `reading` settles when the reader is done. */
  add(id: string, reading: Promise<void>): void {
    const all = this.#open.get(id) ?? new Set();
    this.#open.set(id, all);
    const settled: Promise<void> = reading
      .catch(() => undefined)
      .finally(() => {
        all.delete(settled);
        if (all.size === 0 && this.#open.get(id) === all) this.#open.delete(id);
      });
    all.add(settled);
  }

  /** Resolves once nobody reads any more. */
  async idle(id: string): Promise<void> {
    for (let all = this.#open.get(id); all !== undefined && all.size > 0; all = this.#open.get(id))
      await Promise.all(all);
  }
}
