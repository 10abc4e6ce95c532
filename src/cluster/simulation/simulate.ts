/** Plays a trace on a whole cluster in this process, in virtual time, and says what came of it. */
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import { startCluster, type TestCluster } from '../test-cluster.ts';
import { unplacedOf, type Unplaced } from '../rehearsal/placements.ts';
import { isHolding, isWaiting, packingOf, skewOf, type Packing, type Skew } from './report.ts';
import { TracePlayer, type Refusal } from './trace-player.ts';
import type { TraceEvent } from './trace.ts';

export interface SimulationOptions {
  readonly profiles?: readonly ProfileConfig[];
  readonly seed?: number;
  /** From a pod's arrival on a node to its containers running, in milliseconds; at once unless given. */
  readonly podStartMs?: number;
  readonly signal: AbortSignal;
}

/** Counted at one moment. */
export interface Moment {
  /** Seconds from the trace's beginning. */
  readonly at: number;
  readonly holding: number;
  readonly waiting: number;
  readonly packing: Packing;
}

export interface SimulationReport {
  /** How much time passed in the cluster. */
  readonly seconds: number;
  readonly nodes: number;
  /** Pods that were ever seen; each counts once. */
  readonly pods: number;
  readonly ended: number;
  /** From a pod's creation to its being placed, in seconds, of all that were placed. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly most: number };
  /** When most pods held room, and at the end. */
  readonly fullest: Moment;
  readonly end: Moment;
  /** At the end. */
  readonly skew: Skew;
  /** Pods without a node at the end. */
  readonly unplaced: readonly Unplaced[];
  readonly refusals: { readonly first: readonly Refusal[]; readonly count: number };
}

/** Between events that are further apart the cluster is looked at so often. */
const lookMs = 10_000;
/** Time the cluster is given after the last event: a lost node is given up after 40 s, its pods leave 300 s later. */
const afterwardsMs = 360_000;

/** The same trace and options give the same report. Throws the signal's reason. */
export async function simulate(events: readonly TraceEvent[], options: SimulationOptions): Promise<SimulationReport> {
  const { profiles, seed, podStartMs, signal } = options;
  await using cluster = await startCluster({
    nodes: [],
    ...(profiles === undefined ? {} : { profiles }),
    ...(seed === undefined ? {} : { seed }),
    ...(podStartMs === undefined ? {} : { podStartMs }),
  });
  const player = new TracePlayer(cluster.client, cluster.nodes);
  const observer = new Observer(cluster);
  const until = async (at: number) => {
    for (;;) {
      const left = at - observer.elapsedMs;
      if (left <= 0) return;
      await cluster.advance(Math.min(left, lookMs));
      observer.look();
      signal.throwIfAborted();
    }
  };
  for (const [index, event] of events.entries()) {
    await until(event.at);
    await player.play(event, signal);
    if (events[index + 1]?.at === event.at) continue;
    await cluster.advance(0);
    observer.look();
  }
  await until((events.at(-1)?.at ?? 0) + afterwardsMs);
  return observer.report(player);
}

class Observer {
  readonly #cluster: TestCluster;
  readonly #begin: number;
  /** By uid: seconds that the pod waited, or undefined as long as it does. */
  readonly #delays = new Map<string, number | undefined>();
  readonly #ended = new Set<string>();
  #fullest: Moment | undefined;
  #last: Moment | undefined;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#begin = cluster.clock.now();
  }

  get elapsedMs(): number {
    return this.#cluster.clock.now() - this.#begin;
  }

  look(): void {
    const { cache } = this.#cluster;
    const pods = cache.list(Pod);
    for (const pod of pods) this.#note(pod);
    const holding = pods.filter(isHolding);
    this.#last = {
      at: this.elapsedMs / 1000,
      holding: holding.length,
      waiting: pods.filter(isWaiting).length,
      packing: packingOf(cache.list(Node), holding),
    };
    if (this.#fullest === undefined || this.#last.holding > this.#fullest.holding) this.#fullest = this.#last;
  }

  report({ refusals }: TracePlayer): SimulationReport {
    this.look();
    const { cache } = this.#cluster;
    const [nodes, pods] = [cache.list(Node), cache.list(Pod)];
    const delays = [...this.#delays.values()].filter((delay) => delay !== undefined).toSorted((a, b) => a - b);
    const at = (share: number) => delays[Math.min(delays.length - 1, Math.floor(share * delays.length))] ?? 0;
    const nothing = { at: 0, holding: 0, waiting: 0, packing: packingOf(nodes, []) };
    return {
      seconds: this.elapsedMs / 1000,
      nodes: nodes.length,
      pods: this.#delays.size,
      ended: this.#ended.size,
      delay: { p50: at(0.5), p99: at(0.99), most: delays.at(-1) ?? 0 },
      fullest: this.#fullest ?? nothing,
      end: this.#last ?? nothing,
      skew: skewOf(nodes, pods.filter(isHolding)),
      unplaced: pods.filter(isWaiting).map((pod) => unplacedOf(pod, (ref) => this.#cluster.why(ref))),
      refusals,
    };
  }

  #note({ metadata, status }: Pod): void {
    const uid = metadata?.uid ?? '';
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') this.#ended.add(uid);
    if (this.#delays.get(uid) !== undefined) return;
    const scheduled = status?.conditions?.find((each) => each.type === 'PodScheduled' && each.status === 'True');
    const since = Date.parse(scheduled?.lastTransitionTime ?? '') - Date.parse(metadata?.creationTimestamp ?? '');
    this.#delays.set(uid, Number.isNaN(since) ? undefined : since / 1000);
  }
}
