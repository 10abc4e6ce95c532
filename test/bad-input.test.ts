import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawApi, refusalOf, type Refusal, type Reply } from './support/api.ts';
import { Tutti } from './support/tutti.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const services = '/api/v1/namespaces/default/services';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const yaml = { 'content-type': 'application/yaml' };
const mergePatch = { 'content-type': 'application/merge-patch+json' };

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
  await api.json('POST', configMaps, configMap('there', { a: '1' }));
  await api.json('POST', services, service('there', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }));
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

const configMap = (name: string, data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const service = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
const pod = (name: string | undefined, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'x:1' }], ...spec },
});

/** Everything the calls below could have changed. */
async function everything(): Promise<readonly unknown[]> {
  const lists = await Promise.all(
    [configMaps, pods, services, deployments].map((path) => api.json<{ items: unknown[] }>('GET', path)),
  );
  return lists.map(({ items }) => items);
}

/** The refusal of a call, after checking that it changed nothing and that the server goes on. */
async function refused(...call: Parameters<RawApi['send']>): Promise<Refusal> {
  const earlier = await everything();
  const reply: Reply = await api.send(...call);
  assert.deepEqual(await everything(), earlier, 'something has changed');
  assert.equal((await api.send('GET', '/livez')).text, 'ok');
  return refusalOf(reply);
}

const badRequest = (message: string): Refusal => ({ code: 400, reason: 'BadRequest', message, fields: [] });

async function assertInvalid(field: string, message: RegExp, ...call: Parameters<RawApi['send']>): Promise<void> {
  const refusal = await refused(...call);
  assert.deepEqual(
    { code: refusal.code, reason: refusal.reason, fields: [...new Set(refusal.fields)] },
    { code: 422, reason: 'Invalid', fields: [field] },
  );
  assert.match(refusal.message ?? '', message);
}

test('an unknown field is refused with fieldValidation=Strict and warned of with Warn, which is the default', async () => {
  const body = pod('odd', { replicas: 3 });
  assert.deepEqual(
    await refused('POST', `${pods}?fieldValidation=Strict`, body),
    badRequest('Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.replicas"'),
  );
  for (const query of ['?fieldValidation=Warn&dryRun=All', '?dryRun=All']) {
    const reply = await api.send('POST', pods + query, body);
    assert.deepEqual([reply.code, reply.headers['warning']], [201, '299 - "unknown field \\"spec.replicas\\""']);
  }
  const ignored = await api.send('POST', `${pods}?fieldValidation=Ignore&dryRun=All`, body);
  assert.deepEqual([ignored.code, ignored.headers['warning']], [201, undefined]);
  await assertInvalid('fieldValidation', /supported values: .*"Strict"/, 'POST', `${pods}?fieldValidation=Nope`, body);
});

test('a value of the wrong type is refused, naming field and type', async () => {
  assert.deepEqual(
    await refused('POST', pods, pod('b', { terminationGracePeriodSeconds: 'soon' })),
    badRequest(
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64',
    ),
  );
  assert.match(
    (await refused('POST', pods, pod('b', { containers: {} }))).message ?? '',
    /cannot unmarshal object into Go struct field PodSpec.spec.containers/,
  );
});

test('missing and bad names, labels and duplicates are refused with their field', async () => {
  await assertInvalid('metadata.name', /name or generateName is required/, 'POST', pods, pod(undefined));
  await assertInvalid('metadata.name', /lowercase RFC 1123 subdomain/, 'POST', pods, pod('Bad_Name'));
  const labels = { 'a b': 'x', ok: '-no-' };
  await assertInvalid('metadata.labels', /"a b".*"-no-"/s, 'POST', pods, pod('b', {}, { labels }));
  const twice = { containers: [1, 2].map(() => ({ name: 'c', image: 'x' })) };
  await assertInvalid('spec.containers[1].name', /Duplicate value: "c"/, 'POST', pods, pod('b', twice));
});

test('a name that is taken and a stale resourceVersion are conflicts, told apart by their reasons', async () => {
  assert.deepEqual(await refused('POST', configMaps, configMap('there', {})), {
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "there" already exists',
    fields: [],
  });
  const stale = { ...configMap('there', { a: '2' }), metadata: { name: 'there', resourceVersion: '1' } };
  assert.deepEqual(await refused('PUT', `${configMaps}/there`, stale), {
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your changes to the latest version and try again',
    fields: [],
  });
});

test('objects beyond 1.5 MB and requests beyond 3 MB are refused with their size and the limit', async () => {
  const big = pod('big', { containers: [{ name: 'c', image: 'x:1', args: ['x'.repeat(1_600 * 1024)] }] });
  const tooLarge = await refused('POST', pods, big);
  assert.deepEqual([tooLarge.code, tooLarge.reason], [413, 'RequestEntityTooLarge']);
  assert.match(tooLarge.message ?? '', /^Pod "big" is too large: \d+ bytes encoded, at most 1572864 are stored/);
  assert.deepEqual(await refused('POST', configMaps, configMap('big', { a: 'x'.repeat(4_000_000) })), {
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: limit is 3145728 bytes',
    fields: [],
  });
  await assertInvalid('[]', /1048576 bytes/, 'POST', configMaps, configMap('big', { a: 'x'.repeat(1_200_000) }));
});

test('a YAML bomb is refused before it unfolds', async () => {
  const letters = 'abcdefghij'.split('');
  const lines = letters.map((name, i) => {
    const item = i === 0 ? '"x"' : `*${letters[i - 1]!}`;
    return `${name}: &${name} [${Array.from({ length: 9 }, () => item).join(',')}]`;
  });
  const bomb = [...lines, 'apiVersion: v1', 'kind: ConfigMap', 'metadata: {name: bomb}', ''].join('\n');
  assert.deepEqual(
    await refused('POST', configMaps, bomb, yaml),
    badRequest('the YAML body has more than 200000 values once its aliases are followed'),
  );
});

test('a body nested 10,000 deep is refused, as JSON, as YAML and as a patch', async () => {
  const depth = 10_000;
  const array = '['.repeat(depth) + ']'.repeat(depth);
  const object = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  const refusal = badRequest('the JSON body is nested deeper than 500 levels');
  assert.deepEqual(await refused('POST', configMaps, array), refusal);
  assert.deepEqual(
    await refused('POST', configMaps, `{"apiVersion":"v1","kind":"ConfigMap","data":${object}}`),
    refusal,
  );
  assert.deepEqual(await refused('PATCH', `${configMaps}/there`, `{"data":${object}}`, mergePatch), refusal);
  const yamlRefusal = badRequest('the YAML body is nested deeper than 500 levels');
  assert.deepEqual(await refused('POST', configMaps, array, yaml), yamlRefusal);
  const block = Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
  assert.deepEqual(await refused('POST', configMaps, block, yaml), yamlRefusal);
});

test('"__proto__" is a key like no other: refused in objects and in patches', async () => {
  const named = (rest: string) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},${rest}}`;
  assert.deepEqual(
    await refused('POST', configMaps, named('"__proto__":{"polluted":true},"data":{"__proto__":"x"}')),
    badRequest('ConfigMap in version "v1" cannot be handled as a ConfigMap: data: the key "__proto__" is not allowed'),
  );
  const inPatch = badRequest('patch must not contain the key "__proto__"');
  assert.deepEqual(
    await refused('PATCH', `${configMaps}/there`, '{"metadata":{"labels":{"__proto__":"x"}}}', mergePatch),
    inPatch,
  );
  assert.deepEqual(
    await refused('PATCH', `${configMaps}/there`, '[{"op":"add","path":"/__proto__/polluted","value":1}]', {
      'content-type': 'application/json-patch+json',
    }),
    inPatch,
  );
});

test('bytes that are no UTF-8, broken JSON and an empty body are refused, saying where', async () => {
  const [head, tail] = ['{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"u"},"data":{"a":"', '"}}'];
  const bytes = Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xfe]), Buffer.from(tail)]);
  assert.deepEqual(
    await refused('POST', configMaps, bytes),
    badRequest(`the body is not valid UTF-8 at byte ${head.length}`),
  );
  assert.match(
    (await refused('POST', configMaps, '{"apiVersion":"v1",')).message ?? '',
    /not valid JSON: .*position 19/,
  );
  assert.deepEqual(await refused('POST', configMaps, ''), badRequest('the body is empty; a JSON object is expected'));
  const { code, reason } = await refused('POST', configMaps, Buffer.from('k8s\0garbage'), {
    'content-type': 'application/vnd.kubernetes.protobuf',
  });
  assert.deepEqual([code, reason], [400, 'BadRequest']);
});

test('duplicate keys are refused when asked to be strict', async () => {
  const json = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"}}';
  const refusal = badRequest(
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"',
  );
  assert.deepEqual(await refused('POST', `${configMaps}?fieldValidation=Strict`, json), refusal);
  const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {a: b, a: c}\n';
  assert.deepEqual(await refused('POST', `${configMaps}?fieldValidation=Strict`, text, yaml), refusal);
  const warned = await api.send('POST', `${configMaps}?dryRun=All`, json);
  assert.equal(warned.headers['warning'], '299 - "duplicate field \\"data.a\\""');
});

test('integers that cannot be kept exactly are refused, never rounded', async () => {
  for (const value of ['9223372036854775808', '9007199254740993', '1e999']) {
    const body = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"h"},"spec":{"terminationGracePeriodSeconds":${value},"containers":[{"name":"c","image":"x"}]}}`;
    const { code, reason, message } = await refused('POST', pods, body);
    assert.deepEqual([code, reason], [400, 'BadRequest']);
    assert.match(message ?? '', /spec\.terminationGracePeriodSeconds/);
  }
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } };
  const spec = { replicas: 3_000_000_000, selector: { matchLabels: { a: 'b' } }, template };
  assert.match(
    (await refused('POST', deployments, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'h' }, spec }))
      .message ?? '',
    /cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32/,
  );
});

test('ports and addresses that are taken are refused with their field', async () => {
  const nodePort = (port: number) => service('s', { type: 'NodePort', ports: [{ port: 80, nodePort: port }] });
  const field = 'spec.ports[0].nodePort';
  await assertInvalid(field, /30080: provided port is already allocated/, 'POST', services, nodePort(30080));
  await assertInvalid(field, /The range of valid ports is 30000-32767/, 'POST', services, nodePort(80));
  const taken = service('s', { clusterIP: '10.96.0.1', ports: [{ port: 80 }] });
  await assertInvalid('spec.clusterIPs', /10\.96\.0\.1: provided IP is already allocated/, 'POST', services, taken);
});

test('objects for elsewhere are refused: wrong kind, wrong namespace, no such namespace, unknown format', async () => {
  assert.deepEqual(
    await refused('POST', configMaps, pod('z')),
    badRequest(
      'Pod in version "v1" cannot be handled as a ConfigMap: the request is for a ConfigMap, its body is a Pod',
    ),
  );
  const elsewhere = { ...configMap('m', {}), metadata: { name: 'm', namespace: 'other' } };
  assert.equal((await refused('POST', configMaps, elsewhere)).code, 400);
  assert.deepEqual(await refused('POST', '/api/v1/namespaces/nope/configmaps', configMap('m', {})), {
    code: 404,
    reason: 'NotFound',
    message: 'namespaces "nope" not found',
    fields: [],
  });
  const { code, reason } = await refused('POST', configMaps, 'x', { 'content-type': 'text/plain' });
  assert.deepEqual([code, reason], [415, 'UnsupportedMediaType']);
});
