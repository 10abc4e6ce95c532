import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { StatusError } from '#machinery/status-error.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { WatchRecord, type ChangeType } from '../watch-cache/cache-event.ts';
import { bookmarkMetadata, type Bookmark, type WatchStream } from '../watch-cache/watcher.ts';
import type { Exchange } from './exchange.ts';
import { drained, ended, flushHead, write, writeHead } from './reply.ts';

/** Records taken at a time, and bytes written at a time: before more, the connection must have taken them. */
const chunkRecordsMax = 256;
const chunkBytesMax = 256 * 1024;
/**
 * How long a client may take nothing of what it has been sent. Then it is cut off: it would hold events in memory that
 * nobody else needs any more, and can watch again from where it was.
 */
export const stalledMsMax = 30_000;

/** Makes the lines of a watch. */
export interface EventEncoder<T extends ApiObject = ApiObject> {
  /** One encoder serves all watches of a kind and shape, so that an event is encoded once for all of them. */
  readonly shared: boolean;
  object(type: ChangeType, item: StoredObject<T>): Buffer;
  bookmark(resourceVersion: string, initial: boolean): Buffer;
  /** What ends a watch that cannot go on; a JSON line unless given. */
  error?(error: StatusError): Buffer;
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

export function lineOf<T extends ApiObject>(record: WatchRecord<T> | Bookmark, encoder: EventEncoder<T>): Buffer {
  if (!(record instanceof WatchRecord)) return encoder.bookmark(record.resourceVersion, record.initial);
  if (!encoder.shared) return encoder.object(record.type, record.item);
  let line = record.encoded.get(encoder);
  if (line === undefined) record.encoded.set(encoder, (line = encoder.object(record.type, record.item)));
  return line;
}

/**
 * The lines of `records` as one buffer. Watchers that are told the same at the same time get the same buffer: the
 * encoder remembers the last one it made.
 */
function chunkOf<T extends ApiObject>(
  records: readonly (WatchRecord<T> | Bookmark)[],
  encoder: EventEncoder<T>,
  last: LastChunk,
): Buffer {
  if (records.length === 1) return lineOf(records[0]!, encoder);
  const { made } = last;
  if (made?.encoder === encoder && sameRecords(made.records, records)) return made.buffer;
  const buffer = Buffer.concat(records.map((record) => lineOf(record, encoder)));
  if (encoder.shared) last.made = { encoder, records, buffer };
  return buffer;
}

/** What `chunkOf()` remembers between calls. */
export interface LastChunk {
  made?: { readonly encoder: unknown; readonly records: readonly unknown[]; readonly buffer: Buffer };
}

function sameRecords(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
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
  watcher: WatchStream<T>,
  encoder: EventEncoder<T>,
  options: {
    readonly contentType: string;
    readonly flush: (fn: () => void) => void;
    readonly last: LastChunk;
    readonly stalledMs?: number | undefined;
    /** Told how many events are on their way. */
    readonly sent?: (count: number) => void;
  },
): Promise<void> {
  const { contentType, flush, last, stalledMs = stalledMsMax, sent } = options;
  using _watcher = watcher;
  const { res, context } = exchange;
  const { signal } = context;
  if (!writeHead(exchange, 200, { 'content-type': contentType })) return;
  flushHead(res);
  context.audit?.started?.(200);
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
        write(res, encoder.error?.(watcher.ended) ?? errorLine(watcher.ended));
        break;
      }
      if (records.length < chunkRecordsMax) ready = false;
      if (records.length === 0) continue;
      sent?.(records.length);
      for (const part of partsOf(records)) {
        if (!write(res, chunkOf(part, encoder, last)) && !(await drained(res, signal, stalledMs))) {
          if (!signal.aborted) return void res.destroy(); // its client takes nothing
        }
        if (signal.aborted || res.destroyed) break;
      }
    }
  } finally {
    signal.removeEventListener('abort', over);
    res.off('close', over);
    if (!res.destroyed) await ended(res, stalledMs);
  }
}

/** Runs of records that are not too much to write at once; one large object is a run of its own. */
function* partsOf<R extends WatchRecord | Bookmark>(records: readonly R[]): Generator<readonly R[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, record] of records.entries()) {
    const size = record instanceof WatchRecord ? record.item.wireLength : 0;
    if (index > start && bytes + size > chunkBytesMax) {
      yield start === 0 && index === records.length ? records : records.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  yield start === 0 ? records : records.slice(start);
}
