import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { refOf } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { refOfObject } from './claims.ts';
import { type Controller, wakesOn } from './controller.ts';
import { managedBy, managedByLabel, planSlices, serviceNameLabel } from './endpoint-slice-plan.ts';
import { concernsEndpoints, podsOf, selectsPods, servicesOf } from './service-endpoints.ts';

const byService = 'service';
const zoneLabel = 'topology.kubernetes.io/zone';

/** The key of the service a slice of ours belongs to. */
function serviceKeysOf({ metadata }: EndpointSlice): readonly string[] {
  const name = metadata?.labels?.[serviceNameLabel];
  return name === undefined || metadata?.labels?.[managedByLabel] !== managedBy
    ? []
    : [`${metadata.namespace ?? ''}/${name}`];
}

/** Keeps the EndpointSlices of every service that selects pods. */
export const endpointSliceController = {
  name: 'endpoint-slice-controller',
  reconciles: Service,
  reads: [Node],
  spacingMs: 50,
  wakesOn: [
    wakesOn(EndpointSlice, ({ object, previous }) => [
      ...serviceKeysOf(object),
      ...(previous === undefined ? [] : serviceKeysOf(previous)),
    ]),
    wakesOn(Pod, ({ type, object, previous }, cache) => {
      if (type === 'MODIFIED' && !concernsEndpoints(object, previous)) return [];
      const now = servicesOf(object, cache, Service);
      return previous === undefined ? now : [...now, ...servicesOf(previous, cache, Service)];
    }),
  ],
  index: (informers) => informers.index(EndpointSlice, byService, serviceKeysOf),
  async reconcile(key, { cache, client, signal }) {
    const service = cache.get(Service, key);
    const slices = cache.byIndex(EndpointSlice, byService, key);
    if (service === undefined) {
      // The garbage collector would find them too, but traffic should not wait for it.
      for (const slice of slices) await remove(slice);
      return;
    }
    if (!selectsPods(service) || service.metadata?.deletionTimestamp !== undefined) return;
    const zoneOf = (node: string) => cache.get(Node, refOf(node))?.metadata?.labels?.[zoneLabel];
    const pods = podsOf(cache, Pod, service);
    const plan = planSlices({ service, pods, slices, zoneOf });
    // Additions before removals: a pod that moves between slices is never absent.
    for (const slice of plan.create) await client.create(EndpointSlice, slice, { signal });
    for (const slice of plan.update) await client.update(EndpointSlice, slice, { signal });
    for (const slice of plan.remove) await remove(slice);

    async function remove(slice: EndpointSlice): Promise<void> {
      await client.delete(EndpointSlice, refOfObject(slice), { signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
    }
  },
} satisfies Controller;
