import type { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { selectorOf, type Selector } from '#machinery/labels.ts';
import type { Occupant } from '../node-table.ts';

interface Budget {
  readonly selector: Selector;
  readonly allowed: number;
  /** Pods whose disruption the API server has counted already, by name. */
  readonly disrupted: ReadonlySet<string>;
  /** Victims chosen here that `allowed` does not show yet, by uid; true once the API server was seen to end them. */
  readonly claims: Map<string, boolean>;
  /** The most victims on one node that this budget was ever asked about: no higher number makes a difference. */
  peak: number;
}

/**
 * What the disruption budgets still allow. Preemption may violate them, but only where nothing else helps. The
 * controller that counts needs a moment after each victim; until then the victims chosen here are counted here.
 */
export class DisruptionBudgets {
  /** Rises whenever `split()` may answer otherwise than before. */
  version = 0;
  /** Namespace → name → budget. */
  readonly #byNamespace = new Map<string, Map<string, Budget>>();

  put({ metadata, spec, status }: PodDisruptionBudget): void {
    const { namespace = '', name = '' } = metadata ?? {};
    let budgets = this.#byNamespace.get(namespace);
    if (budgets === undefined) this.#byNamespace.set(namespace, (budgets = new Map()));
    const before = budgets.get(name);
    const selector = selectorOf(spec?.selector);
    const claims = new Map([...(before?.claims ?? [])].filter(([, seen]) => !seen));
    const allowed = status?.disruptionsAllowed ?? 0;
    const disrupted = new Set(Object.keys(status?.disruptedPods ?? {}));
    const after = { selector, allowed, disrupted, claims, peak: before?.peak ?? 0 };
    budgets.set(name, after);
    const same =
      before !== undefined &&
      before.selector.toString() === selector.toString() &&
      before.disrupted.size + disrupted.size === 0;
    if (!same || differs(after, leftOf(before), leftOf(after))) this.version++;
  }

  remove(namespace: string, name: string): void {
    if (this.#byNamespace.get(namespace)?.delete(name) === true) this.version++;
  }

  /**
   * Parts pods of one node, most important first, into those whose end would violate a budget and the others. Each
   * pod counts against all its budgets before the next is looked at. A budget without selector means nobody.
   * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption (filterPodsWithPDBViolation).
   */
  split(pods: readonly Occupant[]): { readonly violating: readonly Occupant[]; readonly others: readonly Occupant[] } {
    const left = new Map<Budget, number>();
    const asked = new Map<Budget, number>();
    const violating = new Set<Occupant>();
    for (const pod of pods) {
      for (const budget of this.#of(pod)) {
        if (budget.disrupted.has(pod.name)) continue;
        const rest = (left.get(budget) ?? leftOf(budget)) - 1;
        left.set(budget, rest);
        asked.set(budget, (asked.get(budget) ?? 0) + 1);
        if (rest < 0) violating.add(pod);
      }
    }
    for (const [budget, count] of asked) budget.peak = Math.max(budget.peak, count);
    if (violating.size === 0) return { violating: [], others: pods };
    return { violating: pods.filter((pod) => violating.has(pod)), others: pods.filter((pod) => !violating.has(pod)) };
  }

  /** These pods will be ended. */
  claim(pods: readonly Occupant[]): void {
    for (const pod of pods) {
      for (const budget of this.#of(pod)) {
        if (!budget.disrupted.has(pod.name)) this.#change(budget, () => budget.claims.set(pod.uid, false));
      }
    }
  }

  /** A claimed pod is known to be ending, so what the controller counts next is without it. */
  seenEnding(pod: Pick<Occupant, 'uid' | 'namespace'>): void {
    for (const { claims } of this.#byNamespace.get(pod.namespace)?.values() ?? []) {
      if (claims.has(pod.uid)) claims.set(pod.uid, true);
    }
  }

  /** A claimed pod is not ended after all. */
  release(pod: Pick<Occupant, 'uid' | 'namespace'>): void {
    for (const budget of this.#byNamespace.get(pod.namespace)?.values() ?? []) {
      this.#change(budget, () => budget.claims.delete(pod.uid));
    }
  }

  #of({ namespace, labels }: Occupant): readonly Budget[] {
    const budgets = this.#byNamespace.get(namespace);
    if (budgets === undefined || Object.keys(labels).length === 0) return [];
    return [...budgets.values()].filter(({ selector }) => selector.toString() !== '' && selector.matches(labels));
  }

  #change(budget: Budget, act: () => unknown): void {
    const before = leftOf(budget);
    act();
    if (differs(budget, before, leftOf(budget))) this.version++;
  }
}

const leftOf = ({ allowed, claims }: Budget) => allowed - claims.size;

/** Between none and none, and between more than is ever asked for and more, there is no difference. */
function differs({ peak }: Budget, before: number, after: number): boolean {
  return Math.max(0, Math.min(peak, before)) !== Math.max(0, Math.min(peak, after));
}
