import { startAgent, type Agent } from '#agent/agent.ts';
import { criStreaming } from '#agent/cri-streaming.ts';
import { listenForStreams } from '#agent/stream-server.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { Informers } from '#client/cache.ts';
import { HttpClient } from '#client/http-client.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { startNetwork } from '#network/network.ts';
import type { NodeWorkerOptions } from './node-protocol.ts';

export interface RunningNode extends AsyncDisposable {
  readonly agent: Agent;
}

/** Waits until the cluster has given the node its block of pod addresses. */
async function podCidrOf(informers: Informers, nodeName: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  using _watching = informers.on(Node, ({ object }) => {
    const cidr = object.metadata?.name === nodeName ? object.spec.podCIDR : undefined;
    if (cidr !== undefined && cidr !== '') resolve(cidr);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
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
      userAgent: `kubelet/${options.version} (tutti)`,
    }),
  );
  const informers = new SharedInformers({
    client,
    clock,
    log,
    // An agent may read its own Node and the pods bound to it.
    scopeOf: (kind) => {
      if (kind.plural === Pod.plural && kind.group === Pod.group) return { fieldSelector: `spec.nodeName=${nodeName}` };
      if (kind.plural === Node.plural && kind.group === Node.group)
        return { fieldSelector: `metadata.name=${nodeName}` };
      return {};
    },
  });
  const network = resources.use(
    startNetwork({
      informers,
      nodeName,
      podCidr: (signal) => podCidrOf(informers, nodeName, signal),
      clusterCidr: options.clusterCidr,
      serviceCidr: options.serviceCidr,
      dnsIp: options.dnsService,
      domain: options.clusterDomain,
      dataDir,
      clock,
      log: log.child({ area: 'network' }),
    }),
  );
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
      streaming: criStreaming(clock),
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
