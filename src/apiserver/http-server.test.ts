import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ConfigMap } from '#api/core/config-map.ts';
import { Pod } from '#api/core/pod.ts';
import { definition } from '#api/definitions.ts';
import { encodeProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import type { Status } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import { InProcessClient } from './in-process-client.ts';
import { admin, testServer, type TestServerOptions } from './testing.ts';

interface Reply {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** The body as JSON. */
  readonly body: { readonly [key: string]: never } & Status;
}

interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly type?: string;
  readonly token?: string;
  readonly headers?: RequestOptions['headers'];
}

async function open(options: TestServerOptions = {}) {
  const server = await testServer(options);
  const client = new InProcessClient(server.api, { user: admin });

  function call(
    path: string,
    { method = 'GET', body, type = 'application/json', token = 'admin', headers }: Call = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const bytes =
        body === undefined
          ? undefined
          : body instanceof Uint8Array || typeof body === 'string'
            ? body
            : JSON.stringify(body);
      const req = httpsRequest(
        `${server.url}${path}`,
        {
          method,
          agent: false,
          ca: server.ca.certificate,
          headers: {
            ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
            ...(bytes === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(bytes) }),
            ...(headers as Record<string, string>),
          },
        },
        (res) => {
          const chunks: Buffer[] = [];
          res.on('data', (chunk: Buffer) => chunks.push(chunk));
          res.on('error', reject);
          res.on('end', () => {
            const all = Buffer.concat(chunks);
            const json =
              (res.headers['content-type'] ?? '').startsWith('application/json') &&
              res.headers['content-encoding'] === undefined;
            const parsed =
              json && !path.includes('watch=') ? (JSON.parse(all.toString()) as Reply['body']) : ({} as Reply['body']);
            resolve({ code: res.statusCode ?? 0, headers: res.headers, bytes: all, body: parsed });
          });
        },
      );
      req.on('error', reject);
      req.end(bytes);
    });
  }

  /** A watch's first events, as it ends by itself after a second. */
  async function watch(path: string, headers: Record<string, string> = {}): Promise<{ type: string; object: never }[]> {
    const { bytes } = await call(`${path}${path.includes('?') ? '&' : '?'}watch=true&timeoutSeconds=1`, { headers });
    return bytes
      .toString()
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { type: string; object: never });
  }
  const make = (name: string, more: Partial<ConfigMap> = {}, labels: Record<string, string> = {}) =>
    client.create(
      ConfigMap,
      { metadata: { name, namespace: 'a', labels }, ...more },
      { signal: AbortSignal.timeout(5_000) },
    );
  return { ...server, client, call, watch, make };
}

const maps = '/api/v1/namespaces/a/configmaps';
const names = ({ body }: Reply) => (body['items'] as unknown as ConfigMap[]).map(({ metadata }) => metadata?.name);

test('nothing but health is open to strangers', async () => {
  await using server = await open();
  for (const path of ['/livez', '/readyz', '/healthz', '/readyz/etcd']) {
    const { code, bytes } = await server.call(path, { token: '' });
    assert.deepEqual([code, bytes.toString()], [200, 'ok'], path);
  }
  assert.match(
    (await server.call('/readyz?verbose', { token: '' })).bytes.toString(),
    /\[\+\]etcd ok\n[^]*readyz check passed/,
  );
  for (const path of ['/', '/version', '/api', '/apis', '/api/v1/pods', '/metrics', '/openapi/v3', '/nothing']) {
    const { code, body } = await server.call(path, { token: '' });
    assert.deepEqual([code, body.reason], [401, 'Unauthorized'], path);
  }
  assert.equal((await server.call('/version', { token: 'wrong' })).code, 401);
});

test('a refusal is told in the words clients know', async () => {
  await using server = await open({ authorizer: { authorize: async () => ({ allowed: false, reason: 'because' }) } });
  const { code, body } = await server.call('/api/v1/namespaces/y/pods', { token: 'user:bob' });
  assert.deepEqual(body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "y": because',
    reason: 'Forbidden',
    details: { kind: 'pods' },
    code: 403,
  });
  assert.equal(code, 403);
  const other = await server.call('/metrics', { token: 'user:bob' });
  assert.equal(other.body.message, 'forbidden: User "bob" cannot get path "/metrics": because');
});

test('unknown paths are 404, known ones with a wrong method 405', async () => {
  await using server = await open();
  const unknown = await server.call('/api/v1/namespaces/a/nothings');
  assert.deepEqual([unknown.code, unknown.body.message], [404, 'the server could not find the requested resource']);
  assert.equal((await server.call('/api/v1/namespaces/a/configmaps/x/status')).code, 404);
  assert.equal((await server.call('/api/v1/namespaces/a/nodes')).code, 404);
  assert.equal((await server.call(maps, { method: 'PUT', body: {} })).code, 405);
  assert.equal((await server.call('/api/v1/configmaps', { method: 'POST', body: {} })).code, 405);
  assert.equal((await server.call('/apis/authorization.k8s.io/v1/subjectaccessreviews')).code, 405);
});

test('bodies are read strictly', async () => {
  await using server = await open();
  const post = (body: unknown, query = '', type?: string) =>
    server.call(`${maps}${query}`, { method: 'POST', body, ...(type === undefined ? {} : { type }) });
  const good = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"k":"v","k":"w"},"foo":1}';
  const strict = await post(good, '?fieldValidation=Strict');
  assert.deepEqual([strict.code, strict.body.reason], [400, 'BadRequest']);
  assert.match(strict.body.message ?? '', /strict decoding error: duplicate field "data.k", unknown field "foo"/);
  const warned = await post(good);
  assert.equal(warned.code, 201);
  assert.equal(warned.headers['warning'], '299 - "duplicate field \\"data.k\\"", 299 - "unknown field \\"foo\\""');
  for (const [body, code] of [
    ['', 400],
    ['{', 400],
    ['[]', 400],
    [Buffer.from([0x7b, 0xff]), 400],
    [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, 400],
    ['{"kind":"Secret","apiVersion":"v1","metadata":{"name":"y"}}', 400],
    ['{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"y"}}', 400],
    ['{"metadata":{"name":"y","namespace":"b"}}', 400],
    ['{"metadata":{"name":"y"},"data":{"__proto__":"z"}}', 400],
    ['{"metadata":{}}', 422],
  ] as const) {
    assert.equal((await post(body)).code, code, String(body).slice(0, 80));
  }
  assert.equal((await post('x', '', 'text/plain')).code, 415);
  assert.equal((await post(`{"metadata":{"name":"${'x'.repeat(3_200_000)}"}}`)).code, 413);
  assert.deepEqual(names(await server.call(maps)), ['x']);
});

test('protobuf and YAML bodies are read, and answered in kind when nothing else will do', async () => {
  await using server = await open();
  const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p' }, data: { k: 'v' } };
  const type = 'application/vnd.kubernetes.protobuf';
  const made = await server.call(maps, {
    method: 'POST',
    body: encodeProtobuf(ConfigMap.schema, object),
    type,
    headers: { accept: type },
  });
  assert.deepEqual(
    [made.code, made.headers['content-type'], made.bytes.subarray(0, 4).toString()],
    [201, type, 'k8s\0'],
  );
  const yaml = await server.call(maps, {
    method: 'POST',
    type: 'application/yaml',
    body: 'metadata: {name: yam}\ndata: {k: "1"}\n',
  });
  assert.equal(yaml.code, 201);
  const list = await server.call(maps, { headers: { accept: type } });
  assert.equal(list.headers['content-type'], type);
  const shown = await server.call(`${maps}/yam`, { headers: { accept: 'application/yaml' } });
  assert.match(shown.bytes.toString(), /^data:\n {2}k: "1"$/m);
  assert.equal((await server.call(maps, { headers: { accept: 'application/cbor' } })).code, 406);
});

test('lists are paged at one revision, and go on inconsistently once that is compacted', async ({ signal }) => {
  const store = memoryStore();
  await using server = await open({ store });
  for (const name of ['c1', 'c2', 'c3', 'c4', 'c5']) await server.make(name);
  const first = await server.call(`${maps}?limit=2`);
  const { continue: token, remainingItemCount, resourceVersion } = first.body.metadata as Record<string, string>;
  assert.deepEqual([names(first), remainingItemCount, resourceVersion], [['c1', 'c2'], 3, '5']);
  await server.make('c25');
  const second = await server.call(`${maps}?limit=2&continue=${token}`);
  assert.deepEqual([names(second), second.body.metadata.resourceVersion], [['c3', 'c4'], '5']);
  const third = await server.call(
    `${maps}?limit=2&continue=${(second.body.metadata as { continue: string }).continue}`,
  );
  assert.deepEqual([names(third), third.body.metadata.continue], [['c5'], undefined]);
  await store.compact(await store.current({ signal }), { signal });
  const gone = await server.call(`${maps}?limit=2&continue=${token}`);
  assert.deepEqual([gone.code, gone.body.reason], [410, 'Expired']);
  const inconsistent = await server.call(`${maps}?limit=2&continue=${gone.body.metadata.continue}`);
  assert.deepEqual(names(inconsistent), ['c25', 'c3']);
  assert.equal((await server.call(`${maps}?continue=nonsense`)).code, 400);
  assert.equal((await server.call(`${maps}?limit=2&continue=${token}&resourceVersion=5`)).code, 400);
});

test('lists obey resourceVersion and its match', async () => {
  await using server = await open();
  await server.make('c1');
  await server.make('c2');
  assert.deepEqual(names(await server.call(`${maps}?resourceVersion=1&resourceVersionMatch=Exact`)), ['c1']);
  assert.deepEqual(names(await server.call(`${maps}?resourceVersion=1&resourceVersionMatch=NotOlderThan`)), [
    'c1',
    'c2',
  ]);
  assert.deepEqual(names(await server.call(`${maps}?resourceVersion=0`)), ['c1', 'c2']);
  assert.equal((await server.call(`${maps}?resourceVersionMatch=Exact`)).code, 422);
  assert.equal((await server.call(`${maps}?resourceVersion=x`)).code, 400);
});

test('selectors choose by labels and by published fields, and a field that is none is refused', async () => {
  await using server = await open();
  await server.make('c1', {}, { app: 'web' });
  await server.make('c2', {}, { app: 'db' });
  assert.deepEqual(names(await server.call(`${maps}?labelSelector=${encodeURIComponent('app in (db,x)')}`)), ['c2']);
  const limited = await server.call(`${maps}?limit=1&labelSelector=app`);
  assert.deepEqual(
    [names(limited), limited.body.metadata],
    [['c1'], { resourceVersion: '2', continue: (limited.body.metadata as { continue: string }).continue }],
  );
  assert.deepEqual(names(await server.call(`${maps}?fieldSelector=metadata.name%3Dc1`)), ['c1']);
  const wrong = await server.call(`${maps}?fieldSelector=data.x%3D1`);
  assert.deepEqual([wrong.code, wrong.body.message], [400, 'field label not supported: data.x']);
});

test('a watch with sendInitialEvents ends the state with its bookmark', async () => {
  await using server = await open();
  await server.make('c1');
  const events = await server.watch(
    `${maps}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  assert.deepEqual(
    events.map(({ type, object }) => [
      type,
      (object as ConfigMap).metadata?.name,
      (object as ConfigMap).metadata?.annotations,
    ]),
    [
      ['ADDED', 'c1', undefined],
      ['BOOKMARK', undefined, { 'k8s.io/initial-events-end': 'true' }],
    ],
  );
  assert.equal((await server.call(`${maps}?watch=true&sendInitialEvents=true`)).code, 422);
  assert.equal((await server.call(`${maps}?watch=true&resourceVersionMatch=NotOlderThan`)).code, 422);
});

test('a watch goes on after a version, with objects that enter and leave its selector', async ({ signal }) => {
  await using server = await open();
  const { client } = server;
  await server.make('c1', {}, { in: 'yes' });
  const ref = { namespace: 'a', name: 'c1' };
  const label = (value: string) =>
    client.patch(ConfigMap, ref, { type: 'merge', patch: { metadata: { labels: { in: value } } } }, { signal });
  await label('no');
  await label('yes');
  await client.patch(ConfigMap, ref, { type: 'merge', patch: { data: { k: 'v' } } }, { signal });
  await client.delete(ConfigMap, ref, { signal });
  const events = await server.watch(`${maps}?resourceVersion=1&labelSelector=in%3Dyes`);
  assert.deepEqual(
    events.map(({ type, object }) => [
      type,
      (object as ConfigMap).metadata?.resourceVersion,
      (object as ConfigMap).metadata?.labels?.['in'],
    ]),
    [
      ['DELETED', '2', 'yes'],
      ['ADDED', '3', 'yes'],
      ['MODIFIED', '4', 'yes'],
      ['DELETED', '5', 'yes'],
    ],
  );
});

test('a watch from before the server started is served from the history, until that is compacted', async ({
  signal,
}) => {
  const store = memoryStore();
  {
    await using earlier = await open({ store });
    await earlier.make('c1');
    await earlier.make('c2');
  }
  await using server = await open({ store });
  const events = await server.watch(`${maps}?resourceVersion=1`);
  assert.deepEqual(
    events.map(({ type, object }) => [type, (object as ConfigMap).metadata?.name]),
    [['ADDED', 'c2']],
  );
  await store.compact(await store.current({ signal }), { signal });
  const { code, body } = await server.call(`${maps}?watch=true&resourceVersion=1`);
  assert.deepEqual([code, body.reason ?? 'Expired'], [410, 'Expired']);
});

test('a watch that cannot go on ends with an ERROR event, in the form of the watch', async () => {
  await using server = await open();
  await server.make('c1');
  const { cache } = server.api.registry.of(ConfigMap);
  const open1 = server.watch(maps);
  const open2 = server.call(`${maps}?watch=true`, { headers: { accept: 'application/vnd.kubernetes.protobuf' } });
  while (cache.watchers < 2) await new Promise((resolve) => setImmediate(resolve));
  cache.lost();
  const events = await open1;
  const { kind, code, reason, message } = (events.at(-1)?.object ?? {}) as Status;
  assert.deepEqual(
    [events.map(({ type }) => type), kind, code, reason],
    [['ADDED', 'ERROR'].slice(-events.length), 'Status', 410, 'Expired'],
  );
  assert.match(message ?? '', /^too old resource version/);
  const { bytes } = await open2;
  const lastFrame = bytes.subarray(bytes.lastIndexOf('ERROR'));
  const status = readMessage(
    definition('io.k8s.apimachinery.pkg.apis.meta.v1.Status'),
    openEnvelope(lastFrame.subarray(lastFrame.indexOf('k8s\0'))),
  );
  assert.deepEqual([status['kind'], status['code'], status['reason']], ['Status', 410, 'Expired']);
});

test('kubectl get is served tables, for objects, lists and watches', async () => {
  await using server = await open();
  await server.make('c1', { data: { k: 'v' } });
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { body } = await server.call(maps, { headers });
  assert.equal(body.kind, 'Table');
  const rows = body['rows'] as unknown as { cells: unknown[]; object: { kind: string } }[];
  assert.deepEqual([rows.length, rows[0]?.cells[0], rows[0]?.object.kind], [1, 'c1', 'PartialObjectMetadata']);
  const one = await server.call(`${maps}/c1?includeObject=Object`, { headers });
  assert.equal((one.body['rows'] as unknown as { object: { kind: string } }[])[0]?.object.kind, 'ConfigMap');
  const events = await server.watch(maps, headers);
  assert.deepEqual(
    events.map(({ type, object }) => [type, (object as { kind: string }).kind]),
    [['ADDED', 'Table']],
  );
  const review = {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    spec: { nonResourceAttributes: { path: '/', verb: 'get' } },
  };
  const refused = await server.call('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    method: 'POST',
    body: review,
    headers,
  });
  assert.equal(refused.code, 406);
});

test('metadata informers get metadata alone', async () => {
  await using server = await open();
  await server.make('c1', { data: { k: 'v' } });
  const { body } = await server.call(maps, {
    headers: { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' },
  });
  const [item] = body['items'] as unknown as object[];
  assert.deepEqual(
    [body.kind as string, Object.keys(item ?? {})],
    ['PartialObjectMetadataList', ['kind', 'apiVersion', 'metadata']],
  );
});

test('large lists are compressed for those who take it', async () => {
  await using server = await open();
  await server.make('c1', { data: { k: 'x'.repeat(200_000) } });
  const { headers, bytes } = await server.call(maps, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(headers['content-encoding'], 'gzip');
  assert.equal((JSON.parse(gunzipSync(bytes).toString()) as { items: unknown[] }).items.length, 1);
  assert.ok(bytes.length < 10_000);
});

test('discovery is had in one document, or as of old', async () => {
  await using server = await open();
  const accept =
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';
  const { headers, body } = await server.call('/apis', { headers: { accept } });
  assert.equal(headers['content-type'], 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
  const apps = (
    body['items'] as unknown as {
      metadata: { name: string };
      versions: { resources: { resource: string; subresources: { subresource: string }[] }[] }[];
    }[]
  ).find(({ metadata }) => metadata.name === 'apps');
  const deployments = apps?.versions[0]?.resources.find(({ resource }) => resource === 'deployments');
  assert.deepEqual(
    deployments?.subresources.map(({ subresource }) => subresource),
    ['scale', 'status'],
  );
  const cached = await server.call('/apis', { headers: { accept, 'if-none-match': String(headers['etag']) } });
  assert.equal(cached.code, 304);
  const old = await server.call('/api/v1');
  const pods = (
    old.body['resources'] as unknown as { name: string; shortNames?: string[]; kind: string; group?: string }[]
  ).filter(({ name }) => name.startsWith('pods'));
  assert.deepEqual(pods.find(({ name }) => name === 'pods')?.shortNames, ['po']);
  assert.deepEqual(pods.find(({ name }) => name === 'pods/eviction')?.group, 'policy');
  assert.equal((await server.call('/apis/apps')).body.kind, 'APIGroup');
});

test('impersonation is itself authorized', async () => {
  await using server = await open({
    authorizer: {
      authorize: async ({ user, verb }) => ({
        allowed: verb !== 'impersonate' || user.username === 'admin',
        reason: '',
      }),
    },
  });
  const body = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
  const review = (token: string) =>
    server.call('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      method: 'POST',
      body,
      token,
      headers: { 'impersonate-user': 'system:serviceaccount:a:b' },
    });
  assert.deepEqual(
    ((await review('admin')).body['status'] as unknown as { userInfo: { groups: string[] } }).userInfo.groups,
    ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'],
  );
  const refused = await review('user:bob');
  assert.match(
    refused.body.message ?? '',
    /serviceaccounts "b" is forbidden: User "bob" cannot impersonate resource "serviceaccounts"/,
  );
});

test('pods and services are reached through the proxy, without the credentials of the caller', async ({ signal }) => {
  const seen: {
    method?: string | undefined;
    url?: string | undefined;
    authorization?: string | undefined;
    body: string;
  }[] = [];
  const backend = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      seen.push({
        method: req.method,
        url: req.url,
        authorization: req.headers.authorization,
        body: Buffer.concat(chunks).toString(),
      });
      res.writeHead(302, { location: '/elsewhere' }).end('moved');
    });
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  try {
    await using server = await open({ mayProxyTo: () => true });
    const pod = await server.client.create(
      Pod,
      {
        metadata: { name: 'web', namespace: 'a' },
        spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: port }] }] },
      },
      { signal },
    );
    const status = { ...pod.status, podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
    await server.client.update(Pod, { ...pod, status }, { signal, subresource: 'status' });
    const reply = await server.call('/api/v1/namespaces/a/pods/web/proxy/x%2Fy/?q=1', {
      method: 'PUT',
      body: 'hello',
      type: 'text/plain',
    });
    assert.deepEqual([reply.code, reply.headers['location'], reply.bytes.toString()], [302, '/elsewhere', 'moved']);
    assert.deepEqual(seen, [{ method: 'PUT', url: '/x%2Fy/?q=1', authorization: undefined, body: 'hello' }]);
    assert.equal((await server.call('/api/v1/namespaces/a/pods/http:web:1/proxy/')).code, 503);
    await using strict = await open({ store: server.api.registry.store });
    assert.equal((await strict.call('/api/v1/namespaces/a/pods/web/proxy/')).body.message, 'address not allowed');
  } finally {
    backend.close();
    backend.closeAllConnections();
  }
});

test('many requests share one HTTP/2 connection', async () => {
  await using server = await open();
  await server.make('c1');
  const session = connectHttp2(server.url, { ca: server.ca.certificate });
  try {
    const codes = await Promise.all(
      Array.from(
        { length: 50 },
        () =>
          new Promise((resolve, reject) => {
            const stream = session.request({ ':path': `${maps}/c1`, authorization: 'Bearer admin' });
            stream.on('response', (headers) => resolve(headers[':status']));
            stream.on('error', reject);
            stream.resume();
          }),
      ),
    );
    assert.deepEqual(new Set(codes), new Set([200]));
  } finally {
    session.destroy();
  }
});

test('a closing server ends its watches and then its connections', async () => {
  const server = await open();
  const session = connectHttp2(server.url, { ca: server.ca.certificate });
  const stream = session.request({ ':path': `${maps}?watch=true`, authorization: 'Bearer admin' });
  stream.resume();
  await new Promise((resolve) => stream.once('response', resolve));
  const ended = new Promise((resolve) => stream.once('close', resolve));
  const closed = new Promise((resolve) => session.once('close', resolve));
  await server[Symbol.asyncDispose]();
  await Promise.all([ended, closed]);
});
