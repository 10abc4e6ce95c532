import type { Clock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Client, DeleteOptions, Patch, WriteOptions } from './client.ts';
import type { SharedInformers } from './informer.ts';
import { keyOfObject } from './object-index.ts';
import { compareVersions } from './resource-version.ts';

/** A write that the cache has to show before it can be trusted again. */
type Expectation =
  | { readonly do: 'written'; readonly kind: Kind; readonly version: string; readonly at: number }
  | {
      readonly do: 'deleted';
      readonly kind: Kind;
      readonly ref: ObjectRef;
      readonly uid: string;
      readonly at: number;
    };

/** After this long a write counts as seen: its watch was lost and listed again, or the store went back in time. */
const expectationMsMax = 5 * 60_000;

/**
 * Knows which writes a reconciler made for a key and whether the cache has seen them all. Reconciling from a cache
 * that is older than one's own last decision creates things twice and deletes the wrong ones.
 */
export class OwnWrites {
  readonly #informers: SharedInformers;
  readonly #clock: Clock;
  readonly #expectations = new Map<string, Expectation[]>();

  constructor(informers: SharedInformers, clock: Clock) {
    this.#informers = informers;
    this.#clock = clock;
  }

  /** True while the cache lacks a write that was made for `key` through `clientFor(key)`. */
  isBehind(key: string): boolean {
    const expectations = this.#expectations.get(key);
    if (expectations === undefined) return false;
    const open = expectations.filter((each) => !this.#isSeen(each));
    if (open.length === 0) this.#expectations.delete(key);
    else this.#expectations.set(key, open);
    return open.length > 0;
  }

  /** The same client, with the writes of kinds that the cache holds noted under `key`. */
  clientFor(key: string, client: Client): Client {
    const written = <T extends ApiObject>(kind: Kind<T>, object: T): T => {
      const version = object.metadata?.resourceVersion;
      if (version !== undefined) this.#expect(key, { do: 'written', kind: kind, version, at: this.#clock.now() });
      return object;
    };
    return {
      get: (kind, ref, options) => client.get(kind, ref, options),
      list: (kind, options) => client.list(kind, options),
      watch: (kind, options) => client.watch(kind, options),
      create: async <T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions) => {
        const created = await client.create(kind, object, options);
        return options.dryRun === true || options.subresource !== undefined ? created : written(kind, created);
      },
      update: async <T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions) => {
        const updated = await client.update(kind, object, options);
        return options.dryRun === true ? updated : written(kind, updated);
      },
      patch: async <T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions) => {
        const patched = await client.patch(kind, ref, patch, options);
        return options.dryRun === true ? patched : written(kind, patched);
      },
      delete: async <T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions) => {
        const reply = await client.delete(kind, ref, options);
        const uid = uidOf(reply) ?? options.preconditions?.uid;
        if (options.dryRun !== true && uid !== undefined) {
          this.#expect(key, { do: 'deleted', kind: kind, ref, uid, at: this.#clock.now() });
        }
        return reply;
      },
      deleteCollection: (kind, options) => client.deleteCollection(kind, options),
      logs: (pod, options) => client.logs(pod, options),
      exec: (pod, options) => client.exec(pod, options),
      attach: (pod, options) => client.attach(pod, options),
      portForward: (pod, port, options) => client.portForward(pod, port, options),
      as: (user) => this.clientFor(key, client.as(user)),
    };
  }

  #expect(key: string, expectation: Expectation): void {
    if (this.#isSeen(expectation)) return;
    const expectations = this.#expectations.get(key);
    if (expectations === undefined) this.#expectations.set(key, [expectation]);
    else expectations.push(expectation);
  }

  #isSeen(expectation: Expectation): boolean {
    if (this.#clock.now() - expectation.at > expectationMsMax) return true;
    if (!this.#informers.holds(expectation.kind)) return true; // forgotten since
    if (expectation.do === 'written') {
      return compareVersions(this.#informers.version(expectation.kind), expectation.version) >= 0;
    }
    const cached: ApiObject | undefined = this.#informers.get(
      expectation.kind,
      keyOfObject({ metadata: expectation.ref }),
    );
    const { uid, deletionTimestamp } = cached?.metadata ?? {};
    return uid !== expectation.uid || deletionTimestamp !== undefined;
  }
}

function uidOf(reply: object): string | undefined {
  return (reply as ApiObject).metadata?.uid;
}
