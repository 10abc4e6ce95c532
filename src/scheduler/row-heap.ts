/** What rows are ordered by, shared by the heaps of one evaluation: better first, and no two rows equal. */
export interface RowOrder {
  /** By row: higher is better. */
  readonly score: Float64Array;
  /** By row: among equal scores, lower is better. */
  readonly tie: Uint32Array;
  /** By row: its position in the heap that holds it, or -1. */
  readonly position: Int32Array;
  /** Decides between rows with equal scores and ties. */
  readonly nameOf: (row: number) => string;
}

/**
 * A binary heap of table rows, best on top, whose rows can change their score in place. It is put in order only when
 * it is asked for the best a second time: most demands are seen once.
 */
export class RowHeap {
  readonly #order: RowOrder;
  readonly #rows: number[] = [];
  #state: 'ordered' | 'never-asked' | 'asked-once' = 'ordered';

  constructor(order: RowOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** The best row, or -1. */
  get top(): number {
    switch (this.#state) {
      case 'ordered':
        break;
      case 'never-asked':
        this.#state = 'asked-once';
        return this.#best();
      case 'asked-once':
        this.#heapify();
    }
    return this.#rows[0] ?? -1;
  }

  has(row: number): boolean {
    const at = this.#order.position[row] ?? -1;
    return at >= 0 && this.#rows[at] === row;
  }

  rows(): readonly number[] {
    return this.#rows;
  }

  /** Adds without ordering; `disorder()` must follow. For filling a heap in one go. */
  append(row: number): void {
    this.#order.position[row] = this.#rows.length;
    this.#rows.push(row);
  }

  /** Says that rows were appended, or scores changed without `update()`. */
  disorder(): void {
    this.#state = 'never-asked';
  }

  #best(): number {
    let best = this.#rows[0] ?? -1;
    for (let at = 1; at < this.#rows.length; at++) {
      const row = this.#rows[at] ?? 0;
      if (this.#before(row, best)) best = row;
    }
    return best;
  }

  #heapify(): void {
    this.#state = 'ordered';
    for (let at = (this.#rows.length >> 1) - 1; at >= 0; at--) this.#down(at, this.#rows[at] ?? 0);
  }

  add(row: number): void {
    if (this.#state !== 'ordered') return this.append(row);
    this.#rows.push(row);
    this.#up(this.#rows.length - 1, row);
  }

  remove(row: number): void {
    const at = this.#order.position[row] ?? -1;
    if (at < 0 || this.#rows[at] !== row) return;
    this.#order.position[row] = -1;
    const last = this.#rows.pop() ?? row;
    if (last === row) return;
    this.#place(at, last);
  }

  /** Puts `row` where its present score belongs. */
  update(row: number): void {
    this.#place(this.#order.position[row] ?? 0, row);
  }

  #place(at: number, row: number): void {
    if (this.#state !== 'ordered') {
      this.#rows[at] = row;
      this.#order.position[row] = at;
    } else if (at > 0 && this.#before(row, this.#rows[(at - 1) >> 1] ?? 0)) this.#up(at, row);
    else this.#down(at, row);
  }

  #before(a: number, b: number): boolean {
    return isBefore(this.#order, a, b);
  }

  #up(from: number, row: number): void {
    const [rows, { position }] = [this.#rows, this.#order];
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = rows[parent] ?? 0;
      if (!this.#before(row, above)) break;
      rows[at] = above;
      position[above] = at;
      at = parent;
    }
    rows[at] = row;
    position[row] = at;
  }

  #down(from: number, row: number): void {
    const [rows, { position }] = [this.#rows, this.#order];
    const count = rows.length;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      const right = child + 1;
      if (right < count && this.#before(rows[right] ?? 0, rows[child] ?? 0)) child = right;
      const below = rows[child] ?? 0;
      if (!this.#before(below, row)) break;
      rows[at] = below;
      position[below] = at;
      at = child;
    }
    rows[at] = row;
    position[row] = at;
  }
}

/** True if row `a` is the better of two different rows; `bonus` is added to the score of `a` less that of `b`. */
export function isBefore({ score, tie, nameOf }: RowOrder, a: number, b: number, bonus = 0): boolean {
  const difference = (score[a] ?? 0) - (score[b] ?? 0) + bonus;
  if (difference !== 0) return difference > 0;
  const [tieA, tieB] = [tie[a] ?? 0, tie[b] ?? 0];
  return tieA === tieB ? nameOf(a) < nameOf(b) : tieA < tieB;
}
