import { isDeepStrictEqual } from 'node:util';
import type { Endpoints } from '#api/core/endpoints.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Service } from '#api/core/service.ts';
import type { EndpointAddress, EndpointSubset } from '#api/core/types.generated.ts';
import { isReady, isTerminal } from './pod-state.ts';
import { addressesOf, familiesOf, hostnameOf, isHeadless, portsOn } from './service-endpoints.ts';

const headlessLabel = 'service.kubernetes.io/headless';
const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
/** What one object can hold; EndpointSlices have no such limit. Upstream's value. */
const addressesMax = 1000;

/** The Endpoints object that a service shall have; the given one if it says so already. */
export function planEndpoints(service: Service, pods: readonly Pod[], current: Endpoints | undefined): Endpoints {
  const { subsets, truncated } = truncate(subsetsOf(service, pods));
  const { name = '', namespace, labels: serviceLabels = {} } = service.metadata ?? {};
  const { [headlessLabel]: _headless, ...own } = serviceLabels;
  const labels = { ...own, [managedByLabel]: managedBy, ...(isHeadless(service) ? { [headlessLabel]: '' } : {}) };
  const { [overCapacityAnnotation]: _capacity, ...others } = current?.metadata?.annotations ?? {};
  const annotations = truncated ? { ...others, [overCapacityAnnotation]: 'truncated' } : others;
  const isSame =
    isDeepStrictEqual([...(current?.subsets ?? [])], subsets) &&
    isDeepStrictEqual(current?.metadata?.labels, labels) &&
    isDeepStrictEqual(current?.metadata?.annotations ?? {}, annotations);
  if (current !== undefined && isSame) return current;
  return {
    ...current,
    metadata: {
      ...current?.metadata,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      ...(Object.keys(annotations).length === 0 ? { annotations: {} } : { annotations }),
    },
    subsets,
  };
}

interface Group {
  readonly ports: NonNullable<EndpointSubset['ports']>;
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
}

/** Addresses grouped by the ports they offer, everything sorted so that equal states are equal objects. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const groups = new Map<string, Group>();
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  const [family = 'IPv4'] = familiesOf(service);
  for (const pod of pods) {
    const [ip] = addressesOf(pod, family);
    const leaving = pod.metadata?.deletionTimestamp !== undefined && !publishAll;
    if (ip === undefined || isTerminal(pod) || leaving) continue;
    const ports = portsOn(service, pod);
    if (ports.length === 0 && !((service.spec?.ports ?? []).length === 0 && isHeadless(service))) continue;
    const key = JSON.stringify(ports);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { ports, ready: [], notReady: [] }));
    (publishAll || isReady(pod) ? group.ready : group.notReady).push(addressFor(service, pod, ip));
  }
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length === 0 ? {} : { addresses: ready.toSorted(byAddress) }),
      ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady.toSorted(byAddress) }),
      ...(ports.length === 0 ? {} : { ports }),
    }));
}

const byAddress = (a: EndpointAddress, b: EndpointAddress): number =>
  a.ip === b.ip ? ((a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1) : a.ip < b.ip ? -1 : 1;

function addressFor(service: Service, pod: Pod, ip: string): EndpointAddress {
  const { namespace, name = '', uid } = pod.metadata ?? {};
  const hostname = hostnameOf(pod, service);
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: {
      kind: 'Pod',
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
  };
}

/** Keeps the first addresses, ready ones before others. */
function truncate(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  let total = 0;
  for (const { addresses = [], notReadyAddresses = [] } of subsets)
    total += addresses.length + notReadyAddresses.length;
  if (total <= addressesMax) return { subsets, truncated: false };
  let room = addressesMax;
  const take = (addresses: readonly EndpointAddress[] | undefined) => {
    const taken = addresses?.slice(0, room) ?? [];
    room -= taken.length;
    return taken;
  };
  const ready = subsets.map(({ addresses }) => take(addresses));
  const notReady = subsets.map(({ notReadyAddresses }) => take(notReadyAddresses));
  const kept = subsets.flatMap(({ ports }, i) => {
    const [addresses = [], notReadyAddresses = []] = [ready[i], notReady[i]];
    if (addresses.length + notReadyAddresses.length === 0) return [];
    return [
      {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ...(ports === undefined ? {} : { ports }),
      },
    ];
  });
  return { subsets: kept, truncated: true };
}
