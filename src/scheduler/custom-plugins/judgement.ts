import type { Demand } from '../demand.ts';
import type { NodeTable } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import type { Refusal } from '../plugin.ts';
import type { Verdict } from './plugin-protocol.ts';

/** What one profile asks a plugin for. */
export interface Asked {
  readonly schedulerName: string;
  readonly filter: boolean;
  readonly score: boolean;
}

/** Whoever judges nodes. */
export interface Judge {
  readonly name: string;
  readonly readsUse: boolean;
  readonly callTimeoutMs: number;
  /** Rises whenever it may judge differently: what failed before counts no more. */
  readonly epoch: number;
  /** Never throws: tells why, if it cannot be asked. */
  ask(asked: Asked, demand: Demand, table: NodeTable, rows: readonly number[]): readonly Verdict[] | string;
  /** It answers, but takes too long over all nodes. Returns what to say of them. */
  tooSlow(what: string): string;
}

/** Nodes asked about with one question. */
const nodesPerQuestionMax = 256;
/** All nodes together may take that many times as long as one question. */
const questionsLongMax = 2;
/** Different reasons that are told to pods of one demand. */
const reasonsMax = 20;
/** Verdicts that are kept for one profile, of all demands. */
const verdictsMax = 1 << 18;

/** What is known of all nodes, by demand. */
export class Judgements {
  readonly #judge: Judge;
  readonly #asked: Asked;
  readonly #byDemand = new WeakMap<Demand, Judgement>();
  /** Least recently used first. */
  readonly #kept = new Set<Judgement>();

  constructor(judge: Judge, asked: Asked) {
    this.#judge = judge;
    this.#asked = asked;
  }

  of(demand: Demand, table: NodeTable): Judgement {
    let judgement = this.#byDemand.get(demand);
    if (judgement === undefined) {
      judgement = new Judgement(this.#judge, this.#asked, demand, table);
      this.#byDemand.set(demand, judgement);
    }
    this.#kept.delete(judgement);
    this.#kept.add(judgement);
    const max = Math.max(1, Math.floor(verdictsMax / Math.max(1, table.rowEnd)));
    for (const oldest of this.#kept) {
      if (this.#kept.size <= max) break;
      this.#kept.delete(oldest);
      oldest.forget();
    }
    return judgement;
  }
}

/** What the judge says of all nodes with regard to pods of one demand. It is asked about a node again once that changed. */
export class Judgement {
  readonly #judge: Judge;
  readonly #asked: Asked;
  readonly #demand: Demand;
  readonly #table: NodeTable;
  readonly #known = new Map<number, Known>();
  readonly #reasons = new Set<string>();
  /** Why it could not be asked, until it may be again. */
  #down: { readonly epoch: number; readonly verdict: Verdict } | undefined;

  constructor(judge: Judge, asked: Asked, demand: Demand, table: NodeTable) {
    this.#judge = judge;
    this.#asked = asked;
    this.#demand = demand;
    this.#table = table;
  }

  /** Gives room back; what is asked for afterwards is found out anew. */
  forget(): void {
    this.#known.clear();
    this.#reasons.clear();
  }

  /**
   * Asks about all nodes that changed, many at once. If that takes too long, the rest is left for the next time: what
   * was said until then is kept.
   */
  askAll(): void {
    const start = performance.now();
    const timeMsMax = questionsLongMax * this.#judge.callTimeoutMs;
    const open: number[] = [];
    for (let row = 0; row < this.#table.rowEnd; row++) {
      if (this.#table.present[row] === 1 && this.#current(row) === undefined) open.push(row);
    }
    for (let at = 0; at < open.length; at += nodesPerQuestionMax) {
      if (performance.now() - start > timeMsMax) {
        const failure = this.#judge.tooSlow(`it is too slow: it did not judge all nodes within ${timeMsMax} ms`);
        this.#down = { epoch: this.#judge.epoch, verdict: { fits: false, failure } };
        return;
      }
      this.#ask(open.slice(at, at + nodesPerQuestionMax));
    }
  }

  of(row: number): Verdict {
    if (this.#current(row) === undefined) this.#ask([row]);
    return this.#current(row) ?? { fits: false, failure: 'it did not say' };
  }

  refusals({ row }: NodeView): readonly Refusal[] {
    const verdict = this.of(row);
    const { name: plugin, readsUse } = this.#judge;
    if (verdict.fits) return [];
    if ('reason' in verdict) return [{ plugin, reason: this.#bounded(verdict.reason), curable: readsUse }];
    const { failure } = verdict;
    const reason = failure.startsWith('plugin "') ? failure : `plugin "${plugin}": ${failure}`;
    return [{ plugin, reason: this.#bounded(reason), curable: false }];
  }

  /** Reasons are counted over nodes: one for every node would make a message without end. */
  #bounded(reason: string): string {
    if (this.#reasons.has(reason)) return reason;
    if (this.#reasons.size >= reasonsMax) return `plugin "${this.#judge.name}": other reasons`;
    this.#reasons.add(reason);
    return reason;
  }

  #current(row: number): Verdict | undefined {
    const { epoch, readsUse } = this.#judge;
    if (this.#down?.epoch === epoch) return this.#down.verdict;
    const known = this.#known.get(row);
    if (known === undefined || known.node !== this.#table.nodeVersion[row]) return undefined;
    if (readsUse && known.use !== this.#table.useVersion[row]) return undefined;
    return 'failure' in known.verdict && known.epoch !== epoch ? undefined : known.verdict;
  }

  #ask(rows: readonly number[]): void {
    const { epoch } = this.#judge;
    if (this.#down?.epoch === epoch) return;
    const verdicts = this.#judge.ask(this.#asked, this.#demand, this.#table, rows);
    if (typeof verdicts === 'string') {
      this.#down = { epoch, verdict: { fits: false, failure: verdicts } };
      return;
    }
    for (const [index, row] of rows.entries()) {
      const verdict = verdicts[index];
      if (verdict === undefined) continue;
      const node = this.#table.nodeVersion[row] ?? 0;
      this.#known.set(row, { epoch, node, use: this.#table.useVersion[row] ?? 0, verdict });
    }
  }
}

interface Known {
  readonly epoch: number;
  /** Versions of the node and of its use that were judged. */
  readonly node: number;
  readonly use: number;
  readonly verdict: Verdict;
}
