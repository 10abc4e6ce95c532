import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import type { CacheEvent, Informers } from '#client/cache.ts';
import type { Kind } from '#machinery/kind.ts';
import { keyOf, type ApiObject } from '#machinery/object.ts';
import { ServiceIndex } from './service-index.ts';

/** Caches that are complete from the start, as after a restart of the server. */
function informersWith(...objects: readonly (readonly [Kind, ApiObject])[]) {
  const handlers = new Map<string, (event: CacheEvent<ApiObject>) => void>();
  const held = new Map(
    objects.map(([kind, object]) => [`${kind.plural}/${keyOf(object.metadata as { name: string })}`, object]),
  );
  const informers = {
    get: (kind: Kind, key: string) => held.get(`${kind.plural}/${key}`),
    on(kind: Kind, handler: (event: CacheEvent<ApiObject>) => void) {
      handlers.set(kind.plural, handler);
      for (const [of, object] of objects) if (of.plural === kind.plural) handler({ type: 'ADDED', object });
      return { [Symbol.dispose]: () => undefined };
    },
  };
  const remove = (kind: Kind, object: ApiObject) => {
    held.delete(`${kind.plural}/${keyOf(object.metadata as { name: string })}`);
    handlers.get(kind.plural)?.({ type: 'DELETED', object, previous: object });
  };
  return { informers: informers as unknown as Pick<Informers, 'on' | 'get'>, remove };
}

test('a listener that comes late is told of every service that is already known, and of none that has gone', () => {
  const service = (name: string): ApiObject => ({ metadata: { namespace: 'default', name } });
  const slice: ApiObject & { endpoints: readonly never[] } = {
    metadata: { namespace: 'default', name: 'web-1', labels: { 'kubernetes.io/service-name': 'sliced' } },
    endpoints: [],
  };
  const gone = service('gone');
  const { informers, remove } = informersWith([Service, service('web')], [Service, gone], [EndpointSlice, slice]);
  using index = new ServiceIndex(informers);
  index.start();
  remove(Service, gone);
  const told: string[] = [];
  using _listening = index.onChange((key) => void told.push(key));
  assert.deepEqual(told.toSorted(), ['default/sliced', 'default/web']);
  remove(EndpointSlice, slice);
  assert.deepEqual(told.slice(2), ['default/sliced']);
});
