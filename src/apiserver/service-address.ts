import type { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { Registry } from './registry/registry.ts';
import { selectionOf } from './registry/selection.ts';

/** Where one of the endpoints behind a service's port listens; `port` is a name, a number or, for its only port, empty. Throws ServiceUnavailable. */
export async function serviceAddress(
  registry: Registry,
  service: Service,
  port: string,
  signal: AbortSignal,
): Promise<{ readonly host: string; readonly port: number }> {
  const name = service.metadata?.name ?? '';
  const ports = service.spec?.ports ?? [];
  const chosen =
    port === '' && ports.length === 1
      ? ports[0]
      : ports.find((each) => each.name === port || String(each.port) === port);
  if (chosen === undefined)
    throw unavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const { items } = await registry.of(EndpointSlice).list({
    namespace: service.metadata?.namespace,
    selection: selectionOf(EndpointSlice, { labelSelector: `kubernetes.io/service-name=${name}` }),
    freshness: { want: 'newest' },
    limit: 0,
    continue: undefined,
    signal,
  });
  const addresses = items.flatMap(({ object: slice }) => {
    const at = slice.ports?.find((each) => (each.name ?? '') === (chosen.name ?? ''))?.port;
    if (at === undefined) return [];
    const ready = slice.endpoints.filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap((endpoint) => endpoint.addresses.map((host) => ({ host, port: at })));
  });
  const address = addresses[Math.floor(Math.random() * addresses.length)];
  if (address === undefined) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return address;
}
