import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import type { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import type { Endpoint } from '#api/discovery/types.generated.ts';
import { controllerReference } from './owner-reference.ts';
import { isReady, isTerminal } from './pod-state.ts';
import {
  addressesOf,
  familiesOf,
  hostnameOf,
  type IpFamily,
  isHeadless,
  portsOn,
  type ResolvedPort,
} from './service-endpoints.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const managedBy = 'endpointslice-controller.k8s.io';
const headlessLabel = 'service.kubernetes.io/headless';
/** Upstream's default: small enough that one pod's change costs watchers little. */
const endpointsPerSliceMax = 100;

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

export interface SliceState {
  readonly service: Service;
  readonly pods: readonly Pod[];
  /** Slices this controller made for the service. */
  readonly slices: readonly EndpointSlice[];
  /** The zone of a node, if it has one. */
  readonly zoneOf: (node: string) => string | undefined;
}

/** Endpoints that offer the same ports, by the pod and address they stand for. */
interface Group {
  readonly family: IpFamily;
  readonly ports: readonly ResolvedPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/**
 * What makes the slices say what the pods are, with few writes: an endpoint stays in its slice as long as it exists,
 * new ones fill slices that change anyway, then slices with room, then new slices.
 */
export function planSlices(state: SliceState): SlicePlan {
  const { service, slices } = state;
  const labels = labelsOf(service);
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  const left = new Set(slices);
  for (const group of groupsOf(state)) {
    const matching = slices.filter(
      ({ addressType, ports = [] }) => addressType === group.family && isDeepStrictEqual([...ports], [...group.ports]),
    );
    for (const slice of matching) left.delete(slice);
    const plan = fill(group, matching);
    for (const [slice, endpoints] of plan.kept) {
      if (endpoints === undefined) remove.push(slice);
      else if (endpoints !== slice.endpoints || !isDeepStrictEqual(slice.metadata?.labels, labels)) {
        update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });
      }
    }
    for (const endpoints of plan.added) create.push(sliceFor(service, labels, group, endpoints));
  }
  return { create, update, remove: [...remove, ...left] };
}

/** What becomes of a group's slices (undefined: it goes), and the contents of new ones. */
interface Filling {
  readonly kept: Map<EndpointSlice, readonly Endpoint[] | undefined>;
  readonly added: readonly (readonly Endpoint[])[];
}

/** Distributes a group's endpoints over its slices. */
function fill(group: Group, slices: readonly EndpointSlice[]): Filling {
  const kept: Filling['kept'] = new Map();
  if (group.endpoints.size === 0) {
    // One empty slice says that there are none; without it, readers could not tell from "not known yet".
    const [one] = slices;
    for (const slice of slices)
      kept.set(slice, slice !== one ? undefined : slice.endpoints.length === 0 ? slice.endpoints : []);
    return { kept, added: one === undefined ? [[]] : [] };
  }
  const missing = new Map(group.endpoints);
  for (const slice of slices) {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints) {
      const key = keyOfEndpoint(endpoint);
      const wanted = missing.get(key);
      if (wanted === undefined) continue; // gone, or found in an earlier slice
      missing.delete(key);
      endpoints.push(isDeepStrictEqual(wanted, endpoint) ? endpoint : wanted);
    }
    const same =
      endpoints.length === slice.endpoints.length && endpoints.every((each, i) => each === slice.endpoints[i]);
    kept.set(slice, same ? slice.endpoints : endpoints);
  }
  const queue = [...missing.values()];
  const changedFirst = slices.toSorted(
    (a, b) => Number(kept.get(a) === a.endpoints) - Number(kept.get(b) === b.endpoints),
  );
  for (const slice of changedFirst) {
    const endpoints = kept.get(slice) ?? [];
    const room = endpointsPerSliceMax - endpoints.length;
    if (queue.length > 0 && room > 0) kept.set(slice, [...endpoints, ...queue.splice(0, room)]);
  }
  for (const [slice, endpoints] of kept) if (endpoints?.length === 0) kept.set(slice, undefined);
  const added: (readonly Endpoint[])[] = [];
  while (queue.length > 0) added.push(queue.splice(0, endpointsPerSliceMax));
  return { kept, added };
}

/** One group for each family and set of ports; an empty one for a family without endpoints. */
function groupsOf({ service, pods, zoneOf }: SliceState): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const family of familiesOf(service)) {
    let found = false;
    for (const pod of pods) {
      const addresses = addressesOf(pod, family);
      if (isTerminal(pod) || addresses.length === 0) continue;
      // With the name that a nameless port is stored with, or no slice would ever look as it should.
      const ports = portsOn(service, pod).map((port) => ({ name: '', ...port }));
      // A pod that offers none of the ports is no endpoint; a headless service without ports names pods only.
      if (ports.length === 0 && !((service.spec?.ports ?? []).length === 0 && isHeadless(service))) continue;
      found = true;
      const key = `${family} ${JSON.stringify(ports)}`;
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { family, ports, endpoints: new Map() }));
      const endpoint = endpointFor(service, pod, addresses, zoneOf);
      group.endpoints.set(keyOfEndpoint(endpoint), endpoint);
    }
    if (!found) groups.set(family, { family, ports: [], endpoints: new Map() });
  }
  return [...groups.values()];
}

function endpointFor(
  service: Service,
  pod: Pod,
  addresses: readonly string[],
  zoneOf: (node: string) => string | undefined,
): Endpoint {
  const { namespace, name = '', uid, deletionTimestamp } = pod.metadata ?? {};
  const serving = isReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const { nodeName } = pod.spec;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  const hostname = hostnameOf(pod, service);
  return {
    addresses,
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: {
      kind: 'Pod',
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    ...(zone === undefined ? {} : { zone }),
  };
}

const keyOfEndpoint = ({ targetRef, addresses }: Endpoint) => `${targetRef?.uid ?? ''} ${addresses.join(',')}`;

function labelsOf(service: Service): Readonly<Record<string, string>> {
  const { labels = {}, name = '' } = service.metadata ?? {};
  const { [headlessLabel]: _headless, ...own } = labels;
  return {
    ...own,
    [serviceNameLabel]: name,
    [managedByLabel]: managedBy,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
  };
}

function sliceFor(
  service: Service,
  labels: Readonly<Record<string, string>>,
  { family, ports }: Group,
  endpoints: readonly Endpoint[],
): EndpointSlice {
  const { name = '', namespace } = service.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      ownerReferences: [controllerReference(Service, service)],
    },
    addressType: family,
    endpoints,
    ports,
  };
}
