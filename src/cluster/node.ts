import { startAgent, type Agent } from '#agent/agent.ts';
import { listenForStreams } from '#agent/stream-server.ts';
import { HttpClient } from '#client/http-client.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { NodeWorkerOptions } from './node-protocol.ts';

export interface RunningNode extends AsyncDisposable {
  readonly agent: Agent;
}

/**
 * Makes this host a node of a cluster: agent, service proxy and DNS on one event loop, with a client over HTTPS.
 * Disposing it leaves containers, network and container runtime as they are.
 */
export async function startNode(
  options: NodeWorkerOptions & { readonly clock: Clock; readonly log: Log },
): Promise<RunningNode> {
  const { clock, log, nodeName, dataDir } = options;
  await using resources = new AsyncDisposableStack();
  const stop = abortController();
  const client = resources.use(
    new HttpClient({
      server: { url: options.server, ca: options.authority, cert: options.certificate, key: options.key },
      clock,
      userAgent: `tutti-agent/${options.version}`,
    }),
  );
  const informers = new SharedInformers({ client, clock, log });
  const { mkdir, writeFile } = await import('node:fs/promises');
  const { cniConfig } = await import('#network/cni.ts');
  await mkdir(`${dataDir}/cni/net.d`, { recursive: true });
  await writeFile(
    `${dataDir}/cni/net.d/10-tutti.conflist`,
    JSON.stringify(cniConfig({ bridge: 'tutti0', podCidr: '10.244.0.0/24', leaseDir: `${dataDir}/cni/leases` })),
  );
  const network = { ready: async () => {} };
  const following = informers.run(stop.signal);
  resources.defer(async () => {
    stop.abort(new Error('the node stops'));
    await following;
  });
  const agent = resources.use(
    await startAgent({
      client,
      clock,
      log: log.child({ area: 'agent' }),
      nodeName,
      dataDir,
      network,
      streaming: {
        exec: () => {
          throw new Error('x');
        },
      } as never,
      dns: { servers: [options.dnsService], domain: options.clusterDomain },
      version: options.version,
      streamPort: options.agentPort,
      hostIps: options.hostIps,
    }),
  );
  const { authority, certificate, key } = options;
  resources.use(
    await listenForStreams({
      streams: agent.streams,
      authority,
      certificate,
      key,
      host: '0.0.0.0',
      port: options.agentPort,
      clock,
      log,
    }),
  );
  const owned = resources.move();
  return { agent, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
