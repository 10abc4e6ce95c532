import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf, type Reply } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const merge = { 'content-type': 'application/merge-patch+json' };
const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
const jsonPatch = { 'content-type': 'application/json-patch+json' };

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

type ConfigMap = ApiObject & { readonly data?: Readonly<Record<string, string>> };
const configMap = (name: string, data: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});
type Written = ConfigMap & { readonly spec?: unknown };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x:1' }] } };
const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template },
});
const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: template.spec });

async function refusal(...call: Parameters<RawApi['send']>): Promise<readonly unknown[]> {
  const { code, reason, message } = refusalOf(await api.send(...call));
  return [code, reason, message];
}

test('an object must be what its URL says: namespace, name, version and kind', async () => {
  await api.json('POST', configMaps, configMap('where', { a: '1' }));
  const elsewhere = configMap('x', {}, { namespace: 'other' });
  const namespaceMismatch = 'the namespace of the provided object does not match the namespace sent on the request';
  assert.deepEqual(await refusal('POST', configMaps, elsewhere), [400, 'BadRequest', namespaceMismatch]);
  assert.deepEqual(await refusal('PUT', `${configMaps}/where`, configMap('where', {}, { namespace: 'other' })), [
    400,
    'BadRequest',
    namespaceMismatch,
  ]);
  assert.deepEqual(await refusal('PUT', `${configMaps}/where`, configMap('other')), [
    400,
    'BadRequest',
    'the name of the object (other) does not match the name on the URL (where)',
  ]);
  assert.deepEqual(await refusal('POST', configMaps, { ...configMap('x'), apiVersion: 'v2' }), [
    400,
    'BadRequest',
    'the API version in the data (v2) does not match the expected API version (v1)',
  ]);
  const [code, reason, message] = await refusal('POST', configMaps, { ...configMap('x'), kind: 'Pod' });
  assert.deepEqual([code, reason], [400, 'BadRequest']);
  assert.match(String(message), /^Pod in version "v1" cannot be handled as a ConfigMap: /);
  assert.deepEqual(await refusal('PATCH', `${configMaps}/where`, { metadata: { name: 'other' } }, merge), [
    400,
    'BadRequest',
    'the name of the object (other) does not match the name on the URL (where)',
  ]);
  assert.equal((await api.send('POST', `${configMaps}/where`, configMap('where'))).code, 405);
  assert.equal((await api.json<ConfigMap>('GET', `${configMaps}/where`)).data?.['a'], '1');
});

test('fieldValidation holds for patches of every type as for whole objects', async () => {
  await api.json('POST', deployments, deployment('checked'));
  const url = `${deployments}/checked`;
  const wrong = { spec: { nope: 1, template: { spec: { sort: 'x' } } } };
  const fields = ['unknown field "spec.nope"', 'unknown field "spec.template.spec.sort"'];
  const sorted = (text = '') => text.split(', ').toSorted().join(', ');
  const operations = [
    { op: 'add', path: '/spec/nope', value: 1 },
    { op: 'add', path: '/spec/template/spec/sort', value: 'x' },
  ];
  for (const [body, type] of [
    [wrong, merge],
    [wrong, strategic],
    [operations, jsonPatch],
  ] as const) {
    const strict = refusalOf(await api.send('PATCH', `${url}?fieldValidation=Strict`, body, type));
    assert.deepEqual([strict.code, strict.reason, strict.fields], [422, 'Invalid', ['patch']]);
    const [, found] = / strict decoding error: (.*)$/.exec(strict.message ?? '') ?? [];
    assert.equal(sorted(found), fields.join(', '));
    const warned = await api.send('PATCH', `${url}?fieldValidation=Warn`, body, type);
    assert.deepEqual(
      [warned.code, sorted(String(warned.headers.warning))],
      [200, fields.map((text) => `299 - "${text.replaceAll('"', '\\"')}"`).join(', ')],
    );
    const ignored = await api.send('PATCH', `${url}?fieldValidation=Ignore`, body, type);
    assert.deepEqual([ignored.code, ignored.headers.warning], [200, undefined]);
  }
  const twice = '{"spec":{"replicas":1,"replicas":2}}';
  for (const type of [merge, strategic]) {
    const strict = refusalOf(await api.send('PATCH', `${url}?fieldValidation=Strict`, twice, type));
    assert.deepEqual([strict.code, strict.reason], [422, 'Invalid']);
    assert.match(strict.message ?? '', /strict decoding error: duplicate field "spec.replicas"$/);
    const warned = await api.send('PATCH', `${url}?dryRun=All`, twice, type);
    assert.equal(warned.headers.warning, '299 - "duplicate field \\"spec.replicas\\""');
  }
  const put = await api.json<object>('GET', url);
  const [code, , message] = await refusal('PUT', `${url}?fieldValidation=Strict`, { ...put, nope: 1 });
  assert.deepEqual(
    [code, message],
    [400, 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "nope"'],
  );
});

test('a dry run of any verb answers like the real thing and writes nothing', async () => {
  await api.json('POST', configMaps, configMap('dry', { a: '1' }));
  await api.json('POST', deployments, deployment('dry'));
  await api.json('POST', pods, pod('dry'));
  /** What callers write; the controllers go on writing status. */
  const listed = async () => {
    const lists = await Promise.all(
      [configMaps, deployments, pods].map((path) => api.json<{ items: Written[] }>('GET', path)),
    );
    return lists.map(({ items }) =>
      items.map(({ metadata, spec, data }) => ({
        name: metadata?.name,
        uid: metadata?.uid,
        deletionTimestamp: metadata?.deletionTimestamp,
        spec,
        data,
      })),
    );
  };
  await until('the controllers have made their pods', async () => (await listed())[2]?.length === 3);
  const earlier = await listed();
  const dry = 'dryRun=All';
  const calls: readonly (readonly [number, ...Parameters<RawApi['send']>])[] = [
    [201, 'POST', `${configMaps}?${dry}`, configMap('new')],
    [201, 'POST', `${configMaps}?${dry}`, { ...configMap(''), metadata: { generateName: 'g-' } }],
    [409, 'POST', `${configMaps}?${dry}`, configMap('dry')],
    [200, 'PUT', `${configMaps}/dry?${dry}`, configMap('dry', { a: '2' })],
    [200, 'PATCH', `${configMaps}/dry?${dry}`, { data: { a: '3' } }, merge],
    [200, 'PATCH', `${deployments}/dry?${dry}`, { spec: { replicas: 7 } }, strategic],
    [200, 'PATCH', `${deployments}/dry/scale?${dry}`, { spec: { replicas: 7 } }, merge],
    [200, 'PATCH', `${deployments}/dry/status?${dry}`, { status: { replicas: 7 } }, merge],
    [
      201,
      'POST',
      `${pods}/dry/eviction?${dry}`,
      { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'dry' } },
    ],
    [
      201,
      'POST',
      `${pods}/dry/eviction`,
      { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'dry' }, deleteOptions: { dryRun: ['All'] } },
    ],
    [
      201,
      'POST',
      `${pods}/dry/binding?${dry}`,
      { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'dry' }, target: { name: 'n' } },
    ],
    [200, 'DELETE', `${configMaps}/dry?${dry}`],
    [200, 'DELETE', `${configMaps}/dry`, { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] }],
    [200, 'DELETE', `${deployments}/dry?${dry}&propagationPolicy=Foreground`],
    [200, 'DELETE', `${pods}/dry?${dry}`],
    [200, 'DELETE', `${configMaps}?${dry}`],
    [200, 'DELETE', pods, { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] }],
    [422, 'POST', `${configMaps}?dryRun=Some`, configMap('new')],
  ];
  for (const [code, ...call] of calls) {
    const reply = await api.send(...call);
    assert.equal(reply.code, code, `${call[0]} ${call[1]}: ${reply.text}`);
    assert.deepEqual(await listed(), earlier, `${call[0]} ${call[1]}`);
  }
  const shown = await api.json<{ spec: { replicas: number } }>(
    'PATCH',
    `${deployments}/dry?${dry}`,
    { spec: { replicas: 7 } },
    merge,
  );
  assert.equal(shown.spec.replicas, 7, 'the reply shows what would be');
});

test('of many who create one name at once exactly one wins', async () => {
  const replies = await Promise.all(
    Array.from({ length: 64 }, (_, i) => api.send('POST', configMaps, configMap('storm', { by: String(i) }))),
  );
  const winners = replies.filter(({ code }) => code === 201);
  assert.equal(winners.length, 1);
  assert.deepEqual(
    [...new Set(replies.map(({ code }) => code))].toSorted((a, b) => a - b),
    [201, 409],
  );
  assert.ok(replies.every((reply) => reply.code === 201 || refusalOf(reply).reason === 'AlreadyExists'));
  const { data } = await api.json<ConfigMap>('GET', `${configMaps}/storm`);
  assert.deepEqual(
    winners.map(({ body }) => (body as ConfigMap).data),
    [data],
  );
});

test('generated names do not collide, however many are made at once', async () => {
  const made = await Promise.all(
    Array.from({ length: 200 }, () =>
      api.json<ConfigMap>('POST', configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { generateName: 'gen-' },
      }),
    ),
  );
  const names = made.map(({ metadata }) => metadata?.name ?? '');
  assert.equal(new Set(names).size, 200);
  assert.ok(names.every((name) => /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(name)));
});

test('no update is lost that compares and swaps, by PUT or by JSON patch with a test', async () => {
  const { metadata } = await api.json<ConfigMap>('POST', configMaps, configMap('counter', { n: '0' }));
  const url = `${configMaps}/counter`;
  const workers = 32;
  const each = 3;
  const count = async (attempt: (now: ConfigMap) => Promise<Reply>) => {
    for (let done = 0; done < each;) {
      const { code } = await attempt(await api.json<ConfigMap>('GET', url));
      if (code === 200) done++;
      else assert.ok(code === 409 || code === 422, String(code));
    }
  };
  const next = ({ data }: ConfigMap) => String(Number(data?.['n']) + 1);
  await Promise.all(
    Array.from({ length: workers }, (_, i) =>
      count((now) =>
        i % 2 === 0
          ? api.send('PUT', url, { ...now, data: { n: next(now) } })
          : api.send(
              'PATCH',
              url,
              [
                { op: 'test', path: '/metadata/resourceVersion', value: now.metadata?.resourceVersion },
                { op: 'replace', path: '/data/n', value: next(now) },
              ],
              jsonPatch,
            ),
      ),
    ),
  );
  const end = await api.json<ConfigMap>('GET', url);
  assert.equal(end.data?.['n'], String(workers * each));
  assert.equal(end.metadata?.uid, metadata?.uid);
});

test('patches without a precondition are applied one after the other: none is lost, none refused', async () => {
  await api.json('POST', configMaps, configMap('patched'));
  const replies = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      api.send('PATCH', `${configMaps}/patched`, { data: { [`k${i}`]: 'x' } }, merge),
    ),
  );
  assert.deepEqual([...new Set(replies.map(({ code }) => code))], [200]);
  const { data } = await api.json<ConfigMap>('GET', `${configMaps}/patched`);
  assert.equal(Object.keys(data ?? {}).length, 64);
});
