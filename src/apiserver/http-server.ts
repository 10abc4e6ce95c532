import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { HttpRequest, HttpResponse } from './rest/exchange.ts';
import type { Router } from './rest/router.ts';
import { TurnGate } from './turn-gate.ts';

/** Bounds of the front door. */
export const limits = {
  connectionsMax: 20_000,
  /** Concurrent HTTP/2 streams of one connection. Source: kube-apiserver --http2-max-streams-per-connection. */
  streamsMax: 1_000,
  headerBytesMax: 64 * 1024,
  headerPairsMax: 200,
  handshakeMsMax: 10_000,
  headersMsMax: 10_000,
  /** How often slow HTTP/1.1 clients are looked for: they have so much more time than `headersMsMax`. */
  headersCheckMs: 2_000,
  keepAliveMsMax: 120_000,
  /** Streams a client may cancel at once, and then a second, before its connection is closed (CVE-2023-44487). */
  resetsBurst: 1_000,
  resetsPerSecond: 100,
  /** Megabytes of state of one HTTP/2 connection. */
  sessionMemoryMax: 64,
  /** A closing server waits this long for requests to end. */
  closeMsMax: 5_000,
} as const;

/** What HTTP/1.1 clients are told whose requests cannot even be read, by Node's error code. */
const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

export interface HttpServerOptions {
  readonly router: Router;
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
  /** PEM of the authority that signs client certificates. */
  readonly clientAuthority: string | readonly string[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** How long a connection may be idle; see `limits.keepAliveMsMax`. */
  readonly keepAliveMs?: number | undefined;
  readonly log: Log;
}

/** The HTTPS front door: HTTP/2 and HTTP/1.1 on one port, client certificates asked for but not demanded. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Http2SecureServer;
  readonly #router: Router;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();

  private constructor(
    server: Http2SecureServer,
    { router, log, keepAliveMs = limits.keepAliveMsMax }: HttpServerOptions,
  ) {
    this.#server = server;
    this.#router = router;
    const gate = new TurnGate((req, res) => void router.handle(req, res));
    server.on('request', (req: HttpRequest, res: HttpResponse) => {
      const connection = 'stream' in req ? req.stream.session : undefined;
      if (connection === undefined || !('stream' in req && 'stream' in res)) void router.handle(req, res);
      else gate.add(connection, req, res);
    });
    server.on(
      'upgrade',
      (req: IncomingMessage, socket: Duplex, head: Buffer) => void router.upgrade(req, socket, head),
    );
    server.on('session', (session) => {
      this.#sessions.add(session);
      let open = 0;
      session.on('stream', (stream) => {
        open++;
        stream.once('close', () => open--);
      });
      session.setTimeout(keepAliveMs, () => {
        if (open === 0) session.close();
      });
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', (error) => log.debug('HTTP/2 connection failed', { error }));
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', (error) => log.debug('connection failed', { error }));
    });
    server.on('tlsClientError', (error, socket) => {
      log.debug('TLS handshake failed', { error });
      socket.destroy();
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (socket.writable)
        socket.end(`HTTP/1.1 ${refusals[error.code ?? ''] ?? '400 Bad Request'}\r\nconnection: close\r\n\r\n`);
    });
  }

  /** Throws what `listen()` fails with, EADDRINUSE for one. */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const server = createSecureServer({
      key: options.key,
      cert: options.certificate,
      ca: [options.clientAuthority].flat(),
      requestCert: true,
      rejectUnauthorized: false,
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.handshakeMsMax,
      maxSessionMemory: limits.sessionMemoryMax,
      maxHeaderListPairs: limits.headerPairsMax,
      streamResetBurst: limits.resetsBurst,
      streamResetRate: limits.resetsPerSecond,
      settings: { maxConcurrentStreams: limits.streamsMax, maxHeaderListSize: limits.headerBytesMax },
      http1Options: {
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.headersMsMax,
        connectionsCheckingInterval: limits.headersCheckMs,
        keepAliveTimeout: limits.keepAliveMsMax,
      },
    } as Parameters<typeof createSecureServer>[0]);
    server.maxConnections = limits.connectionsMax;
    const self = new HttpServer(server, options);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return self;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new connections, ends watches, lets requests finish for a while and then cuts what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#router.abort(unavailable('the server is shutting down'));
    for (const session of this.#sessions) session.close();
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, limits.closeMsMax).unref();
    // Idle HTTP/1.1 connections would keep the server open until their keep-alive ends.
    setImmediate(() => {
      for (const socket of this.#sockets) if (!this.#isHttp2(socket)) socket.destroySoon();
    });
    await closed;
    clearTimeout(cut);
  }

  #isHttp2(socket: Socket): boolean {
    for (const session of this.#sessions) if (session.socket === socket) return true;
    return false;
  }
}
