import { parseExact } from '#machinery/json.ts';
import type { ApiObject } from '#machinery/object.ts';
import {
  type Status,
  StatusError,
  type StatusReason,
  statusCodes,
  tooLarge,
  unavailable,
} from '#machinery/status-error.ts';
import { describe, type Http2Reply } from './http2-connection.ts';

/** The largest reply read into memory: a list of 150,000 pods of 3 KB each fits. */
const replyBytesMax = 768 * 1024 * 1024;
/** Of an error's body, more than this is never a Status. */
const errorBytesMax = 1024 * 1024;

/** Reads a whole reply as JSON. Throws the Status in it if it is a failure. */
export async function readJson(reply: Http2Reply, signal: AbortSignal): Promise<unknown> {
  if (reply.status >= 400 || reply.status < 200) throw await readError(reply, signal);
  const body = await readBody(reply, replyBytesMax, signal);
  try {
    return parseExact(body.toString('utf8'));
  } catch (cause) {
    throw new StatusError('InternalError', 'The server replied with something that is no JSON', { cause });
  }
}

/** The error that a failed reply stands for: the Status in its body, or what its code says. */
export async function readError(reply: Http2Reply, signal: AbortSignal): Promise<StatusError> {
  const body = await readBody(reply, errorBytesMax, signal);
  return errorFrom(reply.status, body.toString('utf8'));
}

/** The same for a body that is already there. */
export function errorFrom(code: number, text: string): StatusError {
  try {
    const status = JSON.parse(text) as Partial<Status>;
    if (status.kind === 'Status') return StatusError.from(status);
  } catch {
    // no Status: a proxy's page, say
  }
  const reason = Object.entries(statusCodes).find(([, each]) => each === code)?.[0] ?? 'InternalError';
  const detail = text.trim().slice(0, 500);
  return new StatusError(
    reason as StatusReason, // a key of statusCodes
    `The server replied with code ${code}${detail === '' ? '' : `: ${detail}`}`,
    { code },
  );
}

/** The bytes of a reply's body. Throws ServiceUnavailable when it is cut off, and the reason when aborted. */
export async function* bodyOf({ stream }: Http2Reply, signal: AbortSignal): AsyncIterable<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
    // A session that ends under a stream looks like the end of the body, but for this.
    if (stream.aborted || stream.rstCode !== 0) throw unavailable('The reply was cut off');
  } catch (cause) {
    throw lost(cause, signal);
  }
}

async function readBody(reply: Http2Reply, bytesMax: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(reply, signal)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(`The reply is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What a failure while reading means to the caller. */
function lost(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return cause instanceof StatusError ? cause : unavailable(`The reply was cut off: ${describe(cause)}`, cause);
}

/** The same object with `apiVersion` and `kind`, which the items of a list lack on the wire. */
export function named<T extends ApiObject>(object: T, apiVersion: string, kind: string): T {
  return object.kind === undefined || object.apiVersion === undefined ? { apiVersion, kind, ...object } : object;
}
