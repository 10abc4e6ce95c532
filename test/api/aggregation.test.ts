import assert from 'node:assert/strict';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { ApiObject } from '#machinery/object.ts';
import { AggregatedServer } from '../support/aggregated-server.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const name = 'v1alpha1.wardle.example.com';
const root = '/apis/wardle.example.com/v1alpha1';
const flunders = `${root}/namespaces/default/flunders`;
/** Endpoints may not be on the loopback interface. */
const host = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family, address }) => !internal && family === 'IPv4' && !address.startsWith('169.254.'))?.address;
const skip = host === undefined ? 'this machine has no address but loopback ones' : false;

let cluster: Tutti;
let api: RawApi;
let backend: AggregatedServer;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
  if (host !== undefined) backend = await AggregatedServer.open(api, host, 'wardle');
});
after(async () => {
  if (host !== undefined) await backend[Symbol.asyncDispose]();
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

interface ApiService extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}
async function availability(): Promise<string> {
  const { status } = await api.json<ApiService>('GET', `${services}/${name}`);
  const found = status?.conditions?.find(({ type }) => type === 'Available');
  return found === undefined ? '' : `${found.status} ${found.reason}: ${found.message}`;
}
const becomes = (pattern: RegExp) =>
  until(`${name} is ${pattern.source}`, async () => {
    const now = await availability();
    return pattern.test(now) ? now : undefined;
  });

const apiService = (spec: object) => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name },
  spec: {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    groupPriorityMinimum: 1000,
    versionPriority: 15,
    service: { namespace: 'default', name: 'wardle' },
    ...spec,
  },
});

test('what this server serves has an APIService each, which is always available', async () => {
  const local = await until('local ones are there', async () => {
    const { items } = await api.json<{ items: (ApiService & { spec: { group?: string } })[] }>('GET', services);
    const names = items.map(({ metadata }) => metadata?.name);
    return ['v1.', 'v1.apps', 'v2.autoscaling', 'v1.apiregistration.k8s.io'].every((each) => names.includes(each))
      ? items
      : undefined;
  });
  for (const { status, metadata } of local) {
    assert.deepEqual(
      [status?.conditions?.[0]?.status, status?.conditions?.[0]?.reason],
      ['True', 'Local'],
      metadata?.name,
    );
  }
  const table = await api.json<{ rows: { cells: unknown[] }[] }>('GET', `${services}/v1.apps`, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.deepEqual(table.rows[0]?.cells.slice(0, 3), ['v1.apps', 'Local', 'True']);
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const schema = { openAPIV3Schema: { type: 'object' } };
  await api.json('POST', crds, {
    metadata: { name: 'things.crd.example.com' },
    spec: {
      group: 'crd.example.com',
      scope: 'Cluster',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  await until(
    'a custom group has one',
    async () => (await api.send('GET', `${services}/v1.crd.example.com`)).code === 200,
  );
  await api.json('DELETE', `${crds}/things.crd.example.com`);
  await until('and loses it', async () => (await api.send('GET', `${services}/v1.crd.example.com`)).code === 404);
});

test('an APIService that cannot mean anything is refused by its fields', async () => {
  for (const [change, fields] of [
    [{ version: 'v2' }, ['metadata.name']],
    [{ groupPriorityMinimum: 20_001, versionPriority: 0 }, ['spec.groupPriorityMinimum', 'spec.versionPriority']],
    [{ service: { name: 'a' } }, ['spec.service.namespace']],
    [{ insecureSkipTLSVerify: true, caBundle: 'eA==' }, ['spec.insecureSkipTLSVerify']],
    [{ service: undefined, caBundle: 'eA==' }, ['spec.caBundle']],
    [{ service: { namespace: 'a', name: 'b', port: 70_000 } }, ['spec.service.port']],
  ] as const) {
    const refusal = refusalOf(await api.send('POST', services, apiService(change)));
    assert.deepEqual([refusal.code, refusal.fields], [422, fields], refusal.message);
  }
});

test(
  'a group of another server is found, called in the name of the caller, and guarded on both sides',
  { skip },
  async () => {
    await api.json('POST', services, apiService({ caBundle: Buffer.from(backend.authority).toString('base64') }));
    await becomes(/^False ServiceNotFound: service\/wardle in "default" is not present$/);
    const away = await api.send('GET', flunders);
    assert.equal(away.code, 503, away.text);
    const meta = { name: 'wardle', namespace: 'default' };
    await api.json('POST', '/api/v1/namespaces/default/services', {
      metadata: meta,
      spec: { ports: [{ name: 'https', port: 444 }] },
    });
    await becomes(/^False ServicePortError: service\/wardle in "default" is not listening on port 443$/);
    await api.json(
      'PATCH',
      '/api/v1/namespaces/default/services/wardle',
      { spec: { ports: [{ name: 'https', port: 443 }] } },
      { 'content-type': 'application/merge-patch+json' },
    );
    await becomes(/^False EndpointsNotFound: cannot find endpointslices for service\/wardle in "default"$/);
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'wardle-1', labels: { 'kubernetes.io/service-name': 'wardle' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [host], conditions: { ready: true } }],
    };
    const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
    await api.json('POST', slices, { ...slice, ports: [{ name: 'other', port: backend.port }] });
    await becomes(/^False MissingEndpoints: .*have no addresses with port name "https"$/);
    backend.isBroken = true;
    await api.json('PUT', `${slices}/wardle-1`, { ...slice, ports: [{ name: 'https', port: backend.port }] });
    await becomes(/^False FailedDiscoveryCheck: failing or missing response from https:.*: bad status from .*: 500$/);
    backend.isBroken = false;
    await becomes(/^True Passed: all checks passed$/);

    const made = await api.send('POST', flunders, { metadata: { name: 'one' } });
    assert.equal(made.code, 201, made.text);
    const list = await api.json<{ items: ApiObject[] }>('GET', flunders);
    assert.deepEqual(
      list.items.map(({ metadata }) => metadata?.name),
      ['one'],
    );
    assert.equal((await api.send('GET', `${flunders}/none`)).code, 404);

    const as = { 'impersonate-user': 'jane', 'impersonate-group': 'devs', 'impersonate-extra-Team': 'a' };
    const forged = { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' };
    const asked = backend.seen.length;
    const forbidden = refusalOf(await api.send('GET', flunders, undefined, { ...as, ...forged }));
    assert.equal(forbidden.code, 403);
    assert.match(
      forbidden.message ?? '',
      /User "jane" cannot list resource "flunders" in API group "wardle.example.com"/,
    );
    assert.equal(backend.seen.length, asked, 'who may not never gets there');
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
    const rules = [{ apiGroups: ['wardle.example.com'], resources: ['flunders'], verbs: ['list'] }];
    await api.json('PUT', `${rbac}/roles/flunders`, { metadata: { name: 'flunders' }, rules });
    await api.json('PUT', `${rbac}/rolebindings/flunders`, {
      metadata: { name: 'flunders' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'flunders' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'devs' }],
    });
    await until(
      'jane may',
      async () => (await api.send('GET', flunders, undefined, { ...as, ...forged })).code === 200,
    );
    const { caller } = backend.seen.at(-1) ?? {};
    assert.deepEqual(
      [caller?.username, caller?.groups, caller?.extra],
      ['jane', ['devs', 'system:authenticated'], { team: ['a'] }],
    );
  },
);

test('what another server serves is in discovery and OpenAPI', { skip }, async () => {
  const item = await until('aggregated discovery has it', async () => {
    const list = await api.json<{ items: { metadata: { name?: string }; versions: unknown[] }[] }>(
      'GET',
      '/apis',
      undefined,
      {
        accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
      },
    );
    return list.items.find(({ metadata }) => metadata.name === 'wardle.example.com');
  });
  assert.deepEqual(item.versions, [
    {
      version: 'v1alpha1',
      resources: [
        {
          resource: 'flunders',
          responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
          scope: 'Namespaced',
          singularResource: 'flunder',
          verbs: ['create', 'delete', 'get', 'list'],
          shortNames: ['fl'],
          subresources: [
            {
              subresource: 'status',
              responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
              verbs: ['get'],
            },
          ],
        },
      ],
      freshness: 'Current',
    },
  ]);
  const { groups } = await api.json<{ groups: { name: string }[] }>('GET', '/apis');
  assert.ok(groups.some((group) => group.name === 'wardle.example.com'));
  const group = await api.json<{ preferredVersion: object }>('GET', '/apis/wardle.example.com');
  assert.deepEqual(group.preferredVersion, { groupVersion: 'wardle.example.com/v1alpha1', version: 'v1alpha1' });
  assert.equal((await api.json<{ kind: string }>('GET', root)).kind, 'APIResourceList');
  const index = await api.json<{ paths: Record<string, { serverRelativeURL: string }> }>('GET', '/openapi/v3');
  const { serverRelativeURL = '' } = index.paths[root.slice(1)] ?? {};
  assert.equal((await api.json<{ info: { title: string } }>('GET', serverRelativeURL)).info.title, 'wardle');
});

test('redirects of another server are never followed, and not passed on', { skip }, async () => {
  for (const code of [301, 302, 303, 307, 308]) {
    const reply = await api.send('GET', `${flunders}/redirect-${code}`);
    assert.equal(reply.code, 502);
    assert.match(reply.text, /the backend attempted to redirect this request, which is not permitted/);
    assert.equal(reply.headers.location, undefined);
  }
  assert.ok(!backend.seen.some(({ url }) => url.includes('second')));
});

/** Sends bytes over a connection of its own; resolves with what came until the server ended it, or `until` was seen. */
async function raw(bytes: string, isEnough: (text: string) => boolean, then?: string): Promise<string> {
  const { server } = await loadKubeconfig([cluster.kubeconfig]);
  const url = new URL(server.url);
  const { ca, cert, key } = server;
  const socket = connectTls({ host: url.hostname, port: Number(url.port), ca, cert, key, ALPNProtocols: ['http/1.1'] });
  let text = '';
  let sent = false;
  await once(socket, 'secureConnect');
  socket.write(bytes);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (then !== undefined && !sent && text.includes('\r\n\r\n')) {
      sent = true;
      socket.write(then);
    }
    if (isEnough(text)) socket.destroy();
  });
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return text;
}

test(
  'upgrades are passed on once the other side agrees, and nothing follows one that is refused',
  { skip },
  async () => {
    const ask = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n`;
    const echoed = await raw(ask(`${flunders}/echo`), (text) => text.includes('hello'), 'hello');
    assert.match(echoed, /^HTTP\/1.1 101 [^]*hello$/);
    const hidden = `GET ${flunders}/hidden HTTP/1.1\r\nhost: x\r\n\r\n`;
    const refused = await raw(ask(`${flunders}/other`) + hidden, () => false, hidden);
    assert.match(refused, /^HTTP\/1.1 403 Forbidden[^]*no$/);
    assert.ok(!backend.seen.some(({ method, url }) => method === 'HIDDEN' || url.includes('hidden')));
  },
);

test('a server whose certificate is not the one expected is not called', { skip }, async () => {
  const asked = backend.seen.length;
  const patch = { spec: { caBundle: null, insecureSkipTLSVerify: false } };
  const merge = { 'content-type': 'application/merge-patch+json' };
  await api.json('PATCH', `${services}/${name}`, patch, merge);
  await becomes(/^False FailedDiscoveryCheck: .*(self-signed certificate|unable to get local issuer|unable to verify)/);
  assert.equal(backend.seen.length, asked);
  await api.json('PATCH', `${services}/${name}`, { spec: { insecureSkipTLSVerify: true } }, merge);
  await becomes(/^True Passed/);
  await api.json('DELETE', `${services}/${name}`);
  await until('the group is gone', async () => (await api.send('GET', flunders)).code === 404);
});
