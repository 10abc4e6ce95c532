import type { NodeTable } from '../node-table.ts';
import { NodeView } from '../node-view.ts';
import type { AskedNode } from './plugin-protocol.ts';

/** Tells one thread of nodes: what it knows already is not sent again. */
export class NodeTeller {
  readonly #table: NodeTable;
  readonly #view: NodeView;
  readonly #reads: 'node' | 'use';
  /** By row, which version of the node the thread has been told of. */
  readonly #told = new Map<number, number>();

  constructor(table: NodeTable, reads: 'node' | 'use') {
    this.#table = table;
    this.#view = new NodeView(table);
    this.#reads = reads;
  }

  tell(row: number): AskedNode {
    const version = this.#table.nodeVersion[row] ?? 0;
    const known = this.#told.get(row) === version;
    this.#told.set(row, version);
    const node = known ? {} : { node: this.#nodeAt(row) };
    if (this.#reads === 'node') return { row, ...node };
    const pods = this.#table
      .occupantsAt(row)
      .filter(({ counts, state }) => counts && state !== 'reserved')
      .map(({ namespace, name, labels, priority }) => ({ namespace, name, labels, priority }));
    return { row, ...node, used: this.#amounts(row, (id) => this.#view.used(id)), pods };
  }

  #nodeAt(row: number): NonNullable<AskedNode['node']> {
    const view = this.#view.at(row);
    return {
      name: view.name,
      labels: { ...this.#table.nodeAt(row)?.metadata?.labels },
      taints: view.taints.map(({ key, value, effect }) => ({ key, value, effect })),
      unschedulable: view.unschedulable,
      allocatable: this.#amounts(row, (id) => view.allocatable(id)),
    };
  }

  #amounts(row: number, amountOf: (id: number) => number): Readonly<Record<string, number>> {
    this.#view.at(row);
    const { resources } = this.#table;
    const amounts: Record<string, number> = {};
    for (let id = 0; id < resources.size; id++) {
      const name = resources.name(id);
      const amount = amountOf(id);
      if (amount !== 0 || id < 4) amounts[name] = name === 'cpu' ? amount / 1000 : amount;
    }
    return amounts;
  }
}
