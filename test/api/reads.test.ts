import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { ApiObject } from '#machinery/object.ts';
import { define, definitionOf, schemaOf } from '../support/definitions.ts';
import { RawApi, refusalOf, type WatchEvent } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0', '--etcd-compaction-interval', '1s']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly ApiObject[];
}
const names = ({ items }: List) => items.map(({ metadata }) => metadata?.name ?? '');
const configMap = (name: string, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
});

test('a continue token expires with its revision, and the refusal carries one to go on with, inconsistently', async () => {
  for (let i = 0; i < 4; i++) await api.json('POST', configMaps, configMap(`page-${i}`, { pages: 'yes' }));
  const chosen = `${configMaps}?labelSelector=pages&limit=2`;
  const first = await api.json<List>('GET', chosen);
  assert.deepEqual(names(first), ['page-0', 'page-1']);
  const token = first.metadata.continue ?? '';
  let writes = 0;
  const expired = await until('the token expires', async () => {
    // Only what is changed later is looked up in the past, and only what is written is compacted.
    await api.json('POST', configMaps, configMap(`page-2-${writes++}`, { pages: 'yes' }));
    const reply = await api.send('GET', `${chosen}&continue=${token}`);
    return reply.code === 410 ? reply : undefined;
  });
  const status = expired.body as { reason: string; message: string; metadata: { continue?: string } };
  assert.equal(status.reason, 'Expired');
  assert.match(status.message, /^The provided continue parameter is too old to display a consistent list result/);
  const rest = await api.json<List>('GET', `${configMaps}?labelSelector=pages&continue=${status.metadata.continue}`);
  assert.deepEqual(
    names(rest).filter((name) => !name.startsWith('page-2-')),
    ['page-2', 'page-3'],
  );
  const then = `&resourceVersion=${first.metadata.resourceVersion}`;
  const exact = await api.send('GET', `${configMaps}?resourceVersionMatch=Exact${then}`);
  assert.deepEqual([refusalOf(exact).code, refusalOf(exact).reason], [410, 'Expired']);
  const watch = await until('the first version expires', async () => {
    const reply = await api.send('GET', `${configMaps}?watch=1&timeoutSeconds=1&resourceVersion=1`);
    return reply.code === 410 ? reply : undefined;
  });
  assert.match(refusalOf(watch).message ?? '', /^too old resource version: 1 \(\d+\)/);
});

test('a PUT makes what is not there of the kinds whose PUT does, for those who may create', async () => {
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'put' }, spec: {} };
  const made = await api.send('PUT', `${leases}/put`, lease);
  assert.equal(made.code, 201, made.text);
  const stored = made.body as ApiObject;
  assert.equal((await api.send('PUT', `${leases}/put`, stored)).code, 200);
  await api.json('DELETE', `${leases}/put`);
  const other = await api.send('PUT', `${leases}/put`, stored);
  assert.equal(other.code, 409, 'it is meant for the object that is gone');
  const version = { ...lease, metadata: { name: 'put', resourceVersion: stored.metadata?.resourceVersion } };
  assert.equal((await api.send('PUT', `${leases}/put`, version)).code, 201);
  assert.equal((await api.send('PUT', `${leases}/dry?dryRun=All`, { ...lease, metadata: { name: 'dry' } })).code, 201);
  assert.equal((await api.send('GET', `${leases}/dry`)).code, 404);
  const none = refusalOf(await api.send('PUT', `${configMaps}/none`, configMap('none')));
  assert.deepEqual([none.code, none.message], [404, 'configmaps "none" not found']);
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const rules = [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['update'] }];
  await api.json('PUT', `${rbac}/roles/updater`, { metadata: { name: 'updater' }, rules });
  await api.json('PUT', `${rbac}/rolebindings/updater`, {
    metadata: { name: 'updater' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'updater' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'updater' }],
  });
  const headers = { 'impersonate-user': 'updater' };
  const refused = await until('the role is known', async () => {
    const reply = await api.send('PUT', `${leases}/theirs`, { ...lease, metadata: { name: 'theirs' } }, headers);
    return /cannot create resource/.test(reply.text) ? reply : undefined;
  });
  assert.equal(refused.code, 403);
});

async function openSocket(path: string, protocols: readonly string[] = []): Promise<WebSocket> {
  const { server } = await loadKubeconfig([cluster.kubeconfig]);
  const { ca, cert, key } = server;
  return new WebSocket(`${server.url.replace('https', 'wss')}${path}`, [...protocols], {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}

test('a watch over a WebSocket is one event a message, from the same versions, and ends as it should', async () => {
  const asked = `${configMaps}?watch=1&fieldSelector=metadata.name%3Dsocket&timeoutSeconds=5`;
  const socket = await openSocket(asked, ['any.protocol']);
  const events: WatchEvent[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    assert.equal(isBinary, false);
    events.push(JSON.parse(data.toString()) as WatchEvent);
  });
  await once(socket, 'open');
  assert.equal(socket.protocol, 'any.protocol');
  await api.json('POST', configMaps, configMap('socket'));
  await api.json('DELETE', `${configMaps}/socket`);
  await until('both events', () => events.length === 2);
  assert.deepEqual(
    events.map(({ type, object }) => [type, object.kind, object.metadata?.name]),
    [
      ['ADDED', 'ConfigMap', 'socket'],
      ['DELETED', 'ConfigMap', 'socket'],
    ],
  );
  socket.close();
  await once(socket, 'close');
  const short = await openSocket(`${configMaps}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone`);
  const [code] = (await once(short, 'close')) as [number];
  assert.equal(code, 1000);
});

test('a WebSocket watch that cannot be is refused with a Status before the handshake', async () => {
  for (const [path, status] of [
    [`${configMaps}?watch=1&resourceVersion=x`, 400],
    ['/api/v1/namespaces/default/nothings?watch=1', 400],
    [configMaps, 400],
  ] as const) {
    const socket = await openSocket(path);
    socket.on('error', () => undefined);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    assert.equal(response.statusCode, status, path);
    socket.terminate();
  }
});

test('integers of 64 bits are kept exactly, however they are written and read', async () => {
  const revisions = '/apis/apps/v1/namespaces/default/controllerrevisions';
  const big = '9007199254740993';
  const head = (name: string) =>
    `"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"${name}"},"revision":1`;
  const holds = (text: string, count: number) => assert.equal(text.split(big).length - 1, count, text);
  const types = { json: 'application/json', yaml: 'application/yaml' };
  for (const [name, type] of Object.entries(types)) {
    const body = `{${head(name)},"data":{"n":${big},"list":[-9223372036854775808,${big}]}}`;
    const made = await api.send('POST', revisions, body, { 'content-type': type });
    assert.equal(made.code, 201, made.text);
    holds(made.text, 2);
    for (const accept of ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']) {
      holds((await api.send('GET', `${revisions}/${name}`, undefined, { accept })).text, 2);
    }
    holds((await api.send('GET', `${revisions}/${name}?pretty=true`)).text, 2);
    holds((await api.send('GET', revisions)).text, name === 'json' ? 2 : 4);
  }
  const patches = [
    ['application/merge-patch+json', '{"metadata":{"labels":{"a":"b"}}}'],
    ['application/strategic-merge-patch+json', '{"metadata":{"labels":{"a":"c"}}}'],
    ['application/json-patch+json', '[{"op":"add","path":"/metadata/labels/d","value":"e"}]'],
  ] as const;
  for (const [type, patch] of patches) {
    const patched = await api.send('PATCH', `${revisions}/json`, patch, { 'content-type': type });
    assert.equal(patched.code, 200, patched.text);
    holds(patched.text, 2);
  }
  const applied = await api.send(
    'PATCH',
    `${revisions}/applied?fieldManager=test`,
    `{${head('applied')},"data":{"n":${big}}}`,
    { 'content-type': 'application/apply-patch+yaml' },
  );
  assert.equal(applied.code, 201, applied.text);
  holds(applied.text, 1);
  const asTable = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = await api.send('GET', `${revisions}?includeObject=Object`, undefined, { accept: asTable });
  holds(table.text, 5);
  const watched = await api.send('GET', `${revisions}?watch=1&timeoutSeconds=1`);
  holds(watched.text, 5);
  const { text } = await api.send('GET', `${revisions}/json`);
  const put = await api.send('PUT', `${revisions}/json`, text.replace('"revision":1', '"revision":2'));
  assert.equal(put.code, 200, put.text);
  holds(put.text, 2);
  const refused = refusalOf(
    await api.send(
      'POST',
      '/api/v1/namespaces/default/pods',
      `{"metadata":{"name":"p"},"spec":{"activeDeadlineSeconds":${big},"containers":[{"name":"c","image":"i"}]}}`,
    ),
  );
  assert.match(refused.message ?? '', new RegExp(`spec.activeDeadlineSeconds: ${big} is beyond the integers`));
});

test('integers of 64 bits are kept exactly in custom resources, and held against their schema', async () => {
  const schema = schemaOf({
    n: { type: 'integer', format: 'int64', maximum: 9_007_199_254_741_000 },
    any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  });
  await define(api, definitionOf(schema, { plural: 'numbers', kind: 'Number' }));
  const numbers = '/apis/example.com/v1/namespaces/default/numbers';
  const body = (n: string) =>
    `{"apiVersion":"example.com/v1","kind":"Number","metadata":{"name":"one"},"spec":{"n":${n},"any":{"x":[${n}]}}}`;
  const exact = /"n":9007199254740993[,}].*|"x":\[9007199254740993\]/g;
  const made = await api.send('POST', numbers, body('9007199254740993'));
  assert.equal(made.code, 201, made.text);
  for (const path of [`${numbers}/one`, numbers]) assert.match((await api.send('GET', path)).text, exact);
  const patched = await api.send('PATCH', `${numbers}/one`, '{"spec":{"n":9007199254740995}}', {
    'content-type': 'application/merge-patch+json',
  });
  assert.match(patched.text, /"n":9007199254740995/);
  assert.match(patched.text, /"x":\[9007199254740993\]/);
  const refused = await api.send('PATCH', `${numbers}/one`, '{"spec":{"n":9007199254741001}}', {
    'content-type': 'application/merge-patch+json',
  });
  assert.equal(refused.code, 422, refused.text);
  assert.match(refusalOf(refused).message ?? '', /should be less than or equal to 9007199254741000/);
});
