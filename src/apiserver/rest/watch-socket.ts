import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ApiObject } from '#machinery/object.ts';
import { acceptWebSocket, offeredProtocols } from '../streaming/upgrade.ts';
import type { WatchStream } from '../watch-cache/watcher.ts';
import { errorLine, lineOf, stalledMsMax, type EventEncoder } from './watch-stream.ts';

const recordsMax = 256;
/** Bytes that may wait for the client; before more is sent, they must be on their way. */
const waitingBytesMax = 256 * 1024;
const bearerProtocol = 'base64url.bearer.authorization.k8s.io.';

/**
 * Streams a watch as messages of a WebSocket, text for JSON and binary for protobuf, until the client closes it, the
 * server ends it or `signal` aborts. What the client sends is ignored.
 * Source: k8s.io/apiserver/pkg/endpoints/handlers/watch.go (HandleWS).
 */
export async function streamWatchSocket<T extends ApiObject>(
  { req, socket, head }: { readonly req: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
  watcher: WatchStream<T>,
  encoder: EventEncoder<T>,
  options: {
    readonly isBinary: boolean;
    readonly flush: (fn: () => void) => void;
    readonly signal: AbortSignal;
    readonly stalledMs?: number | undefined;
    /** Told how many events are on their way. */
    readonly sent?: (count: number) => void;
  },
): Promise<void> {
  using _watcher = watcher;
  const { isBinary, flush, signal, stalledMs = stalledMsMax, sent } = options;
  let opened: WebSocket | undefined;
  const protocol = offeredProtocols(req).find((each) => !each.startsWith(bearerProtocol)) ?? '';
  acceptWebSocket(req, socket, head, protocol, (made) => (opened = made));
  const client = opened;
  if (client === undefined) return; // the handshake was refused
  let wake: () => void = () => undefined;
  const over = () => wake();
  signal.addEventListener('abort', over);
  client.on('close', over);
  client.on('error', over);
  client.on('message', () => undefined);
  let ready = false;
  watcher.onReady(() =>
    flush(() => {
      ready = true;
      wake();
    }),
  );
  const isOpen = () => client.readyState === client.OPEN && !signal.aborted;
  try {
    while (isOpen()) {
      if (!ready) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const records = watcher.take(recordsMax);
      if (watcher.ended !== undefined) {
        client.send(encoder.error?.(watcher.ended) ?? errorLine(watcher.ended), { binary: isBinary });
        break;
      }
      if (records.length < recordsMax) ready = false;
      if (records.length > 0) sent?.(records.length);
      for (const record of records) {
        if (!isOpen()) break;
        const taken = new Promise<void>((resolve) =>
          client.send(lineOf(record, encoder), { binary: isBinary }, () => resolve()),
        );
        if (client.bufferedAmount > waitingBytesMax && !(await within(taken, stalledMs))) return client.terminate();
      }
    }
  } finally {
    signal.removeEventListener('abort', over);
    client.close(1000);
    const cut = setTimeout(() => client.terminate(), stalledMs).unref();
    client.on('close', () => clearTimeout(cut));
  }
}

/** False if `done` takes longer. */
function within(done: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms).unref();
    void done.then(() => {
      clearTimeout(timer);
      return resolve(true);
    });
  });
}
