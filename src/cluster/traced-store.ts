import type { Tracer } from '#lib/tracing.ts';
import type { Store } from '#store/store.ts';

/** The same store, whose calls are parts of the request that makes them. */
export function tracedStore(store: Store, tracer: Tracer): Store {
  return {
    get: (key, options) => tracer.child('store get', { key }, () => store.get(key, options)),
    list: (prefix, options) => tracer.child('store list', { prefix }, () => store.list(prefix, options)),
    commit: (writes, options) =>
      tracer.child('store commit', { key: writes[0]?.key ?? '', writes: writes.length }, () =>
        store.commit(writes, options),
      ),
    watch: (prefix, options) => store.watch(prefix, options),
    current: (options) => tracer.child('store current', {}, () => store.current(options)),
    compact: (at, options) => store.compact(at, options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
