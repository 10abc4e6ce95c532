import { isIPv6 } from 'node:net';
import type { Pod } from '#api/core/pod.ts';
import type { Service } from '#api/core/service.ts';
import type { CacheReader } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import { selectorFromLabels } from '#machinery/labels.ts';
import { isReady, isTerminal } from './pod-state.ts';

export type IpFamily = 'IPv4' | 'IPv6';

/** A port of a service as one pod offers it. */
export interface ResolvedPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

export const isHeadless = ({ spec }: Service): boolean => spec?.clusterIP === 'None';

/** True for services whose endpoints are derived from pods, and not made by hand or by DNS. */
export function selectsPods({ spec }: Service): boolean {
  return spec?.selector !== undefined && Object.keys(spec.selector).length > 0 && spec.type !== 'ExternalName';
}

/** The families a service has addresses in; services from before that field have the one of their cluster IP. */
export function familiesOf({ spec }: Service): readonly IpFamily[] {
  const families = (spec?.ipFamilies ?? []).filter((each): each is IpFamily => each === 'IPv4' || each === 'IPv6');
  return families.length > 0 ? families : [isIPv6(spec?.clusterIP ?? '') ? 'IPv6' : 'IPv4'];
}

export function podsOf(cache: CacheReader, kind: typeof Pod, service: Service): readonly Pod[] {
  const selector = selectorFromLabels(service.spec?.selector ?? {});
  const namespace = service.metadata?.namespace;
  return cache.list(kind, { selector, ...(namespace === undefined ? {} : { namespace }) });
}

/** The pod's addresses of one family. */
export function addressesOf({ status }: Pod, family: IpFamily): readonly string[] {
  const all = status?.podIPs?.flatMap(({ ip }) => (ip === undefined ? [] : [ip])) ?? [];
  const known = all.length > 0 || status?.podIP === undefined ? all : [status.podIP];
  return known.filter((ip) => ip !== '' && isIPv6(ip) === (family === 'IPv6'));
}

/**
 * What each port of the service is on this pod: named target ports are looked up in its containers, and a port that
 * the pod does not have is left out.
 */
export function portsOn(service: Service, pod: Pod): readonly ResolvedPort[] {
  return (service.spec?.ports ?? []).flatMap(({ name, port, protocol = 'TCP', targetPort = port, appProtocol }) => {
    const number = typeof targetPort === 'number' ? targetPort : containerPort(pod, targetPort, protocol);
    if (number === undefined) return [];
    return [
      {
        port: number,
        protocol,
        ...(name === undefined ? {} : { name }),
        ...(appProtocol === undefined ? {} : { appProtocol }),
      },
    ];
  });
}

function containerPort({ spec }: Pod, name: string, protocol: string): number | undefined {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const { ports = [] } of [...spec.containers, ...sidecars]) {
    const found = ports.find((each) => each.name === name && (each.protocol ?? 'TCP') === protocol);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

/** The name by which DNS knows this pod under the service, if it asked for one. */
export function hostnameOf({ metadata, spec }: Pod, service: Service): string | undefined {
  const isOurs = spec.subdomain === service.metadata?.name && metadata?.namespace === service.metadata?.namespace;
  return spec.hostname !== undefined && spec.hostname !== '' && isOurs ? spec.hostname : undefined;
}

/** The services that `pod` is selected by: their keys. */
export function servicesOf(pod: Pod, cache: CacheReader, kind: typeof Service): readonly string[] {
  const { namespace = '', labels } = pod.metadata ?? {};
  return cache
    .list(kind, { namespace })
    .filter((service) => selectsPods(service) && selectorFromLabels(service.spec?.selector ?? {}).matches(labels))
    .map(keyOfObject);
}

/** True if the change may show in endpoints; most changes of a pod's status do not. */
export function concernsEndpoints(pod: Pod, previous: Pod | undefined): boolean {
  if (previous === undefined) return true;
  const facts = (each: Pod) =>
    JSON.stringify([
      each.status?.podIP,
      each.status?.podIPs,
      isReady(each),
      isTerminal(each),
      each.metadata?.deletionTimestamp !== undefined,
      each.metadata?.labels,
      each.spec.nodeName,
      each.spec.hostname,
      each.spec.subdomain,
    ]);
  return facts(pod) !== facts(previous);
}
