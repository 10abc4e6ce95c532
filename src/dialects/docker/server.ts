import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { abortController } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { badRequest } from '#machinery/status-error.ts';
import { dockerReply } from './errors.ts';
import { bodyBefore, bodyOf, grantBody, grantUpgrade, parseJson, type Grant } from './hijack.ts';
import { apiVersions, type Answer, type Call, type Match, type Router } from './router.ts';
import { versionInfo } from '#machinery/version.ts';

/** Linux takes no longer path for a socket. */
const socketPathBytesMax = 107;
const headersMsMax = 30_000;
const closeMsMax = 2_000;

const everyReply = {
  'api-version': apiVersions.max,
  ostype: 'linux',
  'docker-experimental': 'false',
  swarm: 'inactive',
  server: `Tutti/${versionInfo.tutti} (linux)`,
};

/** HTTP on a unix socket: who may open the socket (its owner and group) may do everything. */
export class DockerServer implements AsyncDisposable {
  readonly #router: Router;
  readonly #log: Log;
  readonly #http: Server;
  readonly #path: string;
  readonly #open = new Set<AbortController>();

  private constructor(router: Router, socketPath: string, log: Log) {
    this.#router = router;
    this.#path = socketPath;
    this.#log = log;
    this.#http = createServer({ requestTimeout: 0, headersTimeout: headersMsMax, keepAliveTimeout: headersMsMax });
    this.#http.on('request', (req, res) => void this.#request(req, res));
    this.#http.on('upgrade', (req, socket, head) => void this.#upgrade(req, socket, head));
  }

  /** Listens at `socketPath`, in place of what an earlier server left there. Throws BadRequest for a path too long. */
  static async listen(router: Router, socketPath: string, log: Log): Promise<DockerServer> {
    if (Buffer.byteLength(socketPath) > socketPathBytesMax) {
      throw badRequest(
        `Cannot listen on ${socketPath}: a socket's path may have ${socketPathBytesMax} bytes; choose a shorter data directory`,
      );
    }
    const server = new DockerServer(router, socketPath, log);
    await unlink(socketPath).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await new Promise<void>((resolve, reject) => {
      server.#http.once('error', reject);
      server.#http.listen(socketPath, () => {
        server.#http.off('error', reject);
        resolve();
      });
    });
    await chmod(socketPath, 0o660);
    return server;
  }

  async #request(req: IncomingMessage, res: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(everyReply)) res.setHeader(name, value);
    res.on('error', () => {}); // its close is what counts
    const life = this.#lifeOf(res);
    try {
      const match = this.#router.match(req.method ?? 'GET', req.url ?? '/');
      let bodyIsRead = false;
      const call = this.#call(req, match, life, async () => {
        bodyIsRead = true;
        return parseJson(await bodyOf(req));
      });
      const { route } = match;
      if ('write' in route) await route.write(call, res);
      else if ('answer' in route) reply(res, await route.answer(call));
      else {
        await route.stream(call, (type) => grantBody(req, res, bodyIsRead)(type), this.#stopping);
        if (!res.headersSent) reply(res, { code: 200 });
        else res.end();
      }
    } catch (error) {
      if (life.aborted && res.destroyed) return;
      if (res.headersSent) return void res.destroy();
      const { code, message } = this.#failure(req, error);
      reply(res, { code, body: { message } });
    }
  }

  async #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => {}); // its close is what counts
    const life = this.#lifeOf(socket);
    let granted = false;
    try {
      const match = this.#router.match(req.method ?? 'GET', req.url ?? '/');
      const { route } = match;
      if (!('stream' in route)) throw badRequest(`${match.route.method} ${route.path} does not turn into a stream`);
      const { body, rest } = await bodyBefore(req, socket, head);
      const grant: Grant = (type) => {
        granted = true;
        return grantUpgrade(socket, rest)(type);
      };
      await route.stream(
        this.#call(req, match, life, async () => parseJson(body)),
        grant,
        this.#stopping,
      );
      if (granted) socket.end();
      else refuse(socket, { code: 200 });
    } catch (error) {
      if (granted) return void socket.destroy();
      const { code, message } = this.#failure(req, error);
      refuse(socket, { code, body: { message } });
    }
  }

  #call(req: IncomingMessage, { params, query }: Match, signal: AbortSignal, json: () => Promise<unknown>): Call {
    return { method: req.method ?? 'GET', params, query, headers: req.headers, signal, json };
  }

  #failure(req: IncomingMessage, error: unknown): { readonly code: number; readonly message: string } {
    const failure = dockerReply(error);
    if (failure.code === 500) this.#log.warn('docker request failed', { method: req.method, url: req.url, error });
    return failure;
  }

  readonly #stop = abortController();
  get #stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when the client goes away or the server stops. A half-closed connection is still there. */
  #lifeOf(connection: ServerResponse | Duplex): AbortSignal {
    const controller = abortController();
    this.#open.add(controller);
    connection.once('close', () => {
      this.#open.delete(controller);
      controller.abort(new Error('The client has gone'));
    });
    return controller.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server stops'));
    for (const controller of this.#open) controller.abort(new Error('the server stops'));
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeIdleConnections();
    const late = setTimeout(() => this.#http.closeAllConnections(), closeMsMax);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, closeMsMax + 500).unref())]);
    clearTimeout(late);
    await unlink(this.#path).catch(() => undefined);
  }
}

function reply(res: ServerResponse, { code, body }: Answer): void {
  if (body === undefined) return void res.writeHead(code).end();
  res.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

/** An upgrade that is not granted gets an ordinary reply, and the connection ends: nothing can follow it. */
function refuse(socket: Duplex, { code, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${code} ${code < 400 ? 'OK' : 'Refused'}`,
    ...Object.entries(everyReply).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(
    `${head.join('\r\n')}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}
