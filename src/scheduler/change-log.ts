/** What changed on a row. Bits, so that one entry can say several. */
export const changed = {
  /** How much of the node is used. */
  use: 1,
  /** The node itself: labels, taints, capacity, its coming or going. */
  node: 2,
  /** The change can only make room or ease a condition, so pods that did not fit may fit now. */
  eased: 4,
} as const;

const capacity = 1 << 16;

/**
 * The last 65,536 changes of the node table. A reader keeps the position up to which it has read; when it has fallen
 * further behind than the log reaches, it must start over from the whole table.
 */
export class ChangeLog {
  readonly #rows = new Int32Array(capacity);
  readonly #bits = new Uint8Array(capacity);
  #end = 0;

  /** Position after the newest entry. */
  get end(): number {
    return this.#end;
  }

  add(row: number, bits: number): void {
    const slot = this.#end % capacity;
    this.#rows[slot] = row;
    this.#bits[slot] = bits;
    this.#end++;
  }

  /** False if entries since `position` are already forgotten. */
  reaches(position: number): boolean {
    return this.#end - position <= capacity;
  }

  row(position: number): number {
    return this.#rows[position % capacity] ?? 0;
  }

  bits(position: number): number {
    return this.#bits[position % capacity] ?? 0;
  }
}
