import type { PodAffinityTerm } from '#api/core/types.generated.ts';
import type { Demand } from './demand.ts';
import { keysOf } from './label-keys.ts';
import type { NamespaceLabels } from './namespace-labels.ts';
import { termMatcher, type TermMatcher } from './pod-selector.ts';
import type { Signature } from './signature.ts';

/** What pods of one signature that have a place want of others. */
export interface AffineTerm {
  readonly signature: Signature;
  readonly topologyKey: string;
  /** `away`: required anti-affinity; `near`: required affinity; otherwise a preference. */
  readonly kind: 'away' | 'near' | 'preference';
  /** Of a preference; negative to keep away. */
  readonly weight: number;
  readonly means: TermMatcher;
}

/** So many arrivals are remembered, then everybody must look at all terms anew. */
const arrivalsMax = 1024;

/**
 * The terms of affinity and anti-affinity of pods that have a place: they have a say on where others go. It knows
 * which labels these terms read, and which signatures have come since somebody last looked.
 */
export class AffinePods {
  readonly #namespaces: NamespaceLabels;
  readonly #outgrown: () => void;
  readonly #present = new Map<Signature, { count: number; readonly terms: readonly AffineTerm[] }>();
  #arrivals: Signature[] = [];
  #labelsRead: ReadonlySet<string> | undefined;

  /** `outgrown` is called when arrivals are forgotten. */
  constructor(namespaces: NamespaceLabels, outgrown: () => void) {
    this.#namespaces = namespaces;
    this.#outgrown = outgrown;
  }

  /** Keys of the labels that terms read in other pods; another set as soon as one is added. Undefined without terms. */
  get labelsRead(): ReadonlySet<string> | undefined {
    return this.#labelsRead;
  }

  /** Position after the last signature that has come. */
  get end(): number {
    return this.#arrivals.length;
  }

  /** Signatures that had no pods before; those from position `from` on. */
  arrivedSince(from: number): readonly Signature[] {
    return this.#arrivals.slice(from);
  }

  /** Terms that mean a pod with these demands; none for one whose labels are not known. */
  termsOn(demand: Demand, signatures: Iterable<Signature> = this.#present.keys()): readonly AffineTerm[] {
    const { namespace, labels } = demand;
    if (namespace === undefined || labels === undefined) return [];
    const found: AffineTerm[] = [];
    for (const signature of signatures) {
      for (const term of this.#present.get(signature)?.terms ?? []) {
        if (term.means(namespace, labels)) found.push(term);
      }
    }
    return found;
  }

  /** A pod of the signature comes (1) or goes (-1). */
  count(signature: Signature, by: 1 | -1): void {
    const known = this.#present.get(signature);
    if (known !== undefined) {
      known.count += by;
      if (known.count === 0) this.#present.delete(signature);
      if (this.#present.size === 0) this.#labelsRead = undefined;
      return;
    }
    const terms = by === 1 ? this.#termsOf(signature) : [];
    if (terms.length === 0) return;
    this.#present.set(signature, { count: by, terms });
    if (this.#arrivals.length === arrivalsMax) {
      this.#arrivals = [];
      this.#outgrown();
    }
    this.#arrivals.push(signature);
    const keys = keysRead(signature.demand);
    if (this.#labelsRead !== undefined && keys.every((key) => this.#labelsRead?.has(key) === true)) return;
    this.#labelsRead = new Set([...this.#present.keys()].flatMap(({ demand }) => keysRead(demand)));
  }

  #termsOf(signature: Signature): readonly AffineTerm[] {
    const { demand } = signature;
    const read = (kind: AffineTerm['kind'], weight: number, term: PodAffinityTerm): AffineTerm => ({
      signature,
      topologyKey: term.topologyKey,
      kind,
      weight,
      means: termMatcher(term, demand, this.#namespaces),
    });
    return [
      ...demand.antiAffinity.map((term) => read('away', 0, term)),
      ...demand.affinity.map((term) => read('near', 0, term)),
      ...demand.preferredAffinity.map(({ weight, podAffinityTerm }) => read('preference', weight, podAffinityTerm)),
      ...demand.preferredAntiAffinity.map(({ weight, podAffinityTerm }) =>
        read('preference', -weight, podAffinityTerm),
      ),
    ];
  }
}

function keysRead(demand: Demand): readonly string[] {
  const weighted = [...demand.preferredAffinity, ...demand.preferredAntiAffinity];
  const terms = [...demand.affinity, ...demand.antiAffinity, ...weighted.map(({ podAffinityTerm }) => podAffinityTerm)];
  return terms.flatMap(keysOf);
}
