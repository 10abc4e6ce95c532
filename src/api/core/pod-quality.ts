import { compareQuantities } from '#machinery/quantity.ts';
import type * as types from './types.generated.ts';

export type QualityOfService = 'Guaranteed' | 'Burstable' | 'BestEffort';

const counted = ['cpu', 'memory'] as const;

/**
 * The class that decides who is squeezed first: Guaranteed if every container limits cpu and memory to what it
 * requests, BestEffort if none asks for anything. Pod-level resources, where given, speak for the containers.
 * Source: kubernetes pkg/apis/core/helper/qos (ComputePodQOS).
 */
export function qualityOfService({ containers, initContainers = [], resources }: types.PodSpec): QualityOfService {
  const podLevel =
    resources !== undefined && Object.keys({ ...resources.limits, ...resources.requests }).length > 0
      ? [resources]
      : undefined;
  const all = podLevel ?? [...containers, ...initContainers].map((container) => container.resources ?? {});
  const isSet = (list: Readonly<Record<string, string>> | undefined, name: string) =>
    list?.[name] !== undefined && compareQuantities(list[name], '0') > 0;
  if (!all.some(({ requests, limits }) => counted.some((name) => isSet(requests, name) || isSet(limits, name)))) {
    return 'BestEffort';
  }
  const guaranteed = all.every(({ requests, limits }) =>
    counted.every((name) => {
      if (!isSet(limits, name)) return false;
      const [limit = '0', request = limit] = [limits?.[name], requests?.[name]];
      return compareQuantities(limit, request) === 0;
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
