import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type {
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Taint,
  Toleration,
  TopologySpreadConstraint,
  WeightedPodAffinityTerm,
} from '#api/core/types.generated.ts';
import { hash32 } from '../hash.ts';
import { amountOf } from '../requests.ts';

/*
 * The definition of where a pod goes, written to be obviously right and with no regard to speed: it looks at every
 * node and at every pod on it, every time. The batch core must place exactly as this does. It shares nothing with the
 * core but the reading of quantities and the hash that breaks ties.
 *
 * It knows what the random clusters of the tests use: one container a pod, and no init containers or overhead.
 */
export class ReferenceScheduler {
  readonly nodes = new Map<string, Node>();
  readonly pods = new Map<string, { pod: Pod; nodeName: string }>();
  readonly #seed: number;
  readonly #packs: boolean;

  constructor(seed: number, options: { packs?: boolean } = {}) {
    this.#seed = seed;
    this.#packs = options.packs ?? false;
  }

  /** Places the pod and returns the name of its node, or returns undefined. */
  decide(pod: Pod): string | undefined {
    const fitting = [...this.nodes.values()].filter((node) => this.fits(pod, node));
    const scores = this.#scores(pod, fitting);
    const [best] = fitting.toSorted(
      (a, b) =>
        (scores.get(b) ?? 0) - (scores.get(a) ?? 0) ||
        (this.#on(a).length - this.#on(b).length) * (this.#packs ? -1 : 1) ||
        this.#tie(a) - this.#tie(b) ||
        (nameOf(a) < nameOf(b) ? -1 : 1),
    );
    if (best === undefined) return undefined;
    this.pods.set(pod.metadata?.uid ?? '', { pod, nodeName: nameOf(best) });
    return nameOf(best);
  }

  fits(pod: Pod, node: Node): boolean {
    const tolerations = pod.spec?.tolerations ?? [];
    const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    if (node.spec?.unschedulable === true && !tolerations.some((toleration) => covers(toleration, cordon)))
      return false;
    if (!toleratesAll(pod, node) || !matchesNode(pod, node)) return false;
    const here = this.#on(node);
    for (const mine of portsOf(pod)) {
      for (const other of here) {
        for (const theirs of portsOf(other)) {
          const sameAddress = mine.ip === theirs.ip || mine.ip === '0.0.0.0' || theirs.ip === '0.0.0.0';
          if (mine.port === theirs.port && sameAddress) return false;
        }
      }
    }
    if (!this.#spreads(pod, node) || !this.#isWelcome(pod, node)) return false;
    if (here.length + 1 > Number(node.status?.allocatable?.['pods'] ?? 0)) return false;
    return Object.keys(requestsOf(pod)).every((resource) => {
      const asked = request(pod, resource);
      return asked === 0 || sum(here, (other) => request(other, resource)) + asked <= capacity(node, resource);
    });
  }

  #scores(pod: Pod, fitting: readonly Node[]): ReadonlyMap<Node, number> {
    const taintCounts = new Map(fitting.map((node) => [node, untoleratedPreferences(pod, node)]));
    const affinities = new Map(fitting.map((node) => [node, preferredWeight(pod, node)]));
    const mostTaints = Math.max(0, ...taintCounts.values());
    const mostAffinity = Math.max(0, ...affinities.values());
    const near = new Map(fitting.map((node) => [node, this.#preferredNear(pod, node)]));
    const [nearest, farthest] = [Math.max(...near.values()), Math.min(...near.values())];
    const crowds = new Map(fitting.map((node) => [node, this.#crowd(pod, node)]));
    const known = [...crowds.values()].filter((crowd) => crowd !== undefined);
    const [most, least] = [Math.max(...known), Math.min(...known)];
    const soft = (pod.spec.topologySpreadConstraints ?? []).some((each) => each.whenUnsatisfiable === 'ScheduleAnyway');
    return new Map(
      fitting.map((node) => {
        const crowd = crowds.get(node);
        const room =
          crowd === undefined || !soft ? 0 : most === 0 ? 100 : Math.floor((100 * (most + least - crowd)) / most);
        const company =
          nearest === farthest ? 0 : Math.floor((100 * ((near.get(node) ?? 0) - farthest)) / (nearest - farthest));
        const taints = mostTaints === 0 ? 100 : 100 - Math.floor((100 * (taintCounts.get(node) ?? 0)) / mostTaints);
        const affinity = mostAffinity === 0 ? 0 : Math.floor((100 * (affinities.get(node) ?? 0)) / mostAffinity);
        return [node, this.#load(pod, node) + 3 * taints + 2 * affinity + 2 * room + 2 * company];
      }),
    );
  }

  /** Hard spread constraints. */
  #spreads(pod: Pod, node: Node): boolean {
    const hard = (pod.spec.topologySpreadConstraints ?? []).filter(
      (each) => each.whenUnsatisfiable === 'DoNotSchedule',
    );
    return hard.every((constraint) => {
      if (labelOf(node, constraint.topologyKey) === undefined) return false;
      const counts = this.#countsOf(pod, constraint, hard);
      const self = selects(constraint.labelSelector, pod) ? 1 : 0;
      const here = counts.get(labelOf(node, constraint.topologyKey) ?? '') ?? 0;
      const lowest = counts.size === 0 ? 0 : Math.min(...counts.values());
      return here + self - lowest <= constraint.maxSkew;
    });
  }

  /** Matching pods per domain of the nodes that take part. */
  #countsOf(
    pod: Pod,
    constraint: TopologySpreadConstraint,
    together: readonly TopologySpreadConstraint[],
  ): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const node of this.nodes.values()) {
      if (together.some(({ topologyKey }) => labelOf(node, topologyKey) === undefined)) continue;
      if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesNode(pod, node)) continue;
      if (constraint.nodeTaintsPolicy === 'Honor' && !toleratesAll(pod, node)) continue;
      const domain = labelOf(node, constraint.topologyKey) ?? '';
      const matching = this.#on(node).filter((other) => selects(constraint.labelSelector, other));
      counts.set(domain, (counts.get(domain) ?? 0) + matching.length);
    }
    return counts;
  }

  /** Soft spread constraints: the lower the better; undefined where a key is missing. */
  #crowd(pod: Pod, node: Node): number | undefined {
    const soft = (pod.spec.topologySpreadConstraints ?? []).filter(
      (each) => each.whenUnsatisfiable !== 'DoNotSchedule',
    );
    let crowd = 0;
    for (const constraint of soft) {
      const domain = labelOf(node, constraint.topologyKey);
      if (domain === undefined) return undefined;
      const counts = this.#countsOf(pod, constraint, soft);
      crowd += (counts.get(domain) ?? 0) * Math.log(counts.size + 2) + (constraint.maxSkew - 1);
    }
    return Math.round(crowd);
  }

  /** Required affinity and anti-affinity, the pod's own and that of pods that are there. */
  #isWelcome(pod: Pod, node: Node): boolean {
    const there = (key: string) =>
      [...this.nodes.values()]
        .filter((other) => labelOf(other, key) !== undefined && labelOf(other, key) === labelOf(node, key))
        .flatMap((other) => this.#on(other));
    const everywhere = [...this.nodes.values()];
    for (const { topologyKey, labelSelector } of requiredTerms(pod, 'podAffinity')) {
      if (labelOf(node, topologyKey) === undefined) return false;
      if (there(topologyKey).some((other) => selects(labelSelector, other))) continue;
      const keyed = everywhere.filter((other) => labelOf(other, topologyKey) !== undefined);
      const anywhere = keyed.flatMap((other) => this.#on(other)).some((other) => selects(labelSelector, other));
      if (anywhere || !selects(labelSelector, pod)) return false;
    }
    for (const { topologyKey, labelSelector } of requiredTerms(pod, 'podAntiAffinity')) {
      if (there(topologyKey).some((other) => selects(labelSelector, other))) return false;
    }
    return everywhere
      .flatMap((other) => this.#on(other).map((resident) => ({ resident, other })))
      .every(({ resident, other }) =>
        requiredTerms(resident, 'podAntiAffinity').every(({ topologyKey, labelSelector }) => {
          const same =
            labelOf(other, topologyKey) !== undefined && labelOf(other, topologyKey) === labelOf(node, topologyKey);
          return !same || !selects(labelSelector, pod);
        }),
      );
  }

  #preferredNear(pod: Pod, node: Node): number {
    const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
    const sumOf = (terms: readonly WeightedPodAffinityTerm[] = []) =>
      terms.reduce((total, { weight, podAffinityTerm: { topologyKey, labelSelector } }) => {
        const domain = labelOf(node, topologyKey);
        if (domain === undefined) return total;
        const near = [...this.nodes.values()].filter((other) => labelOf(other, topologyKey) === domain);
        return (
          total +
          weight * near.flatMap((other) => this.#on(other)).filter((other) => selects(labelSelector, other)).length
        );
      }, 0);
    return (
      sumOf(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution) -
      sumOf(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution)
    );
  }

  #load(pod: Pod, node: Node): number {
    const all = [...this.#on(node), pod];
    const percent = (resource: 'cpu' | 'memory') => {
      const [have, use] = [capacity(node, resource), sum(all, (each) => nominal(each, resource))];
      if (this.#packs) return Math.floor((Math.min(use, have) * 100) / have);
      return use > have ? 0 : Math.floor(((have - use) * 100) / have);
    };
    const load = Math.floor((percent('cpu') + percent('memory')) / 2);
    if (this.#packs || (request(pod, 'cpu') === 0 && request(pod, 'memory') === 0)) return load;
    const share = (resource: string) =>
      Math.min(1, sum(all, (each) => request(each, resource)) / capacity(node, resource));
    return load + Math.floor((1 - Math.abs(share('cpu') - share('memory')) / 2) * 100);
  }

  #on(node: Node): readonly Pod[] {
    return [...this.pods.values()].filter(({ nodeName }) => nodeName === nameOf(node)).map(({ pod }) => pod);
  }

  #tie(node: Node): number {
    return hash32(this.#seed, nameOf(node));
  }
}

const labelOf = (node: Node, key: string) => node.metadata?.labels?.[key];
const requiredTerms = (pod: Pod, kind: 'podAffinity' | 'podAntiAffinity') =>
  pod.spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

/** The tests select by plain labels only. */
function selects(selector: { matchLabels?: Readonly<Record<string, string>> } | undefined, pod: Pod): boolean {
  return Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => pod.metadata?.labels?.[key] === value);
}

function matchesNode(pod: Pod, node: Node): boolean {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (
    Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labelOf(node, key) === value) &&
    (required === undefined || required.nodeSelectorTerms.some((term) => matches(term, node)))
  );
}

function toleratesAll(pod: Pod, node: Node): boolean {
  return (node.spec?.taints ?? []).every(
    (taint) =>
      taint.effect === 'PreferNoSchedule' ||
      (pod.spec.tolerations ?? []).some((toleration) => covers(toleration, taint)),
  );
}

const nameOf = (node: Node) => node.metadata?.name ?? '';
const requestsOf = (pod: Pod) => pod.spec?.containers[0]?.resources?.requests ?? {};
const request = (pod: Pod, resource: string) => amountOf(resource, requestsOf(pod)[resource] ?? 0);
const capacity = (node: Node, resource: string) => amountOf(resource, node.status?.allocatable?.[resource] ?? 0);
const sum = (pods: readonly Pod[], amount: (pod: Pod) => number) => pods.reduce((total, pod) => total + amount(pod), 0);

function nominal(pod: Pod, resource: 'cpu' | 'memory'): number {
  if (requestsOf(pod)[resource] !== undefined) return request(pod, resource);
  return resource === 'cpu' ? 100 : 200 * 1024 * 1024;
}

function portsOf(pod: Pod): readonly { port: number; ip: string }[] {
  return (pod.spec?.containers[0]?.ports ?? []).flatMap(({ hostPort, hostIP }) =>
    hostPort === undefined ? [] : [{ port: hostPort, ip: hostIP ?? '0.0.0.0' }],
  );
}

function covers(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
  if (toleration.key !== undefined && toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}

function untoleratedPreferences(pod: Pod, node: Node): number {
  const preferences = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule');
  return preferences.filter((taint) => !(pod.spec?.tolerations ?? []).some((toleration) => covers(toleration, taint)))
    .length;
}

function preferredWeight(pod: Pod, node: Node): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.reduce((total, { weight, preference }) => total + (matches(preference, node) ? weight : 0), 0);
}

function matches({ matchExpressions = [] }: NodeSelectorTerm, node: Node): boolean {
  return matchExpressions.length > 0 && matchExpressions.every((requirement) => holds(requirement, node));
}

function holds({ key, operator, values = [] }: NodeSelectorRequirement, node: Node): boolean {
  const value = node.metadata?.labels?.[key];
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  if (operator === 'In') return value !== undefined && values.includes(value);
  if (operator === 'NotIn') return value === undefined || !values.includes(value);
  if (operator === 'Gt') return value !== undefined && Number(value) > Number(values[0]);
  return value !== undefined && Number(value) < Number(values[0]);
}
