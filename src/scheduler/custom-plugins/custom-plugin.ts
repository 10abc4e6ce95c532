import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import { Backoff } from '#lib/backoff.ts';
import { systemClock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { conditionalBind } from '../bind.ts';
import { defaultSchedulerName, type Demand } from '../demand.ts';
import type { NodeTable } from '../node-table.ts';
import type { BindPlugin, FilterPlugin, PermitPlugin, ReservePlugin, ScorePlugin } from '../plugin.ts';
import { Judgements, type Asked, type Judge, type Judgement } from './judgement.ts';
import { NodeTeller } from './node-info.ts';
import { PluginFailure } from './plugin-failure.ts';
import type { PluginMetrics } from './plugin-metrics.ts';
import type { Answer, CallPoint, Verdict } from './plugin-protocol.ts';
import type { CallOptions, PluginThread } from './plugin-thread.ts';

/** A plugin that fails is asked again after a while, although no node has changed. */
const again = { initialMs: 1_000, maxMs: 300_000 };
/** After so long without failures a plugin has recovered. */
const calmMs = 2 * again.maxMs;
/** A failure that lasts is told this often. */
const tellMsMin = 60_000;
/** A plugin that takes this share of its time is worth a word. */
const slowShare = 0.5;

/** A plugin of the operator's own as the scheduler asks it: in its thread, and with whatever can go wrong contained. */
export class CustomPlugin implements Judge {
  readonly name: string;
  readonly #thread: PluginThread;
  readonly #log: Log;
  readonly #metrics: PluginMetrics;
  readonly #listeners = new Set<() => void>();
  readonly #backoff = new Backoff(again);
  readonly #toldAt = new Map<string, number>();
  #retries = false;
  #failedAt = -Infinity;
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
    const judgements = new Judgements(this, asked);
    return {
      filter: {
        name,
        reads,
        preFilter(demand, table) {
          const judgement = judgements.of(demand, table);
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
        preScore: (demand, table) => (asked.score ? judgements.of(demand, table) : undefined),
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

  get callTimeoutMs(): number {
    return this.#thread.source.callTimeoutMs;
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

  tooSlow(what: string): string {
    const failure = `plugin "${this.name}": ${what}`;
    this.#metrics.slow();
    this.#tell(failure);
    this.#tryAgain();
    return failure;
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
    const { callTimeoutMs } = this;
    if (tookMs > slowShare * callTimeoutMs) {
      this.#metrics.slow();
      this.#tell(
        `plugin "${this.name}": it is slow: it may take ${callTimeoutMs} ms to answer, and took more than ${slowShare * 100} % of that`,
      );
    }
    if (failed === undefined || !('failure' in failed)) return;
    this.#tell(`plugin "${this.name}": ${failed.failure}`);
    this.#tryAgain();
  }

  /** What a failure depends on, nobody knows; so the plugin is asked again, ever less often. */
  #tryAgain(): void {
    if (this.#retries) return;
    this.#retries = true;
    // Not reset by what succeeds: it may fail for some pods for good, and work for others all the while.
    const now = performance.now();
    if (now - this.#failedAt > calmMs) this.#backoff.reset();
    this.#failedAt = now;
    systemClock.after(this.#backoff.next(), () => {
      this.#retries = false;
      this.#changed();
    });
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
