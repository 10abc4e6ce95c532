import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { listenForStreams, type StreamServer } from '#agent/stream-server.ts';
import type { PodStreams } from '#agent/streams.ts';
import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { agentConnections } from '#apiserver/streaming/node-streams.ts';
import { connectHandler } from '#apiserver/streaming/connect-handler.ts';
import type { ConnectRequest } from '#apiserver/streaming/connect.ts';
import { ephemeralPki, type Pki } from '#cluster/pki.ts';
import { kubeconfig } from '#cluster/kubeconfig.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { StatusError } from '#machinery/status-error.ts';
import { LocalPod } from './local-pod.ts';

export const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'x', stdin: true }] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
} as Pod;

const discovery: Readonly<Record<string, unknown>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'], shortNames: ['po'] },
    ],
  },
};

/** One pod behind the whole way of streams: client → HTTPS → connect handler → agent's server → local processes. */
export interface PodServer extends AsyncDisposable {
  readonly url: string;
  readonly kubeconfig: string;
  readonly local: LocalPod;
  readonly agent: StreamServer;
  readonly pki: Pki;
}

/** With `streams`, what is behind the agent's server is theirs. */
export async function startPodServer(streams?: PodStreams): Promise<PodServer> {
  const clock = systemClock;
  const pki = await ephemeralPki({ clock, hosts: ['localhost', '127.0.0.1'] });
  const local = new LocalPod('web');
  const node = await pki.node('n1', ['127.0.0.1']);
  const listening = { host: '127.0.0.1', port: 0, clock, log: silentLog };
  const agent = await listenForStreams({ streams: streams ?? local, authority: pki.authority, ...node, ...listening });
  const connections = agentConnections({
    node: async () =>
      ({
        metadata: { name: 'n1' },
        status: {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: agent.port } },
        },
      }) as unknown as Node,
    authority: pki.authority,
    ...pki.agentClient,
    clock,
  });
  const handler = connectHandler(connections, clock);
  const server = createSecureServer({
    allowHTTP1: true,
    cert: pki.server.certificate,
    key: pki.server.key,
    ca: pki.authority,
    requestCert: true,
    rejectUnauthorized: true,
  });

  const requestOf = (url: string, signal: AbortSignal): ConnectRequest | undefined => {
    const { pathname, searchParams } = new URL(url, 'https://x');
    const match = /^\/api\/v1\/namespaces\/default\/pods\/web\/(log|exec|attach|portforward)$/.exec(pathname);
    if (match === null) return undefined;
    const user = { username: 'test', groups: [] };
    return {
      attributes: {
        user,
        verb: match[1] === 'log' ? 'get' : 'create',
        kind: undefined,
        namespace: 'default',
        name: 'web',
        subresource: match[1],
        path: pathname,
      },
      context: { user, signal, userAgent: '', warn() {} },
      pod,
      query: searchParams,
    };
  };
  const answer = async (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => {
    const gone = new AbortController();
    res.once('close', () => gone.abort(new Error('gone')));
    const plain = res as ServerResponse;
    const json = (code: number, body: unknown) =>
      plain.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const request = requestOf(req.url ?? '', gone.signal);
    const path = (req.url ?? '').split('?')[0] ?? '';
    try {
      if (request !== undefined) await handler.handle(request, req, res);
      else if (path === '/api/v1/namespaces/default/pods/web') json(200, pod);
      else if (path in discovery) json(200, discovery[path]);
      else throw new StatusError('NotFound', `no ${path} here`);
    } catch (error) {
      const status = error as StatusError;
      json(status.code, status.toStatus());
    }
  };
  const sockets = new Set<Duplex>();
  server.on('connection', (socket: Duplex) => sockets.add(socket));
  server.on('request', (req, res) => void answer(req, res));
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const gone = new AbortController();
    socket.once('close', () => gone.abort(new Error('gone')));
    const request = requestOf(req.url ?? '', gone.signal);
    if (request === undefined) socket.destroy();
    else void handler.upgrade(request, req, socket, head);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    kubeconfig: kubeconfig({ server: url, authority: pki.authority, user: pki.admin }),
    local,
    agent,
    pki,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      local[Symbol.dispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}
