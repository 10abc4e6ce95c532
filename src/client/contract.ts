import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { hasReason, type StatusReason } from '#machinery/status-error.ts';
import type { Client, WatchEvent, WatchOptions } from './client.ts';

/** A Client of a cluster with a namespace `default`, as its administrator; disposing of it stops both. */
export interface ClientUnderTest extends AsyncDisposable {
  readonly client: Client;
}

const namespace = 'default';
const ref = (name: string) => ({ namespace, name });
const configMap = (name: string, k = '1', labels: Record<string, string> = {}): ConfigMap => ({
  metadata: { ...ref(name), labels },
  data: { k },
});

const withReason = (reason: StatusReason) => (error: unknown) => {
  assert.ok(hasReason(error, reason), `expected ${reason}, got ${String(error)}`);
  return true;
};

/** The events of a watch, until `count` of them have come; bookmarks by what they mark. */
async function take(client: Client, options: Omit<WatchOptions, 'signal'>, count: number): Promise<readonly string[]> {
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const event of client.watch(ConfigMap, { namespace, ...options, signal: stop.signal })) {
    seen.push(textOf(event));
    if (seen.length === count) stop.abort();
  }
  return seen;
}

function textOf(event: WatchEvent<ConfigMap>): string {
  if (event.type === 'ERROR') return `ERROR ${event.object.reason ?? ''}`;
  const { name = '', annotations } = event.object.metadata ?? {};
  if (event.type === 'BOOKMARK') return `BOOKMARK ${annotations?.['k8s.io/initial-events-end'] ?? ''}`;
  assert.deepEqual([event.object.apiVersion, event.object.kind], ['v1', 'ConfigMap']);
  return `${event.type} ${name} ${event.object.data?.['k'] ?? ''}`;
}

/** Lists may leave out who manages which fields. */
function unmanaged({ metadata, ...object }: ConfigMap): ConfigMap {
  const { managedFields: _managers, ...rest } = metadata ?? {};
  return { ...object, metadata: rest };
}

/** What every transport does, and does alike. `transport` names it in the tests' titles. */
export function clientContract(transport: string, open: () => Promise<ClientUnderTest>): void {
  const signal = new AbortController().signal;
  const check = (title: string, run: (client: Client) => Promise<void>): void => {
    void test(`${transport}: ${title}`, async () => {
      await using house = await open();
      await run(house.client);
    });
  };

  check('objects come back complete, and say what they are', async (client) => {
    const created = await client.create(ConfigMap, configMap('a'), { signal });
    assert.deepEqual([created.apiVersion, created.kind, created.data], ['v1', 'ConfigMap', { k: '1' }]);
    assert.ok(created.metadata?.uid);
    assert.ok(created.metadata.resourceVersion);
    assert.deepEqual(await client.get(ConfigMap, ref('a'), { signal }), created);
    const { items, metadata } = await client.list(ConfigMap, { namespace, signal });
    assert.deepEqual(items.map(unmanaged), [unmanaged(created)]);
    assert.ok(BigInt(metadata.resourceVersion ?? 0) >= BigInt(created.metadata.resourceVersion));
  });

  check('the server makes names from generateName', async (client) => {
    const { metadata } = await client.create(ConfigMap, { metadata: { namespace, generateName: 'x-' } }, { signal });
    assert.match(metadata?.name ?? '', /^x-[a-z0-9]{5}$/);
  });

  check('failures are StatusErrors with the reason of the server', async (client) => {
    const first = await client.create(ConfigMap, configMap('a'), { signal });
    await assert.rejects(client.create(ConfigMap, configMap('a'), { signal }), withReason('AlreadyExists'));
    await assert.rejects(client.get(ConfigMap, ref('b'), { signal }), withReason('NotFound'));
    await assert.rejects(client.update(ConfigMap, configMap('b'), { signal }), withReason('NotFound'));
    await assert.rejects(client.create(ConfigMap, configMap('Bad_'), { signal }), withReason('Invalid'));
    await client.update(ConfigMap, { ...first, data: { k: '2' } }, { signal });
    await assert.rejects(client.update(ConfigMap, { ...first, data: { k: '3' } }, { signal }), withReason('Conflict'));
    const preconditions = { uid: 'another' };
    await assert.rejects(client.delete(ConfigMap, ref('a'), { signal, preconditions }), withReason('Conflict'));
    await assert.rejects(client.delete(ConfigMap, ref('b'), { signal }), withReason('NotFound'));
  });

  check('the four patches that are objects or lists', async (client) => {
    await client.create(ConfigMap, { ...configMap('a'), data: { k: '1', gone: 'x' } }, { signal });
    const merged = { type: 'merge', patch: { data: { k: '2', gone: null } } } as const;
    assert.deepEqual((await client.patch(ConfigMap, ref('a'), merged, { signal })).data, { k: '2' });
    const strategic = { type: 'strategic', patch: { data: { l: '3' } } } as const;
    assert.deepEqual((await client.patch(ConfigMap, ref('a'), strategic, { signal })).data, { k: '2', l: '3' });
    const json = { type: 'json', patch: [{ op: 'replace', path: '/data/k', value: '4' }] } as const;
    assert.deepEqual((await client.patch(ConfigMap, ref('a'), json, { signal })).data, { k: '4', l: '3' });
  });

  check('a dry run changes nothing', async (client) => {
    await client.create(ConfigMap, configMap('a'), { signal, dryRun: true });
    await assert.rejects(client.get(ConfigMap, ref('a'), { signal }), withReason('NotFound'));
  });

  check('status and the rest are written apart', async (client) => {
    const labels = { app: 'x' };
    const deployment: Deployment = {
      metadata: ref('d'),
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    };
    const created = await client.create(Deployment, deployment, { signal });
    const status = { observedGeneration: 7 };
    const spec = { ...created.spec, replicas: 9 };
    const after = await client.update(Deployment, { ...created, spec, status }, { signal, subresource: 'status' });
    assert.deepEqual([after.spec.replicas, after.status?.observedGeneration], [0, 7]);
    const next = await client.update(Deployment, { ...after, spec, status: {} }, { signal });
    assert.deepEqual([next.spec.replicas, next.status?.observedGeneration, next.metadata?.generation], [9, 7, 2]);
  });

  check('lists come in pages, and by labels and fields', async (client) => {
    for (let i = 0; i < 5; i++) {
      await client.create(ConfigMap, configMap(`c${i}`, '1', { even: String(i % 2 === 0) }), { signal });
    }
    const names: string[] = [];
    let next: string | undefined;
    do {
      const more = next === undefined ? {} : { continue: next };
      const page = await client.list(ConfigMap, { namespace, limit: 2, signal, ...more });
      assert.ok(page.items.length <= 2);
      names.push(...page.items.map(({ metadata }) => metadata?.name ?? ''));
      next = page.metadata.continue;
    } while (next !== undefined && next !== '');
    assert.deepEqual(names, ['c0', 'c1', 'c2', 'c3', 'c4']);
    const even = await client.list(ConfigMap, { namespace, labelSelector: 'even=true', signal });
    assert.equal(even.items.length, 3);
    const one = await client.list(ConfigMap, { namespace, fieldSelector: 'metadata.name=c3', signal });
    assert.equal(one.items.length, 1);
  });

  check('deleteCollection() deletes what it selects', async (client) => {
    await client.create(ConfigMap, configMap('a', '1', { go: 'yes' }), { signal });
    await client.create(ConfigMap, configMap('b'), { signal });
    await client.deleteCollection(ConfigMap, { namespace, labelSelector: 'go=yes', signal });
    const { items } = await client.list(ConfigMap, { namespace, signal });
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      ['b'],
    );
  });

  check('a watch tells every change after its start, in order, and ends when aborted', async (client) => {
    const { metadata } = await client.list(ConfigMap, { namespace, signal });
    const watching = take(client, { resourceVersion: metadata.resourceVersion ?? '' }, 3);
    await client.create(ConfigMap, configMap('a', '1'), { signal });
    await client.patch(ConfigMap, ref('a'), { type: 'merge', patch: { data: { k: '2' } } }, { signal });
    await client.delete(ConfigMap, ref('a'), { signal });
    assert.deepEqual(await watching, ['ADDED a 1', 'MODIFIED a 2', 'DELETED a 2']);
  });

  check('a watch can begin with what is there, and mark the end of it', async (client) => {
    await client.create(ConfigMap, configMap('a'), { signal });
    const options = { sendInitialEvents: true, allowWatchBookmarks: true };
    assert.deepEqual(await take(client, options, 2), ['ADDED a 1', 'BOOKMARK true']);
  });

  check('a watch by labels tells of objects that come to match and cease to', async (client) => {
    const { metadata } = await client.list(ConfigMap, { namespace, signal });
    const watching = take(client, { resourceVersion: metadata.resourceVersion ?? '', labelSelector: 'in=yes' }, 2);
    await client.create(ConfigMap, configMap('a'), { signal });
    const label = (value: string) => ({ type: 'merge', patch: { metadata: { labels: { in: value } } } }) as const;
    await client.patch(ConfigMap, ref('a'), label('yes'), { signal });
    await client.patch(ConfigMap, ref('a'), label('no'), { signal });
    assert.deepEqual(
      (await watching).map((each) => each.slice(0, -2)),
      ['ADDED a', 'DELETED a'],
    );
  });

  check('a call that is aborted rejects with the reason', async (client) => {
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(client.list(ConfigMap, { namespace, signal: aborted }), (error) => error === reason);
  });

  check('kinds of the whole cluster have no namespace', async (client) => {
    const created = await client.create(Namespace, { metadata: { name: 'n' }, spec: {} }, { signal });
    assert.equal(created.metadata?.namespace, undefined);
    assert.equal((await client.get(Namespace, { name: 'n' }, { signal })).metadata?.uid, created.metadata?.uid);
  });
}
