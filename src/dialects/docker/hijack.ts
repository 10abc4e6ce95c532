import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Duplex, type Readable, type Writable } from 'node:stream';
import { badRequest, tooLarge } from '#machinery/status-error.ts';

/** A connection that has become a pair of byte streams. An end of `input` is a half-close: output goes on. */
export interface Hijacked {
  readonly input: Readable;
  readonly output: Writable;
}

/** Grants the stream that a request asks for; called once it is sure that there will be one. */
export type Grant = (contentType: string) => Hijacked;

/**
 * By `Connection: Upgrade`: the reply is 101 and the socket is the stream. Bytes that came with the request are
 * the first of the input.
 */
export function grantUpgrade(socket: Duplex, rest: Buffer): Grant {
  return (contentType) => {
    socket.write(
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    );
    if (rest.length > 0) socket.unshift(rest);
    return { input: socket, output: socket };
  };
}

/** Without an upgrade the body of the request is the input and the body of the reply the output. */
export function grantBody(req: IncomingMessage, res: ServerResponse, bodyIsRead: boolean): Grant {
  return (contentType) => {
    res.writeHead(200, { 'content-type': contentType });
    res.flushHeaders();
    return { input: bodyIsRead ? new PassThrough().end() : req, output: res };
  };
}

const bodyBytesMax = 1024 * 1024;
const bodyMsMax = 30_000;

/**
 * The body of a request that asks for an upgrade: its first bytes come in `head`, further ones from the socket.
 * Returns what follows the body too.
 */
export async function bodyBefore(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<{ readonly body: Buffer; readonly rest: Buffer }> {
  const length = Number(req.headers['content-length'] ?? 0);
  if (req.headers['transfer-encoding'] !== undefined && req.headers['content-length'] === undefined && head.length > 0)
    throw badRequest('a request that asks for an upgrade must have a Content-Length');
  if (!(length <= bodyBytesMax)) throw tooLarge(`the body has more than ${bodyBytesMax} bytes`);
  let got = head;
  if (got.length < length) {
    const late = setTimeout(() => socket.destroy(), bodyMsMax);
    try {
      while (got.length < length) {
        const chunk = (socket.read() as Buffer | null) ?? (await nextChunk(socket));
        got = Buffer.concat([got, chunk]);
      }
    } finally {
      clearTimeout(late);
    }
  }
  return { body: got.subarray(0, length), rest: got.subarray(length) };
}

async function nextChunk(socket: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off('readable', read).off('end', ended).off('close', ended);
      act();
    };
    const read = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) settle(() => resolve(chunk));
    };
    const ended = () => settle(() => reject(badRequest('the body is shorter than its Content-Length')));
    socket.on('readable', read).on('end', ended).on('close', ended);
  });
}

/** The whole body of an ordinary request. Throws RequestEntityTooLarge. */
export async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bodyBytesMax) throw tooLarge(`the body has more than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** An empty body is `undefined`. Throws BadRequest. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw badRequest(`invalid JSON: ${(error as Error).message}`);
  }
}
