import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf, type Reply } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const yaml = { 'content-type': 'application/apply-patch+yaml' };

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

type Open = ApiObject & { readonly data?: object; readonly spec?: { replicas?: number }; readonly status?: object };
const map = (name: string, data: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});
const deployment = (name: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'x:1' }] } },
    ...spec,
  },
});
const apply = (path: string, config: object | string, query = 'fieldManager=one'): Promise<Reply> =>
  api.send('PATCH', `${path}?${query}`, config, yaml);
const read = (path: string) => api.json<Open>('GET', path);
const entriesOf = ({ metadata }: ApiObject) =>
  (metadata?.managedFields ?? []).map(({ manager, operation, subresource }) =>
    [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(' '),
  );
const fieldsOf = ({ metadata }: ApiObject, manager: string) =>
  metadata?.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;

test('an apply makes what is not there, and says so; again it changes nothing, not even the version', async () => {
  const path = `${configMaps}/made`;
  const created = await apply(path, 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made}\ndata: {a: "1"}\n');
  assert.equal(created.code, 201, created.text);
  const again = await apply(path, map('made', { a: '1' }));
  assert.equal(again.code, 200);
  assert.deepEqual(again.body, created.body);
  const object = created.body as Open;
  const [entry] = object.metadata?.managedFields ?? [];
  assert.match(entry?.time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(object.metadata?.managedFields, [
    {
      manager: 'one',
      operation: 'Apply',
      apiVersion: 'v1',
      time: entry?.time,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { 'f:a': {} } },
    },
  ]);
});

test('what another manages is a conflict with a cause a field, in the words that clients show', async () => {
  const path = `${configMaps}/contested`;
  await apply(path, map('contested', { a: '1', b: '1' }));
  const one = await apply(path, map('contested', { a: '2' }), 'fieldManager=two');
  assert.equal(one.code, 409);
  assert.deepEqual(one.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
    reason: 'Conflict',
    details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' }] },
    code: 409,
  });
  await api.json(
    'PATCH',
    `${path}?fieldManager=three`,
    { data: { c: '3' } },
    { 'content-type': 'application/merge-patch+json' },
  );
  const both = refusalOf(await apply(path, map('contested', { a: '2', b: '2', c: '2' }), 'fieldManager=two'));
  assert.equal(
    both.message,
    'Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\n- .data.b\nconflicts with "three" using v1:\n- .data.c',
  );
  const forced = await apply(path, map('contested', { a: '2' }), 'fieldManager=two&force=true');
  assert.deepEqual((forced.body as Open).data, { a: '2', b: '1', c: '3' });
  assert.deepEqual(fieldsOf(forced.body as Open, 'one'), { 'f:data': { 'f:b': {} } });
});

test('fields that are applied no longer are taken away, defaults that they hid come back', async () => {
  const path = `${deployments}/shrinks`;
  await apply(path, deployment('shrinks', { replicas: 3, paused: true }));
  const { spec } = (await apply(path, deployment('shrinks'))).body as Open;
  assert.equal(spec?.replicas, 1);
  assert.equal('paused' in (spec ?? {}), false);
});

test('a dry run answers as if it had been done, and does nothing', async () => {
  const path = `${configMaps}/rehearsed`;
  const dry = await apply(path, map('rehearsed', { a: '1' }), 'fieldManager=one&dryRun=All');
  assert.equal(dry.code, 201);
  assert.equal((await api.send('GET', path)).code, 404);
  await apply(path, map('rehearsed', { a: '1' }));
  const changed = await apply(path, map('rehearsed', { a: '2' }), 'fieldManager=one&dryRun=All');
  assert.deepEqual([(changed.body as Open).data, (await read(path)).data], [{ a: '2' }, { a: '1' }]);
});

test('an apply without a manager, or otherwise wrong, is refused and named', async () => {
  const path = `${configMaps}/wrong`;
  const said = async (config: object | string, query?: string) => {
    const { code, reason, message } = refusalOf(await apply(path, config, query));
    return [code, reason, message];
  };
  assert.deepEqual(await said(map('wrong', {}), ''), [
    422,
    'Invalid',
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  ]);
  const forced = await api.send('PATCH', `${path}?force=true`, {}, { 'content-type': 'application/merge-patch+json' });
  assert.equal(
    refusalOf(forced).message,
    'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  );
  assert.deepEqual(await said(map('wrong', {}), `fieldManager=${'x'.repeat(129)}`), [
    422,
    'Invalid',
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
  ]);
  assert.deepEqual(await said(map('wrong', {}, { managedFields: [] })), [
    400,
    'BadRequest',
    'metadata.managedFields must be nil',
  ]);
  assert.deepEqual((await said(map('other', {}))).slice(0, 2), [400, 'BadRequest']);
  assert.deepEqual((await said({ ...map('wrong', {}), kind: 'Secret' })).slice(0, 2), [400, 'BadRequest']);
  assert.match(String((await said('a: [', 'fieldManager=one'))[2]), /not valid YAML/);
  assert.match(
    String((await said({ ...map('wrong', {}), colour: 'red' }, 'fieldManager=one&fieldValidation=Strict'))[2]),
    /strict decoding error: unknown field "colour"/,
  );
  assert.match(
    String((await said({ ...map('wrong', {}), colour: 'red' }))[2]),
    /\.colour: field not declared in schema$/,
  );
  const ports = [{ port: 80 }, { port: 80, protocol: 'TCP' }];
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { ports } };
  assert.match(
    refusalOf(await apply('/api/v1/namespaces/default/services/s', service)).message ?? '',
    /\.spec\.ports: duplicate entries for key \[\{"port":80,"protocol":"TCP"\}\]/,
  );
  const cbor = await api.send('PATCH', `${path}?fieldManager=one`, 'x', {
    'content-type': 'application/apply-patch+cbor',
  });
  assert.equal(cbor.code, 415);
  const uid = await apply(path, map('wrong', {}, { uid: '00000000-0000-0000-0000-000000000000' }));
  assert.equal(uid.code, 409);
  assert.equal((await api.send('GET', path)).code, 404);
});

test('preconditions in the configuration hold', async () => {
  const path = `${configMaps}/guarded`;
  const { metadata } = (await apply(path, map('guarded', { a: '1' }))).body as Open;
  assert.equal((await apply(path, map('guarded', { a: '2' }, { resourceVersion: '1' }))).code, 409);
  assert.equal(
    (await apply(path, map('guarded', { a: '2' }, { resourceVersion: metadata?.resourceVersion }))).code,
    200,
  );
  assert.equal((await apply(path, map('guarded', { a: '3' }, { uid: 'other' }))).code, 409);
  assert.equal((await read(path)).data !== undefined, true);
});

test('every write is put down to its writer: create, update, patch, and each door by itself', async () => {
  const path = `${deployments}/tracked`;
  await api.json('POST', `${deployments}?fieldManager=maker`, deployment('tracked'));
  const labels = { metadata: { labels: { a: 'b' } } };
  await api.json('PATCH', path, labels, {
    'content-type': 'application/merge-patch+json',
    'user-agent': 'patcher/1 (x)',
  });
  const status = { status: { collisionCount: 3 } };
  await api.json('PATCH', `${path}/status?fieldManager=watcher`, status, {
    'content-type': 'application/merge-patch+json',
  });
  await api.json(
    'PATCH',
    `${path}/scale?fieldManager=scaler`,
    { spec: { replicas: 2 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  const object = await read(path);
  const entries = entriesOf(object).filter((text) => !text.startsWith('deployment-controller'));
  assert.deepEqual(entries.toSorted(), [
    'maker Update',
    'patcher Update',
    'scaler Update scale',
    'watcher Update status',
  ]);
  assert.deepEqual(fieldsOf(object, 'patcher'), { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } });
  assert.deepEqual(fieldsOf(object, 'scaler'), { 'f:spec': { 'f:replicas': {} } });
  assert.deepEqual(fieldsOf(object, 'watcher'), { 'f:status': { 'f:collisionCount': {} } });
  const made = fieldsOf(object, 'maker') as Record<string, Record<string, Record<string, object>>>;
  assert.equal(made['f:spec']?.['f:replicas'], undefined);
  assert.deepEqual(made['f:spec']?.['f:strategy'], {
    'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} },
    'f:type': {},
  });
  assert.equal('f:status' in made, false);
  const refused = refusalOf(await apply(path, deployment('tracked', { replicas: 5 })));
  assert.match(
    refused.message ?? '',
    /conflict with "scaler" with subresource "scale" using apps\/v1: \.spec\.replicas$/,
  );
});

test('scale is applied too, and what it sets belongs to that door', async () => {
  const path = `${deployments}/scaled`;
  await apply(path, deployment('scaled'));
  const scale = (replicas: number) => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'scaled' },
    spec: { replicas },
  });
  const { body, code } = await apply(`${path}/scale`, scale(4), 'fieldManager=scaler');
  assert.deepEqual([code, (body as Open).spec?.replicas], [200, 4], JSON.stringify(body));
  const object = await read(path);
  assert.equal(object.spec?.replicas, 4);
  assert.ok(entriesOf(object).includes('scaler Apply scale'));
  assert.match(
    refusalOf(await apply(path, deployment('scaled', { replicas: 9 }))).message ?? '',
    /conflict with "scaler" with subresource "scale": \.spec\.replicas/,
  );
});

test('status is applied through its own door, and only there', async () => {
  const path = `${deployments}/reported`;
  await apply(path, deployment('reported'));
  const config = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'reported' },
    status: { conditions: [{ type: 'Odd', status: 'True' }] },
  };
  const { body } = await apply(`${path}/status`, config, 'fieldManager=watcher');
  assert.deepEqual(fieldsOf(body as Open, 'watcher'), {
    'f:status': { 'f:conditions': { 'k:{"type":"Odd"}': { '.': {}, 'f:status': {}, 'f:type': {} } } },
  });
  await apply(path, { ...deployment('reported'), status: { replicas: 7 } });
  assert.equal((await read(path)).status !== undefined && 'replicas' in ((await read(path)).status ?? {}), false);
});

test('managedFields can be reset, and an object that nobody manages belongs to somebody before its first apply', async () => {
  const path = `${configMaps}/reset`;
  await apply(path, map('reset', { a: '1' }));
  const merge = { 'content-type': 'application/merge-patch+json' };
  const kept = await api.json<Open>('PATCH', path, { metadata: { managedFields: [] } }, merge);
  assert.deepEqual(entriesOf(kept), ['one Apply']);
  const bare = await api.json<Open>('PATCH', path, { metadata: { managedFields: [{}] } }, merge);
  assert.equal(bare.metadata?.managedFields, undefined);
  const still = await api.json<Open>('PATCH', path, { data: { b: '2' } }, merge);
  assert.equal(still.metadata?.managedFields, undefined);
  const { message } = refusalOf(await apply(path, map('reset', { a: '2' })));
  assert.match(message ?? '', /conflict with "before-first-apply" using v1: \.data\.a/);
  const taken = await apply(path, map('reset', { a: '2' }), 'fieldManager=one&force=true');
  assert.deepEqual(entriesOf(taken.body as Open), ['one Apply', 'before-first-apply Update']);
});

test('what kubectl applied before by itself it may take over from itself', async () => {
  const path = `${configMaps}/handed-over`;
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const first = map('handed-over', { a: '1', b: '1' });
  const annotated = {
    ...first,
    metadata: { name: 'handed-over', annotations: { [annotation]: JSON.stringify(first) } },
  };
  await api.json('POST', `${configMaps}?fieldManager=kubectl-client-side-apply`, annotated);
  assert.equal((await apply(path, map('handed-over', { a: '2', b: '1' }), 'fieldManager=other')).code, 409);
  const taken = await apply(path, map('handed-over', { a: '2', b: '1' }), 'fieldManager=kubectl');
  assert.equal(taken.code, 200, taken.text);
  const kept = JSON.parse((taken.body as Open).metadata?.annotations?.[annotation] ?? '') as Open;
  assert.deepEqual(kept.data, { a: '2', b: '1' });
});

test('reads in every form show who manages what', async () => {
  const path = `${configMaps}/shown`;
  await apply(path, map('shown', { a: '1' }));
  const list = await api.json<{ items: readonly Open[] }>('GET', `${configMaps}?fieldSelector=metadata.name=shown`);
  const partial = await api.json<Open>('GET', path, undefined, {
    accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  });
  const events = await api.watch(`${configMaps}?fieldSelector=metadata.name=shown`);
  for (const object of [list.items[0], partial, events[0]?.object]) assert.deepEqual(entriesOf(object!), ['one Apply']);
});

test('a caller who may not create cannot make anything by applying', async () => {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'patcher' },
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['patch', 'get'] }],
  };
  await api.json('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', role);
  await api.json('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'patcher' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'patcher' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'pat' }],
  });
  const asPat = (path: string, config: object) =>
    api.send('PATCH', `${path}?fieldManager=pat`, config, { ...yaml, 'impersonate-user': 'pat' });
  assert.equal((await asPat(`${configMaps}/by-pat`, map('by-pat', {}))).code, 403);
  await apply(`${configMaps}/for-pat`, map('for-pat', { a: '1' }));
  assert.equal((await asPat(`${configMaps}/for-pat`, map('for-pat', { b: '1' }))).code, 200);
});
