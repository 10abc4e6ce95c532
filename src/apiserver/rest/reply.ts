import { formatJson } from '#machinery/json.ts';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createGzip, constants } from 'node:zlib';
import { StatusError, internalError } from '#machinery/status-error.ts';
import type { Exchange, HttpResponse } from './exchange.ts';
import { jsonType } from './negotiation.ts';

/** Replies from this size on are compressed for clients that say they take it. Source: upstream's gzip writer. */
export const gzipBytesMin = 128 * 1024;
/** Written at a time, so that a large reply does not lie in the socket's memory twice. */
const pieceBytes = 512 * 1024;

export type Headers = Readonly<Record<string, string>>;

const common: Headers = { 'cache-control': 'no-cache, private', 'x-content-type-options': 'nosniff' };

/** Starts the reply. Nothing happens if the client is gone. */
export function writeHead(
  { res, warnings }: Pick<Exchange, 'res' | 'warnings'>,
  code: number,
  headers: Headers,
): boolean {
  if (res.headersSent || res.destroyed) return false;
  // Both kinds of reply have the same methods, but the union of their overloads cannot be called.
  (res as ServerResponse).writeHead(code, {
    ...common,
    ...headers,
    ...(warnings.length === 0 ? {} : { warning: briefly(warnings).map(warningHeader) }),
  } as OutgoingHttpHeaders);
  return true;
}

/** Characters of all warnings, and of each once there are too many. Source: apiserver/pkg/endpoints/filters/warning.go. */
const [warningsLengthMax, warningLengthMax] = [4 * 1024, 256];

/** A client need not take headers of any size. */
function briefly(warnings: readonly string[]): readonly string[] {
  if (warnings.reduce((sum, { length }) => sum + length, 0) <= warningsLengthMax) return warnings;
  return warnings.map((text) => text.slice(0, warningLengthMax)).slice(0, warningsLengthMax / warningLengthMax);
}

/** RFC 7234: `299 - "text"`. */
function warningHeader(text: string): string {
  return `299 - "${text.replaceAll(/[^\u0020-\u007e]/g, ' ').replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Sends a complete body. */
export async function send(
  exchange: Exchange,
  code: number,
  type: string,
  body: Buffer,
  headers: Headers = {},
): Promise<void> {
  await sendPieces(exchange, code, type, body.length, [body], headers);
}

/** Sends a body of known length piece by piece, compressed if that is worth it and wanted. */
export async function sendPieces(
  exchange: Exchange,
  code: number,
  type: string,
  length: number,
  pieces: Iterable<Buffer>,
  headers: Headers = {},
): Promise<void> {
  const { req, res, context } = exchange;
  const compress = length >= gzipBytesMin && /\bgzip\b/.test(req.headers['accept-encoding']?.toString() ?? '');
  const coding: Headers = compress
    ? { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }
    : { 'content-length': String(length) };
  if (!writeHead(exchange, code, { 'content-type': type, ...coding, ...headers })) return;
  if (exchange.method === 'HEAD') {
    res.end();
    return;
  }
  if (!compress) {
    await pour(pieces, res, context.signal);
    return;
  }
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  gzip.on('data', (chunk: Buffer) => {
    if (!write(res, chunk)) {
      gzip.pause();
      res.once('drain', () => gzip.resume());
    }
  });
  const done = new Promise<void>((resolve, reject) => {
    gzip.on('end', resolve);
    gzip.on('error', reject);
    res.once('close', resolve);
  });
  const cut = () => res.destroy();
  context.signal.addEventListener('abort', cut, { once: true });
  for (const piece of pieces) {
    if (res.destroyed) break;
    if (!gzip.write(piece)) await Promise.race([onceDrained(gzip), done]);
  }
  gzip.end();
  await done;
  context.signal.removeEventListener('abort', cut);
  gzip.destroy();
  res.end();
}

async function pour(pieces: Iterable<Buffer>, res: HttpResponse, signal: AbortSignal): Promise<void> {
  let last: Buffer | undefined;
  for (const piece of pieces) {
    if (last !== undefined && !write(res, last)) await drained(res, signal);
    // Half a reply is none: who has not taken it by the end of the request's time gets no more.
    if (signal.aborted) res.destroy();
    if (res.destroyed) return;
    last = piece;
  }
  if (last === undefined) res.end();
  else res.end(last);
}

/** Sends the head of a reply whose body may be long in coming. */
export function flushHead(res: HttpResponse): void {
  (res as ServerResponse).flushHeaders();
}

/** False if the connection should be given time (`drained()`) before more is written. */
export function write(res: HttpResponse, chunk: Buffer): boolean {
  return (res as ServerResponse).write(chunk);
}

const onceDrained = (stream: NodeJS.EventEmitter) =>
  new Promise<void>((resolve) => void stream.once('drain', () => resolve()));

/**
 * Resolves once the reply takes more or is over (true), or once `signal` has aborted or `withinMs` are gone and it still
 * does not (false).
 */
export function drained(res: HttpResponse, signal: AbortSignal, withinMs?: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (takes: boolean) => {
      clearTimeout(timer);
      res.off('drain', yes);
      res.off('close', yes);
      signal.removeEventListener('abort', no);
      resolve(takes);
    };
    const yes = () => done(true);
    const no = () => done(false);
    const timer = withinMs === undefined ? undefined : setTimeout(no, withinMs).unref();
    res.on('drain', yes);
    res.on('close', yes);
    signal.addEventListener('abort', no, { once: true });
    if (signal.aborted) no();
  });
}

/** Ends a reply; one that its client does not take within `withinMs` is cut off. */
export function ended(res: HttpResponse, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => res.destroy(), withinMs).unref();
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    res.once('finish', done);
    res.once('close', done);
    res.end();
  });
}

/** Cuts what `parts` write into pieces of bounded size. */
export function* piecesOf(
  parts: Iterable<{ readonly length: number; writeTo(target: Buffer, offset: number): number }>,
): Iterable<Buffer> {
  let batch: { readonly length: number; writeTo(target: Buffer, offset: number): number }[] = [];
  let bytes = 0;
  const flush = () => {
    const piece = Buffer.allocUnsafe(bytes);
    let offset = 0;
    for (const part of batch) offset = part.writeTo(piece, offset);
    batch = [];
    bytes = 0;
    return piece;
  };
  for (const part of parts) {
    batch.push(part);
    bytes += part.length;
    if (bytes >= pieceBytes) yield flush();
  }
  if (bytes > 0) yield flush();
}

export async function sendJson(exchange: Exchange, code: number, value: unknown): Promise<void> {
  const pretty = wantsPretty(exchange);
  const text = pretty ? `${formatJson(value, 2)}\n` : `${formatJson(value)}\n`;
  await send(exchange, code, jsonType, Buffer.from(text));
}

/** `?pretty`, or a person with curl or a browser. */
export function wantsPretty({ query, req }: Pick<Exchange, 'query' | 'req'>): boolean {
  const asked = query.get('pretty');
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return /^(curl|Wget|Mozilla)\b/.test(req.headers['user-agent'] ?? '');
}

/** Any error as the Status a client understands. Those that are no StatusError are bugs: the caller logs them. */
export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  return internalError(`Internal error occurred: ${error instanceof Error ? error.message : String(error)}`, error);
}

export async function sendError(exchange: Exchange, error: StatusError): Promise<void> {
  const retry = error.details?.retryAfterSeconds;
  const body = Buffer.from(`${JSON.stringify(error.toStatus())}\n`);
  await send(exchange, error.code, jsonType, body, retry === undefined ? {} : { 'retry-after': String(retry) });
}
