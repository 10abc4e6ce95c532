import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { invalidObject, tooManyRequests } from '#machinery/status-error.ts';
import { forbidden } from '#machinery/field-error.ts';
import type { Api, Target, WatchParameters } from '../api.ts';
import type { Exchange } from './exchange.ts';
import { jsonType, negotiate, type Representation, type Shape } from './negotiation.ts';
import { listParameters } from './parameters.ts';
import { partialMetadataEncoder } from './partial-metadata.ts';
import { encodingsOf } from './respond.ts';
import { includeObjectOf, tableEncoder } from './table.ts';
import { protobufEncoder, protobufStreamType } from './watch-protobuf.ts';
import { streamWatchSocket } from './watch-socket.ts';
import { objectEncoder, streamWatch, type EventEncoder, type LastChunk } from './watch-stream.ts';

/** How long a watch lasts if the client does not say: a random time, so that they do not all end at once. Source: upstream. */
const watchMsMin = 1_800_000;

/** Open watches of one user over HTTP, so that no user can have all that a kind allows. */
export const watchesPerUserMax = 4_000;

const watchShapes = new Set<Shape>(['object', 'Table', 'PartialObjectMetadata']);

/** Serves watches over HTTP. */
export class WatchHandler {
  readonly #api: Api;
  readonly #encoders = new Map<string, EventEncoder>();
  readonly #last: LastChunk = {};
  readonly #flush: (fn: () => void) => void;
  readonly #stalledMs: number | undefined;
  readonly #sent: (kind: Kind, count: number) => void;
  readonly #watches = new Map<string, number>();

  constructor(
    api: Api,
    flush: (fn: () => void) => void,
    {
      stalledMs,
      sent = () => undefined,
    }: {
      readonly stalledMs?: number | undefined;
      /** Told how many events of a kind have gone out. */
      readonly sent?: (kind: Kind, count: number) => void;
    } = {},
  ) {
    this.#sent = sent;
    this.#api = api;
    this.#flush = flush;
    this.#stalledMs = stalledMs;
  }

  /** Throws TooManyRequests for a user who has too many already. */
  watch(exchange: Exchange, target: Target<ApiObject>, also: WatchParameters): Promise<void> {
    return this.#counted(exchange.context.user.username, async () => {
      const { watcher, encoder, encoding, signal } = await this.#open(exchange, target, also);
      await streamWatch({ ...exchange, context: { ...exchange.context, signal } }, watcher, encoder, {
        contentType: encoding === 'protobuf' ? protobufStreamType : jsonType,
        flush: this.#flush,
        last: this.#last,
        stalledMs: this.#stalledMs,
        sent: (count) => this.#sent(target.kind, count),
      });
    });
  }

  /**
   * The same over a WebSocket, an event a message; the handshake is made once the watch is open. `started` is called
   * then.
   */
  async watchSocket(
    exchange: Pick<Exchange, 'query' | 'context'> & { readonly req: IncomingMessage },
    target: Target<ApiObject>,
    also: WatchParameters,
    { socket, head, started }: { readonly socket: Duplex; readonly head: Buffer; readonly started: () => void },
  ): Promise<void> {
    await this.#counted(exchange.context.user.username, async () => {
      const { watcher, encoder, encoding, signal } = await this.#open(exchange, target, also);
      const isBinary = encoding === 'protobuf';
      started();
      await streamWatchSocket({ req: exchange.req, socket, head }, watcher, encoder, {
        isBinary,
        flush: this.#flush,
        signal,
        stalledMs: this.#stalledMs,
        sent: (count) => this.#sent(target.kind, count),
      });
    });
  }

  async #counted(username: string, serve: () => Promise<void>): Promise<void> {
    const open = this.#watches.get(username) ?? 0;
    if (open >= watchesPerUserMax) {
      throw tooManyRequests(
        `user ${JSON.stringify(username)} has ${open} watches open, which is as many as one may`,
        1,
      );
    }
    this.#watches.set(username, open + 1);
    try {
      await serve();
    } finally {
      const left = this.#watches.get(username)! - 1;
      if (left === 0) this.#watches.delete(username);
      else this.#watches.set(username, left);
    }
  }

  async #open(
    { query, req, context, begun }: Pick<Exchange, 'query' | 'context' | 'req' | 'begun'>,
    target: Target<ApiObject>,
    also: WatchParameters,
  ) {
    const encodings = encodingsOf(target.kind).filter((each) => each !== 'yaml');
    const representation = negotiate(req.headers.accept, { shapes: watchShapes, encodings });
    const { timeoutSeconds, ...asked } = listParameters(query);
    checkInitialEvents(asked);
    const fieldSelector = [asked.fieldSelector, also.fieldSelector]
      .filter((text) => text !== undefined && text !== '')
      .join(',');
    const parameters: WatchParameters = { ...asked, fieldSelector };
    const encoder = this.#encoder(target.kind, representation, query);
    const watcher = await this.#api.watch(target, parameters, context);
    begun?.();
    const ms =
      timeoutSeconds === undefined || timeoutSeconds === 0
        ? Math.round(watchMsMin * (1 + Math.random()))
        : timeoutSeconds * 1000;
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ms)]);
    return { watcher, encoder, encoding: representation.encoding, signal };
  }

  #encoder(kind: Kind, { encoding, shape, version }: Representation, query: URLSearchParams): EventEncoder {
    if (shape === 'Table') {
      const include = includeObjectOf(query);
      return tableEncoder(kind, { version, include }, () => this.#api.clock.now());
    }
    const id = `${kind.group}/${kind.version}/${kind.plural}/${kind.kind} ${encoding} ${shape} ${version}`;
    let encoder = this.#encoders.get(id);
    if (encoder === undefined) {
      if (encoding === 'protobuf') encoder = protobufEncoder(kind);
      else encoder = shape === 'object' ? objectEncoder(kind) : partialMetadataEncoder(version);
      this.#encoders.set(id, encoder);
    }
    return encoder;
  }
}

/** Source: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation. */
function checkInitialEvents({ sendInitialEvents, resourceVersionMatch = '' }: WatchParameters): void {
  const refuse = (field: string, detail: string) =>
    invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [forbidden(field, detail)]);
  if (sendInitialEvents === undefined) {
    if (resourceVersionMatch !== '') {
      throw refuse(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      );
    }
    return;
  }
  if (resourceVersionMatch !== 'NotOlderThan') {
    throw refuse('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
}
