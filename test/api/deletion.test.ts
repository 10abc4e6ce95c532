import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const replicaSets = '/apis/apps/v1/namespaces/default/replicasets';
const merge = { 'content-type': 'application/merge-patch+json' };

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

type Pod = ApiObject & { readonly status?: { readonly phase?: string } };
const configMap = (name: string, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
});
const options = (more: object) => ({ kind: 'DeleteOptions', apiVersion: 'v1', ...more });
const codeOf = async (url: string) => (await api.send('GET', url)).code;
const gone = (url: string) => until(`${url} is gone`, async () => (await codeOf(url)) === 404);
const ownedBy = ({ apiVersion, kind, metadata }: ApiObject, more: object = {}): OwnerReference => ({
  apiVersion: apiVersion ?? '',
  kind: kind ?? '',
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
  ...more,
});
async function family(name: string, more: object = {}) {
  const owner = await api.json<ApiObject>('POST', configMaps, configMap(name));
  const child = `${name}-child`;
  await api.json('POST', configMaps, configMap(child, { ownerReferences: [ownedBy(owner, more)] }));
  return { owner: `${configMaps}/${name}`, child: `${configMaps}/${child}` };
}

test('an object without anything to wait for is gone at once, and the reply tells its uid', async () => {
  const { metadata } = await api.json<ApiObject>('POST', configMaps, configMap('plain'));
  const reply = await api.json<Readonly<Record<string, unknown>>>('DELETE', `${configMaps}/plain`);
  assert.deepEqual(
    [reply['kind'], reply['status'], reply['details']],
    ['Status', 'Success', { name: 'plain', kind: 'configmaps', uid: metadata?.uid }],
  );
  assert.equal(await codeOf(`${configMaps}/plain`), 404);
  assert.deepEqual(refusalOf(await api.send('DELETE', `${configMaps}/plain`)), {
    code: 404,
    reason: 'NotFound',
    message: 'configmaps "plain" not found',
    fields: [],
  });
});

test('a pod gets its grace, which a second deletion can only shorten', async () => {
  const spec = { terminationGracePeriodSeconds: 40, containers: [{ name: 'c', image: 'x:1' }] };
  // A finalizer, for the pretended node ends its pods fast.
  const metadata = { name: 'graceful', finalizers: ['example.com/hold'] };
  await api.json('POST', pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec });
  const url = `${pods}/graceful`;
  await until('it runs', async () => (await api.json<Pod>('GET', url)).status?.phase === 'Running');
  const first = await api.json<Pod>('DELETE', `${url}?gracePeriodSeconds=30`);
  assert.equal(first.metadata?.deletionGracePeriodSeconds, 30);
  const endOf = ({ metadata: each }: ApiObject) => Date.parse(each?.deletionTimestamp ?? '');
  const longer = await api.json<Pod>('DELETE', url, options({ gracePeriodSeconds: 300 }));
  assert.ok((longer.metadata?.deletionGracePeriodSeconds ?? 99) <= 30);
  const shorter = await api.json<Pod>('DELETE', url, options({ gracePeriodSeconds: 5 }));
  assert.ok(endOf(shorter) <= endOf(first) - 25_000 || shorter.metadata?.deletionGracePeriodSeconds === 0);
  const forced = await api.json<Pod>('DELETE', url, options({ gracePeriodSeconds: 0 }));
  assert.deepEqual(forced.metadata?.finalizers, ['example.com/hold'], 'a finalizer holds even against force');
  await api.json('PATCH', url, { metadata: { finalizers: null } }, merge);
  await gone(url);
});

test('a pod without a node goes at once', async () => {
  const spec = { nodeSelector: { none: 'such' }, containers: [{ name: 'c', image: 'x:1' }] };
  await api.json('POST', pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'unbound' }, spec });
  await api.json('DELETE', `${pods}/unbound`);
  assert.equal(await codeOf(`${pods}/unbound`), 404);
});

test('finalizers hold an object until they are taken away, and none may join then', async () => {
  await api.json('POST', configMaps, configMap('held', { finalizers: ['example.com/a', 'example.com/b'] }));
  const url = `${configMaps}/held`;
  const dying = await api.json<ApiObject>('DELETE', url);
  assert.ok(dying.metadata?.deletionTimestamp !== undefined);
  const again = await api.json<ApiObject>('DELETE', url);
  assert.equal(again.metadata?.resourceVersion, dying.metadata.resourceVersion, 'deleting twice changes nothing');
  const joined = { metadata: { finalizers: ['example.com/a', 'example.com/b', 'example.com/c'] } };
  const refusal = refusalOf(await api.send('PATCH', url, joined, merge));
  assert.deepEqual([refusal.code, refusal.fields], [422, ['metadata.finalizers']]);
  await api.json('PATCH', url, { metadata: { finalizers: ['example.com/b'] } }, merge);
  assert.equal(await codeOf(url), 200);
  await api.json('PATCH', url, { metadata: { finalizers: [] } }, merge);
  assert.equal(await codeOf(url), 404);
});

test('preconditions of a deletion must hold', async () => {
  const { metadata } = await api.json<ApiObject>('POST', configMaps, configMap('guarded'));
  const url = `${configMaps}/guarded`;
  for (const preconditions of [
    { uid: 'other' },
    { resourceVersion: '1' },
    { uid: metadata?.uid, resourceVersion: '1' },
  ]) {
    const refusal = refusalOf(await api.send('DELETE', url, options({ preconditions })));
    assert.deepEqual([refusal.code, refusal.reason], [409, 'Conflict']);
    assert.match(refusal.message ?? '', /Precondition failed|has been modified/);
  }
  const { uid, resourceVersion } = metadata ?? {};
  await api.json('DELETE', url, options({ preconditions: { uid, resourceVersion } }));
  assert.equal(await codeOf(url), 404);
});

test('Background takes dependents along, Orphan leaves them without the owner', async () => {
  const taken = await family('taken');
  await api.json('DELETE', taken.owner, options({ propagationPolicy: 'Background' }));
  assert.equal(await codeOf(taken.owner), 404);
  await gone(taken.child);

  const left = await family('left');
  await api.json('DELETE', left.owner, options({ propagationPolicy: 'Orphan' }));
  await gone(left.owner);
  const child = await api.json<ApiObject>('GET', left.child);
  assert.deepEqual(child.metadata?.ownerReferences ?? [], []);

  const old = await family('old');
  await api.json('DELETE', old.owner, options({ orphanDependents: true }));
  await gone(old.owner);
  assert.equal(await codeOf(old.child), 200);
});

test('Foreground waits for the dependents that block', async () => {
  const { owner, child } = await family('patient', { blockOwnerDeletion: true });
  await api.json('PATCH', child, { metadata: { finalizers: ['example.com/hold'] } }, merge);
  const dying = await api.json<ApiObject>('DELETE', owner, options({ propagationPolicy: 'Foreground' }));
  assert.deepEqual(dying.metadata?.finalizers, ['foregroundDeletion']);
  await until('the child is told', async () => {
    const { metadata } = await api.json<ApiObject>('GET', child);
    return metadata?.deletionTimestamp !== undefined;
  });
  assert.equal(await codeOf(owner), 200);
  await api.json('PATCH', child, { metadata: { finalizers: null } }, merge);
  await gone(child);
  await gone(owner);
});

test('a collection goes by its selectors, each object with the same options', async () => {
  const labelled = (name: string, group: string) => configMap(name, { labels: { group } });
  const owners = await Promise.all(
    ['d1', 'd2'].map((name) => api.json<ApiObject>('POST', configMaps, labelled(name, 'doomed'))),
  );
  await api.json('POST', configMaps, labelled('d3', 'spared'));
  await api.json('POST', configMaps, configMap('d1-child', { ownerReferences: [ownedBy(owners[0] ?? {})] }));
  const reply = await api.json<{ kind: string; items: ApiObject[] }>(
    'DELETE',
    `${configMaps}?labelSelector=group%3Ddoomed`,
    options({ propagationPolicy: 'Orphan' }),
  );
  assert.deepEqual([reply.kind, reply.items.map(({ metadata }) => metadata?.name)], ['ConfigMapList', ['d1', 'd2']]);
  await Promise.all(['d1', 'd2'].map((name) => gone(`${configMaps}/${name}`)));
  const child = await api.json<ApiObject>('GET', `${configMaps}/d1-child`);
  assert.deepEqual(child.metadata?.ownerReferences ?? [], []);
  await api.json('DELETE', `${configMaps}?fieldSelector=metadata.name%3Dd3`);
  assert.equal(await codeOf(`${configMaps}/d3`), 404);
  assert.equal((await api.send('DELETE', '/api/v1/configmaps')).code, 405);
});

test('a replica set takes its pods along unless it is told to leave them', async () => {
  const set = (name: string) => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name },
    spec: {
      replicas: 2,
      selector: { matchLabels: { set: name } },
      template: { metadata: { labels: { set: name } }, spec: { containers: [{ name: 'c', image: 'x:1' }] } },
    },
  });
  const podsOf = async (name: string) =>
    (await api.json<{ items: Pod[] }>('GET', `${pods}?labelSelector=set%3D${name}`)).items;
  for (const name of ['r1', 'r2']) await api.json('POST', replicaSets, set(name));
  for (const name of ['r1', 'r2']) await until('pods', async () => (await podsOf(name)).length === 2);
  await api.json('DELETE', `${replicaSets}/r1`);
  await api.json('DELETE', `${replicaSets}/r2?propagationPolicy=Orphan`);
  await until('its pods are gone', async () => (await podsOf('r1')).length === 0);
  await gone(`${replicaSets}/r2`);
  assert.equal((await podsOf('r2')).length, 2);
});

test('what a deletion cannot mean is refused and nothing is deleted', async () => {
  await api.json('POST', configMaps, configMap('stays'));
  const url = `${configMaps}/stays`;
  for (const [path, body, code] of [
    [url, options({ propagationPolicy: 'Sometimes' }), 422],
    [url, options({ propagationPolicy: 'Orphan', orphanDependents: true }), 422],
    [url, options({ dryRun: ['Some'] }), 422],
    [url, options({ gracePeriodSeconds: 'soon' }), 400],
    [`${url}?gracePeriodSeconds=soon`, undefined, 400],
    [`${url}?propagationPolicy=Sometimes`, undefined, 422],
  ] as const) {
    const reply = await api.send('DELETE', path, body);
    assert.equal(reply.code, code, `${path} ${JSON.stringify(body)}: ${reply.text}`);
  }
  assert.equal(await codeOf(url), 200);
});
