import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { CreateBody } from './create-body.ts';
import { networkModeOf } from './refusals.ts';

/** Where ports come from that a client leaves open (`-p 80`, `-P`). The usual ephemeral range of Linux. */
const openPorts = { first: 32_768, last: 60_999 } as const;
const protocols = ['tcp', 'udp', 'sctp'];

/** `80/tcp` → 80 and `TCP`. Throws BadRequest. */
export function parsePort(text: string): { readonly port: number; readonly protocol: string } {
  const [number = '', protocol = 'tcp'] = text.split('/');
  const port = Number(number);
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || !protocols.includes(protocol))
    throw badRequest(`invalid port specification: ${JSON.stringify(text)}`);
  return { port, protocol: protocol.toUpperCase() };
}

/**
 * Published ports become host ports on the node where the pod runs, exposed ones are only named. `isTaken` tells
 * which host ports pods of the cluster hold already; those left open get the first that is free.
 */
export function portsOf(body: CreateBody, isTaken: (port: number) => boolean): readonly core.ContainerPort[] {
  const { PortBindings: bindings, PublishAllPorts: all = false } = body.HostConfig ?? {};
  if (networkModeOf(body) === 'host') return [];
  const given = new Set<number>();
  const open = () => {
    for (let port = openPorts.first; port <= openPorts.last; port++) {
      if (given.has(port) || isTaken(port)) continue;
      given.add(port);
      return port;
    }
    throw badRequest(`all ports from ${openPorts.first} to ${openPorts.last} are in use: name one (-p HOST:CONTAINER)`);
  };
  const wanted = new Map<string, readonly { HostIp?: string; HostPort?: string }[]>();
  for (const port of Object.keys(body.ExposedPorts ?? {})) wanted.set(port, all ? [{}] : []);
  for (const [port, hosts] of Object.entries(bindings ?? {})) wanted.set(port, hosts ?? [{}]);
  const ports: core.ContainerPort[] = [];
  for (const [text, hosts] of wanted) {
    const { port: containerPort, protocol } = parsePort(text);
    if (hosts.length === 0) ports.push({ containerPort, protocol });
    for (const { HostIp: ip = '', HostPort: host = '' } of hosts) {
      const hostPort = host === '' || host === '0' ? open() : parsePort(host).port;
      ports.push({
        containerPort,
        protocol,
        hostPort,
        ...(ip === '' || ip === '0.0.0.0' || ip === '::' ? {} : { hostIP: ip }),
      });
    }
  }
  return ports;
}
