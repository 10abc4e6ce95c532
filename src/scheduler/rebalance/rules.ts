import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type { NodeSelectorTerm } from '#api/core/types.generated.ts';
import { spreadSelector } from '../pod-selector.ts';
import { matchAnyTerm, matchLabels, type NodeLike } from '../node-selector.ts';
import { untolerated } from '../taints.ts';
import type { Balance } from './balance.ts';

export type RuleName = 'required-affinity' | 'taints' | 'topology-spread' | 'even-replicas' | 'hot-node';

/** One reason to move one pod, with what a target would be worth. */
export interface Complaint {
  readonly rule: RuleName;
  readonly pod: Pod;
  readonly because: string;
  /** 0 to 1: what is better once the pod is on `target`; 0 or less if nothing is. */
  readonly gainOn: (target: string) => number;
}

export interface RuleOptions {
  /** Fullness from which on a node is hot, 0 to 1. */
  readonly hot: number;
}

const viewOf = (node: Node): NodeLike => ({
  name: node.metadata?.name ?? '',
  label: (key) => node.metadata?.labels?.[key],
});

/** Everything the rules find, the most pressing first. A broken requirement is worth a whole move. */
export function complaints(balance: Balance, { hot }: RuleOptions): readonly Complaint[] {
  const pods = balance.nodes.flatMap(({ metadata }) => balance.podsOn(metadata?.name ?? ''));
  return [
    ...pods.flatMap((pod) => drifted(balance, pod)),
    ...spreadViolations(balance, pods),
    ...uneven(balance, pods),
    ...hotNodes(balance, hot),
  ];
}

/** The node's labels or taints have changed since the pod came. */
function drifted(balance: Balance, pod: Pod): readonly Complaint[] {
  const node = balance.node(pod.spec.nodeName ?? '');
  if (node === undefined) return [];
  const { nodeSelector = {}, affinity, tolerations = [] } = pod.spec;
  const terms: readonly NodeSelectorTerm[] | undefined =
    affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const view = viewOf(node);
  const name = node.metadata?.name ?? '';
  const gainOn = () => 1; // the scheduler only offers nodes that keep to what is required
  if (!matchLabels(nodeSelector)(view) || (terms !== undefined && !matchAnyTerm(terms)(view))) {
    return [{ rule: 'required-affinity', pod, because: `node ${name} no longer has the labels it requires`, gainOn }];
  }
  const taints = (node.spec?.taints ?? [])
    .filter(({ key }) => key !== 'node.kubernetes.io/unschedulable')
    .map(({ key, value = '', effect }) => ({ key, value, effect }));
  const [taint] = untolerated(taints, tolerations, 'NoSchedule');
  if (taint === undefined) return [];
  return [
    { rule: 'taints', pod, because: `node ${name} has the taint ${taint.key}, which it does not tolerate`, gainOn },
  ];
}

/** Hard constraints that are exceeded: nodes came, pods went. */
function spreadViolations(balance: Balance, pods: readonly Pod[]): readonly Complaint[] {
  return pods.flatMap((pod) =>
    (pod.spec.topologySpreadConstraints ?? [])
      .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
      .flatMap((constraint) => {
        const { topologyKey, maxSkew } = constraint;
        const selector = spreadSelector(constraint, pod.metadata?.labels ?? {});
        const namespace = pod.metadata?.namespace;
        const counts = new Map<string, number>();
        const domainOf = (name: string) => balance.node(name)?.metadata?.labels?.[topologyKey];
        for (const node of balance.nodes) {
          const domain = node.metadata?.labels?.[topologyKey];
          if (domain === undefined) continue;
          const matching = balance
            .podsOn(node.metadata?.name ?? '')
            .filter(({ metadata }) => metadata?.namespace === namespace && selector.matches(metadata?.labels ?? {}));
          counts.set(domain, (counts.get(domain) ?? 0) + matching.length);
        }
        const own = domainOf(pod.spec.nodeName ?? '');
        const mine = own === undefined ? 0 : (counts.get(own) ?? 0);
        const least = Math.min(...counts.values());
        if (own === undefined || mine - least <= maxSkew) return [];
        return [
          {
            rule: 'topology-spread' as const,
            pod,
            because: `${topologyKey} ${own} has ${mine} of its kind and another has ${least}, more than maxSkew ${maxSkew} apart`,
            gainOn: (target: string) => {
              const domain = domainOf(target);
              return domain !== undefined && mine - (counts.get(domain) ?? 0) > 1 ? 1 : 0;
            },
          },
        ];
      }),
  );
}

/** Replicas of one workload that crowd on a node: it once stood in for others. */
function uneven(balance: Balance, pods: readonly Pod[]): readonly Complaint[] {
  const workloads = Map.groupBy(
    pods,
    ({ metadata }) => metadata?.ownerReferences?.find((each) => each.controller)?.uid,
  );
  return [...workloads].flatMap(([uid, replicas]) => {
    if (uid === undefined || replicas.length < 2) return [];
    const counts = new Map<string, number>();
    for (const { spec } of replicas) counts.set(spec.nodeName ?? '', (counts.get(spec.nodeName ?? '') ?? 0) + 1);
    const most = Math.max(...counts.values());
    return replicas
      .filter(({ spec }) => counts.get(spec.nodeName ?? '') === most && most > 1)
      .map((pod) => ({
        rule: 'even-replicas' as const,
        pod,
        because: `${most} of ${replicas.length} replicas are on node ${pod.spec.nodeName}`,
        gainOn: (target: string) => (most - (counts.get(target) ?? 0) - 1) / replicas.length,
      }));
  });
}

/** Nodes that are fuller than they should be; their largest pods first. */
function hotNodes(balance: Balance, hot: number): readonly Complaint[] {
  return balance.nodes.flatMap(({ metadata }) => {
    const name = metadata?.name ?? '';
    const fullness = balance.fullness(name);
    if (fullness <= hot) return [];
    return balance
      .podsOn(name)
      .toSorted((a, b) => balance.fullness(name, { without: a }) - balance.fullness(name, { without: b }))
      .map((pod) => ({
        rule: 'hot-node' as const,
        pod,
        because: `node ${name} is ${Math.round(fullness * 100)} % full`,
        gainOn: (target: string) => fullness - balance.fullness(target, { with: pod }),
      }));
  });
}
