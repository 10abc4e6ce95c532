import type { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import type { Service } from '#api/core/service.ts';
import type { EndpointConditions, EndpointPort } from '#api/discovery/types.generated.ts';
import type { ServicePort, ServiceSpec } from '#api/core/types.generated.ts';
import type { CacheEvent, Informers } from '#client/cache.ts';
import type { Kind } from '#machinery/kind.ts';
import { keyOf, type ApiObject, type ObjectRef } from '#machinery/object.ts';

/** Objects and a cache for tests of the network. */

export function service(name: string, spec: Partial<ServiceSpec> & { ports?: readonly ServicePort[] }): Service {
  const metadata = { name, namespace: 'default', uid: `service-${name}` };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'ClusterIP', ...spec } };
}

export interface EndpointFixture {
  readonly ip: string;
  readonly node?: string;
  readonly pod?: string;
  readonly hostname?: string;
  readonly conditions?: EndpointConditions;
}

export function slice(
  serviceName: string,
  ports: readonly EndpointPort[],
  endpoints: readonly EndpointFixture[],
  name = `${serviceName}-1`,
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports,
    endpoints: endpoints.map(({ ip, node = 'n1', pod, hostname, conditions = { ready: true } }) => ({
      addresses: [ip],
      nodeName: node,
      conditions,
      ...(hostname === undefined ? {} : { hostname }),
      ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', namespace: 'default', name: pod, uid: pod } }),
    })),
  };
}

/** Informers without a server: `set()` and `delete()` are what a watch would tell. */
export class FakeInformers implements Pick<Informers, 'on' | 'get' | 'hold' | 'synced'> {
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #handlers = new Map<string, Set<(event: CacheEvent<ApiObject>) => void>>();

  on<T extends ApiObject>(kind: Kind<T>, handler: (event: CacheEvent<T>) => void): Disposable {
    const handlers = this.#handlers.get(kind.kind) ?? new Set();
    this.#handlers.set(kind.kind, handlers);
    const any = handler as (event: CacheEvent<ApiObject>) => void;
    handlers.add(any);
    for (const object of this.#objects.get(kind.kind)?.values() ?? []) any({ type: 'ADDED', object });
    return { [Symbol.dispose]: () => void handlers.delete(any) };
  }

  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef | string): T | undefined {
    const key = typeof ref === 'string' ? ref : keyOf(ref);
    return this.#objects.get(kind.kind)?.get(key) as T | undefined;
  }

  hold(): void {}

  async synced(): Promise<void> {}

  set(object: ApiObject): void {
    const objects = this.#objects.get(object.kind ?? '') ?? new Map<string, ApiObject>();
    this.#objects.set(object.kind ?? '', objects);
    const key = nameOf(object);
    const previous = objects.get(key);
    objects.set(key, object);
    this.#tell(previous === undefined ? { type: 'ADDED', object } : { type: 'MODIFIED', object, previous });
  }

  delete(object: ApiObject): void {
    this.#objects.get(object.kind ?? '')?.delete(nameOf(object));
    this.#tell({ type: 'DELETED', object });
  }

  #tell(event: CacheEvent<ApiObject>): void {
    for (const handler of this.#handlers.get(event.object.kind ?? '') ?? []) handler(event);
  }
}

const nameOf = ({ metadata }: ApiObject) =>
  keyOf({
    name: metadata?.name ?? '',
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
  });
