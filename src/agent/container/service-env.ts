import type { Service } from '#api/core/service.ts';

/**
 * The variables that tell a container of the services around it: those of its namespace, if it wants links, and
 * always the API server's. Source: kubelet's envvars.FromServices.
 */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  wantsLinks: boolean,
): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name = '', namespace: home = '' } = service.metadata ?? {};
    const ip = service.spec.clusterIP ?? '';
    if (ip === '' || ip === 'None' || service.spec.type === 'ExternalName') continue;
    if (home === namespace && wantsLinks) chosen.set(name, service);
    else if (home === 'default' && name === 'kubernetes' && !chosen.has(name)) chosen.set(name, service);
  }
  for (const [name, service] of [...chosen].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    addService(variables, name, service);
  return variables;
}

function addService(variables: Map<string, string>, name: string, { spec }: Service): void {
  const prefix = name.toUpperCase().replaceAll('-', '_');
  const ip = spec.clusterIP ?? '';
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const [first, ...rest] = spec.ports ?? [];
  if (first === undefined) return;
  variables.set(`${prefix}_SERVICE_HOST`, ip);
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const port of [first, ...rest]) {
    if (port.name === undefined || port.name === '') continue;
    variables.set(`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port));
  }
  const url = (port: { protocol?: string; port: number }) =>
    `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`;
  variables.set(`${prefix}_PORT`, url(first));
  for (const port of [first, ...rest]) {
    const protocol = port.protocol ?? 'TCP';
    const base = `${prefix}_PORT_${port.port}_${protocol}`;
    variables.set(base, url(port));
    variables.set(`${base}_PROTO`, protocol.toLowerCase());
    variables.set(`${base}_PORT`, String(port.port));
    variables.set(`${base}_ADDR`, ip);
  }
}
