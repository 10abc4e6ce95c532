import { Endpoints } from '#api/core/endpoints.ts';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { keyOfObject } from '#client/object-index.ts';
import { refOf } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';
import { planEndpoints } from './endpoints-plan.ts';
import { concernsEndpoints, podsOf, selectsPods, servicesOf } from './service-endpoints.ts';

/** Keeps the Endpoints object of every service that selects pods: for clients from before EndpointSlices. */
export const endpointsController = {
  name: 'endpoint-controller',
  reconciles: Service,
  spacingMs: 200,
  wakesOn: [
    wakesOn(Endpoints, ({ object }) => [keyOfObject(object)]),
    wakesOn(Pod, ({ type, object, previous }, cache) => {
      if (type === 'MODIFIED' && !concernsEndpoints(object, previous)) return [];
      const now = servicesOf(object, cache, Service);
      return previous === undefined ? now : [...now, ...servicesOf(previous, cache, Service)];
    }),
  ],
  async reconcile(key, { cache, client, signal }) {
    const service = cache.get(Service, key);
    const current = cache.get(Endpoints, key);
    if (service === undefined) {
      // Endpoints have no owner: they go with the service of their name, unless someone made them by hand.
      if (current?.metadata?.labels?.['endpoints.kubernetes.io/managed-by'] !== 'endpoint-controller') return;
      await client.delete(Endpoints, refOf(key), { signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
      return;
    }
    if (!selectsPods(service) || service.metadata?.deletionTimestamp !== undefined) return;
    const wanted = planEndpoints(service, podsOf(cache, Pod, service), current);
    if (wanted === current) return;
    if (current === undefined) await client.create(Endpoints, wanted, { signal });
    else await client.update(Endpoints, wanted, { signal });
  },
} satisfies Controller;
