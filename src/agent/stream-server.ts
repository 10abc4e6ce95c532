import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer, type WebSocket } from 'ws';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { serveSession } from '#client/channel-server.ts';
import { messageBytesMax } from '#client/channels.ts';
import { agentClientUser } from '#client/identities.ts';
import { keepAlive } from '#client/keep-alive.ts';
import { logOptionsOf } from '#client/log-query.ts';
import { socketStream } from '#client/socket-stream.ts';
import {
  badRequest,
  internalError,
  methodNotAllowed,
  StatusError,
  unauthorized,
  unavailable,
} from '#machinery/status-error.ts';
import type { PodStreams } from './streams.ts';

export interface StreamServerOptions {
  readonly streams: PodStreams;
  /** PEM: the cluster's authority, and the node's own certificate and key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly host: string;
  /** 0 takes a free one; `agentPort` is the usual. */
  readonly port: number;
  /** The text of `/metrics`. */
  readonly metrics?: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StreamServer extends AsyncDisposable {
  readonly port: number;
}

const connectionsMax = 2_000;
const handshakeMsMax = 10_000;
const headersMsMax = 10_000;
const headerBytesMax = 32 * 1024;

/**
 * The agent's door for the API server: logs, exec, attach and port-forward of its pods, and what they use. Only the
 * API server's own certificate opens it; everybody else learns `/healthz` and nothing more. Exec and attach travel as
 * `v5.channel.k8s.io` messages, a forwarded connection as plain bytes in a WebSocket of its own, where an empty
 * message is a half-close. Throws what `listen()` fails with, in words for the operator where the port is taken.
 */
export async function listenForStreams(options: StreamServerOptions): Promise<StreamServer> {
  const { clock, log } = options;
  const sockets = new Set<Duplex>();
  const handler = new StreamHandler(options);
  const server: Server = createServer({
    cert: options.certificate,
    key: options.key,
    ca: options.authority,
    requestCert: true,
    rejectUnauthorized: false, // so that a stranger gets a 401 and not a riddle; every request is checked
    minVersion: 'TLSv1.3',
    handshakeTimeout: handshakeMsMax,
    headersTimeout: headersMsMax,
    maxHeaderSize: headerBytesMax,
  });
  server.maxConnections = connectionsMax;
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (req, res) => void handler.answer(req, res));
  server.on('upgrade', (req, socket, head) => void handler.upgrade(req, socket, head));
  server.on('tlsClientError', (error, socket) => {
    log.debug('TLS handshake failed', { error });
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(listenError(options.port, error));
    server.once('error', failed);
    server.listen(options.port, options.host, () => {
      server.off('error', failed);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  log.info('agent serves streams', { port, now: clock.now() });
  return {
    port,
    async [Symbol.asyncDispose]() {
      handler.stop(unavailable('The agent is stopping'));
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listenError(port: number, error: NodeJS.ErrnoException): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new Error(
    `Port ${port} is taken, at which a node is reached for logs and exec: see who has it with "ss -ltnp sport = :${port}", and end that first.`,
    { cause: error },
  );
}

class StreamHandler {
  readonly #options: StreamServerOptions;
  readonly #open = new Set<AbortController>();
  readonly #sessions = acceptor((protocols) => (protocols.has('v5.channel.k8s.io') ? 'v5.channel.k8s.io' : false));
  readonly #connections = acceptor(() => false);

  constructor(options: StreamServerOptions) {
    this.#options = options;
  }

  /** Ends whatever is still going on. */
  stop(reason: Error): void {
    for (const controller of this.#open) controller.abort(reason);
  }

  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const signal = this.#lifeOf(res);
    try {
      const { path, query } = parseUrl(req);
      if (path[0] === 'healthz' && path.length === 1) return void res.end('ok');
      checkCaller(req);
      if (req.method !== 'GET') throw methodNotAllowed(`${req.method} is not served here`);
      const [what = '', namespace = '', pod = '', container = ''] = path;
      const { streams } = this.#options;
      if (what === 'containerLogs' && path.length === 4) {
        const log = await streams.logs({ namespace, name: pod }, { ...logOptionsOf(query), container, signal });
        res.writeHead(200, { 'content-type': 'text/plain' });
        res.flushHeaders();
        await pipeline(log, res, { signal });
      } else if (req.url === '/stats/summary') {
        const summary = await streams.stats({ signal });
        res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(summary));
      } else if (req.url === '/metrics' && this.#options.metrics !== undefined) {
        const text = await this.#options.metrics();
        res.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
      } else if (isStream(what)) {
        throw badRequest('Upgrade request required');
      } else {
        throw new StatusError('NotFound', 'the agent does not serve this path');
      }
    } catch (error) {
      if (res.headersSent || res.destroyed) return void res.destroy();
      const status = statusErrorOf(error);
      res.writeHead(status.code, { 'content-type': 'application/json' }).end(JSON.stringify(status.toStatus()));
    }
  }

  async upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => {}); // its close is what counts
    const signal = this.#lifeOf(socket);
    try {
      checkCaller(req);
      const { path, query } = parseUrl(req);
      const [what, namespace = '', name = '', container = ''] = path;
      if (req.headers.upgrade?.toLowerCase() !== 'websocket') throw badRequest('only WebSocket upgrades are served');
      if (what === 'portForward' && path.length === 3) {
        await this.#forward({ namespace, name }, portOf(query), req, socket, head, signal);
      } else if ((what === 'exec' || what === 'attach') && path.length === 4) {
        await this.#session(what, { namespace, name }, container, query, req, socket, head, signal);
      } else {
        throw new StatusError('NotFound', 'the agent does not serve this path');
      }
    } catch (error) {
      refuse(socket, statusErrorOf(error));
    }
  }

  /** Aborts when the caller goes away or the agent stops. */
  #lifeOf(connection: Duplex | ServerResponse): AbortSignal {
    const controller = abortController();
    this.#open.add(controller);
    connection.once('close', () => {
      this.#open.delete(controller);
      controller.abort(new Error('The caller has gone'));
    });
    return controller.signal;
  }

  async #session(
    what: 'exec' | 'attach',
    pod: { namespace: string; name: string },
    container: string,
    query: URLSearchParams,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    const flag = (name: string) => query.get(name) === 'true';
    const options = {
      container,
      stdin: flag('stdin'),
      stdout: flag('stdout'),
      stderr: flag('stderr'),
      tty: flag('tty'),
      signal,
    };
    const { streams, clock } = this.#options;
    const session =
      what === 'exec'
        ? await streams.exec(pod, { ...options, command: query.getAll('command') })
        : await streams.attach(pod, options);
    if (socket.destroyed) return session.close();
    socket.once('close', () => session.close());
    this.#sessions.handleUpgrade(req, socket, head, (webSocket) => void serveSession(webSocket, session, clock));
  }

  async #forward(
    pod: { namespace: string; name: string },
    port: number,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    const target = await this.#options.streams.portForward(pod, port, { signal });
    if (socket.destroyed) return void target.destroy();
    const drop = () => target.destroy();
    socket.once('close', drop); // also if the handshake fails
    this.#connections.handleUpgrade(req, socket, head, (webSocket) => {
      socket.off('close', drop);
      void this.#join(webSocket, target);
    });
  }

  async #join(webSocket: WebSocket, target: Duplex): Promise<void> {
    const stream = socketStream(webSocket, { halfClose: true });
    using _ = keepAlive(webSocket, this.#options.clock, () => webSocket.isPaused);
    const failures = await Promise.allSettled([pipeline(stream, target), pipeline(target, stream)]);
    for (const failure of failures) if (failure.status === 'rejected') stream.destroy(failure.reason as Error);
  }
}

function acceptor(choose: (protocols: ReadonlySet<string>) => string | false): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    handleProtocols: choose,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  });
}

/** Throws Unauthorized without a certificate of the cluster, Forbidden for one of anybody but the API server. */
function checkCaller(req: IncomingMessage): void {
  const socket = req.socket as TLSSocket;
  if (!socket.authorized) throw unauthorized("The agent answers only the API server's certificate");
  const name = socket.getPeerCertificate().subject?.CN;
  if (name === agentClientUser) return;
  throw new StatusError('Forbidden', `User ${JSON.stringify(name ?? '')} may not call agents; only the API server may`);
}

function parseUrl(req: IncomingMessage): { readonly path: readonly string[]; readonly query: URLSearchParams } {
  const url = req.url ?? '/';
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  try {
    return {
      path: path.split('/').slice(1).map(decodeURIComponent),
      query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)),
    };
  } catch {
    throw badRequest('the path is not well encoded');
  }
}

const isStream = (what: string) => what === 'exec' || what === 'attach' || what === 'portForward';

function portOf(query: URLSearchParams): number {
  const port = Number(query.get('port'));
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw badRequest(`port must be between 1 and 65535, not ${JSON.stringify(query.get('port'))}`);
}

function statusErrorOf(error: unknown): StatusError {
  return error instanceof StatusError
    ? error
    : internalError(error instanceof Error ? error.message : String(error), error);
}

/** An upgrade that is not granted gets an ordinary reply, and the connection ends: nothing can follow it. */
function refuse(socket: Duplex, error: StatusError): void {
  const body = JSON.stringify(error.toStatus());
  socket.end(
    `HTTP/1.1 ${error.code} ${error.reason}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
