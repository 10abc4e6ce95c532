import type { TopologySpreadConstraint } from '#api/core/types.generated.ts';
import type { Demand } from '../demand.ts';
import { DomainTuples, hostnameKey, tallyOf, type Tally } from '../domain-tally.ts';
import { matchAnyTerm, matchLabels } from '../node-selector.ts';
import { NodeTally } from '../node-tally.ts';
import type { NodeTable, Occupant } from '../node-table.ts';
import { NodeView } from '../node-view.ts';
import { scoreMax, type DomainPlugin, type DomainPreference, type DomainState, type Refusal } from '../plugin.ts';
import { spreadSelector } from '../pod-selector.ts';
import type { Signature } from '../signature.ts';
import { untolerated } from '../taints.ts';

const name = 'PodTopologySpread';

/**
 * Keeps matching pods evenly spread over domains: with `DoNotSchedule` no domain may get more than `maxSkew` ahead of
 * the emptiest; with `ScheduleAnyway` emptier domains score better. Counts are kept per domain and follow every pod.
 * Source: KEP-895 and k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread.
 */
export const podTopologySpread: DomainPlugin = {
  name,
  concerns: ({ demand }) => demand.spread.length > 0,
  mayRefuse: ({ demand }) => demand.spread.some(isHard),
  prepare: (signature, table) => new Spread(signature, table),
};

interface Constraint {
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly hard: boolean;
  /** 1 if the pod itself is one of those that are counted. */
  readonly self: 0 | 1;
  readonly topologyKey: string;
  readonly tally: Tally;
}

class Spread implements DomainState {
  readonly followsUse: boolean;
  readonly preference: DomainPreference | undefined;
  readonly #constraints: readonly Constraint[];
  readonly #tuples = new DomainTuples();
  /** Kubernetes' own default constraints prefer among nodes by the keys that these have. */
  readonly #lenient: boolean;

  constructor({ demand }: Signature, table: NodeTable) {
    this.#lenient = demand.spreadDefaults === 'system';
    const hardKeys = demand.spread.filter(isHard).map(({ topologyKey }) => topologyKey);
    const softKeys = demand.spread.filter((each) => !isHard(each)).map(({ topologyKey }) => topologyKey);
    this.#constraints = demand.spread.map((constraint) => {
      const { topologyKey, maxSkew, minDomains = 1 } = constraint;
      const hard = isHard(constraint);
      const selector = spreadSelector(constraint, demand.labels ?? {});
      const options = {
        table,
        topologyKey,
        namespace: demand.namespace ?? '',
        weightOf: ({ namespace, labels, terminating }: Occupant) =>
          !terminating && namespace === demand.namespace && selector.matches(labels) ? 1 : 0,
        includes: participants(table, demand, constraint, hard ? hardKeys : this.#lenient ? [] : softKeys),
      };
      const self = selector.matches(demand.labels) ? 1 : 0;
      // A preference among nodes counts what is on each, whatever their host names.
      const tally = !hard && topologyKey === hostnameKey ? new NodeTally(options) : tallyOf(options);
      return { topologyKey, maxSkew, minDomains, hard, self, tally };
    });
    this.followsUse = this.#constraints.some(({ tally }) => tally.followsUse);
    this.preference = softKeys.length === 0 ? undefined : this.#preferenceOf();
  }

  [Symbol.dispose](): void {
    for (const { tally } of this.#constraints) tally[Symbol.dispose]();
  }

  domainOf({ row }: NodeView): number {
    const domains = this.#constraints.map(({ tally }) => tally.domainOf(row));
    const missing = this.#constraints.some(({ hard }, index) => hard && domains[index] === -1);
    return missing ? -1 : this.#tuples.id(domains);
  }

  admits(id: number): boolean {
    const domains = this.#tuples.at(id);
    for (let index = 0; index < this.#constraints.length; index++) {
      const constraint = this.#constraints[index];
      if (constraint?.hard === true && exceeds(constraint, domains[index] ?? -1)) return false;
    }
    return true;
  }

  refusals(_: NodeView, id: number): readonly Refusal[] {
    const reason = "node(s) didn't match pod topology spread constraints";
    if (id === -1) return [{ plugin: name, reason: `${reason} (missing required label)`, curable: false }];
    return [{ plugin: name, reason, curable: true }];
  }

  /** Upstream's weight of a constraint grows with the number of its domains among the nodes that fit. */
  #preferenceOf(): DomainPreference {
    const soft = this.#constraints.flatMap((constraint, index) => (constraint.hard ? [] : [{ ...constraint, index }]));
    const weights = soft.map(() => 0);
    const isLeftOut = (domains: readonly number[]) =>
      !this.#lenient && soft.some(({ index }) => (domains[index] ?? -1) < 0);
    return {
      begin: (ids, nodes) => {
        const seen = soft.map(() => new Set<number>());
        let count = 0;
        for (const [at, id] of ids.entries()) {
          const domains = this.#tuples.at(id);
          if (isLeftOut(domains)) continue;
          count += nodes[at] ?? 0;
          for (const [place, { index }] of soft.entries()) seen[place]?.add(domains[index] ?? -1);
        }
        for (const [place, { topologyKey }] of soft.entries()) {
          const size = topologyKey === hostnameKey ? count : (seen[place]?.size ?? 0);
          weights[place] = Math.log(size + 2);
        }
      },
      score: (id) => {
        const domains = this.#tuples.at(id);
        if (isLeftOut(domains)) return Number.NaN; // such nodes get no points
        let score = 0;
        for (const [place, { index, tally, maxSkew }] of soft.entries()) {
          const domain = domains[index] ?? -1;
          if (domain >= 0) score += tally.count(domain) * (weights[place] ?? 0) + (maxSkew - 1);
        }
        return Math.round(score);
      },
      normalize: (raw, lowest, highest) =>
        highest === 0 ? scoreMax : Math.floor((scoreMax * (highest + lowest - raw)) / highest),
    };
  }
}

const isHard = ({ whenUnsatisfiable }: TopologySpreadConstraint) => whenUnsatisfiable === 'DoNotSchedule';

function exceeds({ tally, self, maxSkew, minDomains }: Constraint, domain: number): boolean {
  const least = minDomains > 1 && tally.size < minDomains ? 0 : tally.lowest;
  return tally.countWithExpected(domain) + self - least > maxSkew;
}

/** Nodes whose domains count: those with all keys, and as the constraint's policies say, that the pod could go to. */
function participants(
  table: NodeTable,
  demand: Demand,
  constraint: TopologySpreadConstraint,
  keys: readonly string[],
): (row: number) => boolean {
  const view = new NodeView(table);
  const matchers: ((node: NodeView) => boolean)[] = [(node) => keys.every((key) => node.label(key) !== undefined)];
  if ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor') {
    if (demand.nodeSelector !== undefined) matchers.push(matchLabels(demand.nodeSelector));
    if (demand.requiredNodes !== undefined) matchers.push(matchAnyTerm(demand.requiredNodes.nodeSelectorTerms));
  }
  if (constraint.nodeTaintsPolicy === 'Honor') {
    matchers.push(({ taints }) => untolerated(taints, demand.tolerations, 'NoSchedule', 'NoExecute').length === 0);
  }
  return (row) => {
    const node = view.at(row);
    return matchers.every((matches) => matches(node));
  };
}
