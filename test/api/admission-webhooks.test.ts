import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import fc from 'fast-check';
import { RawApi, refusalOf } from '../support/api.ts';
import { define, definitionOf, schemaOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { patchOf, WebhookServer, type Handler } from '../support/webhook-server.ts';

/** Other people's servers that change and refuse what is stored, modelled on upstream's conformance tests. */

type Open = Readonly<Record<string, unknown>>;
/** Endpoints may not be on the loopback interface. */
const host = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family, address }) => !internal && family === 'IPv4' && !address.startsWith('169.254.'))?.address;
const skip = host === undefined ? 'this machine has no address but loopback ones' : false;
let cluster: Tutti;
let api: RawApi;
let server: WebhookServer;
before(async () => {
  server = await WebhookServer.start();
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const registration = '/apis/admissionregistration.k8s.io/v1';
const kinds = {
  mutating: { path: `${registration}/mutatingwebhookconfigurations`, kind: 'MutatingWebhookConfiguration' },
  validating: { path: `${registration}/validatingwebhookconfigurations`, kind: 'ValidatingWebhookConfiguration' },
} as const;
type Type = keyof typeof kinds;

afterEach(async () => {
  for (const type of ['mutating', 'validating'] as const) await remove(type);
  server.reviews.length = 0;
});

/** Configurations are in force once the server's cache has heard of them, and a list waits for that. */
const inForce = (type: Type) => api.json('GET', kinds[type].path);

async function remove(type: Type): Promise<void> {
  await api.json('DELETE', kinds[type].path);
  await inForce(type);
}

const onConfigMaps = { apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] };
let webhooks = 0;

const webhookOf = (handler: Handler | string, more: Open = {}) => ({
  name: `w${++webhooks}.example.com`,
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: {
    url: typeof handler === 'string' ? handler : server.on(`/w${webhooks}`, handler),
    caBundle: server.caBundle,
  },
  rules: [onConfigMaps],
  // Leader leases and the like of the cluster's own are left alone.
  namespaceSelector: {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['default'] }],
  },
  ...more,
});

async function configure(type: Type, name: string, hooks: readonly Open[]): Promise<void> {
  const { path: collection, kind } = kinds[type];
  const body = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, webhooks: hooks };
  await api.json('POST', collection, body);
  await inForce(type);
}

const configMaps = '/api/v1/namespaces/default/configmaps';
let maps = 0;
const configMap = (data: Open = {}, metadata: Open = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: `m${++maps}`, ...metadata },
  data,
});
const create = (data?: Open, metadata?: Open, query = '') =>
  api.send('POST', configMaps + query, configMap(data, metadata));
const merge = { 'content-type': 'application/merge-patch+json' };
const deny =
  (message: string, more: Open = {}): Handler =>
  () => ({ allowed: false, status: { message, ...more } });
const allow: Handler = () => ({ allowed: true });

test('a webhook refuses in its own words, with its own code and reason', async () => {
  await configure('validating', 'deny', [
    webhookOf(({ request }) =>
      request.object?.['data'] !== undefined && 'bad' in (request.object['data'] as object)
        ? { allowed: false, status: { message: 'no bad data', reason: 'Bad', code: 418 } }
        : { allowed: true },
    ),
  ]);
  const { name } = server.reviews.length === 0 ? { name: `w${webhooks}.example.com` } : { name: '' };
  assert.deepEqual(refusalOf(await create({ bad: 'x' })), {
    code: 418,
    reason: 'Bad',
    message: `admission webhook "${name}" denied the request: no bad data`,
    fields: [],
  });
  assert.equal((await create({ good: 'x' })).code, 201);
  const [review] = server.reviews;
  assert.equal(review?.apiVersion, 'admission.k8s.io/v1');
  const { request } = review;
  assert.equal(request.operation, 'CREATE');
  assert.deepEqual(request.kind, { group: '', version: 'v1', kind: 'ConfigMap' });
  assert.deepEqual(request.resource, { group: '', version: 'v1', resource: 'configmaps' });
  assert.deepEqual([request.namespace, request.dryRun, request.oldObject], ['default', false, null]);
  assert.equal(request.userInfo.username, 'kubernetes-admin');
});

test('a refusal without code, message or reason is a plain 400', async () => {
  await configure('validating', 'deny', [webhookOf(() => ({ allowed: false, status: { code: 200 } }))]);
  const refusal = refusalOf(await create());
  assert.equal(refusal.code, 400);
  assert.match(refusal.message ?? '', /denied the request without explanation$/);
});

test('what a validating webhook sees is byte for byte what is stored', async () => {
  let seen = '';
  await configure('mutating', 'first', [
    webhookOf(() => patchOf([{ op: 'add', path: '/metadata/annotations', value: { 'example.com/by': 'first' } }])),
  ]);
  await configure('validating', 'last', [
    webhookOf((_, text) => {
      seen = text;
      return { allowed: true };
    }),
  ]);
  const key = fc.stringMatching(/^[a-z][a-z0-9._-]{0,12}$/);
  const data = fc.dictionary(key, fc.string({ unit: 'binary', maxLength: 40 }), { maxKeys: 5 });
  const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[a-z0-9]{0,8}$/), { maxKeys: 3 });
  await fc.assert(
    fc.asyncProperty(data, labels, async (values, tags) => {
      const { metadata } = await api.json<{ metadata: { name: string } }>(
        'POST',
        configMaps,
        configMap(values, { labels: tags }),
      );
      const stored = (await api.send('GET', `${configMaps}/${metadata.name}`)).text.trimEnd();
      const bytes = stored.replace(/"resourceVersion":"\d+",/, '');
      assert.notEqual(bytes, stored);
      assert.ok(seen.includes(`"object":${bytes},`), `${seen}\n${bytes}`);
      assert.match(bytes, /"example\.com\/by":"first"/);
    }),
    { numRuns: 60 },
  );
});

test('mutating webhooks are asked in order, each about what the ones before have made', async () => {
  const add =
    (field: string): Handler =>
    ({ request }) =>
      patchOf([
        { op: 'add', path: `/data/${field}`, value: Object.keys(request.object?.['data'] as object).join('+') },
      ]);
  await configure('mutating', 'b', [webhookOf(add('third'))]);
  await configure('mutating', 'a', [webhookOf(add('first')), webhookOf(add('second'))]);
  const { data } = await api.json<{ data: Open }>('POST', configMaps, configMap({ own: '' }));
  assert.deepEqual(data, { own: '', first: 'own', second: 'own+first', third: 'own+first+second' });
});

test('a webhook is asked again if a later one has changed the object, and it wants that', async () => {
  const count =
    (field: string): Handler =>
    ({ request }) => {
      const data = (request.object?.['data'] ?? {}) as Record<string, string>;
      return patchOf([{ op: 'add', path: `/data/${field}`, value: `${Number(data[field] ?? '0') + 1}` }]);
    };
  await configure('mutating', 'a', [
    webhookOf(count('again'), { reinvocationPolicy: 'IfNeeded' }),
    webhookOf(count('once')),
  ]);
  const { data } = await api.json<{ data: Open }>('POST', configMaps, configMap({ own: '' }));
  assert.deepEqual(data, { own: '', again: '2', once: '1' });
});

test('what was changed is defaulted, validated and keeps what only the server sets', async () => {
  await configure('mutating', 'odd', [
    webhookOf(({ request }) =>
      patchOf(
        request.name === 'renamed'
          ? [{ op: 'replace', path: '/metadata/name', value: 'other' }]
          : request.name === 'invalid'
            ? [{ op: 'add', path: '/data/not%20valid', value: 'x' }]
            : request.name === 'no-such-path'
              ? [{ op: 'remove', path: '/data/none' }]
              : [
                  { op: 'replace', path: '/metadata/uid', value: 'mine' },
                  { op: 'add', path: '/unknown', value: 1 },
                ],
      ),
    ),
  ]);
  assert.equal(refusalOf(await create({ a: '' }, { name: 'renamed' })).code, 500);
  const invalid = refusalOf(await create({ a: '' }, { name: 'invalid' }));
  assert.deepEqual([invalid.code, invalid.fields], [422, ['data[not%20valid]']]);
  assert.match(refusalOf(await create({ a: '' }, { name: 'no-such-path' })).message ?? '', /cannot be applied/);
  const stored = await api.json<{ metadata: { uid: string }; unknown?: number }>('POST', configMaps, configMap());
  assert.notEqual(stored.metadata.uid, 'mine');
  assert.equal(stored.unknown, undefined);
});

test('a webhook that cannot be asked refuses, unless its failures are to be ignored', async () => {
  const nowhere = 'https://127.0.0.1:9/';
  await configure('validating', 'down', [webhookOf(nowhere)]);
  const down = refusalOf(await create());
  assert.equal(down.code, 500);
  assert.match(
    down.message ?? '',
    /^Internal error occurred: failed calling webhook "w\d+\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:9\/\?timeout=10s": .*ECONNREFUSED/,
  );
  await remove('validating');
  await configure('validating', 'down', [webhookOf(nowhere, { failurePolicy: 'Ignore' })]);
  await configure('mutating', 'down', [webhookOf(nowhere, { failurePolicy: 'Ignore' })]);
  assert.equal((await create()).code, 201);
  const metrics = (await api.send('GET', '/metrics')).text;
  assert.match(metrics, /^apiserver_admission_webhook_fail_open_count\{name="w\d+\.example\.com",type="admit"\} 1$/m);
  assert.match(metrics, /^apiserver_admission_webhook_rejection_count\{.*error_type="calling_webhook_error".*\} 1$/m);
});

test('time is up when its configuration says, whatever the webhook does', async () => {
  await configure('validating', 'slow', [webhookOf(() => () => {}, { timeoutSeconds: 1 })]);
  const start = performance.now();
  const refusal = refusalOf(await create());
  assert.match(refusal.message ?? '', /\?timeout=1s": context deadline exceeded$/);
  assert.ok(performance.now() - start < 10_000, 'the answer of the API did not wait for the webhook');
});

test('answers that are none count as failures: whatever a webhook sends, the API stays well', async () => {
  const evil: Readonly<Record<string, [RegExp, Handler]>> = {
    huge: [/more than 3145728 bytes/, () => (res) => res.end(Buffer.alloc(8 * 1024 * 1024, 'x'))],
    endless: [
      /more than 3145728 bytes/,
      () => (res) => {
        const more = () => {
          while (!res.destroyed && res.write(Buffer.alloc(64 * 1024, ' ')));
          res.once('drain', more);
        };
        more();
      },
    ],
    redirect: [/status 307/, () => (res) => res.writeHead(307, { location: server.url('/secret') }).end()],
    garbage: [/JSON/, () => (res) => res.end('<html>')],
    deep: [/deep|nest/i, () => (res) => res.end('['.repeat(100_000))],
    'no response': [/webhook response was absent/, () => (res) => res.end('{}')],
    'foreign uid': [/expected response\.uid="[-0-9a-f]{36}", got "other"/, () => ({ allowed: true, uid: 'other' })],
    'a patch': [
      /validating webhook may not return response\.patch/,
      () => patchOf([{ op: 'add', path: '/a', value: 1 }]),
    ],
    'cut off': [/ECONNRESET|socket hang up/, () => (res) => res.destroy()],
    'half an answer': [
      /aborted|ECONNRESET|JSON/,
      () => (res) => {
        res.writeHead(200, { 'content-length': '100' });
        res.write('{"a":');
        setTimeout(() => res.destroy(), 50);
      },
    ],
    'another version': [
      /expected webhook response of admission\.k8s\.io\/v1, Kind=AdmissionReview, got admission\.k8s\.io\/v2/,
      ({ request }) =>
        (res) =>
          res.end(
            JSON.stringify({
              apiVersion: 'admission.k8s.io/v2',
              kind: 'AdmissionReview',
              response: { uid: request.uid, allowed: true },
            }),
          ),
    ],
  };
  let followed = false;
  server.on('/secret', () => {
    followed = true;
    return { allowed: true };
  });
  for (const [what, [message, handler]] of Object.entries(evil)) {
    await configure('validating', 'evil', [webhookOf(handler)]);
    const refusal = refusalOf(await create());
    assert.equal(refusal.code, 500, what);
    assert.match(refusal.message ?? '', message, what);
    await remove('validating');
  }
  assert.equal(followed, false, 'a redirect was followed');
  await configure('validating', 'good', [webhookOf(allow)]);
  assert.equal((await create()).code, 201, 'the same with an answer that counts');
});

test('a certificate that nobody vouches for, or of another name, is not believed', async () => {
  const { clientConfig, ...hook } = webhookOf(allow);
  const other = await WebhookServer.start();
  try {
    await configure('validating', 'stranger', [
      { ...hook, clientConfig: { ...clientConfig, caBundle: other.caBundle } },
    ]);
    assert.match(refusalOf(await create()).message ?? '', /failed calling webhook .*certificate/);
  } finally {
    await other[Symbol.asyncDispose]();
  }
  await remove('validating');
  await configure('validating', 'named', [{ ...hook, clientConfig }]);
  assert.equal((await create()).code, 201);
});

test('a webhook behind a Service is called where its endpoints are, by the name of the Service', { skip }, async () => {
  await using behind = await WebhookServer.start(host);
  behind.on('/hook', deny('by way of a service'));
  const metadata = { name: 'hook' };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { ports: [{ port: 8443, targetPort: behind.port }] },
  };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    ports: [{ port: behind.port }],
    endpoints: [{ addresses: [host] }],
  };
  const reference = { namespace: 'default', name: 'hook', path: '/hook', port: 8443 };
  const clientConfig = { service: reference, caBundle: behind.caBundle };
  await configure('validating', 'service', [webhookOf(allow, { clientConfig })]);
  assert.match(refusalOf(await create()).message ?? '', /services "hook" not found/);
  await api.json('POST', '/api/v1/namespaces/default/services', service);
  assert.match(refusalOf(await create()).message ?? '', /no endpoints available for service "hook"/);
  await api.json('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice);
  assert.match(refusalOf(await create()).message ?? '', /: by way of a service$/);
});

test('rules, selectors and conditions say what a webhook is asked about', async () => {
  await configure('validating', 'narrow', [
    webhookOf(deny('labelled'), { objectSelector: { matchLabels: { guarded: 'yes' } } }),
    webhookOf(deny('deleted'), { rules: [{ ...onConfigMaps, operations: ['DELETE'] }] }),
    webhookOf(deny('condition'), {
      matchConditions: [
        { name: 'named', expression: 'object.metadata.name.startsWith("cond")' },
        { name: 'not-me', expression: '!("system:nobody" in request.userInfo.groups)' },
      ],
      rules: [{ ...onConfigMaps, operations: ['CREATE'] }],
    }),
    webhookOf(deny('cluster'), { rules: [{ ...onConfigMaps, scope: 'Cluster' }] }),
    webhookOf(deny('elsewhere'), { namespaceSelector: { matchLabels: { none: 'such' } } }),
  ]);
  const message = async (reply: Promise<Parameters<typeof refusalOf>[0]>) => refusalOf(await reply).message ?? '';
  assert.match(await message(create({}, { labels: { guarded: 'yes' } })), /: labelled$/);
  assert.match(await message(create({}, { name: 'cond-1' })), /: condition$/);
  const plain = await api.json<{ metadata: { name: string } }>('POST', configMaps, configMap());
  const one = `${configMaps}/${plain.metadata.name}`;
  assert.match(
    await message(api.send('PATCH', one, { metadata: { labels: { guarded: 'yes' } } }, merge)),
    /: labelled$/,
  );
  assert.match(await message(api.send('DELETE', one)), /: deleted$/);
  assert.match(await message(api.send('DELETE', configMaps)), /: deleted$/);
  assert.equal((await api.send('GET', one)).code, 200);
});

test('a condition that cannot be evaluated is a failure; one that cannot be compiled is refused', async () => {
  const matchConditions = [{ name: 'broken', expression: 'object.data.missing == "x"' }];
  await configure('validating', 'broken', [webhookOf(allow, { matchConditions })]);
  assert.equal(refusalOf(await create()).code, 403);
  await remove('validating');
  await configure('validating', 'broken', [webhookOf(deny('asked'), { matchConditions, failurePolicy: 'Ignore' })]);
  assert.equal((await create()).code, 201);
  assert.equal(server.reviews.length, 0);
  const bad = webhookOf(allow, { matchConditions: [{ name: 'syntax', expression: 'object.' }] });
  const refusal = refusalOf(
    await api.send('POST', kinds.validating.path, {
      kind: kinds.validating.kind,
      apiVersion: 'admissionregistration.k8s.io/v1',
      metadata: { name: 'bad' },
      webhooks: [bad],
    }),
  );
  assert.deepEqual([refusal.code, refusal.fields], [422, ['webhooks[0].matchConditions[0].expression']]);
});

test('dry runs are asked about only where that has no side effects', async () => {
  const old = { admissionReviewVersions: ['v1beta1', 'v1'] };
  await configure('validating', 'dry', [webhookOf(allow, { sideEffects: 'NoneOnDryRun', ...old })]);
  assert.equal((await create({}, {}, '?dryRun=All')).code, 201);
  assert.deepEqual(
    [server.reviews[0]?.request.dryRun, server.reviews[0]?.apiVersion],
    [true, 'admission.k8s.io/v1beta1'],
  );
  const refusal = refusalOf(
    await api.send('POST', kinds.validating.path, {
      kind: kinds.validating.kind,
      apiVersion: 'admissionregistration.k8s.io/v1',
      metadata: { name: 'some' },
      webhooks: [webhookOf(allow, { sideEffects: 'Some' })],
    }),
  );
  assert.deepEqual([refusal.code, refusal.fields], [422, ['webhooks[0].sideEffects']]);
});

test('subresources, custom resources, evictions and connections are asked about, too', async () => {
  await define(api, definitionOf(schemaOf({}), { plural: 'hooked', kind: 'Hooked' }));
  const rule = (resource: string, apiGroup = '', operations = ['*']) => ({
    apiGroups: [apiGroup],
    apiVersions: ['*'],
    operations,
    resources: [resource],
  });
  await configure('validating', 'wide', [
    webhookOf(
      ({ request }) => ({
        allowed: false,
        status: {
          message: `${request.operation} ${request.resource.resource}/${request.subResource} ${request.kind.kind}`,
        },
      }),
      {
        rules: [rule('deployments/scale', 'apps'), rule('pods/eviction'), rule('pods/attach'), rule('pods/status')],
      },
    ),
    webhookOf(({ request }) => ({ allowed: false, status: { message: `custom ${request.kind.kind}` } }), {
      rules: [rule('*', 'example.com')],
    }),
  ]);
  const containers = [{ name: 'main', image: 'web:1' }];
  await api.json('POST', '/api/v1/namespaces/default/pods', {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'p' },
    spec: { containers, schedulerName: 'none' },
  });
  const labels = { app: 'w' };
  await api.json('POST', '/apis/apps/v1/namespaces/default/deployments', {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'd' },
    spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  });
  const said = async (method: string, url: string, body?: object, headers = {}) =>
    refusalOf(await api.send(method, url, body, headers)).message?.split(': ')[1];
  const pod = '/api/v1/namespaces/default/pods/p';
  assert.equal(
    await said('PATCH', '/apis/apps/v1/namespaces/default/deployments/d/scale', { spec: { replicas: 1 } }, merge),
    'UPDATE deployments/scale Scale',
  );
  const eviction = { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'p' } };
  assert.equal(await said('POST', `${pod}/eviction`, eviction), 'CREATE pods/eviction Eviction');
  assert.equal(await said('PATCH', `${pod}/status`, { status: { message: 'x' } }, merge), 'UPDATE pods/status Pod');
  assert.equal(await said('POST', `${pod}/attach?stdout=true`), 'CONNECT pods/attach PodAttachOptions');
  const attached = server.reviews.find(({ request }) => request.operation === 'CONNECT')?.request.object;
  assert.deepEqual(attached, { kind: 'PodAttachOptions', apiVersion: 'v1', stdout: true });
  const custom = { kind: 'Hooked', apiVersion: 'example.com/v1', metadata: { name: 'h' }, spec: {} };
  assert.equal(await said('POST', '/apis/example.com/v1/namespaces/default/hooked', custom), 'custom Hooked');
});

test('warnings reach the client, annotations the audit log, and counts the metrics', async () => {
  await configure('validating', 'tells', [
    webhookOf(({ request }) => ({
      allowed: true,
      warnings:
        request.name === 'loud' ? Array.from({ length: 500 }, (_, n) => `${n}`.padEnd(2000, '!')) : ['look out'],
      auditAnnotations: { why: 'because' },
    })),
  ]);
  const name = `w${webhooks}.example.com`;
  const reply = await create();
  assert.match(String(reply.headers['warning']), /299 - "look out"/);
  const loud = await create({}, { name: 'loud' });
  assert.ok(String(loud.headers['warning']).length < 5_000, 'headers are no place for everything');
  const audited = await until('the audit event', () => {
    const lines = readFileSync(path.join(cluster.dataDir, 'logs', 'audit.log'), 'utf8').split('\n');
    return lines.find((line) => line.includes(`"${name}/why"`));
  });
  assert.equal((JSON.parse(audited) as { annotations: Open }).annotations[`${name}/why`], 'because');
  const metrics = (await api.send('GET', '/metrics')).text;
  const series = `apiserver_admission_webhook_admission_duration_seconds_count{name="${name}",type="validating",operation="CREATE",rejected="false"} 2`;
  assert.ok(metrics.includes(series));
});

test('a webhook that refuses everything locks nobody out of its configuration', async () => {
  const everything = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }];
  await configure('validating', 'wall', [
    webhookOf(deny('nothing goes'), { rules: everything, namespaceSelector: {} }),
  ]);
  await configure('mutating', 'wall', [webhookOf(deny('nothing goes'), { rules: everything, namespaceSelector: {} })]);
  assert.match(refusalOf(await create()).message ?? '', /nothing goes/);
  assert.match(refusalOf(await api.send('DELETE', '/api/v1/namespaces/default/pods/p')).message ?? '', /nothing goes/);
  const label = { metadata: { labels: { a: 'b' } } };
  await api.json('PATCH', `${kinds.validating.path}/wall`, label, merge);
  await api.json('DELETE', `${kinds.validating.path}/wall`);
  await api.json('DELETE', `${kinds.mutating.path}/wall`);
  await inForce('mutating');
  assert.equal((await create()).code, 201);
});

test('configurations get upstream’s defaults, and bad ones are refused field by field', async () => {
  await configure('mutating', 'plain', [webhookOf(allow, { namespaceSelector: undefined })]);
  const { webhooks: stored } = await api.json<{ webhooks: readonly Open[] }>('GET', `${kinds.mutating.path}/plain`);
  const { failurePolicy, matchPolicy, timeoutSeconds, reinvocationPolicy, namespaceSelector, objectSelector } =
    stored[0] ?? {};
  assert.deepEqual(
    { failurePolicy, matchPolicy, timeoutSeconds, reinvocationPolicy, namespaceSelector, objectSelector },
    {
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      timeoutSeconds: 10,
      reinvocationPolicy: 'Never',
      namespaceSelector: {},
      objectSelector: {},
    },
  );
  const bad = {
    name: 'short.name',
    admissionReviewVersions: ['v7'],
    clientConfig: { url: 'http://user@example.com/?a#b' },
    rules: [
      {
        operations: ['CREATE', '*'],
        apiGroups: [],
        apiVersions: [''],
        resources: ['pods/*', 'pods/exec'],
        scope: 'World',
      },
    ],
    timeoutSeconds: 31,
    failurePolicy: 'Maybe',
    sideEffects: undefined,
  };
  const service = { namespace: '', name: 'x', path: 'no/slash', port: 0 };
  const refusal = refusalOf(
    await api.send('POST', kinds.mutating.path, {
      kind: kinds.mutating.kind,
      apiVersion: 'admissionregistration.k8s.io/v1',
      metadata: { name: 'bad' },
      webhooks: [
        bad,
        { ...webhookOf(allow), name: 'a.b.c', clientConfig: { service } },
        { ...webhookOf(allow), name: 'a.b.c' },
      ],
    }),
  );
  assert.equal(refusal.code, 422);
  assert.deepEqual(
    [...new Set(refusal.fields.map(String))].toSorted((a, b) => (a < b ? -1 : 1)),
    [
      'webhooks[0].admissionReviewVersions',
      'webhooks[0].clientConfig.url',
      'webhooks[0].failurePolicy',
      'webhooks[0].name',
      'webhooks[0].rules[0].apiGroups',
      'webhooks[0].rules[0].apiVersions[0]',
      'webhooks[0].rules[0].operations',
      'webhooks[0].rules[0].resources[1]',
      'webhooks[0].rules[0].scope',
      'webhooks[0].sideEffects',
      'webhooks[0].timeoutSeconds',
      'webhooks[1].clientConfig.service.name',
      'webhooks[1].clientConfig.service.path',
      'webhooks[1].clientConfig.service.port',
      'webhooks[2].name',
    ],
  );
});
