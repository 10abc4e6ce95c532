import { abortable } from '#lib/abortable.ts';
import { badRequest, tooLarge, unsupportedMediaType } from '#machinery/status-error.ts';
import type { Exchange, HttpRequest } from './exchange.ts';

/** Bytes of a request body, above which it is refused. */
export const bodyBytesMax = 3 * 1024 * 1024;

/** The whole body. Throws RequestEntityTooLarge as soon as it is known to be too long. */
export async function readBody({ req, context }: Pick<Exchange, 'req' | 'context'>): Promise<Buffer> {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > bodyBytesMax) throw tooLong();
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw unsupportedMediaType(`the body has Content-Encoding ${JSON.stringify(encoding)}; send it without one`);
  }
  return abortable(collect(req), context.signal);
}

const tooLong = () => tooLarge(`Request entity too large: limit is ${bodyBytesMax} bytes`);

function collect(req: HttpRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    req.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bodyBytesMax) {
        req.removeAllListeners('data');
        req.resume();
        reject(tooLong());
      } else chunks.push(chunk);
    });
    req.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)));
    req.on('error', (error: Error) => reject(badRequest(`the body could not be read: ${error.message}`, error)));
    req.on('aborted', () => reject(badRequest('the client went away before the body was complete')));
  });
}
