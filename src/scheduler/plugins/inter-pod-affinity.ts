import type { PodAffinityTerm } from '#api/core/types.generated.ts';
import type { AffineTerm } from '../affine-pods.ts';
import type { Demand } from '../demand.ts';
import { DomainTuples, tallyOf, type Tally } from '../domain-tally.ts';
import type { NodeTable, Occupant } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import { scoreMax, type DomainPlugin, type DomainPreference, type DomainState, type Refusal } from '../plugin.ts';
import { termMatcher } from '../pod-selector.ts';
import type { Signature } from '../signature.ts';

const name = 'InterPodAffinity';

export interface InterPodAffinityArgs {
  /** What required affinity of a pod with a place adds where it is, to the score for pods that it means. */
  readonly hardPodAffinityWeight: number;
  /** True if such scores do not count for pods without preferences of their own. */
  readonly ignorePreferredTermsOfExistingPods: boolean;
}

/** Upstream's. */
export const interPodAffinityDefaults: InterPodAffinityArgs = {
  hardPodAffinityWeight: 1,
  ignorePreferredTermsOfExistingPods: false,
};

/**
 * Puts pods near others, or away from them, by domain: by the pod's own required and preferred terms, and by those of
 * pods that run already: their anti-affinity keeps it away, their preferences and required affinity score. Counts are
 * kept per domain and follow every pod.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity.
 */
export function interPodAffinityWith(args = interPodAffinityDefaults): DomainPlugin {
  const termsOf = (signature: Signature, { affine }: NodeTable, of?: readonly Signature[]) =>
    relevantTerms(affine.termsOn(signature.demand, of), signature.demand, args);
  return {
    name,
    concerns: (signature, table) => hasTerms(signature.demand) || termsOf(signature, table).length > 0,
    mayRefuse: ({ demand }, { affine }) =>
      demand.affinity.length > 0 ||
      demand.antiAffinity.length > 0 ||
      affine.termsOn(demand).some(({ kind }) => kind === 'away'),
    isAffectedBy: (arrived, signature, table) => termsOf(signature, table, arrived).length > 0,
    prepare: (signature, table) => new Affinity(signature, table, termsOf(signature, table), args),
  };
}

const hasPreferences = ({ preferredAffinity, preferredAntiAffinity }: Demand) =>
  preferredAffinity.length > 0 || preferredAntiAffinity.length > 0;

const hasTerms = (demand: Demand) =>
  demand.affinity.length > 0 || demand.antiAffinity.length > 0 || hasPreferences(demand);

/** Terms of others that have a say on a pod with these demands. */
function relevantTerms(
  terms: readonly AffineTerm[],
  demand: Demand,
  args: InterPodAffinityArgs,
): readonly AffineTerm[] {
  const scored = hasPreferences(demand) || !args.ignorePreferredTermsOfExistingPods;
  return terms.filter(({ kind }) => {
    if (kind === 'away') return true;
    return scored && (kind === 'preference' || args.hardPodAffinityWeight > 0);
  });
}

interface Preference {
  readonly tally: Tally;
  /** Negative to keep away. */
  readonly weight: number;
}

class Affinity implements DomainState {
  readonly followsUse: boolean;
  readonly preference: DomainPreference | undefined;
  /** Domains must have a matching pod. */
  readonly #wanted: readonly Tally[];
  /** Domains must have none: by the pod's own terms, and by those of others. */
  readonly #unwanted: readonly Tally[];
  readonly #hostile: readonly Tally[];
  readonly #preferences: readonly Preference[];
  readonly #all: readonly Tally[];
  readonly #tuples = new DomainTuples();
  /** True if the pod would satisfy its own affinity: the first of its kind may go anywhere. */
  readonly #mayBeFirst: boolean;

  constructor(
    { demand }: Signature,
    table: NodeTable,
    others: readonly AffineTerm[],
    { hardPodAffinityWeight }: InterPodAffinityArgs,
  ) {
    const countsOf = (term: PodAffinityTerm) => {
      const matches = termMatcher(term, demand, table.namespaces);
      const weightOf = ({ namespace, labels }: Occupant) => (matches(namespace, labels) ? 1 : 0);
      return tallyOf({ table, topologyKey: term.topologyKey, weightOf });
    };
    // Upstream counts only pods that match all terms at once.
    const wanted = demand.affinity.map((term) => termMatcher(term, demand, table.namespaces));
    const matchesAll = (namespace: string, labels: Readonly<Record<string, string>>) =>
      wanted.every((matches) => matches(namespace, labels));
    this.#wanted = demand.affinity.map(({ topologyKey }) => {
      const weightOf = ({ namespace, labels }: Occupant) => (matchesAll(namespace, labels) ? 1 : 0);
      return tallyOf({ table, topologyKey, weightOf });
    });
    this.#mayBeFirst = matchesAll(demand.namespace ?? '', demand.labels ?? {});
    this.#unwanted = demand.antiAffinity.map(countsOf);
    const away = others.filter(({ kind }) => kind === 'away');
    this.#hostile = talliesOf(away, table, () => 1);
    this.#preferences = [
      ...demand.preferredAffinity.map(({ weight, podAffinityTerm }) => ({ weight, tally: countsOf(podAffinityTerm) })),
      ...demand.preferredAntiAffinity.map(({ weight, podAffinityTerm }) => ({
        weight: -weight,
        tally: countsOf(podAffinityTerm),
      })),
      ...talliesOf(
        others.filter(({ kind }) => kind !== 'away'),
        table,
        ({ kind, weight }) => (kind === 'near' ? hardPodAffinityWeight : weight),
      ).map((tally) => ({ weight: 1, tally })),
    ];
    this.#all = [...this.#wanted, ...this.#unwanted, ...this.#hostile, ...this.#preferences.map(({ tally }) => tally)];
    this.followsUse = this.#all.some(({ followsUse }) => followsUse);
    this.preference = this.#preferences.length === 0 ? undefined : this.#preferenceOf();
  }

  [Symbol.dispose](): void {
    for (const tally of this.#all) tally[Symbol.dispose]();
  }

  domainOf({ row }: NodeView): number {
    const domains = this.#all.map((tally) => tally.domainOf(row));
    // A node without the key has no place for what must be near something; what must be away may go there.
    return this.#wanted.some((_, index) => domains[index] === -1) ? -1 : this.#tuples.id(domains);
  }

  admits(id: number): boolean {
    return this.#objection(id) === undefined;
  }

  refusals(_: NodeView, id: number): readonly Refusal[] {
    const reason = id === -1 ? "node(s) didn't match pod affinity rules" : this.#objection(id);
    return reason === undefined ? [] : [{ plugin: name, reason, curable: id !== -1 }];
  }

  #objection(id: number): string | undefined {
    const domains = this.#tuples.at(id);
    let at = 0;
    let satisfied = true;
    for (const tally of this.#wanted) if (tally.count(domains[at++] ?? -1) === 0) satisfied = false;
    // Nobody to be near to, anywhere: the first of a group that wants to be together may start it.
    const isFirst = !satisfied && this.#mayBeFirst && this.#wanted.every(({ total }) => total === 0);
    if (!satisfied && !isFirst) return "node(s) didn't match pod affinity rules";
    for (const tally of this.#unwanted) {
      if (tally.countWithExpected(domains[at++] ?? -1) > 0) return "node(s) didn't match pod anti-affinity rules";
    }
    for (const tally of this.#hostile) {
      if (tally.countWithExpected(domains[at++] ?? -1) > 0)
        return "node(s) didn't satisfy existing pods anti-affinity rules";
    }
    return undefined;
  }

  #preferenceOf(): DomainPreference {
    const offset = this.#all.length - this.#preferences.length;
    return {
      score: (id) => {
        const domains = this.#tuples.at(id);
        return this.#preferences.reduce((sum, { tally, weight }, index) => {
          const domain = domains[offset + index] ?? -1;
          return domain < 0 ? sum : sum + weight * tally.count(domain);
        }, 0);
      },
      normalize: (raw, lowest, highest) =>
        highest === lowest ? 0 : Math.trunc(scoreMax * ((raw - lowest) / (highest - lowest))),
    };
  }
}

/** One tally a topology key: what the terms of the pods there weigh together. */
function talliesOf(
  terms: readonly AffineTerm[],
  table: NodeTable,
  weightOf: (term: AffineTerm) => number,
): readonly Tally[] {
  return [...Map.groupBy(terms, ({ topologyKey }) => topologyKey)].map(([topologyKey, sameKey]) => {
    const weights = new Map<Signature, number>();
    for (const term of sameKey) weights.set(term.signature, (weights.get(term.signature) ?? 0) + weightOf(term));
    return tallyOf({ table, topologyKey, weightOf: ({ signature }) => weights.get(signature) ?? 0 });
  });
}
