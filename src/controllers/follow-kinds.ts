import type { CacheEvent, Informers } from '#client/cache.ts';
import { type KindSource, storedKinds } from '#client/kind-source.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

export interface KindFollower {
  /** Whether objects of this kind matter. */
  wants(this: void, kind: Kind): boolean;
  /** Before the first event of a kind: registers indexes. */
  starts?(this: void, kind: Kind): void;
  handles(this: void, kind: Kind, event: CacheEvent<ApiObject>): void;
  /** The kind is served no more, or in another form, and the cache has forgotten it. */
  ended?(this: void, kind: Kind): void;
}

/** Watches the objects of all wanted kinds, also of those that come later, until it is disposed of. */
export function followKinds(source: KindSource, informers: Informers, follower: KindFollower): Disposable {
  const followed = new Map<Kind, Disposable>();
  const update = () => {
    const wanted = new Set(storedKinds(source).filter(follower.wants));
    for (const [kind, subscription] of followed) {
      if (wanted.has(kind)) continue;
      followed.delete(kind);
      informers.forget(kind);
      subscription[Symbol.dispose]();
      follower.ended?.(kind);
    }
    for (const kind of wanted) {
      if (followed.has(kind)) continue;
      follower.starts?.(kind);
      followed.set(
        kind,
        informers.on(kind, (event) => follower.handles(kind, event)),
      );
    }
  };
  const changes = source.onChange(update);
  update();
  return {
    [Symbol.dispose]() {
      changes[Symbol.dispose]();
      for (const subscription of followed.values()) subscription[Symbol.dispose]();
    },
  };
}
