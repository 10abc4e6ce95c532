import { GrpcChannel, GrpcError, grpcCodes } from '#lib/grpc.ts';
import {
  etcdCodec,
  type KeyValue,
  type RangeResponse,
  type ResponseHeader,
  type TxnResponse,
  type WatchResponse,
} from './etcd-messages.ts';
import {
  Conflict,
  Expired,
  Future,
  StoreUnavailable,
  revision,
  type Change,
  type Entry,
  type Key,
  type Page,
  type Revision,
  type Store,
} from './store.ts';

/** How to reach an etcd cluster. */
export interface EtcdOptions {
  /** `http://127.0.0.1:2379`, `https://…`; tried in turn until one answers. */
  readonly endpoints: readonly string[];
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Put in front of every key, so that one etcd may serve several clusters; `/tutti` unless given. */
  readonly keyPrefix?: string;
}

const callMsMax = 10_000;
/** etcd refuses a transaction of more operations (`--max-txn-ops`). */
const writesPerCommitMax = 128;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The first key behind every key that starts with `prefix`: the last byte below 0xff, raised by one. */
function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i]! < 0xff) {
      const end = prefix.slice(0, i + 1);
      end[i] = end[i]! + 1;
      return end;
    }
  }
  return new Uint8Array([0]); // etcd: to the end of the key space
}

/** etcd's own words for the two revisions it cannot read. Source: etcd v3rpc/rpctypes/error.go. */
const isCompacted = (error: unknown) =>
  error instanceof GrpcError && /required revision has been compacted/.test(error.message);
const isFuture = (error: unknown) =>
  error instanceof GrpcError && /required revision is a future revision/.test(error.message);

function unavailableFrom(error: unknown): Error {
  if (!(error instanceof GrpcError)) return error instanceof Error ? error : new Error(String(error));
  if (/no space/.test(error.message)) {
    return new StoreUnavailable(
      'disk-full',
      'etcd has no space left (alarm NOSPACE): compact, defragment and disarm it, or raise its quota',
      error,
    );
  }
  return new StoreUnavailable(
    error.code === grpcCodes.UNAVAILABLE ? 'unreachable' : 'failed',
    `etcd: ${error.message}`,
    error,
  );
}

/** Finds an endpoint that accepts connections, and moves to the next when one is lost. */
class Endpoints implements Disposable {
  readonly #channels: readonly GrpcChannel[];
  #current = 0;

  constructor({ endpoints, tls }: EtcdOptions) {
    this.#channels = endpoints.map((endpoint) => {
      const url = new URL(endpoint);
      const target = { host: url.hostname, port: Number(url.port === '' ? 2379 : url.port) };
      return new GrpcChannel(
        target,
        url.host,
        url.protocol === 'https:' ? { ...tls, servername: url.hostname } : undefined,
      );
    });
  }

  async connected(signal: AbortSignal): Promise<GrpcChannel> {
    let failure: unknown;
    for (let tries = 0; tries < this.#channels.length; tries++) {
      const channel = this.#channels[this.#current]!;
      try {
        await channel.connect(signal);
        return channel;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        this.#current = (this.#current + 1) % this.#channels.length;
      }
    }
    throw unavailableFrom(failure);
  }

  [Symbol.dispose](): void {
    for (const channel of this.#channels) channel[Symbol.dispose]();
  }
}

/**
 * A store on a real etcd (v3.4 or newer), shared by several servers. Reads are linearizable. A commit whose
 * connection is lost before the answer throws `StoreUnavailable`: it may or may not have taken effect.
 */
export async function etcdStore(options: EtcdOptions, { signal: opening }: { signal: AbortSignal }): Promise<Store> {
  const keyPrefix = options.keyPrefix ?? '/tutti';
  const endpoints = new Endpoints(options);
  let closed = false;

  const toKey = (key: Key) => encoder.encode(keyPrefix + key);
  const fromKey = (key: Uint8Array): Key => decoder.decode(key).slice(keyPrefix.length);
  const entryOf = (kv: KeyValue): Entry => ({
    key: fromKey(kv.key),
    value: kv.value,
    created: revision(kv.createRevision),
    modified: revision(kv.modRevision),
  });

  async function call<T>(
    method: string,
    request: string,
    response: string,
    body: object,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    if (closed) throw new StoreUnavailable('closed', 'The store has been closed');
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(callMsMax)]);
    const channel = await endpoints.connected(bounded).catch((error: unknown) => {
      signal.throwIfAborted();
      throw bounded.aborted
        ? new StoreUnavailable('unreachable', `etcd: no connection within ${callMsMax} ms`, error)
        : error;
    });
    const reply = await channel.unary(`/etcdserverpb.KV/${method}`, etcdCodec.encode(request, body), {
      signal,
      timeoutMs: callMsMax,
    });
    return etcdCodec.decode(response, reply) as T;
  }
  const range = (body: object, signal: AbortSignal) =>
    call<RangeResponse>('Range', 'RangeRequest', 'RangeResponse', body, signal);

  async function current(signal: AbortSignal): Promise<Revision> {
    const { header } = await range({ key: toKey('/'), limit: 1 }, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw unavailableFrom(error);
    });
    return revision(header.revision);
  }

  async function* watch(prefix: Key, after: Revision, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    const channel = await endpoints.connected(signal);
    const stream = channel.stream('/etcdserverpb.Watch/Watch', { signal });
    const key = toKey(prefix);
    stream.send(
      etcdCodec.encode('WatchRequest', {
        createRequest: { key, rangeEnd: prefixEnd(key), startRevision: after + 1n, prevKv: true, fragment: true },
      }),
    );
    let pending: Change[] = [];
    try {
      for await (const bytes of stream) {
        const response = etcdCodec.decode('WatchResponse', bytes) as WatchResponse;
        if (response.compactRevision > 0n) throw new Expired(after, revision(response.compactRevision));
        if (response.canceled)
          throw new StoreUnavailable('failed', `etcd ended the watch on ${prefix}: ${response.cancelReason}`);
        for (const { type, kv, prevKv } of response.events) {
          const at = revision(kv.modRevision);
          const previous = prevKv === undefined ? undefined : entryOf(prevKv);
          if (type === 'PUT') {
            const entry = entryOf(kv);
            pending.push(
              previous === undefined
                ? { type: 'put', revision: at, entry }
                : { type: 'put', revision: at, entry, previous },
            );
          } else {
            const gone = fromKey(kv.key);
            // etcd leaves prev_kv out when compaction took it meanwhile: the key is gone either way.
            const last = previous ?? { key: gone, value: new Uint8Array(), created: at, modified: at };
            pending.push({ type: 'delete', revision: at, key: gone, previous: last });
          }
        }
        if (response.fragment || pending.length === 0) continue;
        const changes = pending;
        pending = [];
        yield changes;
      }
    } catch (error) {
      if (signal.aborted) return;
      throw unavailableFrom(error);
    }
  }

  /** etcd's Expired and Future tell no revision; this adds what can be found out. */
  async function readError(error: unknown, at: Revision | undefined, signal: AbortSignal): Promise<Error> {
    if (isCompacted(error)) return new Expired(at ?? revision(0), at ?? revision(0));
    if (isFuture(error)) return new Future(at ?? revision(0), await current(signal));
    return unavailableFrom(error);
  }

  await current(opening);

  return {
    async get(key, { signal }) {
      try {
        const { kvs } = await range({ key: toKey(key) }, signal);
        return kvs[0] === undefined ? undefined : entryOf(kvs[0]);
      } catch (error) {
        signal.throwIfAborted();
        throw unavailableFrom(error);
      }
    },

    async list(prefix, { signal, at, from, limit }): Promise<Page> {
      const start = toKey(from !== undefined && from > prefix ? from : prefix);
      const body = {
        key: start,
        rangeEnd: prefixEnd(toKey(prefix)),
        limit: limit === undefined || !Number.isFinite(limit) ? 0 : limit,
        revision: at ?? 0n,
      };
      try {
        const { header, kvs, more, count } = await range(body, signal);
        return { entries: kvs.map(entryOf), revision: at ?? revision(header.revision), more, count: Number(count) };
      } catch (error) {
        signal.throwIfAborted();
        throw await readError(error, at, signal);
      }
    },

    async commit(writes, { signal }) {
      if (writes.length > writesPerCommitMax) {
        throw new StoreUnavailable(
          'failed',
          `A commit may have ${writesPerCommitMax} writes on etcd, not ${writes.length}`,
        );
      }
      const guarded = writes.filter((write) => write.expect !== undefined);
      const body = {
        compare: guarded.map(({ key, expect }) => ({
          target: 'MOD',
          key: toKey(key),
          modRevision: expect === 'absent' ? 0n : expect,
        })),
        success: writes.map((write) =>
          write.do === 'put'
            ? { requestPut: { key: toKey(write.key), value: write.value } }
            : { requestDeleteRange: { key: toKey(write.key) } },
        ),
        failure: guarded.map(({ key }) => ({ requestRange: { key: toKey(key) } })),
      };
      let reply: TxnResponse;
      try {
        reply = await call<TxnResponse>('Txn', 'TxnRequest', 'TxnResponse', body, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw unavailableFrom(error);
      }
      if (reply.succeeded) return revision(reply.header.revision);
      for (const [i, { key, expect }] of guarded.entries()) {
        const kv = reply.responses[i]?.responseRange?.kvs[0];
        const found = kv === undefined ? undefined : entryOf(kv);
        const holds = expect === 'absent' ? found === undefined : found?.modified === expect;
        if (!holds) throw new Conflict(key, found);
      }
      throw new StoreUnavailable('failed', 'etcd refused a transaction whose guards all hold');
    },

    watch: (prefix, { after, signal }) => watch(prefix, after, signal),

    current: ({ signal }) => current(signal),

    async compact(at, { signal }) {
      try {
        await call<{ header: ResponseHeader }>(
          'Compact',
          'CompactionRequest',
          'CompactionResponse',
          { revision: at },
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (isCompacted(error)) return;
        throw await readError(error, at, signal);
      }
    },

    async [Symbol.asyncDispose]() {
      closed = true;
      endpoints[Symbol.dispose]();
    },
  };
}
