import type * as core from '#api/core/types.generated.ts';
import { containerStatus, rfc3339 } from './container-status.ts';
import { isRunning } from './observed.ts';
import type { PodPlan } from './plan-pod.ts';
import { containersOf, isDeleting, isFinished, type ContainerRole } from './pod-containers.ts';
import { podConditions } from './pod-conditions.ts';
import type { PodFacts } from './pod-facts.ts';
import { qosClassOf } from './qos.ts';

/**
 * The status to publish, from facts and the plan made of them. A phase that is final is published only once nothing
 * of the pod runs any more, so whoever sees it may take the pod's name, ports and volumes.
 */
export function podStatus(facts: PodFacts, plan: PodPlan): core.PodStatus {
  const { pod, observed, now, hostIps, verdict = plan.verdict } = facts;
  const before = pod.status ?? {};
  const of = (...roles: ContainerRole[]) =>
    containersOf(pod)
      .filter(({ role }) => roles.includes(role))
      .map((container) => containerStatus(facts, container));
  const inits = of('init', 'sidecar');
  const mains = of('main');
  const ephemeral = of('ephemeral');
  const phase = phaseOf(facts, plan, inits, mains);
  const sidecarNames = new Set(containersOf(pod).flatMap(({ role, spec }) => (role === 'sidecar' ? spec.name : [])));
  const [sandbox] = observed.sandboxes;
  const isOnHost = pod.spec.hostNetwork === true;
  const sandboxIps = isOnHost ? hostIps : (sandbox?.ips ?? []);
  const isUp = sandbox?.ready === true;
  // The address of a pod that is going down stays known: whoever looks at its end wants to tell where it was.
  const podIps = isUp ? sandboxIps : (before.podIPs?.map(({ ip }) => ip) ?? []);
  const passed = (status: core.ContainerStatus) =>
    sidecarNames.has(status.name) ? status.started === true : status.ready;
  const mainsBegan = mains.some(({ containerID }) => containerID !== undefined);
  return {
    ...(before.nominatedNodeName === undefined ? {} : { nominatedNodeName: before.nominatedNodeName }),
    ...(before.resourceClaimStatuses === undefined ? {} : { resourceClaimStatuses: before.resourceClaimStatuses }),
    phase,
    ...(verdict === undefined ? keptReason(before) : { reason: verdict.reason, message: verdict.message }),
    conditions: podConditions({
      pod,
      now,
      phase,
      hasNetwork: isUp && sandboxIps.length > 0,
      inits: inits.map((status) => ({ ...status, ready: passed(status) })),
      serving: [...inits.filter(({ name }) => sidecarNames.has(name)), ...mains],
      initialized: mainsBegan || inits.every(passed),
    }),
    ...(hostIps[0] === undefined ? {} : { hostIP: hostIps[0], hostIPs: hostIps.map((ip) => ({ ip })) }),
    ...(podIps[0] === undefined ? {} : { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) }),
    startTime: before.startTime ?? rfc3339(now),
    qosClass: before.qosClass ?? qosClassOf(pod),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: mains,
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
  };
}

function keptReason({ reason, message }: core.PodStatus): { reason?: string; message?: string } {
  return { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

function phaseOf(
  facts: PodFacts,
  { outcome }: PodPlan,
  inits: readonly core.ContainerStatus[],
  mains: readonly core.ContainerStatus[],
): string {
  const { pod, observed, busy } = facts;
  if (isFinished(pod)) return pod.status?.phase ?? 'Failed';
  const isQuiet = !observed.containers.some(isRunning) && ![...busy].some((key) => key.startsWith('start/'));
  if (outcome !== undefined && isQuiet) return outcome;
  if (isDeleting(pod) && isQuiet) {
    const ends = mains.map(({ state }) => state?.terminated);
    if (ends.every((end) => end !== undefined))
      return ends.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  const began = mains.some(({ containerID }) => containerID !== undefined);
  const waits = mains.some(({ state, containerID }) => state?.waiting !== undefined && containerID === undefined);
  if (!began || (waits && !inits.every(({ ready, started }) => ready || started === true))) return 'Pending';
  return waits ? 'Pending' : 'Running';
}
