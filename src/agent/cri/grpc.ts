import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket, type NetConnectOpts } from 'node:net';

/**
 * A unary gRPC client over HTTP/2 without TLS, for unix sockets and for the gRPC probe.
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

/** containerd caps its own messages at 16 MiB. */
const replyBytesMax = 16 * 1024 * 1024;

export class GrpcChannel implements Disposable {
  readonly #target: NetConnectOpts;
  readonly #authority: string;
  #session: ClientHttp2Session | undefined;

  constructor(target: NetConnectOpts, authority = 'localhost') {
    this.#target = target;
    this.#authority = authority;
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
        status = { code: Number(code), message: decodeMessage(String(headers['grpc-message'] ?? '')) };
      } else if (headers[':status'] !== undefined && headers[':status'] !== 200) {
        status = { code: grpcCodes.UNAVAILABLE, message: `HTTP status ${String(headers[':status'])}` };
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
    const frame = Buffer.alloc(5 + request.length);
    frame.writeUInt32BE(request.length, 1);
    frame.set(request, 5);
    stream.end(frame);
    return promise;
  }

  #connected(): ClientHttp2Session {
    const current = this.#session;
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    const session = connectHttp2(`http://${this.#authority}`, {
      createConnection: () => connectSocket(this.#target),
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

function unframe(body: Buffer): Uint8Array {
  return body.length < 5 ? new Uint8Array() : body.subarray(5, 5 + body.readUInt32BE(1));
}

/** grpc-message is percent-encoded; a peer's bad escape is shown as it came. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
