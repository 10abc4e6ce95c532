import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket, type NetConnectOpts } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

/**
 * A gRPC client over HTTP/2 for unary calls and streams, on unix sockets, TCP and TLS.
 * Protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

/** gRPC status codes that callers tell apart. Source: google.golang.org/grpc/codes. */
export const grpcCodes = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export class GrpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GrpcError';
    this.code = code;
  }
}

export interface GrpcCallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly authority?: string;
}

/** containerd caps its own messages at 16 MiB; a page of an etcd list stays far below. */
const replyBytesMax = 64 * 1024 * 1024;
const streamMessageBytesMax = 64 * 1024 * 1024;

/** A call that streams both ways. */
export interface GrpcStream extends AsyncIterable<Uint8Array> {
  send(message: Uint8Array): void;
  /** Nothing more is sent; replies go on. */
  end(): void;
}

export class GrpcChannel implements Disposable {
  readonly #target: NetConnectOpts;
  readonly #authority: string;
  readonly #tls: ConnectionOptions | undefined;
  #session: ClientHttp2Session | undefined;

  constructor(target: NetConnectOpts, authority = 'localhost', tls?: ConnectionOptions) {
    this.#target = target;
    this.#authority = authority;
    this.#tls = tls;
  }

  /** Resolves once there is a live connection; throws `GrpcError` UNAVAILABLE if none can be made. */
  async connect(signal: AbortSignal): Promise<void> {
    const session = this.#connected();
    if (!session.connecting) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const failed = (error?: Error) =>
      reject(
        new GrpcError(grpcCodes.UNAVAILABLE, `cannot connect to ${this.#authority}: ${error?.message ?? 'closed'}`, {
          cause: error,
        }),
      );
    const closed = () => failed();
    const abort = () => reject(signal.reason as Error);
    session.once('connect', () => resolve());
    session.once('error', failed);
    session.once('close', closed);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      session.off('error', failed).off('close', closed);
      signal.removeEventListener('abort', abort);
    }
  }

  /**
   * A call that streams both ways. Replies come in order; iterating throws `GrpcError` when the call fails or the
   * connection is lost, and ends quietly when `signal` aborts.
   */
  stream(path: string, { signal }: { signal: AbortSignal }): GrpcStream {
    const stream = this.#connected().request({
      ':method': 'POST',
      ':path': path,
      ':authority': this.#authority,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    // Who iterates hears of errors; one that comes after the last look at the stream must not end the process.
    stream.on('error', () => {});
    let status: GrpcError | undefined;
    const readStatus = (headers: Readonly<Record<string, unknown>>) => {
      const code = headers['grpc-status'];
      if (code !== undefined && Number(code) !== grpcCodes.OK) {
        status = new GrpcError(Number(code), decodeMessage(headers['grpc-message']));
      }
    };
    stream.on('response', readStatus);
    stream.on('trailers', readStatus);
    const abort = () => stream.close(constants.NGHTTP2_CANCEL);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    stream.on('close', () => signal.removeEventListener('abort', abort));
    return {
      send: (message) => void stream.write(framed(message)),
      end: () => void stream.end(),
      async *[Symbol.asyncIterator]() {
        let pending: Buffer = Buffer.alloc(0);
        try {
          for await (const chunk of stream as AsyncIterable<Buffer>) {
            pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
            while (pending.length >= 5) {
              const end = 5 + pending.readUInt32BE(1);
              if (end > streamMessageBytesMax)
                throw new GrpcError(grpcCodes.RESOURCE_EXHAUSTED, `a message of ${path} is too large`);
              if (pending.length < end) break;
              yield pending.subarray(5, end);
              pending = pending.subarray(end);
            }
          }
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof GrpcError) throw error;
          throw status ?? new GrpcError(grpcCodes.UNAVAILABLE, `connection lost during ${path}`, { cause: error });
        } finally {
          if (!stream.closed) abort();
        }
        if (!signal.aborted) throw status ?? new GrpcError(grpcCodes.UNAVAILABLE, `connection lost during ${path}`);
      },
    };
  }

  /** One call; connects when there is no live connection. Throws `GrpcError`, or the signal's reason. */
  unary(path: string, request: Uint8Array, options: GrpcCallOptions): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    if (options.signal.aborted) return Promise.reject(options.signal.reason as Error);
    const stream = this.#connected().request({
      ':method': 'POST',
      ':path': path,
      ':authority': options.authority ?? this.#authority,
      'content-type': 'application/grpc',
      'grpc-timeout': `${Math.max(1, Math.ceil(options.timeoutMs))}m`,
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let status: { code: number; message: string } | undefined;
    const fail = (error: Error) => {
      reject(error);
      if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
    };
    const abort = () => fail(options.signal.reason as Error);
    const timer = setTimeout(
      () => fail(new GrpcError(grpcCodes.DEADLINE_EXCEEDED, `no reply to ${path} within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    );
    options.signal.addEventListener('abort', abort, { once: true });
    const readStatus = (headers: Readonly<Record<string, unknown>>) => {
      const code = headers['grpc-status'];
      if (code !== undefined) {
        status = { code: Number(code), message: decodeMessage(headers['grpc-message']) };
      } else if (headers[':status'] !== undefined && headers[':status'] !== 200) {
        status = { code: grpcCodes.UNAVAILABLE, message: `HTTP status ${Number(headers[':status'])}` };
      }
    };
    stream.on('response', readStatus);
    stream.on('trailers', readStatus);
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > replyBytesMax) fail(new GrpcError(grpcCodes.RESOURCE_EXHAUSTED, `reply to ${path} is too large`));
    });
    stream.on('error', (error) => reject(new GrpcError(grpcCodes.UNAVAILABLE, error.message, { cause: error })));
    stream.on('close', () => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', abort);
      if (status === undefined) reject(new GrpcError(grpcCodes.UNAVAILABLE, `connection lost during ${path}`));
      else if (status.code !== grpcCodes.OK) reject(new GrpcError(status.code, status.message));
      else resolve(unframe(Buffer.concat(chunks, size)));
    });
    stream.end(framed(request));
    return promise;
  }

  #connected(): ClientHttp2Session {
    const current = this.#session;
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    const tls = this.#tls;
    const session = connectHttp2(`${tls === undefined ? 'http' : 'https'}://${this.#authority}`, {
      createConnection: () =>
        tls === undefined
          ? connectSocket(this.#target)
          : connectTls({ ...(this.#target as ConnectionOptions), ...tls, ALPNProtocols: ['h2'] }),
      settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
    });
    // Errors reach the callers through their streams; without a listener they would end the process.
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    session.unref();
    this.#session = session;
    return session;
  }

  [Symbol.dispose](): void {
    this.#session?.destroy();
    this.#session = undefined;
  }
}

/** gRPC's length-prefixed message: a byte for "not compressed", four bytes of length, the message. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function unframe(body: Buffer): Uint8Array {
  return body.length < 5 ? new Uint8Array() : body.subarray(5, 5 + body.readUInt32BE(1));
}

/** grpc-message is percent-encoded; a peer's bad escape is shown as it came. */
function decodeMessage(text: unknown): string {
  if (typeof text !== 'string') return '';
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
