import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { Pod } from '#api/core/pod.ts';
import { builtinKinds } from '#api/kinds.ts';
import { toStatusError } from '../rest/reply.ts';
import { OpenApiHandler } from './handler.ts';

const handler = new OpenApiHandler(() => builtinKinds);
const server = createServer((req: IncomingMessage, res: ServerResponse) => {
  const url = new URL(req.url ?? '/', 'http://localhost');
  const user = { username: 'admin', groups: [] };
  const context = { user, signal: new AbortController().signal, userAgent: 'test', warn: () => {} };
  const exchange = { req, res, method: req.method ?? 'GET', query: url.searchParams, context, warnings: [] };
  handler.handle(exchange, url.pathname).catch((error: unknown) => {
    res.writeHead(toStatusError(error).code).end();
  });
});
const listening = new Promise<number>((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
});
after(() => {
  server.close();
});

interface Reply {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Reply> {
  const port = await listening;
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => resolve({ code: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }));
    });
    req.on('error', reject);
    req.end();
  });
}

const json = ({ body }: Reply): unknown => JSON.parse(body.toString());

test('the index leads to a document a group version, whose URL changes with its content', async () => {
  const index = json(await get('/openapi/v3')) as { paths: Record<string, { serverRelativeURL: string }> };
  assert.ok(Object.keys(index.paths).includes('apis/apps/v1'));
  const url = index.paths['api/v1']?.serverRelativeURL ?? '';
  assert.match(url, /^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{128}$/);
  const reply = await get(url);
  assert.equal(reply.code, 200);
  assert.match(String(reply.headers['cache-control']), /immutable/);
  const stale = await get('/openapi/v3/api/v1?hash=OLD');
  assert.deepEqual([stale.code, stale.headers.location], [301, url]);
});

test('a client that has a document already is told so', async () => {
  for (const path of ['/openapi/v3/apis/apps/v1', '/openapi/v2']) {
    const first = await get(path);
    const again = await get(path, { 'if-none-match': String(first.headers.etag) });
    assert.deepEqual([again.code, again.body.length], [304, 0]);
  }
});

test('kubectl finds that the server validates fields, and how lists merge', async () => {
  const document = json(await get('/openapi/v3/apis/apps/v1')) as {
    paths: Record<string, { patch?: { parameters: { name: string }[]; 'x-kubernetes-group-version-kind': unknown } }>;
    components: { schemas: Record<string, { properties: Record<string, Record<string, unknown>> }> };
  };
  const { patch } = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'] ?? {};
  assert.ok(patch !== undefined && patch.parameters.some(({ name }) => name === 'fieldValidation'));
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', version: 'v1', kind: 'Deployment' });
  const containers = document.components.schemas['io.k8s.api.core.v1.PodSpec']?.properties['containers'];
  assert.deepEqual(containers?.['x-kubernetes-list-map-keys'], ['name']);
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name');
});

test('v2 is JSON or protobuf, as the client asks, and no reference of it leads nowhere', async () => {
  const reply = await get('/openapi/v2', { accept: 'application/json' });
  const text = reply.body.toString();
  const { definitions } = json(reply) as { definitions: Record<string, unknown> };
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) assert.ok(definitions[name], name);
  assert.ok(!/"default":(?!\{")/.test(text), 'v2 has no defaults, only fields of that name');
  const type = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const protobuf = await get('/openapi/v2', { accept: type });
  assert.equal(protobuf.headers['content-type'], type.replace('@', '.'));
  assert.equal(protobuf.body.subarray(0, 5).toString(), '\n\x032.0');
});

test('what is not there is refused', async () => {
  assert.equal((await get('/openapi/v3/apis/none/v1')).code, 404);
  assert.equal((await get('/openapi/v3', { accept: 'text/html' })).code, 406);
  assert.equal((await get('/openapi/v3', {}, 'POST')).code, 405);
});

test('no reference of v3 leads nowhere, in kinds of our own neither', async () => {
  const app = {
    ...Pod,
    schema: { ...Pod.schema, fields: Pod.schema.fields, name: undefined },
    group: 'marathon.tutti.dev',
    kind: 'App',
    plural: 'apps',
  };
  const { openapiV3Document } = await import('./v3.ts');
  const { name: _, ...anonymous } = app.schema;
  for (const kinds of [[{ ...app, schema: anonymous }], [Deployment]]) {
    const document = openapiV3Document(kinds) as unknown as { components: { schemas: Record<string, unknown> } };
    for (const [, name = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(document.components.schemas[name], name);
    }
  }
});
