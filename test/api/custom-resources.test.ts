import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { conditionOf, define, definitionOf, definitions, schemaOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

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

type Open = Readonly<Record<string, unknown>>;
interface Custom extends ApiObject {
  readonly spec?: Open;
  readonly status?: Open;
}
const merge = { 'content-type': 'application/merge-patch+json' };
const strategic = { 'content-type': 'application/strategic-merge-patch+json' };

const pathOf = (plural: string, version = 'v1', namespace = 'default') =>
  `/apis/example.com/${version}/namespaces/${namespace}/${plural}`;
const widget = (kind: string, name: string, spec: Open, more: Open = {}, version = 'v1') => ({
  apiVersion: `example.com/${version}`,
  kind,
  metadata: { name },
  spec,
  ...more,
});

/** `field: message` of each cause. */
async function causes(...call: Parameters<RawApi['send']>): Promise<readonly string[]> {
  const { code, body } = await api.send(...call);
  assert.equal(code, 422, JSON.stringify(body));
  const { details } = body as { details: { causes: readonly { field: string; message: string }[] } };
  return details.causes.map(({ field, message }) => `${field}: ${message}`);
}

test('a definition brings a resource that is created, read, changed, listed, watched and deleted', async () => {
  const plural = 'basics';
  await define(api, definitionOf(schemaOf({ size: { type: 'integer' } }), { plural, kind: 'Basic' }));
  const path = pathOf(plural);
  const made = await api.json<Custom>('POST', path, widget('Basic', 'a', { size: 1 }));
  assert.equal(made.metadata?.generation, 1);
  assert.deepEqual(made.spec, { size: 1 });
  const changed = await api.json<Custom>('PATCH', `${path}/a`, { spec: { size: 2 } }, merge);
  assert.equal(changed.metadata?.generation, 2);
  const labelled = await api.json<Custom>('PATCH', `${path}/a`, { metadata: { labels: { x: 'y' } } }, merge);
  assert.equal(labelled.metadata?.generation, 2);
  const list = await api.json<{ kind: string; items: Custom[] }>('GET', `${path}?labelSelector=x%3Dy`);
  assert.equal(list.kind, 'BasicList');
  assert.deepEqual(
    list.items.map(({ metadata }) => metadata?.name),
    ['a'],
  );
  assert.deepEqual(refusalOf(await api.send('PATCH', `${path}/a`, { spec: { size: 3 } }, strategic)).code, 415);
  await api.json('DELETE', `${path}/a`);
  assert.equal((await api.send('GET', `${path}/a`)).code, 404);
});

test('discovery and OpenAPI tell of a resource as soon as it is served, and no more once it is gone', async () => {
  const definition = definitionOf(schemaOf({ size: { type: 'integer', description: 'How large.' } }), {
    plural: 'seens',
    kind: 'Seen',
    group: 'seen.example.com',
    names: { shortNames: ['sn'], categories: ['all', 'mine'] },
  });
  const accept = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };
  const unseen = await api.send('GET', '/apis', undefined, accept);
  const v3Before = await api.json<{ paths: Open }>('GET', '/openapi/v3');
  assert.equal(Object.hasOwn(v3Before.paths, 'apis/seen.example.com/v1'), false);
  await define(api, definition);
  const seen = await api.send('GET', '/apis', undefined, accept);
  assert.notEqual(seen.headers.etag, unseen.headers.etag);
  assert.match(seen.text, /"resource":"seens"/);
  const resources = await api.json<{ resources: Open[] }>('GET', '/apis/seen.example.com/v1');
  assert.deepEqual(
    resources.resources.map(({ name, shortNames, categories }) => [name, shortNames, categories]),
    [['seens', ['sn'], ['all', 'mine']]],
  );
  const v3 = await api.json<{ paths: Readonly<Record<string, { serverRelativeURL: string }>> }>('GET', '/openapi/v3');
  const url = v3.paths['apis/seen.example.com/v1']?.serverRelativeURL ?? '';
  const document = await api.json<{ components: { schemas: Readonly<Record<string, Open>> } }>('GET', url);
  const schema = document.components.schemas['com.example.seen.v1.Seen'] as {
    properties: { spec: { properties: { size: Open } } };
  };
  assert.deepEqual(schema.properties.spec.properties.size, { type: 'integer', description: 'How large.' });
  const v2 = await api.send('GET', '/openapi/v2');
  assert.match(v2.text, /com\.example\.seen\.v1\.Seen/);
  await api.json('DELETE', `${definitions}/seens.seen.example.com`);
  await until(
    'the definition has taken effect',
    async () => (await api.send('GET', '/apis/seen.example.com/v1')).code === 404,
  );
  assert.equal((await api.send('GET', '/apis/seen.example.com')).code, 404);
  assert.doesNotMatch((await api.send('GET', '/apis', undefined, accept)).text, /seen\.example\.com/);
  assert.equal(
    Object.hasOwn((await api.json<{ paths: Open }>('GET', '/openapi/v3')).paths, 'apis/seen.example.com/v1'),
    false,
  );
});

test('unknown fields are pruned, told of, refused or kept, as the schema and the request say', async () => {
  await define(
    api,
    definitionOf(
      schemaOf({
        known: { type: 'string' },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { strict: { type: 'object', properties: { a: { type: 'string' } } } },
        },
        list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string' } } } },
      }),
      { plural: 'pruneds', kind: 'Pruned' },
    ),
  );
  const path = pathOf('pruneds');
  const spec = { known: 'x', other: 1, free: { any: [1], strict: { a: '1', b: '2' } }, list: [{ a: '1', b: '2' }] };
  const reply = await api.send('POST', path, { ...widget('Pruned', 'a', spec), stray: true });
  assert.equal(reply.code, 201);
  assert.deepEqual((reply.body as Custom).spec, {
    known: 'x',
    free: { any: [1], strict: { a: '1' } },
    list: [{ a: '1' }],
  });
  assert.deepEqual(
    String(reply.headers['warning'])
      .match(/unknown field \\"[^"]+\\"/g)
      ?.toSorted(),
    ['spec.free.strict.b', 'spec.list[0].b', 'spec.other', 'stray'].map((each) => `unknown field \\"${each}\\"`),
  );
  const strict = refusalOf(
    await api.send('POST', `${path}?fieldValidation=Strict`, widget('Pruned', 'b', { other: 1 })),
  );
  assert.deepEqual(
    [strict.code, strict.message],
    [400, 'Pruned in version "v1" cannot be handled as a Pruned: strict decoding error: unknown field "spec.other"'],
  );
  const twice =
    '{"apiVersion":"example.com/v1","kind":"Pruned","metadata":{"name":"c"},"spec":{"known":"a","known":"b"}}';
  assert.match(
    refusalOf(await api.send('POST', `${path}?fieldValidation=Strict`, twice)).message ?? '',
    /duplicate field "spec.known"/,
  );
});

test('defaults are set on writes, and on reads of what was stored before there were any', async () => {
  const plural = 'defaulteds';
  const definition = definitionOf(schemaOf({ size: { type: 'integer' } }), { plural, kind: 'Defaulted' });
  await define(api, definition);
  const path = pathOf(plural);
  await api.json('POST', path, widget('Defaulted', 'old', {}));
  const schema = schemaOf({
    size: { type: 'integer', default: 3 },
    nested: { type: 'object', default: {}, properties: { a: { type: 'string', default: 'x' } } },
    gone: { type: 'string', nullable: false },
  });
  const versions = [{ name: 'v1', served: true, storage: true, schema }];
  await api.json('PATCH', `${definitions}/${plural}.example.com`, { spec: { versions } }, merge);
  const spec = { size: 3, nested: { a: 'x' } };
  await until(
    'the definition has taken effect',
    async () => (await api.json<Custom>('GET', `${path}/old`)).spec?.['size'] === 3,
  );
  assert.deepEqual((await api.json<Custom>('GET', `${path}/old`)).spec, spec);
  const made = await api.json<Custom>('POST', path, widget('Defaulted', 'new', { size: null, gone: null }));
  assert.deepEqual(made.spec, spec);
});

test('values are held against the schema, with the fields, reasons and words of upstream', async () => {
  const plural = 'checkeds';
  await define(
    api,
    definitionOf(
      {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              required: ['needed'],
              properties: {
                needed: { type: 'string' },
                number: { type: 'integer', minimum: 1, maximum: 10 },
                small: { type: 'integer', format: 'int32' },
                text: { type: 'string', pattern: '^a+$', maxLength: 3, minLength: 2 },
                choice: { type: 'string', enum: ['a', 'b'] },
                list: { type: 'array', maxItems: 2, items: { type: 'string' } },
                set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
                map: {
                  type: 'array',
                  'x-kubernetes-list-type': 'map',
                  'x-kubernetes-list-map-keys': ['name'],
                  items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
                },
                port: { 'x-kubernetes-int-or-string': true },
                when: { type: 'string', format: 'date-time' },
                either: {
                  type: 'object',
                  properties: { a: { type: 'string' }, b: { type: 'string' } },
                  oneOf: [{ required: ['a'] }, { required: ['b'] }],
                },
                embedded: {
                  type: 'object',
                  'x-kubernetes-embedded-resource': true,
                  'x-kubernetes-preserve-unknown-fields': true,
                },
              },
            },
          },
        },
      },
      { plural, kind: 'Checked' },
    ),
  );
  const path = pathOf(plural);
  const bad = (spec: Open) => causes('POST', path, widget('Checked', 'bad', { needed: 'x', ...spec }));
  assert.deepEqual(await causes('POST', path, widget('Checked', 'bad', {})), ['spec.needed: Required value']);
  assert.deepEqual(await bad({ number: 'x' }), [
    'spec.number: Invalid value: "string": spec.number in body must be of type integer: "string"',
  ]);
  assert.deepEqual(await bad({ number: 11 }), [
    'spec.number: Invalid value: 11: spec.number in body should be less than or equal to 10',
  ]);
  assert.deepEqual(await bad({ number: 0 }), [
    'spec.number: Invalid value: 0: spec.number in body should be greater than or equal to 1',
  ]);
  assert.deepEqual(await bad({ text: 'b' }), [
    'spec.text: Invalid value: "b": spec.text in body should be at least 2 chars long',
    `spec.text: Invalid value: "b": spec.text in body should match '^a+$'`,
  ]);
  assert.deepEqual(await bad({ text: 'aaaa' }), ['spec.text: Too long: may not be more than 3 bytes']);
  assert.deepEqual(await bad({ choice: 'c' }), ['spec.choice: Unsupported value: "c": supported values: "a", "b"']);
  assert.deepEqual(await bad({ list: ['a', 'b', 'c'] }), ['spec.list: Too many: 3: must have at most 2 items']);
  assert.deepEqual(await bad({ list: [1] }), [
    'spec.list[0]: Invalid value: "integer": spec.list[0] in body must be of type string: "integer"',
  ]);
  assert.deepEqual(await bad({ set: ['a', 'b', 'a'] }), ['spec.set[2]: Duplicate value: "a"']);
  assert.deepEqual(await bad({ map: [{ name: 'a' }, { name: 'a' }] }), ['spec.map[1]: Duplicate value: {"name":"a"}']);
  assert.deepEqual(await bad({ port: true }), [
    'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
  ]);
  assert.deepEqual(await bad({ when: 'soon' }), [
    'spec.when: Invalid value: "soon": spec.when in body must be of type date-time: "soon"',
  ]);
  assert.deepEqual(await bad({ either: {} }), [
    '<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). Found none valid',
    'spec.either.a: Required value',
  ]);
  assert.deepEqual(await bad({ embedded: { metadata: { name: 'x' } } }), [
    'spec.embedded.apiVersion: Required value',
    'spec.embedded.kind: Required value',
  ]);
  const good = { needed: 'x', number: 1.0, port: '80%', when: '2026-01-01T00:00:00Z', either: { b: '' }, list: [] };
  const made = await api.json<Custom>('POST', path, widget('Checked', 'good', good));
  assert.deepEqual(made.spec, good);
});

test('what was invalid before a schema was tightened may stay as long as it does not change', async () => {
  const plural = 'ratcheteds';
  const definition = definitionOf(schemaOf({ a: { type: 'string' }, b: { type: 'string' } }), {
    plural,
    kind: 'Ratcheted',
  });
  await define(api, definition);
  const path = pathOf(plural);
  await api.json('POST', path, widget('Ratcheted', 'x', { a: 'long', b: 'long' }));
  const schema = schemaOf({ a: { type: 'string', maxLength: 1 }, b: { type: 'string' } });
  const versions = [{ name: 'v1', served: true, storage: true, schema }];
  await api.json('PATCH', `${definitions}/${plural}.example.com`, { spec: { versions } }, merge);
  await until(
    'the definition has taken effect',
    async () => (await api.send('POST', path, widget('Ratcheted', 'y', { a: 'long' }))).code === 422,
  );
  await api.json('PATCH', `${path}/x`, { spec: { b: 'other' } }, merge);
  assert.deepEqual(await causes('PATCH', `${path}/x`, { spec: { a: 'longer' } }, merge), [
    'spec.a: Too long: may not be more than 1 bytes',
  ]);
});

test('status and scale are doors of their own', async () => {
  const plural = 'scaleds';
  const subresources = {
    status: {},
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  };
  const schema = schemaOf(
    { replicas: { type: 'integer' } },
    { replicas: { type: 'integer' }, selector: { type: 'string' } },
  );
  const versions = [{ name: 'v1', served: true, storage: true, schema, subresources }];
  await define(api, definitionOf({}, { plural, kind: 'Scaled', versions }));
  const path = pathOf(plural);
  const made = await api.json<Custom>(
    'POST',
    path,
    widget('Scaled', 'x', { replicas: 1 }, { status: { replicas: 9 } }),
  );
  assert.equal(made.status, undefined);
  const status = { replicas: 1, selector: 'a=b' };
  const patch = { metadata: { labels: { no: 'no' } }, spec: { replicas: 5 }, status };
  const told = await api.json<Custom>('PATCH', `${path}/x/status`, patch, merge);
  assert.deepEqual(
    [told.status, told.spec, told.metadata?.labels, told.metadata?.generation],
    [status, { replicas: 1 }, undefined, 1],
  );
  const scale = await api.json<Custom>('GET', `${path}/x/scale`);
  assert.deepEqual(
    [scale.kind, scale.spec, scale.status],
    ['Scale', { replicas: 1 }, { replicas: 1, selector: 'a=b' }],
  );
  await api.json('PATCH', `${path}/x/scale`, { spec: { replicas: 4 } }, merge);
  const scaled = await api.json<Custom>('GET', `${path}/x`);
  assert.deepEqual([scaled.spec, scaled.metadata?.generation, scaled.status], [{ replicas: 4 }, 2, status]);
  const kept = await api.json<Custom>('PATCH', `${path}/x`, { status: { replicas: 7 } }, merge);
  assert.deepEqual(kept.status, status);
});

test('versions that are served show the same objects; the storage version may change', async () => {
  const plural = 'versioneds';
  const v = (name: string, storage: boolean, properties: Open) => ({
    name,
    served: true,
    storage,
    schema: schemaOf(properties),
  });
  const both = { a: { type: 'string' } };
  const definition = definitionOf(
    {},
    {
      plural,
      kind: 'Versioned',
      versions: [v('v1', true, both), v('v2', false, { ...both, extra: { type: 'string', default: 'd' } })],
    },
  );
  await define(api, definition);
  const [one, two] = [pathOf(plural), pathOf(plural, 'v2')];
  await api.json('POST', one, widget('Versioned', 'x', { a: '1' }));
  const shown = await api.json<Custom>('GET', `${two}/x`);
  assert.deepEqual([shown.apiVersion, shown.spec], ['example.com/v2', { a: '1' }]);
  const list = await api.json<{ apiVersion: string; items: Custom[] }>('GET', two);
  assert.deepEqual([list.apiVersion, list.items[0]?.apiVersion], ['example.com/v2', 'example.com/v2']);
  await api.json('POST', two, widget('Versioned', 'y', { a: '2' }, {}, 'v2'));
  assert.deepEqual((await api.json<Custom>('GET', `${one}/y`)).spec, { a: '2' });
  const swapped = [v('v1', false, both), v('v2', true, { ...both, extra: { type: 'string', default: 'd' } })];
  const changed = await api.json<{ status: { storedVersions: string[] } }>(
    'PATCH',
    `${definitions}/${plural}.example.com`,
    { spec: { versions: swapped } },
    merge,
  );
  assert.deepEqual(changed.status.storedVersions, ['v1', 'v2']);
  const items = await api.json<{ items: Custom[] }>('GET', one);
  assert.deepEqual(
    items.items.map(({ apiVersion, spec }) => [apiVersion, spec]),
    [
      ['example.com/v1', { a: '1' }],
      ['example.com/v1', { a: '2' }],
    ],
  );
  const dropped = [v('v2', true, both)];
  assert.deepEqual(
    await causes('PATCH', `${definitions}/${plural}.example.com`, { spec: { versions: dropped } }, merge),
    [
      'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
    ],
  );
  const old = (await api.json<Custom>('GET', `${two}/x`)).metadata?.resourceVersion;
  const rewritten = await api.json<Custom>('PATCH', `${two}/x`, {}, merge);
  assert.notEqual(rewritten.metadata?.resourceVersion, old, 'an empty patch migrates');
  const again = await api.json<Custom>('PATCH', `${two}/x`, {}, merge);
  assert.equal(again.metadata?.resourceVersion, rewritten.metadata?.resourceVersion);
});

test('columns, selectable fields and deprecation are what the definition says', async () => {
  const plural = 'showns';
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    deprecated: true,
    schema: schemaOf({
      color: { type: 'string' },
      size: { type: 'integer' },
      tags: { type: 'array', items: { type: 'string' } },
    }),
    additionalPrinterColumns: [
      { name: 'Color', type: 'string', jsonPath: '.spec.color' },
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Tags', type: 'string', jsonPath: '.spec.tags', priority: 1 },
      { name: 'First', type: 'string', jsonPath: '.spec.tags[0]' },
      { name: 'Made', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    selectableFields: [{ jsonPath: '.spec.color' }, { jsonPath: '.spec.size' }],
  };
  await define(api, definitionOf({}, { plural, kind: 'Shown', versions: [version] }));
  const path = pathOf(plural);
  const made = await api.send('POST', path, widget('Shown', 'r', { color: 'red', size: 2, tags: ['x', 'y'] }));
  assert.match(String(made.headers['warning']), /example\.com\/v1 Shown is deprecated/);
  await api.json('POST', path, widget('Shown', 'b', { color: 'blue' }));
  const table = await api.json<{
    columnDefinitions: { name: string; priority: number }[];
    rows: { cells: unknown[] }[];
  }>('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  assert.deepEqual(
    table.columnDefinitions.map(({ name, priority }) => [name, priority]),
    [
      ['Name', 0],
      ['Color', 0],
      ['Size', 0],
      ['Tags', 1],
      ['First', 0],
      ['Made', 0],
    ],
  );
  assert.deepEqual(
    table.rows.map(({ cells }) => cells.slice(0, 5)),
    [
      ['b', 'blue', null, null, null],
      ['r', 'red', 2, '["x","y"]', 'x'],
    ],
  );
  const namesBy = async (selector: string) => {
    const list = await api.json<{ items: Custom[] }>('GET', `${path}?fieldSelector=${encodeURIComponent(selector)}`);
    return list.items.map(({ metadata }) => metadata?.name);
  };
  assert.deepEqual(await namesBy('spec.color=red'), ['r']);
  assert.deepEqual(await namesBy('spec.color!=red,spec.size='), ['b']);
  assert.equal((await api.send('GET', `${path}?fieldSelector=spec.tags%3Dx`)).code, 400);
  await api.send('DELETE', `${path}?fieldSelector=spec.color%3Dred`);
  assert.deepEqual(await namesBy('spec.color='), []);
  assert.deepEqual(
    (await api.json<{ items: Custom[] }>('GET', path)).items.map(({ metadata }) => metadata?.name),
    ['b'],
  );
});

test('names that another definition of the group holds are told of in the conditions, and taken once they are free', async () => {
  const first = definitionOf(schemaOf({}), {
    group: 'names.example.com',
    plural: 'firsts',
    kind: 'First',
    names: { shortNames: ['ff'] },
  });
  await define(api, first);
  const second = definitionOf(schemaOf({}), {
    group: 'names.example.com',
    plural: 'seconds',
    kind: 'First',
    names: { listKind: 'SecondList' },
  });
  await api.json('POST', definitions, second);
  const name = 'seconds.names.example.com';
  await until(
    'the definition has taken effect',
    async () => (await conditionOf(api, name, 'NamesAccepted')) !== undefined,
  );
  assert.equal(await conditionOf(api, name, 'NamesAccepted'), 'False KindConflict: "First" is already in use');
  assert.equal(await conditionOf(api, name, 'Established'), 'False NotAccepted: not all names are accepted');
  assert.equal((await api.send('GET', '/apis/names.example.com/v1/namespaces/default/seconds')).code, 404);
  await api.json('DELETE', `${definitions}/firsts.names.example.com`);
  await until(
    'the definition has taken effect',
    async () => (await conditionOf(api, name, 'Established'))?.startsWith('True') === true,
  );
  assert.equal(await conditionOf(api, name, 'NamesAccepted'), 'True NoConflicts: no conflicts found');
});

test('a definition that is deleted takes its objects with it, and waits for those that are held', async () => {
  const plural = 'helds';
  await define(api, definitionOf(schemaOf({}), { plural, kind: 'Held' }));
  const path = pathOf(plural);
  await api.json('POST', path, widget('Held', 'free', {}));
  await api.json('POST', path, {
    ...widget('Held', 'held', {}),
    metadata: { name: 'held', finalizers: ['example.com/x'] },
  });
  const name = `${plural}.example.com`;
  await api.json('DELETE', `${definitions}/${name}`);
  await until('the definition has taken effect', async () => (await api.send('GET', `${path}/free`)).code === 404);
  assert.equal(
    await conditionOf(api, name, 'Terminating'),
    'True InstanceDeletionInProgress: CustomResource deletion is in progress',
  );
  const refused = refusalOf(await api.send('POST', path, widget('Held', 'new', {})));
  assert.deepEqual(
    [refused.code, refused.message],
    [405, 'create not allowed while custom resource definition is terminating'],
  );
  await api.json('PATCH', `${path}/held`, { metadata: { finalizers: null } }, merge);
  await until(
    'the definition has taken effect',
    async () => (await api.send('GET', `${definitions}/${name}`)).code === 404,
  );
  await define(api, definitionOf(schemaOf({}), { plural, kind: 'Held' }));
  assert.deepEqual((await api.json<{ items: unknown[] }>('GET', path)).items, []);
});

test('a definition is refused for what no definition may say', async () => {
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      anyOf: [{ properties: { z: { minLength: 1 } } }],
      properties: {
        spec: {
          type: 'object',
          properties: {
            a: {},
            b: { type: 'array' },
            c: { type: 'string', default: 1 },
            d: { type: 'object', properties: { x: { type: 'string' } }, additionalProperties: { type: 'string' } },
            e: { type: 'string', pattern: '(' },
            f: {
              type: 'object',
              properties: { y: { type: 'string' } },
              anyOf: [{ properties: { z: { type: 'string' } } }],
            },
          },
        },
      },
    },
  };
  const root = 'spec.validation.openAPIV3Schema';
  const base = `${root}.properties[spec].properties`;
  assert.deepEqual(await causes('POST', definitions, definitionOf(schema, { plural: 'bads', kind: 'Bad' })), [
    `${base}[a].type: Required value: must not be empty for specified object fields`,
    `${base}[b].items: Required value: must be specified`,
    `${base}[e].pattern: Invalid value: "(": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): \`(\``,
    `${base}[f].anyOf[0].properties[z].type: Forbidden: must be empty to be structural`,
    `${root}.properties[z]: Required value: because it is defined in ${root}.anyOf[0].properties[z]`,
    `${base}[d].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
  ]);
  const wrong = definitionOf(schemaOf({}), { plural: 'bads', kind: 'Bad', metadata: { name: 'x.example.com' } });
  assert.deepEqual(await causes('POST', definitions, wrong), [
    'metadata.name: Invalid value: "x.example.com": must be spec.names.plural+"."+spec.group',
  ]);
  const versions = [
    { name: 'v1', served: true, storage: true, schema: schemaOf({ a: { type: 'string', default: 1 } }) },
    { name: 'v2', served: true, storage: true, schema: schemaOf({}) },
  ];
  const told = await causes('POST', definitions, definitionOf({}, { plural: 'bads', kind: 'Bad', versions }));
  const path = 'spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[a].default';
  assert.deepEqual(
    told.map((each) => each.replace(/Invalid value: \[.*: /, '')),
    [
      `${path}: Invalid value: "integer":  in body must be of type string: "integer"`,
      'spec.versions: must have exactly one version marked as storage version',
      'status.storedVersions: must have the storage version v2',
    ],
  );
  const reserved = definitionOf(schemaOf({}), { group: 'x.k8s.io', plural: 'bads', kind: 'Bad' });
  assert.match(
    (await causes('POST', definitions, reserved))[0] ?? '',
    /^metadata\.annotations\[api-approved\.kubernetes\.io\]: Required value/,
  );
});

test('a watch of custom resources hears of changes by label, field and version', async () => {
  const plural = 'watcheds';
  const version = (name: string, storage: boolean) => ({
    name,
    served: true,
    storage,
    schema: schemaOf({ color: { type: 'string' } }),
    selectableFields: [{ jsonPath: '.spec.color' }],
  });
  await define(
    api,
    definitionOf({}, { plural, kind: 'Watched', versions: [version('v1', true), version('v2', false)] }),
  );
  const { metadata } = await api.json<{ metadata: { resourceVersion: string } }>('GET', pathOf(plural));
  const path = pathOf(plural);
  await api.json('POST', path, widget('Watched', 'r', { color: 'red' }));
  await api.json('POST', path, widget('Watched', 'b', { color: 'blue' }));
  await api.json('PATCH', `${path}/r`, { spec: { color: 'green' } }, merge);
  const selector = `fieldSelector=spec.color%3Dred&resourceVersion=${metadata.resourceVersion}`;
  const events = await api.watch(`${pathOf(plural, 'v2')}?${selector}`);
  const seen = events.map(({ type, object }) => `${type} ${object.apiVersion} ${object.metadata?.name}`);
  assert.deepEqual(seen, ['ADDED example.com/v2 r', 'DELETED example.com/v2 r']);
});

test('custom resources own and are owned, and go with their namespace', async () => {
  const plural = 'owners';
  await define(api, definitionOf(schemaOf({}), { plural, kind: 'Owner' }));
  const path = pathOf(plural);
  const owner = await api.json<Custom>('POST', path, widget('Owner', 'o', {}));
  const reference = { apiVersion: 'example.com/v1', kind: 'Owner', name: 'o', uid: owner.metadata?.uid };
  const owned = { metadata: { name: 'owned-by-custom', ownerReferences: [reference] } };
  await api.json('POST', '/api/v1/namespaces/default/configmaps', owned);
  const child = { metadata: { name: 'child', ownerReferences: [reference] } };
  await api.json('POST', path, { ...widget('Owner', 'child', {}), ...child });
  await api.json('DELETE', `${path}/o`);
  await until('what it owned is gone', async () => {
    const left = await api.send('GET', '/api/v1/namespaces/default/configmaps/owned-by-custom');
    return left.code === 404 && (await api.send('GET', `${path}/child`)).code === 404;
  });
  await api.json('POST', '/api/v1/namespaces', { metadata: { name: 'going' } });
  await api.json('POST', pathOf(plural, 'v1', 'going'), widget('Owner', 'inside', {}));
  await api.json('DELETE', '/api/v1/namespaces/going');
  await until('the namespace is gone', async () => (await api.send('GET', '/api/v1/namespaces/going')).code === 404);
  assert.deepEqual((await api.json<{ items: unknown[] }>('GET', `/apis/example.com/v1/${plural}`)).items, []);
});

test('server-side apply merges custom resources by their schema', async () => {
  const plural = 'applieds';
  const list = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, value: { type: 'string', default: 'd' } },
    },
  };
  const any = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  await define(
    api,
    definitionOf(schemaOf({ list, any, size: { type: 'integer', maximum: 5 } }), { plural, kind: 'Applied' }),
  );
  const path = `${pathOf(plural)}/a`;
  const apply = { 'content-type': 'application/apply-patch+yaml' };
  const by = (manager: string, spec: Open) =>
    api.json<Custom>('PATCH', `${path}?fieldManager=${manager}`, widget('Applied', 'a', spec), apply);
  await by('one', { list: [{ name: 'x' }], any: { deep: { er: 1 } } });
  const both = await by('two', { list: [{ name: 'y', value: '2' }], size: 1 });
  assert.deepEqual(both.spec, {
    list: [
      { name: 'x', value: 'd' },
      { name: 'y', value: '2' },
    ],
    any: { deep: { er: 1 } },
    size: 1,
  });
  const without = await by('one', {});
  assert.deepEqual(without.spec, { list: [{ name: 'y', value: '2' }], size: 1 });
  const tooLarge = await api.send('PATCH', `${path}?fieldManager=two`, widget('Applied', 'a', { size: 9 }), apply);
  assert.equal(tooLarge.code, 422);
  const conflict = await api.send('PATCH', `${path}?fieldManager=one`, widget('Applied', 'a', { size: 2 }), apply);
  assert.equal(conflict.code, 409);
});

test('roles name custom resources and their subresources like any other', async () => {
  const plural = 'guardeds';
  const versions = [{ name: 'v1', served: true, storage: true, schema: schemaOf({}), subresources: { status: {} } }];
  await define(api, definitionOf({}, { plural, kind: 'Guarded', versions }));
  const path = pathOf(plural);
  await api.json('POST', path, widget('Guarded', 'x', {}));
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const rules = [
    { apiGroups: ['example.com'], resources: [plural], verbs: ['get', 'list'] },
    { apiGroups: ['example.com'], resources: [`${plural}/status`], verbs: ['patch'] },
  ];
  await api.json('POST', `${rbac}/roles`, { metadata: { name: 'reader' }, rules });
  await api.json('POST', `${rbac}/rolebindings`, {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'dev' }],
  });
  const dev = { 'impersonate-user': 'dev', ...merge };
  const code = async (method: string, at: string, body?: object) => (await api.send(method, at, body, dev)).code;
  await until('the role is known', async () => (await code('GET', path)) === 200);
  assert.equal(await code('PATCH', `${path}/x/status`, { status: {} }), 200);
  assert.equal(await code('PATCH', `${path}/x`, { spec: {} }), 403);
  assert.equal(await code('DELETE', `${path}/x`), 403);
  assert.equal(await code('GET', definitions), 403);
});
