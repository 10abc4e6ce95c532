import { parseExact } from '#machinery/json.ts';
import { StatusError } from '#machinery/status-error.ts';

/** The longest line accepted: an object has 1.5 MB at most, plus the event around it and room for escapes. */
export const lineBytesMax = 16 * 1024 * 1024;

/**
 * The JSON values of a byte stream with one value a line, each parsed as soon as its line is complete. Reads only
 * as fast as it is asked, so the sender feels a slow reader. Throws InternalError for a line that is too long or no
 * JSON; a last line without its end is dropped, as the connection was cut in it.
 */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(10, start);
      if (end < 0) break;
      pending.push(chunk.subarray(start, end));
      const line = pending.length === 1 ? (pending[0] as Uint8Array) : Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.length > 0) yield parse(line);
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > lineBytesMax) {
        throw new StatusError('InternalError', `A watch event is longer than ${lineBytesMax} bytes`);
      }
    }
  }
}

function parse(line: Uint8Array): unknown {
  try {
    return parseExact(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8'));
  } catch (cause) {
    throw new StatusError('InternalError', 'A watch event is not valid JSON', { cause });
  }
}
