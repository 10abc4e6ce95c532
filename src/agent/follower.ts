import type { Client } from '#client/client.ts';
import { reflect, type Scope } from '#client/reflector.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import { keyOf, type ApiObject } from '#machinery/object.ts';

export interface FollowerOptions<T extends ApiObject> {
  readonly client: Client;
  readonly kind: Kind<T>;
  readonly scope: Scope;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for every change, after the copy holds it; `object` is undefined once it is gone. */
  readonly onChange?: (key: string, object: T | undefined, previous: T | undefined) => void;
}

/**
 * A local copy of a selection of objects, kept by one list and one watch: what informers are to whole kinds, cut to
 * what one node may see. Through outages it keeps what it knew.
 */
export class Follower<T extends ApiObject> {
  readonly #options: FollowerOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #synced = Promise.withResolvers<void>();

  constructor(options: FollowerOptions<T>) {
    this.#options = options;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** Resolves once the selection has been listed completely; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Settles when `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    const { client, kind, scope, clock, log } = this.#options;
    const sink = {
      replace: (objects: readonly T[]) => {
        const gone = new Set(this.#objects.keys());
        for (const object of objects) gone.delete(nameOf(object));
        for (const object of objects) this.#put(object);
        for (const key of gone) this.#drop(key);
        this.#synced.resolve();
      },
      apply: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T) => {
        if (type === 'DELETED') this.#drop(nameOf(object), object);
        else this.#put(object);
      },
      progress() {},
    };
    return reflect({ client, kind, scope, clock, log, sink }, signal);
  }

  #put(object: T): void {
    const key = nameOf(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.#objects.set(key, object);
    this.#options.onChange?.(key, object, previous);
  }

  #drop(key: string, last?: T): void {
    const previous = this.#objects.get(key);
    if (this.#objects.delete(key)) this.#options.onChange?.(key, undefined, last ?? previous);
  }
}

function nameOf({ metadata = {} }: ApiObject): string {
  const { namespace, name = '' } = metadata;
  return keyOf(namespace === undefined ? { name } : { namespace, name });
}
