import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { PeerCertificate } from 'node:tls';
import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { AttachOptions, CallOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import { connectWebSocket, sessionOver } from '#client/channel-session.ts';
import { agentPort, nodeGroup, nodeUser } from '#client/identities.ts';
import { logQueryOf } from '#client/log-query.ts';
import { socketStream } from '#client/socket-stream.ts';
import type { StatsSummary } from '#client/stats-summary.ts';
import { badRequest, hasReason, StatusError, timeout, unavailable, type Status } from '#machinery/status-error.ts';
import type { NodeStreams } from './connect.ts';

export interface AgentConnectionOptions {
  /** The Node as it is now; undefined if there is none of that name. */
  readonly node: (name: string, signal: AbortSignal) => Promise<Node | undefined>;
  /** PEM: the cluster's authority, and the certificate and key of `agentClientUser`. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly clock: Clock;
}

/** NodeStreams, and what else the API server asks agents for. */
export interface AgentConnections extends NodeStreams {
  stats(nodeName: string, options: CallOptions): Promise<StatsSummary>;
}

const dialMsMax = 10_000;
const statsMsMax = 10_000;
const errorBytesMax = 64 * 1024;

/**
 * Reaches the agents of the cluster over HTTPS. Where an agent listens is the Node's own claim, so the certificate
 * that answers must be of our authority and name this very node before anything is sent. A connection serves one
 * request, redirects are never followed, and of a reply that is no Status only the code is told.
 */
export function agentConnections(options: AgentConnectionOptions): AgentConnections {
  const { clock } = options;

  async function dial(nodeName: string, signal: AbortSignal) {
    const node = await options.node(nodeName, signal);
    if (node === undefined) throw unavailable(`Cannot reach the agent of node "${nodeName}": there is no such node`);
    const { host, port } = endpointOf(node);
    return {
      host,
      port,
      ca: options.authority,
      cert: options.certificate,
      key: options.key,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => refuseOtherThan(nodeName, certificate),
    };
  }

  /** Sends a GET; resolves once the reply's head is there. Throws the agent's Status. */
  async function get(nodeName: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const target = await dial(nodeName, signal);
    using late = deadline(clock, dialMsMax, signal, () => timeout(`The agent of node "${nodeName}" does not answer`));
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request({ ...target, path, agent: false, servername: '', signal });
      const abort = () => call.destroy(late.signal.reason as Error);
      late.signal.addEventListener('abort', abort, { once: true });
      call.once('error', reject);
      call.once('response', (response) => {
        late.signal.removeEventListener('abort', abort);
        call.on('error', () => {}); // from here on the reply reports it
        resolve(response);
      });
      call.end();
    }).catch((error: unknown) => {
      throw error instanceof StatusError || signal.aborted ? error : unreachable(nodeName, error);
    });
    if (reply.statusCode === 200) return reply;
    throw await refusalOf(nodeName, reply);
  }

  /** Opens a WebSocket; what `serve` makes of it must listen at once. */
  async function open(pod: Pod, path: string, protocols: string[], signal: AbortSignal) {
    const nodeName = nodeOf(pod);
    const { host, port, ca, cert, key, checkServerIdentity } = await dial(nodeName, signal);
    const server = { url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, ca, cert, key };
    using late = deadline(clock, dialMsMax, signal, () => timeout(`The agent of node "${nodeName}" does not answer`));
    try {
      return await connectWebSocket(server, path, {}, protocols, late.signal, { checkServerIdentity });
    } catch (error) {
      // With a cause it is the connection that failed; without one it is the agent's own answer.
      throw hasReason(error, 'ServiceUnavailable') && error.cause !== undefined
        ? unreachable(nodeName, error.cause)
        : error;
    }
  }

  function session(
    what: 'exec' | 'attach',
    pod: Pod,
    { signal, ...wanted }: AttachOptions & { command?: readonly string[] },
  ) {
    const query = new URLSearchParams();
    for (const word of wanted.command ?? []) query.append('command', word);
    for (const name of ['stdin', 'stdout', 'stderr', 'tty'] as const) if (wanted[name]) query.set(name, 'true');
    const path = `${pathOf(what, pod)}/${encodeURIComponent(wanted.container ?? '')}?${query.toString()}`;
    return open(pod, path, ['v5.channel.k8s.io'], signal).then((socket) => sessionOver(socket, wanted));
  }

  return {
    async logs(pod: Pod, { container, signal, ...wanted }: LogOptions): Promise<Readable> {
      const path = `${pathOf('containerLogs', pod)}/${encodeURIComponent(container ?? '')}?${logQueryOf(wanted).toString()}`;
      return get(nodeOf(pod), path, signal);
    },
    exec: (pod: Pod, wanted: ExecOptions): Promise<Session> => session('exec', pod, wanted),
    attach: (pod: Pod, wanted: AttachOptions): Promise<Session> => session('attach', pod, wanted),
    async portForward(pod: Pod, port: number, { signal }: CallOptions): Promise<Duplex> {
      return socketStream(await open(pod, `${pathOf('portForward', pod)}?port=${port}`, [], signal), {
        halfClose: true,
      });
    },
    async stats(nodeName: string, { signal }: CallOptions): Promise<StatsSummary> {
      using limit = deadline(clock, statsMsMax, signal, () =>
        timeout(`The agent of node "${nodeName}" does not answer`),
      );
      const reply = await get(nodeName, '/stats/summary', limit.signal);
      return JSON.parse(await text(reply)) as StatsSummary;
    },
  };
}

function pathOf(what: string, { metadata }: Pod): string {
  return `/${what}/${encodeURIComponent(metadata?.namespace ?? '')}/${encodeURIComponent(metadata?.name ?? '')}`;
}

function nodeOf({ metadata, spec }: Pod): string {
  const name = spec?.nodeName;
  if (name !== undefined && name !== '') return name;
  throw badRequest(`pod ${metadata?.name ?? ''} does not have a host assigned`);
}

const addressTypes = ['InternalIP', 'ExternalIP', 'Hostname'] as const;

/** Where a node's agent listens, by its status. Throws ServiceUnavailable while the node has not said so. */
export function endpointOf({ metadata, status }: Node): { readonly host: string; readonly port: number } {
  const addresses = status?.addresses ?? [];
  const host = addressTypes.map((type) => addresses.find((address) => address.type === type)?.address).find(Boolean);
  if (host === undefined) {
    throw unavailable(`Cannot reach the agent of node "${metadata?.name ?? ''}": its status has no address yet`);
  }
  return { host, port: status?.daemonEndpoints?.kubeletEndpoint?.Port ?? agentPort };
}

/** In the form `tls` wants: an Error for a certificate of anybody but the agent of `nodeName`. */
export function refuseOtherThan(nodeName: string, { subject }: PeerCertificate): Error | undefined {
  const groups: unknown = subject?.O;
  if (subject?.CN === nodeUser(nodeName) && [groups].flat().includes(nodeGroup)) return undefined;
  return new Error(`the certificate is of ${JSON.stringify(subject?.CN ?? '')}, not of ${nodeUser(nodeName)}`);
}

function unreachable(nodeName: string, cause: unknown): StatusError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return unavailable(`Cannot reach the agent of node "${nodeName}": ${why}`, cause);
}

async function refusalOf(nodeName: string, reply: IncomingMessage): Promise<StatusError> {
  let body = '';
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    body += chunk.toString('utf8');
    if (body.length > errorBytesMax) break;
  }
  try {
    const status = JSON.parse(body) as Partial<Status>;
    if (status.kind === 'Status') return StatusError.from(status);
  } catch {
    // no Status: nothing of it is passed on
  }
  return unavailable(`The agent of node "${nodeName}" answered ${reply.statusCode ?? 0}`);
}
