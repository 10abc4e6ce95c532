import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import { Backoff } from '#lib/backoff.ts';
import { systemClock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { conditionalBind } from '../bind.ts';
import { defaultSchedulerName, type Demand } from '../demand.ts';
import type { NodeTable } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import type { BindPlugin, FilterPlugin, PermitPlugin, Refusal, ReservePlugin, ScorePlugin } from '../plugin.ts';
import { NodeTeller } from './node-info.ts';
import { PluginFailure } from './plugin-failure.ts';
import type { PluginMetrics } from './plugin-metrics.ts';
import type { Answer, CallPoint, Verdict } from './plugin-protocol.ts';
import type { CallOptions, PluginThread } from './plugin-thread.ts';

/** What one profile asks the plugin for. */
export interface Asked {
  readonly schedulerName: string;
  readonly filter: boolean;
  readonly score: boolean;
}

/** Nodes asked about with one question. */
const nodesPerQuestionMax = 256;
/** A plugin that fails is asked again after a while, although no node has changed. */
const again = { initialMs: 1_000, maxMs: 300_000 };
/** A failure that lasts is told this often. */
const tellMsMin = 60_000;
/** A plugin that takes this share of its time is worth a word. */
const slowShare = 0.5;

/** A plugin of the operator's own as the scheduler asks it: in its thread, and with whatever can go wrong contained. */
export class CustomPlugin {
  readonly name: string;
  readonly #thread: PluginThread;
  readonly #log: Log;
  readonly #metrics: PluginMetrics;
  readonly #listeners = new Set<() => void>();
  readonly #backoff = new Backoff(again);
  readonly #toldAt = new Map<string, number>();
  #retries = false;
  #epoch = 0;
  #teller: { readonly table: NodeTable; readonly generation: number; readonly teller: NodeTeller } | undefined;

  constructor(thread: PluginThread, { log, metrics }: { readonly log: Log; readonly metrics: PluginMetrics }) {
    this.name = thread.source.name;
    this.#thread = thread;
    this.#log = log.child({ plugin: this.name });
    this.#metrics = metrics;
    thread.onReady(() => this.#changed());
  }

  get points(): PluginThread['points'] {
    return this.#thread.points;
  }

  /** Calls `listener` whenever the plugin may answer differently than before for reasons of its own. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Both share what is known of nodes: one question gives the verdict and the score. */
  judge(asked: Asked): { readonly filter: FilterPlugin; readonly score: ScorePlugin } {
    const { name } = this;
    const { reads } = this.#thread;
    const byDemand = new WeakMap<Demand, Judgement>();
    const judgementOf = (demand: Demand, table: NodeTable) => {
      let judgement = byDemand.get(demand);
      if (judgement === undefined) {
        judgement = new Judgement(this, asked, demand, table);
        byDemand.set(demand, judgement);
      }
      return judgement;
    };
    return {
      filter: {
        name,
        reads,
        preFilter(demand, table) {
          const judgement = judgementOf(demand, table);
          judgement.askAll();
          return judgement;
        },
        filter: (judgement, { row }) => judgement.of(row).fits,
        refusals: (judgement, node) => judgement.refusals(node),
      } satisfies FilterPlugin<Judgement>,
      score: {
        name,
        reads,
        normalize: 'none',
        preScore: (demand, table) => (asked.score ? judgementOf(demand, table) : undefined),
        score(judgement, { row }) {
          const verdict = judgement.of(row);
          return verdict.fits ? verdict.score : 0;
        },
      } satisfies ScorePlugin<Judgement>,
    };
  }

  reserve(): ReservePlugin {
    return {
      name: this.name,
      reserve: (pod, nodeName, { signal }) =>
        this.points.has('reserve') ? this.#call('reserve', pod, nodeName, { signal }) : undefined,
      unreserve: (pod, nodeName, { signal }) =>
        // Nothing depends on it, and what went wrong is in the log.
        this.points.has('unreserve')
          ? this.#call('unreserve', pod, nodeName, { signal }).catch(() => undefined)
          : undefined,
    };
  }

  permit(): PermitPlugin {
    return {
      name: this.name,
      permit: (pod, nodeName, { signal }) => this.#call('permit', pod, nodeName, { signal }),
    };
  }

  bind(): BindPlugin {
    return {
      name: this.name,
      bind: (pod, nodeName, client, { signal }) => this.#bind(pod, nodeName, client, signal),
    };
  }

  get readsUse(): boolean {
    return this.#thread.reads === 'use';
  }

  /** Rises whenever the plugin may answer differently: what failed before counts no more. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Never throws: tells why, if the plugin cannot be asked. */
  ask(asked: Asked, demand: Demand, table: NodeTable, rows: readonly number[]): readonly Verdict[] | string {
    const { filter, score, schedulerName } = asked;
    const start = performance.now();
    try {
      const nodes = rows.map((row) => this.#tellerFor(table).tell(row));
      // Whoever reads pods has them in the signature.
      const pod = demand.template ?? { metadata: {}, spec: { containers: [] } };
      const answer = this.#thread.ask({ pod, nodes, filter, score });
      this.#note(asked, answer, rows.length, performance.now() - start);
      return answer.verdicts;
    } catch (error) {
      const failure = error instanceof PluginFailure ? error.message : `plugin "${this.name}": ${String(error)}`;
      this.#metrics.evaluated(filter ? 'filter' : 'score', schedulerName, 'error', performance.now() - start, 1);
      this.#tell(failure);
      return failure;
    }
  }

  #tellerFor(table: NodeTable): NodeTeller {
    const { generation, reads } = this.#thread;
    if (this.#teller?.table !== table || this.#teller.generation !== generation) {
      this.#teller = { table, generation, teller: new NodeTeller(table, reads) };
    }
    return this.#teller.teller;
  }

  #note({ filter, score, schedulerName }: Asked, { verdicts, took }: Answer, count: number, tookMs: number): void {
    const failed = verdicts.find((verdict) => 'failure' in verdict);
    const status = failed === undefined ? 'Success' : 'error';
    if (filter) this.#metrics.evaluated('filter', schedulerName, status, took.filter, count);
    if (score) this.#metrics.evaluated('score', schedulerName, status, took.score, count);
    const { callTimeoutMs } = this.#thread.source;
    if (tookMs > slowShare * callTimeoutMs) {
      this.#metrics.slow();
      this.#tell(
        `plugin "${this.name}": it is slow: it may take ${callTimeoutMs} ms to answer, and took more than ${slowShare * 100} % of that`,
      );
    }
    if (failed === undefined) this.#backoff.reset();
    else if ('failure' in failed) {
      this.#tell(`plugin "${this.name}": ${failed.failure}`);
      // What it depends on, nobody knows; so it is asked again, ever less often.
      if (this.#retries) return;
      this.#retries = true;
      systemClock.after(this.#backoff.next(), () => {
        this.#retries = false;
        this.#changed();
      });
    }
  }

  async #call(point: CallPoint, pod: Pod, nodeName: string, options: CallOptions): Promise<void> {
    const start = performance.now();
    const schedulerName = pod.spec?.schedulerName ?? defaultSchedulerName;
    try {
      await this.#thread.call(point, pod, nodeName, options);
      this.#metrics.evaluated(point, schedulerName, 'Success', performance.now() - start, 1);
    } catch (error) {
      this.#metrics.evaluated(point, schedulerName, 'error', performance.now() - start, 1);
      this.#tell(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  async #bind(pod: Pod, nodeName: string, client: Client, signal: AbortSignal): Promise<void> {
    let outcome: { readonly error?: unknown } | undefined;
    const bind = async (annotations: Readonly<Record<string, string>>) => {
      try {
        await conditionalBind.bind(pod, nodeName, client, { signal, annotations });
        outcome = {};
      } catch (error) {
        outcome = { error };
        throw error;
      }
    };
    try {
      await this.#call('bind', pod, nodeName, { signal, bind });
    } catch (error) {
      throw outcome?.error ?? error; // what the API server said is understood further on
    }
    if (outcome !== undefined && outcome.error === undefined) return;
    const { namespace = '', name = '' } = pod.metadata ?? {};
    const now = await client.get(Pod, { namespace, name }, { signal });
    if ((now.spec?.nodeName ?? '') !== '') return;
    throw new PluginFailure(this.name, 'bind: it says that it is done, but the pod is bound to no node');
  }

  #tell(text: string): void {
    const now = performance.now();
    if (now - (this.#toldAt.get(text) ?? -Infinity) < tellMsMin) return;
    if (this.#toldAt.size >= 100) this.#toldAt.clear();
    this.#toldAt.set(text, now);
    this.#log.warn('scheduler plugin fails', { why: text });
  }

  #changed(): void {
    this.#epoch++;
    for (const listener of this.#listeners) listener();
  }
}

/** What the plugin says of all nodes with regard to pods of one demand. A node is asked about again once it changed. */
class Judgement {
  readonly #plugin: CustomPlugin;
  readonly #asked: Asked;
  readonly #demand: Demand;
  readonly #table: NodeTable;
  readonly #known = new Map<number, Known>();
  /** Why it could not be asked, until it may be again. */
  #down: { readonly epoch: number; readonly verdict: Verdict } | undefined;

  constructor(plugin: CustomPlugin, asked: Asked, demand: Demand, table: NodeTable) {
    this.#plugin = plugin;
    this.#asked = asked;
    this.#demand = demand;
    this.#table = table;
  }

  /** Asks about all nodes that changed, many at once. */
  askAll(): void {
    let rows: number[] = [];
    for (let row = 0; row < this.#table.rowEnd; row++) {
      if (this.#table.present[row] === 1 && this.#current(row) === undefined) rows.push(row);
      if (rows.length < nodesPerQuestionMax) continue;
      this.#ask(rows);
      rows = [];
    }
    if (rows.length > 0) this.#ask(rows);
  }

  of(row: number): Verdict {
    if (this.#current(row) === undefined) this.#ask([row]);
    return this.#current(row) ?? { fits: false, failure: 'it did not say' };
  }

  refusals({ row }: NodeView): readonly Refusal[] {
    const verdict = this.of(row);
    const { name: plugin, readsUse } = this.#plugin;
    if (verdict.fits) return [];
    if ('reason' in verdict) return [{ plugin, reason: verdict.reason, curable: readsUse }];
    const { failure } = verdict;
    const reason = failure.startsWith('plugin "') ? failure : `plugin "${plugin}": ${failure}`;
    return [{ plugin, reason, curable: false }];
  }

  #current(row: number): Verdict | undefined {
    const { epoch, readsUse } = this.#plugin;
    if (this.#down?.epoch === epoch) return this.#down.verdict;
    const known = this.#known.get(row);
    if (known === undefined || known.node !== this.#table.nodeVersion[row]) return undefined;
    if (readsUse && known.use !== this.#table.useVersion[row]) return undefined;
    return 'failure' in known.verdict && known.epoch !== epoch ? undefined : known.verdict;
  }

  #ask(rows: readonly number[]): void {
    const { epoch } = this.#plugin;
    if (this.#down?.epoch === epoch) return;
    const verdicts = this.#plugin.ask(this.#asked, this.#demand, this.#table, rows);
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
