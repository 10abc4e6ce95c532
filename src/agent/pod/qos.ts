import type { Pod } from '#api/core/pod.ts';
import { parseQuantity } from '#machinery/quantity.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const counted = ['cpu', 'memory'] as const;

/**
 * The pod's quality of service: Guaranteed if cpu and memory are limited everywhere and no request differs from its
 * limit, BestEffort if neither is named anywhere. Source: k8s.io/kubernetes/pkg/apis/core/v1/helper/qos.
 */
export function qosClassOf({ spec }: Pod): QosClass {
  const podLevel = spec.resources;
  const all =
    podLevel !== undefined && hasAny(podLevel)
      ? [podLevel]
      : [...(spec.initContainers ?? []), ...spec.containers].map(({ resources = {} }) => resources);
  if (!all.some(hasAny)) return 'BestEffort';
  const guaranteed = all.every(({ requests = {}, limits = {} }) =>
    counted.every((name) => {
      const [limit, request] = [limits[name], requests[name] ?? limits[name]];
      return limit !== undefined && request !== undefined && isPositive(limit) && sameAmount(limit, request);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

interface Resources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

const isPositive = (quantity: string) => parseQuantity(quantity).nanos > 0n;
const sameAmount = (a: string, b: string) => parseQuantity(a).nanos === parseQuantity(b).nanos;

function hasAny({ requests = {}, limits = {} }: Resources): boolean {
  return counted.some((name) =>
    [requests[name], limits[name]].some((value) => value !== undefined && isPositive(value)),
  );
}
