import { changed } from './change-log.ts';
import { resource, type NodeTable } from './node-table.ts';
import { NodeView } from './node-view.ts';
import {
  scoreMax,
  type DomainPlugin,
  type DomainState,
  type FilterPlugin,
  type Profile,
  type Refusal,
  type RowPass,
  type ScorePlugin,
} from './plugin.ts';
import { isBefore, RowHeap, type RowOrder } from './row-heap.ts';
import type { Signature } from './signature.ts';

/*
 * What is known of all nodes with regard to one signature: which fit, how good each is, and the best on top of a heap.
 *
 * Everything is made once by looking at every node, and then kept current from the table's change log: only rows that
 * changed are filtered and scored again. Placing a pod changes one row, so the next equal pod costs one filtering, one
 * scoring and one step through the heap, whatever the number of nodes.
 *
 * Two things do not depend on one node alone. Scores that are normalized depend on the highest raw score among the
 * fitting nodes: its histogram is kept, and when the highest changes all rows are scored anew (rare: a raw score is a
 * count of taints or a sum of preference weights). Domain plugins depend on what runs in a node's whole domain: nodes
 * are grouped by domain, each group has its own heap, and a decision looks at the top of every admitted group.
 */

interface PreparedFilter {
  readonly plugin: FilterPlugin;
  readonly state: unknown;
}

interface PreparedScore {
  readonly plugin: ScorePlugin;
  readonly state: unknown;
  readonly weight: number;
}

/** A score that is normalized over the fitting nodes. */
interface NormalizedScore extends PreparedScore {
  /** By row. */
  raw: Int32Array;
  /** Fitting nodes with a raw score above 0. */
  scored: number;
  /** The highest raw score among fitting nodes that the present scores were made with. */
  highest: number;
}

interface PreparedDomain {
  readonly name: string;
  readonly weight: number;
  readonly state: DomainState;
}

interface Group {
  readonly key: string;
  /** By domain plugin. */
  readonly domains: readonly number[];
  readonly heap: RowHeap;
  /** By normalized score: raw score → fitting rows that have it. */
  readonly histograms: readonly Map<number, number>[];
}

/** One point of score, as it is ranked by: room below it for the number of pods. */
const scoreUnit = 4096;

/** Values of `#refusedBy` that are no filter's number plus one. */
const fits = 0;
const noNode = 255;
const outsideDomains = 254;

/** Where one more pod of the signature would go. */
export interface Candidate {
  readonly row: number;
  readonly score: number;
}

export class Evaluation implements Disposable {
  readonly signature: Signature;
  readonly #table: NodeTable;
  readonly #view: NodeView;
  readonly #filters: readonly PreparedFilter[];
  readonly #scores: readonly PreparedScore[];
  readonly #normalized: NormalizedScore[];
  readonly #domains: readonly PreparedDomain[];
  readonly #domainPlugins: readonly DomainPlugin[];
  readonly #coupled: boolean;
  readonly #rawFollowsUse: boolean;
  readonly #groupFollowsUse: boolean;
  readonly #tieBreak: Profile['tieBreak'];
  /** By row: `fits`, or what refused it first. */
  #refusedBy = new Uint8Array(0);
  /** By row: the first filter that reads only the node and refuses it, or `noNode` for none. */
  #nodeRefusal = new Uint8Array(0);
  /** By row: number of its group. */
  #groupOf = new Int32Array(0);
  #order: RowOrder;
  #groups: Group[] = [];
  #groupIds = new Map<string, number>();
  /** Numbers of groups that nobody is in. */
  #freeGroups: number[] = [];
  #cursor = -1;
  /** Up to where it is known that no new signature with a place affects this one. */
  #arrivals: number;
  #epoch = -1;
  #fitting = 0;
  #explained:
    | { readonly at: number; readonly byGroup: ReadonlyMap<Group, Readonly<Record<string, number>>> }
    | undefined;

  constructor(table: NodeTable, profile: Profile, signature: Signature) {
    this.signature = signature;
    this.#table = table;
    this.#view = new NodeView(table);
    const { demand } = signature;
    this.#filters = profile.filters.flatMap((plugin) => {
      const state = plugin.preFilter(demand, table);
      return state === undefined ? [] : [{ plugin, state }];
    });
    const scores = profile.scores.flatMap(({ plugin, weight }) => {
      const state = weight === 0 ? undefined : plugin.preScore(demand, table);
      return state === undefined ? [] : [{ plugin, state, weight }];
    });
    this.#scores = scores.filter(({ plugin }) => plugin.normalize === 'none');
    this.#normalized = scores
      .filter(({ plugin }) => plugin.normalize !== 'none')
      .map((score) => ({ ...score, raw: new Int32Array(0), scored: 0, highest: 0 }));
    this.#tieBreak = profile.tieBreak;
    this.#rawFollowsUse = this.#normalized.some(({ plugin }) => plugin.reads === 'use');
    this.#domains = profile.domains
      .filter(({ plugin }) => plugin.concerns(signature, table))
      .map(({ plugin, weight }) => ({ name: plugin.name, state: plugin.prepare(signature, table), weight }));
    this.#groupFollowsUse = this.#domains.some(({ state }) => state.followsUse === true);
    this.#domainPlugins = profile.domains.map(({ plugin }) => plugin);
    this.#coupled = this.#domainPlugins.some(
      (plugin) => plugin.concerns(signature, table) && plugin.mayRefuse?.(signature, table) !== false,
    );
    this.#arrivals = table.affine.end;
    this.#order = this.#newOrder(0);
  }

  [Symbol.dispose](): void {
    for (const { state } of this.#domains) state[Symbol.dispose]();
  }

  /** Nodes that pass every filter but those of domains. Valid after `best()`. */
  get fitting(): number {
    return this.#fitting;
  }

  /**
   * True if rows or values have been numbered anew since it was made, or pods have come that mind those of this
   * signature: it must be made anew too.
   */
  get isOutdated(): boolean {
    const { affine, epoch } = this.#table;
    if (this.#epoch !== -1 && this.#epoch !== epoch) return true;
    if (this.#arrivals === affine.end) return false;
    const arrived = affine.arrivedSince(this.#arrivals);
    this.#arrivals = affine.end;
    return this.#domainPlugins.some((plugin) => plugin.isAffectedBy?.(arrived, this.signature, this.#table) === true);
  }

  /** The best place for one more pod now, or undefined if there is none. */
  best(): Candidate | undefined {
    this.#refresh();
    if (this.#domains.length === 0) {
      const [group] = this.#groups;
      if (group === undefined || group.heap.size === 0) return undefined;
      this.#normalize([group]);
      const row = group.heap.top;
      return { row, score: this.#scoreOf(row) };
    }
    const admitted = this.#admitted();
    this.#normalize(admitted);
    const bonuses = this.#bonuses(admitted);
    let best: Candidate | undefined;
    let bestBonus = 0;
    for (let index = 0; index < admitted.length; index++) {
      const row = admitted[index]?.heap.top ?? -1;
      const bonus = bonuses[index] ?? 0;
      if (best === undefined || isBefore(this.#order, row, best.row, (bonus - bestBonus) * scoreUnit)) {
        best = { row, score: this.#scoreOf(row) + bonus };
        bestBonus = bonus;
      }
    }
    return best;
  }

  /** Whether one more pod fits on this very row now. */
  fitsOn(row: number): boolean {
    this.#refresh();
    if (this.#refusedBy[row] !== fits) return false;
    const group = this.#groups[this.#groupOf[row] ?? 0];
    return group !== undefined && this.#isAdmitted(group);
  }

  /** True if other nodes may have a row refused: what is known of it holds until anything changes. */
  get isCoupled(): boolean {
    return this.#coupled;
  }

  /** Takes in what has changed; for `wouldFit()`. */
  refresh(): void {
    this.#refresh();
  }

  /**
   * Whether one more pod would fit on `row` as the table counts at this very moment, suspended occupants left out. The
   * node itself must not have changed since the last `refresh()`.
   */
  wouldFit(row: number): boolean {
    if (this.#table.present[row] !== 1 || this.#nodeRefusal[row] !== noNode) return false;
    const view = this.#view.at(row);
    if (this.#firstRefusal(view, 'use', this.#filters.length) !== noNode) return false;
    return this.#domains.every(({ state }) => {
      const domain = state.domainOf(view);
      return domain !== -1 && state.admits(domain);
    });
  }

  /** What stands in the way on `row`: of the first plugin that refuses, or of all with `every`. Empty if it fits. */
  refusals(row: number, every = false): readonly Refusal[] {
    this.#refresh();
    const refusedBy = this.#refusedBy[row] ?? noNode;
    if (refusedBy === noNode) return [];
    const view = this.#view.at(row);
    if (every) {
      const filtered = this.#filters.flatMap(({ plugin, state }) => plugin.refusals(state, view));
      return [...filtered, ...this.#domainRefusals(row)];
    }
    if (refusedBy === fits || refusedBy === outsideDomains) return this.#domainRefusals(row);
    const filter = this.#filters[refusedBy - 1];
    return filter === undefined ? [] : filter.plugin.refusals(filter.state, view);
  }

  /** How a fitting row is scored now, per plugin after its weight; for explanations. */
  scoresOf(row: number): Readonly<Record<string, number>> {
    this.#refresh();
    const bonuses = this.#bonusesByName();
    const view = this.#view.at(row);
    const scores: Record<string, number> = {};
    for (const { plugin, state, weight } of this.#scores) {
      scores[plugin.name] = (scores[plugin.name] ?? 0) + weight * plugin.score(state, view);
    }
    for (const score of this.#normalized) {
      scores[score.plugin.name] = (scores[score.plugin.name] ?? 0) + normalizedScore(score, row);
    }
    const group = this.#groups[this.#groupOf[row] ?? 0];
    return group === undefined ? scores : Object.assign(scores, bonuses.get(group));
  }

  #refresh(): void {
    const { log } = this.#table;
    if (this.#epoch !== this.#table.epoch || !log.reaches(this.#cursor)) return this.#rebuild();
    for (; this.#cursor < log.end; this.#cursor++) {
      this.#update(log.row(this.#cursor), (log.bits(this.#cursor) & changed.node) !== 0);
    }
  }

  #rebuild(): void {
    const table = this.#table;
    const size = table.present.length;
    if (this.#refusedBy.length !== size) {
      this.#refusedBy = new Uint8Array(size);
      this.#nodeRefusal = new Uint8Array(size);
      this.#groupOf = new Int32Array(size);
      for (const score of this.#normalized) score.raw = new Int32Array(size);
    }
    this.#order = this.#newOrder(size);
    this.#groups = [];
    this.#groupIds = new Map();
    this.#freeGroups = [];
    this.#fitting = 0;
    for (const score of this.#normalized) score.scored = 0;
    this.#refusedBy.fill(noNode);
    this.#judgeAll();
    for (const { heap } of this.#groups) heap.disorder();
    this.#epoch = table.epoch;
    this.#cursor = table.log.end;
  }

  /** What `#judge()` and `#enter()` do row by row, for all rows at once and column by column. */
  #judgeAll(): void {
    const table = this.#table;
    const end = table.rowEnd;
    const refused = this.#refusedBy;
    for (let row = 0; row < end; row++) refused[row] = table.present[row] === 1 ? fits : noNode;
    const pass: RowPass = { table, end, refused };
    this.#nodeRefusal.fill(noNode);
    // A filter that reads the node alone is asked about rows that another has refused for their use, too.
    const byNode = { ...pass, refused: refused.slice(0, end) };
    for (const [index, { plugin, state }] of this.#filters.entries()) {
      if (plugin.reads === 'use') this.#filterRows(plugin, state, pass, index + 1);
      else {
        this.#filterRows(plugin, state, byNode, index + 1);
        for (let row = 0; row < end; row++) {
          if (byNode.refused[row] !== index + 1) continue;
          this.#nodeRefusal[row] = index;
          if (refused[row] === fits) refused[row] = index + 1;
        }
      }
    }
    for (const { plugin, state, raw } of this.#normalized) {
      raw.fill(0);
      this.#scoreRows(plugin, state, byNode, 1, raw);
    }
    this.#groupOf.fill(this.#domains.length === 0 ? this.#group([]) : -1);
    if (this.#domains.length > 0) {
      for (let row = 0; row < end; row++) {
        if (refused[row] !== fits) continue;
        this.#assignGroup(row, this.#view.at(row));
        if (this.#groupOf[row] === -1) refused[row] = outsideDomains;
      }
    }
    this.#rankAll(pass);
    const groups = this.#groups;
    const groupOf = this.#groupOf;
    for (let row = 0; row < end; row++) {
      if (refused[row] !== fits) continue;
      const group = groups[groupOf[row]!]!; // set for every row that fits
      this.#fitting++;
      if (this.#normalized.length > 0) this.#countRaw(group, row, 1);
      group.heap.append(row);
    }
  }

  #filterRows(plugin: FilterPlugin, state: unknown, pass: RowPass, mark: number): void {
    if (plugin.filterRows !== undefined) return plugin.filterRows(state, pass, mark);
    const { end, refused } = pass;
    for (let row = 0; row < end; row++) {
      if (refused[row] === fits && !plugin.filter(state, this.#view.at(row))) refused[row] = mark;
    }
  }

  #scoreRows(
    plugin: ScorePlugin,
    state: unknown,
    pass: RowPass,
    weight: number,
    totals: Float64Array | Int32Array,
  ): void {
    if (plugin.scoreRows !== undefined) return plugin.scoreRows(state, pass, weight, totals);
    const { end, refused } = pass;
    for (let row = 0; row < end; row++) {
      if (refused[row] === fits) totals[row]! += weight * plugin.score(state, this.#view.at(row));
    }
  }

  /** `#rank()` of every row that fits. */
  #rankAll(pass: RowPass): void {
    const { end, refused, table } = pass;
    const totals = this.#order.score;
    for (const { plugin, state, weight } of this.#scores) this.#scoreRows(plugin, state, pass, weight, totals);
    const used = table.used[resource.pods]!; // every resource has its column
    for (let row = 0; row < end; row++) {
      if (refused[row] !== fits) continue;
      let total = totals[row]!;
      for (const score of this.#normalized) total += normalizedScore(score, row);
      totals[row] = this.#withTie(total, used[row]!);
    }
  }

  #newOrder(size: number): RowOrder {
    const table = this.#table;
    const order = { score: new Float64Array(size), position: new Int32Array(size).fill(-1), tie: table.tie };
    return { ...order, nameOf: (row) => table.nameOf(row) };
  }

  /** Filters and scores one changed row again and moves it in its heap. */
  #update(row: number, nodeChanged: boolean): void {
    const wasFitting = this.#refusedBy[row] === fits;
    if (wasFitting && (nodeChanged || this.#rawFollowsUse || this.#groupFollowsUse)) {
      this.#leave(row); // its group or raw scores may become others
      this.#judge(row, nodeChanged);
      if (this.#refusedBy[row] === fits) this.#enter(row);
      return;
    }
    this.#judge(row, nodeChanged);
    const isFitting = this.#refusedBy[row] === fits;
    if (isFitting && wasFitting) {
      this.#order.score[row] = this.#rank(row);
      this.#groups[this.#groupOf[row] ?? 0]?.heap.update(row);
    } else if (isFitting) this.#enter(row);
    else if (wasFitting) this.#leave(row);
  }

  /** Sets `#refusedBy`, and group and raw scores of a row that fits. */
  #judge(row: number, nodeChanged: boolean): void {
    if (this.#table.present[row] !== 1) {
      this.#refusedBy[row] = noNode;
      this.#nodeRefusal[row] = noNode;
      return;
    }
    const view = this.#view.at(row);
    if (nodeChanged) {
      this.#nodeRefusal[row] = this.#firstRefusal(view, 'node', this.#filters.length);
      this.#groupOf[row] = this.#domains.length === 0 ? 0 : -1;
    } else if (this.#groupFollowsUse) this.#groupOf[row] = -1;
    const byNode = this.#nodeRefusal[row] ?? noNode;
    if (byNode === noNode) this.#setRaw(row, view, nodeChanged);
    const byUse = this.#firstRefusal(view, 'use', byNode === noNode ? this.#filters.length : byNode);
    const first = byUse === noNode ? byNode : byUse;
    if (first !== noNode) {
      this.#refusedBy[row] = first + 1;
      return;
    }
    this.#refusedBy[row] = fits;
    if (this.#groupOf[row] === -1) this.#assignGroup(row, view);
    if (this.#groupOf[row] === -1) this.#refusedBy[row] = outsideDomains;
  }

  #setRaw(row: number, view: NodeView, nodeChanged: boolean): void {
    for (const { plugin, state, raw } of this.#normalized) {
      if (nodeChanged || plugin.reads === 'use') raw[row] = plugin.score(state, view);
    }
  }

  #firstRefusal(view: NodeView, reads: 'node' | 'use', end: number): number {
    for (let index = 0; index < end; index++) {
      const filter = this.#filters[index];
      if (filter !== undefined && filter.plugin.reads === reads && !filter.plugin.filter(filter.state, view))
        return index;
    }
    return noNode;
  }

  #assignGroup(row: number, view: NodeView): void {
    const domains = this.#domains.map(({ state }) => state.domainOf(view));
    this.#groupOf[row] = domains.includes(-1) ? -1 : this.#group(domains);
  }

  #group(domains: readonly number[]): number {
    const key = domains.join();
    let id = this.#groupIds.get(key);
    if (id === undefined) {
      id = this.#freeGroups.pop() ?? this.#groups.length;
      this.#groupIds.set(key, id);
      const histograms = this.#normalized.map(() => new Map<number, number>());
      this.#groups[id] = { key, domains, heap: new RowHeap(this.#order), histograms };
    }
    return id;
  }

  #enter(row: number): void {
    this.#fitting++;
    const group = this.#groups[this.#groupOf[row] ?? 0];
    if (group === undefined) return;
    this.#countRaw(group, row, 1);
    this.#order.score[row] = this.#rank(row);
    group.heap.add(row);
  }

  #leave(row: number): void {
    this.#fitting--;
    const group = this.#groups[this.#groupOf[row] ?? 0];
    if (group === undefined) return;
    this.#countRaw(group, row, -1);
    group.heap.remove(row);
    if (!this.#groupFollowsUse || group.heap.size > 0) return;
    this.#groupIds.delete(group.key);
    this.#freeGroups.push(this.#groupOf[row] ?? 0);
  }

  #countRaw({ histograms }: Group, row: number, by: 1 | -1): void {
    for (let index = 0; index < this.#normalized.length; index++) {
      const score = this.#normalized[index];
      const raw = score?.raw[row] ?? 0;
      if (score === undefined || raw === 0) continue; // zeros raise no maximum
      score.scored += by;
      count(histograms[index], raw, by);
    }
  }

  /** The score in units, and below one unit what decides among equals. */
  #rank(row: number): number {
    const view = this.#view.at(row);
    let total = 0;
    for (const { plugin, state, weight } of this.#scores) total += weight * plugin.score(state, view);
    for (const score of this.#normalized) total += normalizedScore(score, row);
    return this.#withTie(total, view.used(resource.pods));
  }

  #withTie(total: number, podsUsed: number): number {
    if (this.#tieBreak === 'seed') return total * scoreUnit;
    const pods = Math.min(podsUsed, scoreUnit - 1);
    return total * scoreUnit + (this.#tieBreak === 'more-pods' ? pods : scoreUnit - 1 - pods);
  }

  #scoreOf(row: number): number {
    return Math.floor((this.#order.score[row] ?? 0) / scoreUnit);
  }

  /** Makes sure that the scores were made with the highest raw scores among the nodes of `groups`. */
  #normalize(groups: readonly Group[]): void {
    let outdated = false;
    for (const [index, score] of this.#normalized.entries()) {
      let highest = 0;
      // Mostly no fitting node has any such score at all, and then there are no groups to look through.
      for (const { histograms } of score.scored === 0 ? [] : groups) {
        for (const raw of histograms[index]?.keys() ?? []) highest = Math.max(highest, raw);
      }
      if (highest === score.highest) continue;
      score.highest = highest;
      outdated = true;
    }
    if (!outdated) return;
    for (const { heap } of this.#groups) {
      for (const row of heap.rows()) this.#order.score[row] = this.#rank(row);
      heap.disorder();
    }
  }

  #isAdmitted({ domains }: Group): boolean {
    for (let index = 0; index < this.#domains.length; index++) {
      if (this.#domains[index]?.state.admits(domains[index] ?? 0) === false) return false;
    }
    return true;
  }

  #admitted(): readonly Group[] {
    const admitted: Group[] = [];
    for (const group of this.#groups) if (group.heap.size > 0 && this.#isAdmitted(group)) admitted.push(group);
    return admitted;
  }

  /** What the preferences of domains add to the score of each group's nodes. */
  #bonuses(groups: readonly Group[]): Float64Array {
    const bonuses = new Float64Array(groups.length);
    for (let index = 0; index < this.#domains.length; index++) this.#addBonuses(groups, index, bonuses);
    return bonuses;
  }

  #addBonuses(groups: readonly Group[], index: number, bonuses: Float64Array): void {
    const { state, weight } = this.#domains[index]!; // the caller's index
    const { preference } = state;
    if (preference === undefined || weight === 0) return;
    preference.begin?.(
      groups.map(({ domains }) => domains[index] ?? 0),
      groups.map(({ heap }) => heap.size),
    );
    const raws = new Float64Array(groups.length);
    let [lowest, highest] = [Infinity, -Infinity];
    for (let at = 0; at < groups.length; at++) {
      const raw = preference.score(groups[at]?.domains[index] ?? 0);
      raws[at] = raw;
      if (raw < lowest) lowest = raw;
      if (raw > highest) highest = raw;
    }
    for (let at = 0; at < groups.length; at++) {
      const raw = raws[at] ?? Number.NaN;
      if (Number.isNaN(raw)) continue;
      bonuses[at] = (bonuses[at] ?? 0) + weight * preference.normalize(raw, lowest, highest);
    }
  }

  /**
   * By group: what each domain plugin with a preference adds; made once for all rows that are explained. Scores are
   * normalized over what fits now, too.
   */
  #bonusesByName(): ReadonlyMap<Group, Readonly<Record<string, number>>> {
    const { end } = this.#table.log;
    if (this.#explained?.at !== end) {
      const groups = this.#domains.length === 0 ? this.#groups : this.#admitted();
      this.#normalize(groups);
      const byGroup = new Map<Group, Record<string, number>>(groups.map((group) => [group, {}]));
      for (const [index, { name, state, weight }] of this.#domains.entries()) {
        if (state.preference === undefined || weight === 0) continue;
        const bonuses = new Float64Array(groups.length);
        this.#addBonuses(groups, index, bonuses);
        for (const [at, group] of groups.entries()) Object.assign(byGroup.get(group) ?? {}, { [name]: bonuses[at] });
      }
      this.#explained = { at: end, byGroup };
    }
    return this.#explained.byGroup;
  }

  #domainRefusals(row: number): readonly Refusal[] {
    const view = this.#view.at(row);
    return this.#domains.flatMap(({ state }) => {
      const domain = state.domainOf(view);
      return domain === -1 || !state.admits(domain) ? state.refusals(view, domain) : [];
    });
  }
}

function count(histogram: Map<number, number> | undefined, raw: number, by: 1 | -1): void {
  if (histogram === undefined) return;
  const left = (histogram.get(raw) ?? 0) + by;
  if (left === 0) histogram.delete(raw);
  else histogram.set(raw, left);
}

/** Whole-number arithmetic as upstream's DefaultNormalizeScore. */
function normalizedScore({ plugin, raw, highest, weight }: NormalizedScore, row: number): number {
  const share = highest === 0 ? 0 : Math.floor((scoreMax * (raw[row] ?? 0)) / highest);
  return weight * (plugin.normalize === 'lowest' ? scoreMax - share : share);
}
