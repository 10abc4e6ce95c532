import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { issueCertificate } from '#lib/x509.ts';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { define, definitionOf, definitions, schemaOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

interface Split extends ApiObject {
  readonly spec: { readonly hostPort?: string; readonly host?: string; readonly port?: string };
}
interface Review {
  readonly apiVersion: string;
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects: readonly Split[] };
}

let cluster: Tutti;
let api: RawApi;
let webhook: Server;
let caBundle: string;
let mode: 'good' | 'renames' | 'refuses' = 'good';
let calls = 0;

/** `host:port` in v1, two fields in v2. */
function converted(object: Split, desired: string): Split {
  const { hostPort, host, port } = object.spec;
  if (desired.endsWith('/v2')) {
    const [left, right] = (hostPort ?? '').split(':');
    return { ...object, apiVersion: desired, spec: { host: left ?? '', port: right ?? '' } };
  }
  return { ...object, apiVersion: desired, spec: { hostPort: `${host}:${port}` } };
}

function answer({ apiVersion, request }: Review): object {
  calls++;
  const objects = request.objects.map((object) => converted(object, request.desiredAPIVersion));
  const renamed = objects.map((object) => ({ ...object, metadata: { ...object.metadata, name: 'other' } }));
  const response =
    mode === 'refuses'
      ? { uid: request.uid, result: { status: 'Failure', message: 'not today' } }
      : { uid: request.uid, result: { status: 'Success' }, convertedObjects: mode === 'renames' ? renamed : objects };
  return { kind: 'ConversionReview', apiVersion, response };
}

before(async () => {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const ca = await issueCertificate({ use: 'authority', commonName: 'webhook CA', ...validity });
  const own = await issueCertificate(
    { use: 'server', commonName: 'webhook', hosts: ['127.0.0.1', 'localhost'], ...validity },
    ca,
  );
  caBundle = Buffer.from(ca.certificate).toString('base64');
  webhook = createServer({ key: own.key, cert: own.certificate }, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => res.end(JSON.stringify(answer(JSON.parse(Buffer.concat(chunks).toString()) as Review))));
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
  const text = { type: 'string' };
  const versions = [
    { name: 'v1', served: true, storage: true, schema: schemaOf({ hostPort: text }) },
    { name: 'v2', served: true, storage: false, schema: schemaOf({ host: text, port: text }) },
  ];
  const url = `https://localhost:${(webhook.address() as AddressInfo).port}/convert`;
  const conversion = {
    strategy: 'Webhook',
    webhook: { conversionReviewVersions: ['v1'], clientConfig: { url, caBundle } },
  };
  await define(api, definitionOf({}, { plural: 'splits', kind: 'Split', versions, spec: { conversion } }));
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
  webhook.closeAllConnections();
  webhook.close();
});

const merge = { 'content-type': 'application/merge-patch+json' };
const one = '/apis/example.com/v1/namespaces/default/splits';
const two = '/apis/example.com/v2/namespaces/default/splits';
const split = (version: string, name: string, spec: object) => ({
  apiVersion: `example.com/${version}`,
  kind: 'Split',
  metadata: { name },
  spec,
});

test('each version of an object is what the webhook makes of what is stored', async () => {
  await api.json('POST', one, split('v1', 'a', { hostPort: 'x:1' }));
  assert.deepEqual((await api.json<Split>('GET', `${two}/a`)).spec, { host: 'x', port: '1' });
  const made = await api.json<Split>('POST', two, split('v2', 'b', { host: 'y', port: '2' }));
  assert.deepEqual([made.apiVersion, made.spec], ['example.com/v2', { host: 'y', port: '2' }]);
  assert.deepEqual((await api.json<Split>('GET', `${one}/b`)).spec, { hostPort: 'y:2' });
  const patched = await api.json<Split>('PATCH', `${two}/a`, { spec: { port: '9' } }, merge);
  assert.deepEqual([patched.spec, patched.metadata?.generation], [{ host: 'x', port: '9' }, 2]);
  assert.deepEqual((await api.json<Split>('GET', `${one}/a`)).spec, { hostPort: 'x:9' });
});

test('a list is converted by one call, and again only what has changed; watches are converted too', async () => {
  const { metadata } = await api.json<{ metadata: { resourceVersion: string } }>('GET', one);
  for (const name of ['l1', 'l2', 'l3']) await api.json('POST', one, split('v1', name, { hostPort: `${name}:1` }));
  calls = 0;
  const list = await api.json<{ items: Split[] }>('GET', two);
  assert.ok(list.items.length >= 3 && list.items.every(({ spec }) => spec.host !== undefined));
  assert.equal(calls, 1);
  await api.json('GET', two);
  assert.equal(calls, 1);
  const events = await api.watch(`${two}?resourceVersion=${metadata.resourceVersion}`);
  const seen = events.map(
    ({ type, object }) => `${type} ${object.apiVersion} ${(object as unknown as Split).spec.host}`,
  );
  assert.deepEqual(
    seen,
    ['l1', 'l2', 'l3'].map((name) => `ADDED example.com/v2 ${name}`),
  );
});

test('after a switch of the storage version, a list mixes what was stored before and after', async () => {
  const crd = await api.json<{ spec: { versions: { name: string; storage: boolean }[] } }>(
    'GET',
    `${definitions}/splits.example.com`,
  );
  const versions = crd.spec.versions.map((each) => ({ ...each, storage: each.name === 'v2' }));
  await api.json('PATCH', `${definitions}/splits.example.com`, { spec: { versions } }, merge);
  await until('v2 is stored', async () => {
    const { status } = await api.json<{ status: { storedVersions: string[] } }>(
      'GET',
      `${definitions}/splits.example.com`,
    );
    return status.storedVersions.includes('v2');
  });
  await api.json('POST', one, split('v1', 'new', { hostPort: 'n:1' }));
  const hosts = async (path: string) => (await api.json<{ items: Split[] }>('GET', path)).items.map(({ spec }) => spec);
  assert.ok((await hosts(one)).every(({ hostPort, host }) => hostPort !== undefined && host === undefined));
  assert.ok((await hosts(two)).every(({ hostPort, host }) => hostPort === undefined && host !== undefined));
});

test('a webhook that fails, or makes another object of it, is told of', async () => {
  mode = 'refuses';
  await api.json('POST', two, split('v2', 'z', { host: 'z', port: '1' }));
  const refused = refusalOf(await api.send('GET', `${one}/z`));
  assert.deepEqual(
    [refused.code, refused.message],
    [500, 'conversion webhook for example.com/v2, Kind=Split failed: not today'],
  );
  mode = 'renames';
  const renamed = refusalOf(await api.send('GET', `${one}/z`));
  assert.match(renamed.message ?? '', /returned invalid converted object: must have the same name: other != z/);
  mode = 'good';
  assert.deepEqual((await api.json<Split>('GET', `${one}/z`)).spec, { hostPort: 'z:1' });
});
