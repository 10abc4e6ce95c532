import { Endpoints } from '#api/core/endpoints.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { type Controller, wakesOn } from '#controllers/controller.ts';
import type { Kind } from '#machinery/kind.ts';
import { type ClusterAddresses, ensureBootstrapObjects, isBootstrapObject } from './bootstrap-objects.ts';

/** The one key: all of them are looked after together. */
const all = 'all';

const whenDeleted = (kind: Kind) =>
  wakesOn(kind, ({ type, object }) => (type === 'DELETED' && isBootstrapObject(object) ? [all] : []));

/** Brings back what every cluster has from its first moment on, when somebody deletes it ("delete all --all"). */
export function bootstrapKeeper(addresses: ClusterAddresses): Controller {
  return {
    name: 'bootstrap-keeper',
    wakesOn: [Namespace, PriorityClass, Service, Endpoints, EndpointSlice].map(whenDeleted),
    keys: () => [all],
    reconcile: (_key, { client, signal }) => ensureBootstrapObjects(client, addresses, signal),
  };
}
