import type { ResourceList } from '#machinery/resource-list.ts';
import type { Pod } from '../core/pod.ts';
import { qualityOfService } from '../core/pod-quality.ts';
import { podLimits, podRequests } from '../core/pod-resources.ts';
import type * as types from '../core/types.generated.ts';
import type { QuotaEvaluator } from './quota-evaluator.ts';
import { matchesValues } from './scope-values.ts';

const compute = ['cpu', 'memory', 'ephemeral-storage'];
const names = new Set([
  'count/pods',
  'pods',
  ...compute.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);
const requestsPrefix = 'requests.';
/** For these a quota makes it a duty to name an amount. That is so for historical reasons, and for no others. */
const mustBeNamed = new Set(['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]));

const isHugePages = (name: string) => name.startsWith('hugepages-');
/** Resources of devices: outside of Kubernetes' own names. */
const isExtended = (name: string) =>
  name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith(requestsPrefix);

/** Pods, and what they request and may use. Source: kubernetes pkg/quota/v1/evaluator/core (pods.go). */
export const podQuota: QuotaEvaluator<Pod> = {
  counts(name) {
    if (names.has(name) || isHugePages(name)) return true;
    if (!name.startsWith(requestsPrefix)) return false;
    const resource = name.slice(requestsPrefix.length);
    return isHugePages(resource) || isExtended(resource);
  },
  handles: ({ operation, subresource }) =>
    operation === 'CREATE' ? subresource === undefined : subresource === 'resize',
  usage(pod, now) {
    // The objects are counted as long as they are stored; what they compute with, only as long as they do.
    if (!computes(pod, now)) return { 'count/pods': '1' };
    const requests = podRequests(pod, { overhead: true });
    return { 'count/pods': '1', pods: '1', ...computeUsage(requests, podLimits(pod, { overhead: true })) };
  },
  matchesScope,
  complaint(required, { spec }) {
    const missing = new Map<string, string[]>();
    const wanted = required.filter((name) => mustBeNamed.has(name));
    for (const { name, resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
      const usage = computeUsage(resources?.requests ?? {}, resources?.limits ?? {});
      for (const each of wanted) if (usage[each] === undefined) missing.set(each, [...(missing.get(each) ?? []), name]);
    }
    if (missing.size === 0) return undefined;
    const texts = [...missing]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([resource, containers]) => `${resource} for: ${[...new Set(containers)].toSorted().join(',')}`);
    return `must specify ${texts.join('; ')}`;
  },
};

function computeUsage(requests: ResourceList, limits: ResourceList): ResourceList {
  const usage: Record<string, string> = {};
  for (const [name, amount] of Object.entries(requests)) {
    if (compute.includes(name) || isHugePages(name)) usage[name] = amount;
    if (compute.includes(name) || isHugePages(name) || isExtended(name)) usage[`${requestsPrefix}${name}`] = amount;
  }
  for (const name of compute) if (limits[name] !== undefined) usage[`limits.${name}`] = limits[name];
  return usage;
}

/** False for pods that have ended, and for those that should have long since: a lost node must not use up a quota. */
function computes({ metadata, status }: Pod, now: number): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return false;
  const releasedAt = quotaReleaseTime({ metadata });
  return releasedAt === undefined || now <= releasedAt;
}

/** From when on a pod that is being deleted counts as gone. */
export function quotaReleaseTime({ metadata }: Pick<Pod, 'metadata'>): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata ?? {};
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return undefined;
  return Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

function matchesScope(requirement: types.ScopedResourceSelectorRequirement, { spec }: Pod): boolean {
  switch (requirement.scopeName) {
    case 'Terminating':
      return (spec.activeDeadlineSeconds ?? -1) >= 0;
    case 'NotTerminating':
      return (spec.activeDeadlineSeconds ?? -1) < 0;
    case 'BestEffort':
      return qualityOfService(spec) === 'BestEffort';
    case 'NotBestEffort':
      return qualityOfService(spec) !== 'BestEffort';
    case 'PriorityClass': {
      const { priorityClassName = '' } = spec;
      return matchesValues(requirement, priorityClassName === '' ? [] : [priorityClassName]);
    }
    case 'CrossNamespacePodAffinity':
      return affinityTerms(spec).some(
        ({ namespaces = [], namespaceSelector }) => namespaces.length > 0 || namespaceSelector !== undefined,
      );
    default:
      return false;
  }
}

function affinityTerms({ affinity }: Pod['spec']): readonly types.PodAffinityTerm[] {
  return [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((each) => [
    ...(each?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(each?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
}
