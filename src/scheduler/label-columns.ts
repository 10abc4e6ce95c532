/** Interned values of one label key: a column with the value's number for every row, or -1 where the label is absent. */
export interface LabelColumn {
  /** Row → number of its value, or -1. Shared and live: read only. */
  readonly rows: Int32Array;
  /** Number → value. */
  readonly values: readonly string[];
  /** Value → number. */
  readonly ids: ReadonlyMap<string, number>;
}

interface MutableColumn {
  rows: Int32Array;
  values: string[];
  ids: Map<string, number>;
  /** Rows that have the label. */
  present: number;
  /** Number → rows that have that value. */
  holders: number[];
  /** Values that several rows have. */
  shared: number;
}

/** Unused values a column may carry before it is numbered anew (autoscaled nodes bring ever new host names). */
const staleValuesMax = 1024;

/** The labels of all nodes, one column a key. A value's number doubles as the number of its topology domain. */
export class LabelColumns {
  #size: number;
  readonly #columns = new Map<string, MutableColumn>();
  readonly #renumbered: () => void;

  /**
   * `renumbered` is called when numbers of values change or values that were unique are so no more, and with that
   * everything derived from them.
   */
  constructor(size: number, renumbered: () => void) {
    this.#size = size;
    this.#renumbered = renumbered;
  }

  grow(size: number): void {
    this.#size = size;
    for (const column of this.#columns.values()) {
      const rows = new Int32Array(size).fill(-1);
      rows.set(column.rows);
      column.rows = rows;
    }
  }

  /** Undefined if no node has the label. */
  column(key: string): LabelColumn | undefined {
    return this.#columns.get(key);
  }

  /** True if no two rows have the same value of the label. */
  isUnique(key: string): boolean {
    return (this.#columns.get(key)?.shared ?? 0) === 0;
  }

  get(row: number, key: string): string | undefined {
    const column = this.#columns.get(key);
    if (column === undefined) return undefined;
    const id = column.rows[row] ?? -1;
    return id < 0 ? undefined : column.values[id];
  }

  /** Replaces the labels of `row`; true if they differ from what was there. */
  set(row: number, previous: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
    let differs = false;
    for (const key in previous) {
      if (labels[key] === undefined) {
        this.#clear(row, key);
        differs = true;
      }
    }
    for (const key in labels) {
      const value = labels[key] ?? '';
      if (previous[key] !== value) {
        this.#put(row, key, value);
        differs = true;
      }
    }
    return differs;
  }

  #put(row: number, key: string, value: string): void {
    let column = this.#columns.get(key);
    if (column === undefined) {
      column = {
        rows: new Int32Array(this.#size).fill(-1),
        values: [],
        ids: new Map(),
        present: 0,
        holders: [],
        shared: 0,
      };
      this.#columns.set(key, column);
    }
    const before = column.rows[row] ?? -1;
    if (before === -1) column.present++;
    else this.#hold(column, before, -1);
    column.rows[row] = -1;
    let id = column.ids.get(value);
    if (id === undefined) {
      if (column.values.length > 2 * column.present + staleValuesMax) this.#renumber(column);
      id = column.values.length;
      column.values.push(value);
      column.holders.push(0);
      column.ids.set(value, id);
    }
    column.rows[row] = id;
    this.#hold(column, id, 1);
  }

  #hold(column: MutableColumn, id: number, by: 1 | -1): void {
    const holders = (column.holders[id] ?? 0) + by;
    column.holders[id] = holders;
    if (by === -1 && holders === 1) column.shared--;
    if (by === 1 && holders === 2 && column.shared++ === 0) this.#renumbered(); // values are unique no more
  }

  #clear(row: number, key: string): void {
    const column = this.#columns.get(key);
    if (column === undefined || column.rows[row] === -1) return;
    this.#hold(column, column.rows[row] ?? 0, -1);
    column.rows[row] = -1;
    column.present--;
    if (column.present === 0) {
      this.#columns.delete(key);
      this.#renumbered();
    }
  }

  #renumber(column: MutableColumn): void {
    const old = column.values;
    column.values = [];
    column.holders = [];
    column.ids = new Map();
    for (let row = 0; row < column.rows.length; row++) {
      const id = column.rows[row] ?? -1;
      if (id < 0) continue;
      const value = old[id] ?? '';
      let fresh = column.ids.get(value);
      if (fresh === undefined) {
        fresh = column.values.length;
        column.values.push(value);
        column.holders.push(0);
        column.ids.set(value, fresh);
      }
      column.rows[row] = fresh;
      column.holders[fresh] = (column.holders[fresh] ?? 0) + 1;
    }
    this.#renumbered();
  }
}
