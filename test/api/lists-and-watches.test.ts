import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf, type WatchEvent } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';

const namespaces = '/api/v1/namespaces';
const merge = { 'content-type': 'application/merge-patch+json' };

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

interface List {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly ApiObject[];
}

const nameOf = ({ metadata }: ApiObject) => metadata?.name ?? '';
const namesIn = ({ items }: List) => items.map(nameOf);
const versionOf = ({ metadata }: ApiObject) => metadata?.resourceVersion ?? '';
const eventsOf = (events: readonly WatchEvent[]) =>
  events.map(({ type, object }) => `${type} ${nameOf(object)}`.trim());
type Query = Readonly<Record<string, string>>;
const query = (parameters: Query) => `?${new URLSearchParams(parameters).toString()}`;

/** ConfigMaps in a namespace of their own: nobody else writes there. */
async function place(name: string) {
  await api.json('POST', namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const url = `${namespaces}/${name}/configmaps`;
  const make = (each: string, labels: object = {}) =>
    api.json<ApiObject>('POST', url, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: each, labels } });
  const list = (parameters: Query = {}) => api.json<List>('GET', url + query(parameters));
  const watch = (parameters: Query) => api.watch(url + query(parameters));
  // What the cluster puts into every namespace must not come in between.
  while (!namesIn(await list()).includes('kube-root-ca.crt')) await new Promise((resolve) => setImmediate(resolve));
  await api.json('PATCH', `${url}/kube-root-ca.crt`, { metadata: { labels: { own: 'no' } } }, merge);
  return { url, make, list, watch };
}

test('pages show one state, whatever is written between them, and count what is left', async () => {
  const { url, make, list } = await place('pages');
  for (let i = 0; i < 9; i++) await make(`c${i}`);
  const whole = await list();
  const pages: List[] = [await list({ limit: '4' })];
  assert.equal(pages[0]?.metadata.remainingItemCount, whole.items.length - 4);
  for (let token = pages[0]?.metadata.continue; token !== undefined; token = pages.at(-1)?.metadata.continue) {
    await make(`c0-${pages.length}`);
    await api.json('DELETE', `${url}/c${9 - pages.length}`);
    await api.json('PATCH', `${url}/c${6 - pages.length}`, { data: { later: 'yes' } }, merge);
    pages.push(await list({ limit: '4', continue: token }));
  }
  assert.deepEqual(
    pages.flatMap(({ items }) => items),
    whole.items,
    'as it was when the first page was read',
  );
  assert.deepEqual(
    [...new Set(pages.map(({ metadata }) => metadata.resourceVersion))],
    [whole.metadata.resourceVersion],
  );
});

test('pages with a selector hold only what it selects, and do not count', async () => {
  const { make, list } = await place('chosen');
  for (let i = 0; i < 10; i++) await make(`c${i}`, { parity: i % 2 === 0 ? 'even' : 'odd' });
  const first = await list({ limit: '2', labelSelector: 'parity=even' });
  assert.deepEqual([namesIn(first), first.metadata.remainingItemCount], [['c0', 'c2'], undefined]);
  const rest = await list({ limit: '9', labelSelector: 'parity=even', continue: first.metadata.continue ?? '' });
  assert.deepEqual([namesIn(rest), rest.metadata.continue], [['c4', 'c6', 'c8'], undefined]);
  const named = await list({ limit: '1', fieldSelector: 'metadata.name=c3,metadata.namespace=chosen' });
  assert.deepEqual([namesIn(named), named.metadata.continue], [['c3'], undefined]);
  assert.deepEqual(
    namesIn(await list({ fieldSelector: 'metadata.name!=c3', labelSelector: 'parity notin (even),own!=no' })),
    ['c1', 'c5', 'c7', 'c9'],
  );
});

test('an exact list is the state of that version, NotOlderThan is not, and the future is refused for now', async () => {
  const { url, make, list } = await place('exact');
  const one = versionOf(await make('c1'));
  await make('c2');
  await api.json('DELETE', `${url}/c1`);
  const now = await list();
  const exact = await list({ resourceVersion: one, resourceVersionMatch: 'Exact' });
  assert.deepEqual(
    namesIn(exact).filter((name) => name.startsWith('c')),
    ['c1'],
  );
  assert.equal(exact.metadata.resourceVersion, one);
  assert.deepEqual(await list({ resourceVersion: one, limit: '9' }), exact, 'with a limit a version is meant exactly');
  assert.deepEqual(namesIn(await list({ resourceVersion: one, resourceVersionMatch: 'NotOlderThan' })), namesIn(now));
  assert.deepEqual(namesIn(await list({ resourceVersion: one })), namesIn(now));
  const selected = await list({
    resourceVersion: one,
    resourceVersionMatch: 'Exact',
    fieldSelector: 'metadata.name=c1',
  });
  assert.deepEqual(namesIn(selected), ['c1']);

  const future = await api.send('GET', url + query({ resourceVersion: '999999999' }));
  const { message, reason, details } = future.body as { message: string; reason: string; details: object };
  assert.deepEqual(
    [future.code, reason, future.headers['retry-after'], details],
    [
      504,
      'Timeout',
      '1',
      { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    ],
  );
  assert.match(message, /Too large resource version: 999999999, current: \d+/);
  for (const [parameters, code] of [
    [{ resourceVersionMatch: 'Exact' }, 422],
    [{ resourceVersion: '0', resourceVersionMatch: 'Exact' }, 422],
    [{ resourceVersion: one, resourceVersionMatch: 'Roughly' }, 422],
    [{ resourceVersion: 'abc' }, 400],
    [{ continue: 'abc' }, 400],
    [{ limit: '-1' }, 400],
    [{ labelSelector: '=' }, 400],
    [{ sendInitialEvents: 'true' }, 422],
  ] as const) {
    const reply = await api.send('GET', url + query(parameters));
    assert.equal(reply.code, code, JSON.stringify([parameters, reply.body]));
  }
});

test('a watch starts where it is told: now, with what there is, or after a version', async () => {
  const { make, watch, list } = await place('starts');
  const first = await make('c1', { in: 'yes' });
  await make('c2', { in: 'yes' });
  const there = ['ADDED c1', 'ADDED c2'];
  const labelSelector = 'in=yes';
  const { resourceVersion } = (await list()).metadata;
  const asked: readonly Query[] = [
    { labelSelector },
    { labelSelector, resourceVersion: '0' },
    { labelSelector, resourceVersion: versionOf(first) },
    { labelSelector, resourceVersion },
    { fieldSelector: 'metadata.name=c2' },
  ];
  const heard = await Promise.all(asked.map(watch));
  assert.deepEqual(heard.map(eventsOf), [there, there, ['ADDED c2'], [], ['ADDED c2']]);
});

test('a watch lasts as long as timeoutSeconds says, and ends without an error', async () => {
  const { watch } = await place('lasts');
  const start = performance.now();
  assert.deepEqual(await watch({ resourceVersion: '0', fieldSelector: 'metadata.name=none', timeoutSeconds: '1' }), []);
  const took = performance.now() - start;
  assert.ok(took >= 900 && took < 3_000, `${took} ms`);
});

test('sendInitialEvents tells what the selector selects, then its bookmark, then changes', async () => {
  const { url, make, watch } = await place('initial');
  await make('c1', { in: 'yes' });
  await make('c2', { in: 'no' });
  const asked = {
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
    allowWatchBookmarks: 'true',
    labelSelector: 'in=yes',
  };
  const watching = watch(asked);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await api.json('PATCH', `${url}/c2`, { metadata: { labels: { in: 'yes' } } }, merge);
  await api.json('PATCH', `${url}/c1`, { metadata: { labels: { in: 'no' } } }, merge);
  const events = await watching;
  assert.deepEqual(eventsOf(events), ['ADDED c1', 'BOOKMARK', 'ADDED c2', 'DELETED c1']);
  const { kind, apiVersion, metadata } = events[1]?.object ?? {};
  assert.deepEqual(
    [kind, apiVersion, metadata?.annotations],
    ['ConfigMap', 'v1', { 'k8s.io/initial-events-end': 'true' }],
  );
  assert.match(metadata?.resourceVersion ?? '', /^\d+$/);
  // The bookmark's version is one to go on from, and counts as not older.
  const { resourceVersion } = { resourceVersion: metadata?.resourceVersion ?? '' };
  const again = await Promise.all(
    [
      { labelSelector: 'in=yes', resourceVersion },
      { ...asked, resourceVersion },
      { ...asked, sendInitialEvents: 'false', resourceVersion },
    ].map(watch),
  );
  const changes = ['ADDED c2', 'DELETED c1'];
  assert.deepEqual(again.map(eventsOf), [changes, ['ADDED c2', 'BOOKMARK'], changes]);
});

test('two watches of the same are told the same in the same order, deletions with their own version', async () => {
  const { url, make, watch, list } = await place('order');
  const { resourceVersion } = (await list()).metadata;
  const watches = [
    watch({ resourceVersion }),
    watch({ resourceVersion }),
    api.watch(`/api/v1/configmaps${query({ resourceVersion, fieldSelector: 'metadata.namespace=order' })}`),
  ];
  for (let i = 0; i < 5; i++) {
    await make(`c${i}`);
    await api.json('PATCH', `${url}/c${i}`, { data: { a: 'b' } }, merge);
    await api.json('DELETE', `${url}/c${i}`);
  }
  const [first, second, everywhere] = await Promise.all(watches);
  assert.equal(first?.length, 15);
  assert.deepEqual(second, first);
  assert.deepEqual(everywhere, first);
  const versions = (first ?? []).map(({ object }) => Number(versionOf(object)));
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(versions).size, 15);
});

test('an object that leaves the namespace of a watch by its end is told with its last content', async () => {
  const { url, make, watch } = await place('leaves');
  const { metadata } = await make('c1', { in: 'yes' });
  await api.json('DELETE', `${url}/c1`);
  const [event] = await watch({ resourceVersion: metadata?.resourceVersion ?? '' });
  assert.deepEqual(
    [event?.type, event?.object.metadata?.uid, event?.object.metadata?.labels],
    ['DELETED', metadata?.uid, { in: 'yes' }],
  );
});

test('a watch of one object by its URL tells of that one alone', async () => {
  const { url, make } = await place('single');
  await make('c1');
  await make('c2');
  assert.deepEqual(eventsOf(await api.watch(`${url}/c1`)), ['ADDED c1']);
});

test('what a watch cannot mean is refused before it starts', async () => {
  const { url } = await place('refused');
  for (const [parameters, code, reason] of [
    [{ sendInitialEvents: 'true' }, 422, 'Invalid'],
    [{ resourceVersionMatch: 'NotOlderThan' }, 422, 'Invalid'],
    [{ sendInitialEvents: 'true', resourceVersionMatch: 'Exact' }, 422, 'Invalid'],
    [{ resourceVersion: 'x' }, 400, 'BadRequest'],
    [{ fieldSelector: 'data.a=b' }, 400, 'BadRequest'],
    [{ labelSelector: 'a in' }, 400, 'BadRequest'],
    [{ resourceVersion: '99999999' }, 504, 'Timeout'],
  ] as const) {
    const refusal = refusalOf(
      await api.send('GET', url + query({ watch: 'true', timeoutSeconds: '1', ...parameters })),
    );
    assert.deepEqual([refusal.code, refusal.reason], [code, reason], JSON.stringify(parameters));
  }
});
