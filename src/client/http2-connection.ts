import http2 from 'node:http2';
import { abortable } from '#lib/abortable.ts';
import type { Clock } from '#lib/clock.ts';
import { StatusError, unavailable } from '#machinery/status-error.ts';
import { type Server, tlsOptionsOf } from './server.ts';

export interface Http2Request {
  readonly method: string;
  /** Path and query, without the server's prefix. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array;
  /** Ends the request at any time, the reading of its reply included. */
  readonly signal: AbortSignal;
}

export interface Http2Reply {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  /** The body. Must be read to its end or destroyed. */
  readonly stream: http2.ClientHttp2Stream;
}

const connectMsMax = 10_000;
/** A silent connection is asked for a sign of life this often, and given up when none comes in time. */
const pingEveryMs = 30_000;
const pingReplyMsMax = 15_000;

/**
 * One HTTP/2 session to one server, opened when first needed and again after it was lost. Requests share it.
 * Every network failure is a ServiceUnavailable with its cause; an aborted signal rejects with its reason.
 */
export class Http2Connection implements AsyncDisposable {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #prefix: string;
  #session: Promise<http2.ClientHttp2Session> | undefined;
  #closed = false;

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    this.#url = new URL(server.url);
    if (this.#url.protocol !== 'https:') throw new Error(`Server URL ${server.url} must start with https://`);
    this.#prefix = this.#url.pathname.replace(/\/+$/, '');
  }

  /** Settles once the reply's headers are there. */
  async request(request: Http2Request): Promise<Http2Reply> {
    request.signal.throwIfAborted();
    const session = await this.#open(request.signal);
    try {
      return await this.#send(session, request);
    } catch (error) {
      // The server closed the session just before it saw the request: on a new one it is safe to repeat a read, and
      // any request that the server says it has not looked at.
      const untouched = isRefused(error) || request.method === 'GET';
      if (request.signal.aborted || !untouched || !(error instanceof StatusError)) throw error;
      return await this.#send(await this.#open(request.signal), request);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  async #open(signal: AbortSignal): Promise<http2.ClientHttp2Session> {
    if (this.#closed) throw unavailable(`The client of ${this.#server.url} has been closed`);
    this.#session ??= this.#connect();
    // Others may wait for the same session: this caller's abort leaves it alone.
    return await abortable(this.#session, signal);
  }

  #connect(): Promise<http2.ClientHttp2Session> {
    const opening = new Promise<http2.ClientHttp2Session>((resolve, reject) => {
      const session = http2.connect(this.#url.origin, tlsOptionsOf(this.#server));
      const forget = () => {
        if (this.#session === opening) this.#session = undefined;
      };
      const fail = (cause: unknown) => {
        forget();
        timer[Symbol.dispose]();
        session.destroy();
        reject(unavailable(`Cannot connect to ${this.#server.url}: ${describe(cause)}`, cause));
      };
      const timer = this.#clock.after(connectMsMax, () => fail(new Error(`no answer within ${connectMsMax} ms`)));
      session.on('error', fail);
      session.on('goaway', forget);
      session.on('close', () => {
        forget();
        fail(new Error('connection closed'));
      });
      session.once('connect', () => {
        timer[Symbol.dispose]();
        this.#keepAlive(session);
        resolve(session);
      });
    });
    opening.catch(() => {}); // every waiter sees the rejection; without a waiter it is nobody's failure
    return opening;
  }

  #keepAlive(session: http2.ClientHttp2Session): void {
    let timer: Disposable = this.#clock.after(pingEveryMs, ping);
    const clock = this.#clock;
    function ping(): void {
      if (session.destroyed) return;
      timer = clock.after(pingReplyMsMax, () => session.destroy(new Error(`no sign of life in ${pingReplyMsMax} ms`)));
      session.ping(() => {
        timer[Symbol.dispose]();
        if (!session.destroyed) timer = clock.after(pingEveryMs, ping);
      });
    }
    session.once('close', () => timer[Symbol.dispose]());
  }

  #send(session: http2.ClientHttp2Session, request: Http2Request): Promise<Http2Reply> {
    return new Promise((resolve, reject) => {
      const { signal } = request;
      let stream: http2.ClientHttp2Stream;
      try {
        stream = session.request(
          { ...request.headers, ':method': request.method, ':path': this.#prefix + request.path },
          { endStream: request.body === undefined },
        );
      } catch (cause) {
        reject(unavailable(`Cannot send to ${this.#server.url}: ${describe(cause)}`, new Refused(cause)));
        return;
      }
      const abort = () => stream.destroy(toError(signal.reason));
      signal.addEventListener('abort', abort, { once: true });
      stream.once('close', () => {
        signal.removeEventListener('abort', abort);
        reject(this.#lost(stream, signal, undefined)); // no effect once the headers were there
      });
      stream.on('error', (cause) => reject(this.#lost(stream, signal, cause)));
      stream.once('response', (headers) => resolve({ status: headers[':status'] ?? 0, headers, stream }));
      if (request.body !== undefined) stream.end(request.body);
    });
  }

  #lost(stream: http2.ClientHttp2Stream, signal: AbortSignal, cause: unknown): unknown {
    if (signal.aborted) return signal.reason;
    const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
    return unavailable(
      `Lost the connection to ${this.#server.url}: ${cause === undefined ? 'stream closed' : describe(cause)}`,
      refused ? new Refused(cause) : cause,
    );
  }
}

/** The server never looked at the request. */
class Refused extends Error {
  constructor(cause: unknown) {
    super('The request was not processed', { cause });
    this.name = 'Refused';
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof StatusError && error.cause instanceof Refused;
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** `ECONNREFUSED`'s own text says it all; an aggregate of several addresses has none, only its parts do. */
export function describe(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(describe).join('; ');
  return cause instanceof Error ? cause.message : String(cause);
}
