import { NodeTally } from './node-tally.ts';
import { RowTally, type RowCount, type TallyOptions } from './row-tally.ts';

/** Counts of occupants by topology domain. Domains are numbered from 0. */
export interface Tally extends Disposable {
  /**
   * True if the number that `domainOf()` gives changes with what runs on the row: then it names nodes that are alike,
   * not nodes that are together.
   */
  readonly followsUse: boolean;
  /** The number of the row's domain, or -1 if its node lacks the label. A number keeps its meaning. */
  domainOf(row: number): number;
  count(domain: number): number;
  /** With pods that are nominated to the domain but not there yet: they may stand in the way, and help nobody. */
  countWithExpected(domain: number): number;
  /** Of all domains together. */
  readonly total: number;
  /** Domains with at least one participating node. */
  readonly size: number;
  /** The lowest count of a domain with participating nodes; 0 if there is none. */
  readonly lowest: number;
}

export const hostnameKey = 'kubernetes.io/hostname';

/** Where every node is a domain of its own, nodes with equal counts stand for one: there are few counts and many nodes. */
export function tallyOf(options: TallyOptions): Tally {
  const { table, topologyKey } = options;
  const alone = topologyKey === hostnameKey && table.labels.isUnique(topologyKey);
  return alone ? new NodeTally(options) : new DomainTally(options);
}

/** Counts occupants per value of a label. */
export class DomainTally extends RowTally implements Tally {
  readonly followsUse = false;
  readonly #ids = new Map<string, number>();
  /** By row that takes part: its domain. */
  readonly #domains = new Map<number, number>();
  #counts: number[] = [];
  /** What nominated pods count for: they are not there yet. */
  #expected: number[] = [];
  /** Participating nodes per domain. */
  #nodes: number[] = [];
  #total = 0;
  #size = 0;
  #lowest: number | undefined;

  domainOf(row: number): number {
    const value = this.options.table.labels.get(row, this.options.topologyKey);
    return value === undefined ? -1 : this.#id(value);
  }

  count(domain: number): number {
    this.refresh();
    return this.#counts[domain] ?? 0;
  }

  countWithExpected(domain: number): number {
    this.refresh();
    return (this.#counts[domain] ?? 0) + (this.#expected[domain] ?? 0);
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
    if (this.#lowest === undefined) {
      let lowest = Infinity;
      for (let id = 0; id < this.#nodes.length; id++) {
        if ((this.#nodes[id] ?? 0) > 0) lowest = Math.min(lowest, this.#counts[id] ?? 0);
      }
      this.#lowest = lowest === Infinity ? 0 : lowest;
    }
    return this.#lowest;
  }

  protected override takePart(row: number, { count, expected }: RowCount, by: 1 | -1): void {
    const domain = by === 1 ? this.domainOf(row) : (this.#domains.get(row) ?? 0);
    if (by === 1) this.#domains.set(row, domain);
    else this.#domains.delete(row);
    this.#counts[domain] = (this.#counts[domain] ?? 0) + by * count;
    this.#expected[domain] = (this.#expected[domain] ?? 0) + by * expected;
    this.#total += by * count;
    const nodes = (this.#nodes[domain] ?? 0) + by;
    this.#nodes[domain] = nodes;
    if (by === 1 && nodes === 1) this.#size++;
    else if (by === -1 && nodes === 0) this.#size--;
    this.#lowest = undefined;
  }

  protected override recount(row: number, before: RowCount, after: RowCount): void {
    const domain = this.#domains.get(row) ?? 0;
    const old = this.#counts[domain] ?? 0;
    const by = after.count - before.count;
    this.#counts[domain] = old + by;
    this.#expected[domain] = (this.#expected[domain] ?? 0) + after.expected - before.expected;
    this.#total += by;
    // Only the last domain at the lowest count can raise it; any fall can lower it.
    if (this.#lowest !== undefined && (by < 0 || old <= this.#lowest)) this.#lowest = undefined;
  }

  #id(value: string): number {
    let id = this.#ids.get(value);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(value, id);
      this.#counts[id] = 0;
      this.#expected[id] = 0;
      this.#nodes[id] = 0;
    }
    return id;
  }
}

/** Names combinations of domains by one small number each. */
export class DomainTuples {
  readonly #ids = new Map<string, number>();
  readonly #tuples: (readonly number[])[] = [];

  id(domains: readonly number[]): number {
    const key = domains.join();
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#tuples.length;
      this.#ids.set(key, id);
      this.#tuples.push(domains);
    }
    return id;
  }

  at(id: number): readonly number[] {
    return this.#tuples[id] ?? [];
  }
}
