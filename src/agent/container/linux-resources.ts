import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { parseQuantity, toMilli } from '#machinery/quantity.ts';
import type { LinuxContainerResources } from '../cri/messages.generated.ts';
import type { Init } from '#lib/proto3.ts';
import { qosClassOf } from '../pod/qos.ts';

/** Microseconds. */
export const cpuPeriod = 100_000;
const cpuQuotaMin = 1_000;
const cpuSharesMin = 2;
const cpuSharesMax = 262_144;

/** Relative weight in control groups v1: 1024 a core. */
export function cpuShares(milli: number): number {
  return Math.min(cpuSharesMax, Math.max(cpuSharesMin, Math.floor((milli * 1024) / 1000)));
}

/** Microseconds of CPU a period. */
export function cpuQuota(milli: number): number {
  return Math.max(cpuQuotaMin, Math.floor((milli * cpuPeriod) / 1000));
}

/** Control group weight in version 2. Source: the conversion of kubelet and runc. */
export function cpuWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262_142);
}

export function bytesOf(quantity: string): number {
  const { nanos } = parseQuantity(quantity);
  return Number((nanos + 999_999_999n) / 1_000_000_000n);
}

/** How gladly the kernel kills a container when memory runs out. Source: kubelet's qos/policy. */
export function oomScoreAdjOf(pod: Pod, container: core.Container, nodeMemoryBytes: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997;
  const qos = qosClassOf(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const { requests = {}, limits = {} } = container.resources ?? {};
  const requested = bytesOf(requests['memory'] ?? limits['memory'] ?? '0');
  const share = nodeMemoryBytes === 0 ? 0 : Math.floor((1000 * requested) / nodeMemoryBytes);
  return Math.min(999, Math.max(3, 1000 - share));
}

/** What the runtime enforces for one container. */
export function containerResources(
  pod: Pod,
  container: core.Container,
  nodeMemoryBytes: number,
): Init<LinuxContainerResources> {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const cpuLimit = limits['cpu'] ?? pod.spec.resources?.limits?.['cpu'];
  const memoryLimit = limits['memory'] ?? pod.spec.resources?.limits?.['memory'];
  const cpuRequest = requests['cpu'] ?? limits['cpu'];
  return {
    cpuPeriod,
    cpuShares: cpuShares(cpuRequest === undefined ? 0 : toMilli(cpuRequest)),
    ...(cpuLimit === undefined || toMilli(cpuLimit) === 0 ? {} : { cpuQuota: cpuQuota(toMilli(cpuLimit)) }),
    ...(memoryLimit === undefined ? {} : { memoryLimitInBytes: bytesOf(memoryLimit) }),
    oomScoreAdj: oomScoreAdjOf(pod, container, nodeMemoryBytes),
  };
}
