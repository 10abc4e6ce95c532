import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import { customFamily } from '#api/apiextensions/custom-kind.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import { listAll } from './list-all.ts';
import { Registry } from './registry.ts';

const everything = { all: true, matches: () => true, exact: undefined };

function familyOf(generation: number) {
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object' } } } };
  const crd: CustomResourceDefinition = {
    metadata: { name: 'xs.example.com', uid: 'u', generation },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names: { plural: 'xs', kind: 'X' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
  return customFamily(crd, generation);
}

test('what is held of a custom kind before its definition changed serves nobody, and spoils nothing, afterwards', async ({
  signal,
}) => {
  const stop = new AbortController();
  const registry = new Registry({ store: memoryStore(), clock: systemClock, log: silentLog, signal: stop.signal });
  await registry.start();
  const running = registry.run();
  const old = registry.of(familyOf(1).storage);
  const object: ApiObject = { apiVersion: 'example.com/v1', kind: 'X', metadata: { name: 'a' } };
  await old.insert({ name: 'a' }, object, signal);
  assert.equal((await listAll(old, undefined, signal)).length, 1);
  const query = {
    namespace: undefined,
    selection: everything,
    after: undefined,
    initialEvents: false,
    allowBookmarks: false,
    signal,
  };
  using watch = await old.watch(query);
  const next = registry.of(familyOf(2).storage);
  assert.notEqual(next, old);
  assert.equal(watch.ended?.reason, 'Expired');
  assert.equal((await listAll(next, undefined, signal)).length, 1);
  await assert.rejects(listAll(old, undefined, signal), (error) => hasReason(error, 'TooManyRequests'));
  await assert.rejects(old.watch(query), (error) => hasReason(error, 'TooManyRequests'));
  await old.insert({ name: 'b' }, { ...object, metadata: { name: 'b' } }, signal);
  assert.equal((await listAll(next, undefined, signal)).length, 2, 'the new one hears of every change');
  assert.equal(registry.of(familyOf(1).storage), next, 'a request from before gets the newest');
  stop.abort();
  await running;
});
