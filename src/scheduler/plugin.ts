import type { Pod } from '#api/core/pod.ts';
import type { TopologySpreadConstraint } from '#api/core/types.generated.ts';
import type { CallOptions, Client } from '#client/client.ts';
import type { Demand } from './demand.ts';
import type { NodeTable } from './node-table.ts';
import type { NodeView } from './node-view.ts';
import type { Signature } from './signature.ts';
import type { Taint } from './taints.ts';

/**
 * Why a node was refused: one thing that stood in the way, in words and as facts. `reason` is upstream's text where
 * upstream has one, because people and tools grep for it.
 */
export interface Refusal {
  readonly plugin: string;
  readonly reason: string;
  /** False if the node stays unfit even when all its pods are gone (labels, taints, capacity). */
  readonly curable: boolean;
  /** True if it is said of the pod, whatever the node: then no nodes are counted. */
  readonly ofPod?: true;
  /** Amounts in the table's units: cpu in thousandths, else units. */
  readonly short?: {
    readonly resource: string;
    readonly requested: number;
    readonly free: number;
    readonly capacity: number;
  };
  readonly taint?: Taint;
  readonly port?: { readonly protocol: string; readonly ip: string; readonly port: number };
  /** The topology domain, as `key=value`. */
  readonly domain?: string;
}

/** All rows of the table at once, for plugins that can answer faster so than node by node. */
export interface RowPass {
  readonly table: NodeTable;
  /** Rows from 0 up to this, exclusive. */
  readonly end: number;
  /** By row: 0 where an answer is asked for. */
  readonly refused: Uint8Array;
}

/**
 * Says which nodes can take a pod. It prepares once a signature, answers per node, and can always say why not.
 * Answers may depend on the demand and on the one node alone (see `DomainPlugin` otherwise): the scheduler asks again
 * only about nodes that changed.
 */
export interface FilterPlugin<State = unknown> {
  readonly name: string;
  /** `node`: answers change only with the Node object; `use`: also with what runs there. */
  readonly reads: 'node' | 'use';
  /** Undefined if this demand can be refused by no node, and `filter` need not be asked. */
  preFilter(demand: Demand, table: NodeTable): State | undefined;
  /** True if the node can take the pod. Called for every node: quick, without effects. */
  filter(state: State, node: NodeView): boolean;
  /** Sets `refused` to `mark` where `filter` would say false and an answer is asked for; the same, but faster. */
  filterRows?(state: State, pass: RowPass, mark: number): void;
  /** Everything that stands in the way; not empty exactly where `filter` says false. */
  refusals(state: State, node: NodeView): readonly Refusal[];
}

/** Says which of the fitting nodes are better. */
export interface ScorePlugin<State = unknown> {
  readonly name: string;
  readonly reads: 'node' | 'use';
  /**
   * How raw scores become 0…100: `none`, they are already; `highest`, in proportion to the highest among the fitting
   * nodes; `lowest`, the same turned round, so that raw 0 is best.
   */
  readonly normalize: 'none' | 'highest' | 'lowest';
  /** Undefined if all nodes are equally good for this demand. */
  preScore(demand: Demand, table: NodeTable): State | undefined;
  /** A whole number, not negative. */
  score(state: State, node: NodeView): number;
  /** Adds the score, times `weight`, to `totals` wherever it is asked for; the same as `score`, but faster. */
  scoreRows?(state: State, pass: RowPass, weight: number, totals: Float64Array | Int32Array): void;
}

/**
 * Filters and scores by what runs in a node's whole topology domain (zone, rack, or the node itself): spreading,
 * affinity to other pods. All nodes of one domain get one answer, so it is asked per domain and not per node.
 */
export interface DomainPlugin<State extends DomainState = DomainState> {
  readonly name: string;
  /** True if this plugin has a say on pods of the signature; quick. */
  concerns(signature: Signature, table: NodeTable): boolean;
  /** False if it only prefers some domains: it refuses no node for pods of the signature. May refuse unless given. */
  mayRefuse?(signature: Signature, table: NodeTable): boolean;
  /**
   * True if pods of `arrived`, of which the first has just got its place, may change what it says on pods of the
   * signature beyond what states prepared before follow. Never unless given.
   */
  isAffectedBy?(arrived: readonly Signature[], signature: Signature, table: NodeTable): boolean;
  /** Called where it has a say. The state follows the table until it is disposed. */
  prepare(signature: Signature, table: NodeTable): State;
}

export interface DomainState extends Disposable {
  /** True if `domainOf()` answers by what runs on the node: then it is asked again whenever that changes. */
  readonly followsUse?: boolean;
  /** A small number that names the node's domain; nodes with equal numbers get equal answers. -1: refused outright. */
  domainOf(node: NodeView): number;
  /** Whether the domain takes one more pod now. */
  admits(domain: number): boolean;
  /** Why not, for a node of a domain that is not admitted (or -1). */
  refusals(node: NodeView, domain: number): readonly Refusal[];
  /** A soft preference, where the plugin has one. */
  readonly preference?: DomainPreference;
}

export interface DomainPreference {
  /** Told before a choice of the admitted domains, and of how many fitting nodes each has. */
  begin?(domains: readonly number[], nodes: readonly number[]): void;
  /** A raw score of an admitted domain; NaN for one that gets no points at all. */
  score(domain: number): number;
  /** The raw score as 0…100, given the lowest and highest among the admitted domains. */
  normalize(raw: number, lowest: number, highest: number): number;
}

/** Claims things on the chosen node that only the scheduler hands out; undone if the pod does not get there. */
export interface ReservePlugin {
  readonly name: string;
  /** Throwing sends the pod back to the queue. */
  reserve(pod: Pod, nodeName: string, options: CallOptions): void | Promise<void>;
  /** Must be harmless when `reserve` was not called, and not throw. */
  unreserve(pod: Pod, nodeName: string, options: CallOptions): void | Promise<void>;
}

/** Holds a placed pod back before it is bound: until its group is complete, until a volume is attached. */
export interface PermitPlugin {
  readonly name: string;
  /** Resolves once the pod may be bound; throws to send it back to the queue. */
  permit(pod: Pod, nodeName: string, options: CallOptions): Promise<void>;
}

export interface BindOptions extends CallOptions {
  /** Added to those of the pod. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Tells the API server where the pod goes. */
export interface BindPlugin {
  readonly name: string;
  /** Throws a StatusError; `Conflict` and `NotFound` mean that the pod needs no binding any more. */
  bind(pod: Pod, nodeName: string, client: Client, options: BindOptions): Promise<void>;
}

/** A score plugin and how much it counts. */
export interface Weighted<P> {
  readonly plugin: P;
  readonly weight: number;
}

/** Everything that one kind of scheduling is made of; a pod chooses its profile by `spec.schedulerName`. */
export interface Profile {
  readonly schedulerName: string;
  /** Asked in this order; the first that refuses is the one that is counted. */
  readonly filters: readonly FilterPlugin[];
  readonly scores: readonly Weighted<ScorePlugin>[];
  readonly domains: readonly Weighted<DomainPlugin>[];
  /**
   * Which of equally scored nodes goes first: the one with fewer pods, with more, or whichever the seed prefers. Scores
   * are coarse (a large node does not notice a small pod), so this decides often.
   */
  readonly tieBreak: 'fewer-pods' | 'more-pods' | 'seed';
  /** True if pods of one service have a signature of their own: it is counted how many of them a node has. */
  readonly countsServices: boolean;
  /** Spread constraints of pods that name none: Kubernetes' own, or these, which select nobody yet. */
  readonly defaultSpread: 'system' | readonly TopologySpreadConstraint[];
  /** True if plugins look at the pods themselves: then all that they may look at belongs to the signature. */
  readonly readsPods: boolean;
  /** Calls `listener` whenever plugins may answer differently although no node has changed. */
  readonly onChange?: (listener: () => void) => Disposable;
  /** False: nobody has to leave for its pods. */
  readonly preempts: boolean;
  /** How long a pod that is placed waits for its claims to be bound; undefined if nothing is done about them. */
  readonly volumeBindMsMax: number | undefined;
  readonly reserve: readonly ReservePlugin[];
  readonly permit: readonly PermitPlugin[];
  readonly bind: BindPlugin;
}

/** The best score of one plugin, before its weight. */
export const scoreMax = 100;
