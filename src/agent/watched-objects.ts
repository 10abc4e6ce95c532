import type { Client } from '#client/client.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import { keyOf, type ApiObject } from '#machinery/object.ts';
import { Follower } from './follower.ts';

/**
 * Single objects that pods refer to, such as ConfigMaps and Secrets: each is watched by name for as long as somebody
 * holds it, once however many do. A node sees no object but those its pods name.
 */
export interface WatchedObjects {
  /** Starts to follow the object; `onChange` is called on every later change, until the handle is disposed. */
  hold<T extends ApiObject>(kind: Kind<T>, namespace: string, name: string, onChange?: () => void): Held<T>;
}

export interface Held<T> extends Disposable {
  /** The object as last seen, undefined if there is none; waits for the first answer of the API. */
  current(signal: AbortSignal): Promise<T | undefined>;
}

interface Entry {
  readonly follower: Follower<ApiObject>;
  readonly stop: AbortController;
  readonly listeners: Set<() => void>;
  holders: number;
}

export function watchObjects(client: Client, clock: Clock, log: Log, signal: AbortSignal): WatchedObjects {
  const entries = new Map<string, Entry>();
  const open = <T extends ApiObject>(id: string, kind: Kind<T>, namespace: string, name: string): Entry => {
    const stop = abortController();
    const listeners = new Set<() => void>();
    const follower = new Follower<ApiObject>({
      client,
      kind,
      scope: { namespace, fieldSelector: `metadata.name=${name}` },
      clock,
      log,
      onChange: () => listeners.forEach((listener) => listener()),
    });
    const entry: Entry = { follower, stop, listeners, holders: 0 };
    entries.set(id, entry);
    void follower.run(AbortSignal.any([signal, stop.signal]));
    return entry;
  };
  return {
    hold<T extends ApiObject>(kind: Kind<T>, namespace: string, name: string, onChange?: () => void) {
      const key = keyOf({ namespace, name });
      const id = `${kind.plural}/${key}`;
      const entry = entries.get(id) ?? open(id, kind, namespace, name);
      entry.holders++;
      const listener = () => onChange?.();
      entry.listeners.add(listener);
      let isHeld = true;
      return {
        async current(waiting) {
          await unlessAborted(entry.follower.synced, waiting);
          return entry.follower.get(key) as T | undefined;
        },
        [Symbol.dispose]() {
          if (!isHeld) return;
          isHeld = false;
          entry.listeners.delete(listener);
          if (--entry.holders > 0) return;
          entries.delete(id);
          entry.stop.abort();
        },
      } satisfies Held<T>;
    },
  };
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}
