import type { NodeTable, Occupant } from './node-table.ts';

export interface TallyOptions {
  readonly table: NodeTable;
  /** The label whose values are the domains. */
  readonly topologyKey: string;
  /** What an occupant counts for; 0 for not at all. */
  readonly weightOf: (occupant: Occupant) => number;
  /** Which nodes take part: only their domains, and only what runs on them, are counted. All with the label unless given. */
  readonly includes?: (row: number) => boolean;
}

/**
 * Counts occupants per topology domain and follows the table: an occupant that comes or goes costs one addition, and
 * only a change of the nodes themselves makes everything be counted anew. Domains are numbered from 0; a number keeps
 * its meaning for the life of the tally.
 */
export class DomainTally implements Disposable {
  readonly #options: TallyOptions;
  readonly #ids = new Map<string, number>();
  #counts: number[] = [];
  /** What nominated pods count for: they are not there yet. */
  #expected: number[] = [];
  /** Participating nodes per domain. */
  #nodes: number[] = [];
  #total = 0;
  #size = 0;
  #generation = -1;
  #lowest: number | undefined;
  readonly #subscription: Disposable;

  constructor(options: TallyOptions) {
    this.#options = options;
    this.#subscription = options.table.onOccupant((occupant, by) => this.#follow(occupant, by));
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** The number of the row's domain, or -1 if its node lacks the label. */
  domainOf(row: number): number {
    const value = this.#options.table.labels.get(row, this.#options.topologyKey);
    return value === undefined ? -1 : this.#id(value);
  }

  count(domain: number): number {
    this.#refresh();
    return this.#counts[domain] ?? 0;
  }

  /** With pods that are nominated to the domain but not there yet: they may stand in the way, and help nobody. */
  countWithExpected(domain: number): number {
    this.#refresh();
    return (this.#counts[domain] ?? 0) + (this.#expected[domain] ?? 0);
  }

  /** Of all domains together. */
  get total(): number {
    this.#refresh();
    return this.#total;
  }

  /** Domains with at least one participating node. */
  get size(): number {
    this.#refresh();
    return this.#size;
  }

  /** The lowest count of a domain with participating nodes; 0 if there is none. */
  get lowest(): number {
    this.#refresh();
    if (this.#lowest === undefined) {
      let lowest = Infinity;
      for (let id = 0; id < this.#nodes.length; id++) {
        if ((this.#nodes[id] ?? 0) > 0) lowest = Math.min(lowest, this.#counts[id] ?? 0);
      }
      this.#lowest = lowest === Infinity ? 0 : lowest;
    }
    return this.#lowest;
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

  #follow(occupant: Occupant, by: 1 | -1): void {
    if (this.#generation !== this.#options.table.nodeGeneration) return; // will be counted anew in any case
    this.#add(occupant, by);
  }

  #add(occupant: Occupant, by: 1 | -1): void {
    if (this.#options.includes?.(occupant.row) === false) return;
    const domain = this.domainOf(occupant.row);
    const weight = domain < 0 || occupant.state === 'reserved' ? 0 : this.#options.weightOf(occupant);
    if (weight === 0) return;
    if (occupant.state === 'nominated') {
      this.#expected[domain] = (this.#expected[domain] ?? 0) + by * weight;
      return;
    }
    const before = this.#counts[domain] ?? 0;
    this.#counts[domain] = before + by * weight;
    this.#total += by * weight;
    // Only the last domain at the lowest count can raise it; any fall can lower it.
    if (this.#lowest !== undefined && (by === -1 || before <= this.#lowest)) this.#lowest = undefined;
  }

  #refresh(): void {
    const { table, includes } = this.#options;
    if (this.#generation === table.nodeGeneration) return;
    this.#generation = table.nodeGeneration;
    this.#counts.fill(0);
    this.#expected.fill(0);
    this.#nodes.fill(0);
    this.#total = 0;
    this.#lowest = undefined;
    for (let row = 0; row < table.rowEnd; row++) {
      if (table.present[row] !== 1 || includes?.(row) === false) continue;
      const domain = this.domainOf(row);
      if (domain >= 0) this.#nodes[domain] = (this.#nodes[domain] ?? 0) + 1;
    }
    this.#size = this.#nodes.reduce((size, nodes) => (nodes > 0 ? size + 1 : size), 0);
    for (const occupant of table.occupants()) if (occupant.counts) this.#add(occupant, 1);
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
