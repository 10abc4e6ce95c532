import { changed } from './change-log.ts';
import type { NodeTable, Occupant } from './node-table.ts';

export interface TallyOptions {
  readonly table: NodeTable;
  /** The label whose values are the domains. */
  readonly topologyKey: string;
  /** What an occupant counts for; 0 for not at all. */
  readonly weightOf: (occupant: Occupant) => number;
  /** The namespace outside of which nothing counts; all unless given. */
  readonly namespace?: string | undefined;
  /** Which nodes take part: only their domains, and only what runs on them, are counted. All with the label unless given. */
  readonly includes?: (row: number) => boolean;
}

/** What counts on one row: pods, and pods that are nominated there and have yet to come. */
export interface RowCount {
  readonly count: number;
  readonly expected: number;
}

/**
 * Counts occupants per row and follows the table: an occupant that comes or goes costs one addition, and a node that
 * changes is looked at by itself. What is made of the counts is up to those who extend it: they are told of every row
 * that takes part.
 */
export abstract class RowTally implements Disposable {
  protected readonly options: TallyOptions;
  readonly #counts: Int32Array;
  readonly #takesPart: Uint8Array;
  /** Rows where pods are expected; rare. */
  readonly #expected = new Map<number, number>();
  #started = false;
  #cursor = 0;
  #generation = -1;
  readonly #subscription: Disposable;

  constructor(options: TallyOptions) {
    this.options = options;
    const { table, namespace } = options;
    this.#counts = new Int32Array(table.present.length);
    this.#takesPart = new Uint8Array(table.present.length);
    this.#subscription = table.onOccupant((occupant, by) => this.#follow(occupant, by), namespace);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** A row begins to take part (1), with what is there, or ceases to (-1). */
  protected abstract takePart(row: number, there: RowCount, by: 1 | -1): void;

  /** What is on a row that takes part has become another. */
  protected abstract recount(row: number, before: RowCount, after: RowCount): void;

  protected countOf(row: number): number {
    return this.#counts[row] ?? 0;
  }

  protected expectedOf(row: number): number {
    return this.#expected.size === 0 ? 0 : (this.#expected.get(row) ?? 0);
  }

  /** Takes in what has changed of nodes. */
  protected refresh(): void {
    const { table } = this.options;
    if (this.#generation === table.nodeGeneration) return;
    this.#generation = table.nodeGeneration;
    if (!this.#started) this.#start();
    const { log } = table;
    if (!log.reaches(this.#cursor)) for (let row = 0; row < table.rowEnd; row++) this.#reconsider(row);
    else {
      for (let at = this.#cursor; at < log.end; at++) {
        if ((log.bits(at) & changed.node) !== 0) this.#reconsider(log.row(at));
      }
    }
    this.#cursor = log.end;
  }

  #start(): void {
    const { table, namespace } = this.options;
    this.#started = true;
    this.#cursor = table.log.end;
    for (const occupant of table.occupants(namespace)) if (occupant.counts) this.#add(occupant, 1);
    for (let row = 0; row < table.rowEnd; row++) this.#reconsider(row);
  }

  #reconsider(row: number): void {
    const there = { count: this.countOf(row), expected: this.expectedOf(row) };
    if (this.#takesPart[row] === 1) this.takePart(row, there, -1);
    const { table, includes, topologyKey } = this.options;
    const takes =
      table.present[row] === 1 && table.labels.get(row, topologyKey) !== undefined && includes?.(row) !== false;
    this.#takesPart[row] = takes ? 1 : 0;
    if (takes) this.takePart(row, there, 1);
  }

  #follow(occupant: Occupant, by: 1 | -1): void {
    if (this.#started) this.#add(occupant, by);
  }

  #add(occupant: Occupant, by: 1 | -1): void {
    const weight = occupant.state === 'reserved' ? 0 : by * this.options.weightOf(occupant);
    if (weight === 0) return;
    const { row } = occupant;
    const before = { count: this.countOf(row), expected: this.expectedOf(row) };
    const isExpected = occupant.state === 'nominated';
    const after = isExpected
      ? { count: before.count, expected: before.expected + weight }
      : { count: before.count + weight, expected: before.expected };
    if (!isExpected) this.#counts[row] = after.count;
    else if (after.expected === 0) this.#expected.delete(row);
    else this.#expected.set(row, after.expected);
    if (this.#takesPart[row] === 1) this.recount(row, before, after);
  }
}
