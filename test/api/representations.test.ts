import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { builtinKinds } from '#api/kinds.ts';
import { definition } from '#api/definitions.ts';
import { samples } from '#api/rules/samples.ts';
import { conform } from '#machinery/conform.ts';
import { allVerbs, apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { encodeProtobuf, hasProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import { RawApi } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';
/** What the metadata client of client-go sends. */
const metadataOf = (shape: string) =>
  [protobuf, 'application/json'].map((type) => `${type};as=${shape};g=meta.k8s.io;v=v1`).join(',');

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

const listed = builtinKinds.filter(({ verbs = allVerbs }) => verbs.includes('list'));
function collectionOf({ group, version, namespaced, plural }: Kind, namespace = 'default'): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespaced ? `${root}/namespaces/${namespace}/${plural}` : `${root}/${plural}`;
}

/** A definition is named after what it defines. */
const sampleName = ({ kind }: Kind) => (kind === 'CustomResourceDefinition' ? 'gadgets.example.com' : 'shown');

/** The server writes the status of a definition, and of a policy, right after it was made. */
function hasSettled({ kind, status = {} }: Settling): boolean {
  if (kind === 'CustomResourceDefinition') return (status.conditions ?? []).length >= 2;
  return kind !== 'ValidatingAdmissionPolicy' || status.observedGeneration === 1;
}
interface Settling extends ApiObject {
  readonly status?: { readonly conditions?: readonly unknown[]; readonly observedGeneration?: number };
}

/** A small object of every kind that is stored as itself. */
function sampleOf(kind: Kind): object {
  const named = `${kind.kind.charAt(0).toLowerCase()}${kind.kind.slice(1)}`;
  const aliases: Readonly<Record<string, ApiObject & Readonly<Record<string, unknown>>>> = {
    ...(samples as Readonly<Record<string, ApiObject & Readonly<Record<string, unknown>>>>),
    horizontalPodAutoscaler: samples.autoscaler,
    podDisruptionBudget: samples.budget,
    cSIDriver: samples.storageDriver,
    cSINode: samples.storageNode,
    cSIStorageCapacity: samples.storageCapacity,
    persistentVolume: samples.volume,
    persistentVolumeClaim: samples.claim,
    podTemplate: { template: samples.deployment.spec.template },
    serviceAccount: {},
    workload: { spec: { podGroups: [{ name: 'workers', policy: { gang: { minCount: 4 } } }] } },
    reservation: { spec: { nodeName: 'n1', holder: 'mesos/fw-1', resources: { cpu: '2' } } },
    event: {
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingComponent: 'example.com/c',
      reportingInstance: 'c-1',
      action: 'Look',
      reason: 'Seen',
      type: 'Normal',
    },
  };
  const { uid: _uid, ...metadata } = aliases[named]?.metadata ?? {};
  return {
    ...aliases[named],
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: { ...metadata, name: sampleName(kind), namespace: kind.namespaced ? 'default' : undefined },
  };
}

interface TableBody {
  readonly kind: string;
  readonly metadata: { readonly resourceVersion?: string };
  readonly columnDefinitions: readonly { readonly name: string }[] | null;
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: ApiObject }[];
}

for (const kind of listed.filter(({ view, schema }) => view === undefined && hasProtobuf(schema))) {
  test(`${kind.kind} in ${kind.group || 'core'} is had as JSON, protobuf, table and metadata`, async () => {
    const collection = collectionOf(kind);
    const sent = conform(kind.schema, sampleOf(kind)).value as ApiObject;
    const created = await api.send('POST', collection, Buffer.from(encodeProtobuf(kind.schema, sent)), {
      'content-type': protobuf,
    });
    assert.equal(created.code, 201, created.text);
    const url = `${collection}/${sampleName(kind)}`;
    await until(`${kind.kind} has settled`, async () => hasSettled(await api.json<Settling>('GET', url)));
    const object = await api.json<ApiObject>('GET', url);
    const same = async () => JSON.stringify(await api.json<ApiObject>('GET', url)) === JSON.stringify(object);

    const asProtobuf = await api.send('GET', url, undefined, { accept: protobuf });
    assert.equal(asProtobuf.headers['content-type'], protobuf);
    const read = conform(kind.schema, readMessage(kind.schema, openEnvelope(asProtobuf.bytes))).value;
    if (await same()) assert.deepEqual(read, object);
    const listSchema = definition(`${kind.schema.name ?? ''}List`);
    const list = await api.send('GET', collection, undefined, { accept: protobuf });
    const { kind: listKind, items } = readMessage(listSchema, openEnvelope(list.bytes)) as {
      kind: string;
      items: unknown[];
    };
    assert.deepEqual([listKind, items.length > 0], [`${kind.kind}List`, true]);

    for (const path of [collection, url]) {
      const shown = await api.json<TableBody>('GET', path, undefined, { accept: table });
      const columns = shown.columnDefinitions?.length ?? 0;
      assert.ok(shown.kind === 'Table' && columns > 1);
      assert.ok(shown.rows.length > 0 && shown.rows.every(({ cells }) => cells.length === columns));
      assert.equal(shown.rows[0]?.object.kind, 'PartialObjectMetadata');
      assert.match(shown.metadata.resourceVersion ?? '', /^\d+$/);
    }
    const bare = await api.json<TableBody>('GET', `${url}?includeObject=None`, undefined, { accept: table });
    assert.equal(bare.rows[0]?.object, undefined);
    const whole = await api.json<TableBody>('GET', `${url}?includeObject=Object`, undefined, { accept: table });
    assert.equal(whole.rows[0]?.object.kind, kind.kind);

    const metadata = await api.json<ApiObject>('GET', url, undefined, { accept: metadataOf('PartialObjectMetadata') });
    assert.deepEqual(Object.keys(metadata), ['kind', 'apiVersion', 'metadata']);
    assert.equal(metadata.metadata?.uid, object.metadata?.uid);
    const metadataList = await api.json<ApiObject & { items: ApiObject[] }>('GET', collection, undefined, {
      accept: metadataOf('PartialObjectMetadataList'),
    });
    assert.equal(metadataList.kind, 'PartialObjectMetadataList');
    assert.ok(metadataList.items.some((item) => item.metadata?.uid === object.metadata?.uid && !('spec' in item)));
  });
}

test('every kind is watched as a table: columns once, then rows, bookmarks too', async () => {
  const asked = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  await Promise.all(
    listed.map(async (kind) => {
      const events = await api.watch(`${collectionOf(kind)}?${asked}`, { accept: table });
      const tables = events.map(({ object }) => object as unknown as TableBody);
      assert.ok(tables.length >= 2, kind.kind);
      assert.ok(
        tables.every((each) => each.kind === 'Table' && each.rows.length === 1),
        kind.kind,
      );
      const columns = tables[0]?.columnDefinitions?.length;
      assert.ok(
        tables.every(({ rows }) => rows[0]?.cells.length === columns),
        kind.kind,
      );
      assert.ok(
        tables.slice(1).every(({ columnDefinitions }) => columnDefinitions === null),
        kind.kind,
      );
      const bookmark = events.find(({ type }) => type === 'BOOKMARK')?.object as unknown as TableBody;
      assert.deepEqual(bookmark.rows[0]?.object.metadata?.annotations, { 'k8s.io/initial-events-end': 'true' });
    }),
  );
});

test('a client that takes protobuf alone is sent its watch in frames', async () => {
  const url = '/api/v1/namespaces/default/configmaps';
  const accept = `${protobuf};stream=watch`;
  const asked =
    'watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const reply = await api.send('GET', `${url}?${asked}`, undefined, { accept });
  assert.deepEqual([reply.code, reply.headers['content-type']], [200, accept]);
  const { items } = await api.json<{ items: ApiObject[] }>('GET', url);
  const seen: unknown[] = [];
  for (let rest = reply.bytes; rest.length > 0;) {
    const end = 4 + rest.readUInt32BE(0);
    const frame = rest.subarray(4, end);
    rest = rest.subarray(end);
    // A WatchEvent: its type, and the object as a RawExtension, whose one field opens with the magic of an envelope.
    const type = frame.subarray(2, 2 + (frame[1] ?? 0)).toString();
    const envelope = frame.subarray(frame.indexOf('k8s\0'));
    const schema = definition('io.k8s.api.core.v1.ConfigMap');
    const object = conform(schema, readMessage(schema, openEnvelope(envelope))).value as ApiObject;
    seen.push(type === 'BOOKMARK' ? [type, object.metadata?.annotations] : [type, object]);
  }
  assert.deepEqual(seen, [
    ...items.map((item) => ['ADDED', { apiVersion: 'v1', kind: 'ConfigMap', ...item }]),
    ['BOOKMARK', { 'k8s.io/initial-events-end': 'true' }],
  ]);
});

test('metadata is watched too', async () => {
  const events = await api.watch('/api/v1/namespaces/default/configmaps', {
    accept: metadataOf('PartialObjectMetadata'),
  });
  assert.ok(events.length > 0);
  for (const { type, object } of events) {
    assert.deepEqual(
      [type, object.kind, Object.keys(object)],
      ['ADDED', 'PartialObjectMetadata', ['kind', 'apiVersion', 'metadata']],
    );
  }
});

test('an autoscaler is one object in both of its versions, whichever is written', async () => {
  const v1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
  const v2 = v1.replace('v1', 'v2');
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  type Autoscaler = ApiObject & { readonly spec: Readonly<Record<string, unknown>> };
  const made = await api.json<Autoscaler>('POST', v1, {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'both' },
    spec: { scaleTargetRef, maxReplicas: 4, targetCPUUtilizationPercentage: 55 },
  });
  assert.deepEqual(
    [made.apiVersion, made.spec['targetCPUUtilizationPercentage'], made.spec['minReplicas']],
    ['autoscaling/v1', 55, 1],
  );
  const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 55 } } };
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
  };
  const shown = await api.json<Autoscaler>('GET', `${v2}/both`);
  assert.deepEqual([shown.metadata?.uid, shown.spec['metrics']], [made.metadata?.uid, [cpu]]);
  await api.json('PUT', `${v2}/both`, {
    ...shown,
    spec: { ...shown.spec, metrics: [memory, cpu], behavior: { scaleDown: { stabilizationWindowSeconds: 9 } } },
  });
  const wanted = await api.json<Autoscaler>('GET', `${v2}/both`);
  // Read as v1 and written back: nothing is lost, nothing is written.
  const old = await api.json<Autoscaler>('GET', `${v1}/both`);
  const again = await api.json<Autoscaler>('PUT', `${v1}/both`, old);
  assert.equal(again.metadata?.resourceVersion, old.metadata?.resourceVersion);
  const patched = await api.json<Autoscaler>(
    'PATCH',
    `${v1}/both`,
    { spec: { maxReplicas: 6 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.equal(patched.spec['maxReplicas'], 6);
  assert.deepEqual((await api.json<Autoscaler>('GET', `${v2}/both`)).spec, { ...wanted.spec, maxReplicas: 6 });
  const [event] = await api.watch(`${v1}?fieldSelector=metadata.name%3Dboth`);
  assert.equal(event?.object.apiVersion, 'autoscaling/v1');
  const refused = await api.send('PUT', `${v1}/both`, { ...patched, apiVersion: 'autoscaling/v2' });
  assert.match(
    refused.text,
    /the API version in the data \(autoscaling\/v2\) does not match the expected API version \(autoscaling\/v1\)/,
  );
  await api.json('DELETE', `${v1}/both`);
  assert.equal((await api.send('GET', `${v2}/both`)).code, 404);
});

test('large replies are compressed for those who take it, and are the same', async () => {
  const data = { text: 'x'.repeat(200_000) };
  await api.json('POST', '/api/v1/namespaces/default/configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'large' },
    data,
  });
  const path = '/api/v1/namespaces/default/configmaps';
  const plain = await api.send('GET', path);
  const packed = await api.send('GET', path, undefined, { 'accept-encoding': 'gzip' });
  assert.deepEqual([plain.headers['content-encoding'], packed.headers['content-encoding']], [undefined, 'gzip']);
  assert.ok(packed.bytes.length < 20_000);
  assert.equal(gunzipSync(packed.bytes).toString(), plain.text);
  const small = await api.send('GET', '/version', undefined, { 'accept-encoding': 'gzip' });
  assert.equal(small.headers['content-encoding'], undefined);
});

test('what cannot be had is refused, naming what can', async () => {
  for (const [accept, code] of [
    ['application/xml', 406],
    ['application/json;as=Table;v=v9;g=meta.k8s.io', 406],
    ['application/json;as=Table;v=v9;g=meta.k8s.io,application/json', 200],
    ['text/html,*/*;q=0.1', 200],
    ['application/yaml', 200],
  ] as const) {
    assert.equal((await api.send('GET', '/api/v1/nodes', undefined, { accept })).code, code, accept);
  }
});

test('discovery lists every path, group, version and kind that is served', async () => {
  const { paths } = await api.json<{ paths: string[] }>('GET', '/');
  for (const path of paths) {
    const accept = { accept: 'application/json, text/plain' };
    assert.equal((await api.send('GET', path, undefined, accept)).code, 200, path);
  }
  for (const kind of builtinKinds) {
    const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
    const { resources } = await api.json<{ resources: { name: string; kind: string }[] }>('GET', root);
    assert.ok(
      resources.some(({ name, kind: each }) => name === kind.plural && each === kind.kind),
      `${root} ${kind.plural}`,
    );
  }
  const index = await api.json<{ paths: Record<string, { serverRelativeURL: string }> }>('GET', '/openapi/v3');
  for (const { serverRelativeURL } of Object.values(index.paths)) {
    assert.equal((await api.send('GET', serverRelativeURL)).code, 200, serverRelativeURL);
  }
  const autoscaling = await api.json<{ versions: { version: string }[]; preferredVersion: { version: string } }>(
    'GET',
    '/apis/autoscaling',
  );
  assert.deepEqual(
    [autoscaling.versions.map(({ version }) => version), autoscaling.preferredVersion.version],
    [['v2', 'v1'], 'v2'],
  );
  for (const path of ['/livez', '/readyz', '/healthz']) {
    assert.match((await api.send('GET', `${path}?verbose`)).text, /\[\+\]ping ok[^]*check passed/);
  }
});
