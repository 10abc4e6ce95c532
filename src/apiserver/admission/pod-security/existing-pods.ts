import type { Pod } from '#api/core/pod.ts';
import { brief, violations } from './evaluate.ts';
import { formatLevel, type LevelVersion } from './policy.ts';

/** Pods looked at when a namespace gets a stricter policy. Source: k8s.io/pod-security-admission/admission. */
const podsCheckedMax = 3_000;

/** What whoever tightens a namespace's policy should know of the pods that are there: they go on running. */
export function existingPodWarnings(pods: readonly Pod[], enforce: LevelVersion, namespace: string): readonly string[] {
  const checked = eachControllerFirst(pods).slice(0, podsCheckedMax);
  const byReason = new Map<string, string[]>();
  for (const { metadata, spec } of checked) {
    const found = violations(enforce, { metadata: metadata ?? {}, spec });
    if (found.length === 0) continue;
    const reason = brief(found);
    byReason.set(reason, [...(byReason.get(reason) ?? []), metadata?.name ?? '']);
  }
  const details = [...byReason].map(([reason, names]) => {
    const [first = ''] = names.toSorted();
    const others = names.length - 1;
    const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
    return `${first}${more}: ${reason}`;
  });
  return [
    ...(checked.length < pods.length
      ? [
          `new PodSecurity enforce level only checked against the first ${checked.length} of ${pods.length} existing pods`,
        ]
      : []),
    ...(details.length > 0
      ? [
          `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${formatLevel(enforce)}"`,
        ]
      : []),
    ...details.toSorted(),
  ];
}

/** One pod of each controller, then the others: what is alike need not be looked at first. */
function eachControllerFirst(pods: readonly Pod[]): readonly Pod[] {
  const seen = new Set<string>();
  const [first, rest]: [Pod[], Pod[]] = [[], []];
  for (const pod of pods) {
    const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid;
    if (owner !== undefined && seen.has(owner)) rest.push(pod);
    else first.push(pod);
    if (owner !== undefined) seen.add(owner);
  }
  return [...first, ...rest];
}
