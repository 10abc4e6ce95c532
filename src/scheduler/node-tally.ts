import type { Tally } from './domain-tally.ts';
import { RowTally, type RowCount } from './row-tally.ts';

/**
 * Counts occupants of each node by itself. Its domains are the counts: nodes with equally many are one, whatever their
 * number, so that a decision looks at a handful of counts where there are thousands of nodes.
 */
export class NodeTally extends RowTally implements Tally {
  readonly followsUse = true;
  /** By `count`, or `count+expected`: the number of the domain. */
  readonly #ids = new Map<number | string, number>();
  readonly #domains: RowCount[] = [];
  /** Count → participating nodes that have it. */
  readonly #nodes = new Map<number, number>();
  #total = 0;
  #size = 0;
  #lowest: number | undefined;

  domainOf(row: number): number {
    this.refresh();
    const { table, topologyKey } = this.options;
    if (table.labels.get(row, topologyKey) === undefined) return -1;
    const [count, expected] = [this.countOf(row), this.expectedOf(row)];
    const key = expected === 0 ? count : `${count}+${expected}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#domains.length;
      this.#ids.set(key, id);
      this.#domains.push({ count, expected });
    }
    return id;
  }

  count(domain: number): number {
    return this.#domains[domain]?.count ?? 0;
  }

  countWithExpected(domain: number): number {
    const { count = 0, expected = 0 } = this.#domains[domain] ?? {};
    return count + expected;
  }

  get total(): number {
    this.refresh();
    return this.#total;
  }

  get size(): number {
    this.refresh();
    return this.#size;
  }

  get lowest(): number {
    this.refresh();
    this.#lowest ??= this.#nodes.size === 0 ? 0 : Math.min(...this.#nodes.keys());
    return this.#lowest;
  }

  protected override takePart(_: number, { count }: RowCount, by: 1 | -1): void {
    this.#countNodes(count, by);
    this.#total += by * count;
    this.#size += by;
  }

  protected override recount(_: number, before: RowCount, after: RowCount): void {
    if (before.count === after.count) return;
    this.#countNodes(before.count, -1);
    this.#countNodes(after.count, 1);
    this.#total += after.count - before.count;
  }

  #countNodes(count: number, by: 1 | -1): void {
    const nodes = (this.#nodes.get(count) ?? 0) + by;
    if (nodes === 0) this.#nodes.delete(count);
    else this.#nodes.set(count, nodes);
    // Another lowest count appears, or the last node at the lowest one has gone.
    if (this.#lowest !== undefined && (nodes === 0 || count < this.#lowest)) this.#lowest = undefined;
  }
}
