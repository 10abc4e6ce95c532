import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { StatusError } from '#machinery/status-error.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { WatchRecord, type ChangeType } from '../watch-cache/cache-event.ts';
import { bookmarkMetadata, type Bookmark, type Watcher } from '../watch-cache/watcher.ts';
import type { Exchange } from './exchange.ts';
import { drained, flushHead, write, writeHead } from './reply.ts';

/** Records written at a time; between two chunks the connection must have taken the one before. */
const chunkRecordsMax = 256;

/** Makes the lines of a watch. */
export interface EventEncoder<T extends ApiObject = ApiObject> {
  /** One encoder serves all watches of a kind and shape, so that an event is encoded once for all of them. */
  readonly shared: boolean;
  object(type: ChangeType, item: StoredObject<T>): Buffer;
  bookmark(resourceVersion: string, initial: boolean): Buffer;
}

const lineEnd = Buffer.from('}\n');
const openings: Readonly<Record<ChangeType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};

/** Whole objects, out of their cached bytes. */
export function objectEncoder<T extends ApiObject>(kind: Kind<T>): EventEncoder<T> {
  return {
    shared: true,
    object(type, item) {
      const opening = openings[type];
      const line = Buffer.allocUnsafe(opening.length + item.wireLength + lineEnd.length);
      line.set(opening, 0);
      line.set(lineEnd, item.writeTo(line, opening.length));
      return line;
    },
    bookmark(resourceVersion, initial) {
      const object = {
        kind: kind.kind,
        apiVersion: apiVersionOf(kind),
        metadata: bookmarkMetadata(resourceVersion, initial),
      };
      return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    },
  };
}

function lineOf<T extends ApiObject>(record: WatchRecord<T> | Bookmark, encoder: EventEncoder<T>): Buffer {
  if (!(record instanceof WatchRecord)) return encoder.bookmark(record.resourceVersion, record.initial);
  if (!encoder.shared) return encoder.object(record.type, record.item);
  let line = record.encoded.get(encoder);
  if (line === undefined) record.encoded.set(encoder, (line = encoder.object(record.type, record.item)));
  return line;
}

export function errorLine(error: StatusError): Buffer {
  return Buffer.from(`${JSON.stringify({ type: 'ERROR', object: error.toStatus() })}\n`);
}

/**
 * Streams a watch until the client goes, the server ends it or `timeoutMs` is over. Takes the watcher only as fast as
 * the connection does; events that came together go out in one write.
 */
export async function streamWatch<T extends ApiObject>(
  exchange: Exchange,
  watcher: Watcher<T>,
  encoder: EventEncoder<T>,
  { contentType, flush }: { contentType: string; flush: (fn: () => void) => void },
): Promise<void> {
  const { res, context } = exchange;
  const { signal } = context;
  if (!writeHead(exchange, 200, { 'content-type': contentType })) return;
  flushHead(res);
  let wake: () => void = () => undefined;
  const over = () => wake();
  signal.addEventListener('abort', over);
  res.on('close', over);
  let ready = false;
  watcher.onReady(() =>
    flush(() => {
      ready = true;
      wake();
    }),
  );
  try {
    while (!signal.aborted && !res.destroyed) {
      if (!ready) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const records = watcher.take(chunkRecordsMax);
      if (watcher.ended !== undefined) {
        write(res, errorLine(watcher.ended));
        break;
      }
      if (records.length < chunkRecordsMax) ready = false;
      if (records.length === 0) continue;
      const lines = records.map((record) => lineOf(record, encoder));
      if (!write(res, lines.length === 1 ? lines[0]! : Buffer.concat(lines))) await drained(res);
    }
  } finally {
    signal.removeEventListener('abort', over);
    res.off('close', over);
    watcher[Symbol.dispose]();
    res.end();
  }
}
