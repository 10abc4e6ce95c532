import type { HostPort } from '../demand.ts';
import type { FilterPlugin } from '../plugin.ts';

/** The pod's host ports must be free on the node; `0.0.0.0` conflicts with every address. */
export const nodePorts = {
  name: 'NodePorts',
  reads: 'use',
  preFilter: ({ hostPorts }) => (hostPorts.length === 0 ? undefined : hostPorts),
  filter: (ports, node) => node.portConflict(ports) === undefined,
  refusals(ports, node) {
    const port = node.portConflict(ports);
    if (port === undefined) return [];
    const reason = "node(s) didn't have free ports for the requested pod ports";
    return [{ plugin: 'NodePorts', reason, curable: true, port }];
  },
} satisfies FilterPlugin<readonly HostPort[]>;
