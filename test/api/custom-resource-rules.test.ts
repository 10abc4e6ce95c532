import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawApi } from '../support/api.ts';
import { define, definitionOf, definitions, schemaOf } from '../support/definitions.ts';
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
const merge = { 'content-type': 'application/merge-patch+json' };
const pathOf = (plural: string) => `/apis/example.com/v1/namespaces/default/${plural}`;
const object = (kind: string, name: string, spec: Open) => ({
  apiVersion: 'example.com/v1',
  kind,
  metadata: { name },
  spec,
});

/** `field: message` of each cause, and the reason of the first. */
async function causes(...call: Parameters<RawApi['send']>): Promise<readonly string[]> {
  const { code, body } = await api.send(...call);
  assert.equal(code, 422, JSON.stringify(body));
  const { details } = body as { details: { causes: readonly { field: string; message: string }[] } };
  return details.causes.map(({ field, message }) => `${field}: ${message}`);
}

/** A schema whose `spec` has these properties and rules. */
const ruled = (properties: Open, ...rules: readonly Open[]) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': rules } },
  },
});

test('rules hold what types cannot say, with messages, reasons and fields of their own', async () => {
  const plural = 'ruleds';
  const properties = {
    min: { type: 'integer' },
    max: { type: 'integer' },
    name: { type: 'string', 'x-kubernetes-validations': [{ rule: "self.startsWith('x')" }] },
    'a-b': { type: 'integer' },
    when: { type: 'string', format: 'date-time' },
    tags: { type: 'object', additionalProperties: { type: 'string' } },
  };
  const schema = ruled(
    properties,
    {
      rule: '!has(self.min) || !has(self.max) || self.min <= self.max',
      message: 'min must not exceed max',
      fieldPath: '.min',
    },
    {
      rule: '!has(self.a__dash__b) || self.a__dash__b > 0',
      reason: 'FieldValueForbidden',
      message: 'must be positive',
    },
    {
      rule: "!has(self.tags) || self.tags.all(key, key != 'bad')",
      messageExpression: "'has ' + string(self.tags.size()) + ' tags, one of them bad'",
    },
    { rule: "!has(self.when) || self.when > timestamp('2020-01-01T00:00:00Z')", message: 'too long ago' },
  );
  await define(api, definitionOf(schema, { plural, kind: 'Ruled' }));
  const path = pathOf(plural);
  const bad = (spec: Open) => causes('POST', path, object('Ruled', 'bad', spec));
  assert.deepEqual(await bad({ min: 2, max: 1 }), ['spec.min: Invalid value: min must not exceed max']);
  assert.deepEqual(await bad({ name: 'y' }), [`spec.name: Invalid value: "y": failed rule: self.startsWith('x')`]);
  assert.deepEqual(await bad({ 'a-b': 0 }), ['spec: Forbidden: must be positive']);
  assert.deepEqual(await bad({ tags: { bad: '', good: '' } }), ['spec: Invalid value: has 2 tags, one of them bad']);
  assert.deepEqual(await bad({ when: '2019-01-01T00:00:00Z' }), ['spec: Invalid value: too long ago']);
  assert.deepEqual(await bad({ min: 'x' }), [
    'spec.min: Invalid value: "string": spec.min in body must be of type integer: "string"',
    '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  ]);
  const fine = { min: 1, max: 1, name: 'x', 'a-b': 1, tags: { a: '' }, when: '2024-01-01T00:00:00Z' };
  await api.json('POST', path, object('Ruled', 'fine', fine));
});

test('rules of change see what was there, and unchanged parts may break rules that came later', async () => {
  const plural = 'changeds';
  const list = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['id'],
    items: {
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'string' }, value: { type: 'integer' } },
      'x-kubernetes-validations': [{ rule: 'self.value >= oldSelf.value', message: 'values only grow' }],
    },
  };
  const schema = (more: Open = {}) =>
    ruled(
      {
        fixed: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable' }] },
        list,
        once: { type: 'string', ...more },
      },
      {
        rule: '!oldSelf.hasValue() || !has(oldSelf.value().once) || has(self.once)',
        optionalOldSelf: true,
        message: 'once is for ever',
      },
    );
  await define(api, definitionOf(schema(), { plural, kind: 'Changed' }));
  const path = pathOf(plural);
  await api.json('POST', path, object('Changed', 'x', { fixed: 'a', list: [{ id: '1', value: 2 }], once: 'long' }));
  const change = (spec: Open) => causes('PATCH', `${path}/x`, { spec }, merge);
  assert.deepEqual(await change({ fixed: 'b' }), ['spec.fixed: Invalid value: "b": is immutable']);
  assert.deepEqual(
    await change({
      list: [
        { id: '0', value: 0 },
        { id: '1', value: 1 },
      ],
    }),
    ['spec.list[1]: Invalid value: values only grow'],
  );
  assert.deepEqual(await change({ once: null }), ['spec: Invalid value: once is for ever']);
  const tightened = schema({ 'x-kubernetes-validations': [{ rule: 'size(self) < 3' }] });
  const versions = [{ name: 'v1', served: true, storage: true, schema: tightened }];
  await api.json('PATCH', `${definitions}/${plural}.example.com`, { spec: { versions } }, merge);
  await until(
    'the new rule holds',
    async () => (await api.send('POST', path, object('Changed', 'y', { once: 'long' }))).code === 422,
  );
  await api.json('PATCH', `${path}/x`, { spec: { list: [{ id: '1', value: 5 }] } }, merge);
  assert.deepEqual(await change({ once: 'longer' }), [
    'spec.once: Invalid value: "longer": failed rule: size(self) < 3',
  ]);
});

test('a definition whose rules cannot be read, or cannot work where they stand, is refused', async () => {
  const refused = async (schema: Open) =>
    causes('POST', definitions, definitionOf(schema, { plural: 'bads', kind: 'Bad' }));
  const spec = 'spec.validation.openAPIV3Schema.properties[spec]';
  const [unknown] = await refused(ruled({ a: { type: 'integer' } }, { rule: 'self.b > 0' }));
  assert.match(
    unknown ?? '',
    /properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: Invalid value: .*: compilation failed: ERROR: <input>:1:5: undefined field 'b'/,
  );
  const [notBool] = await refused(ruled({ a: { type: 'integer' } }, { rule: 'self.a' }));
  assert.match(notBool ?? '', /: cel expression must evaluate to a bool$/);
  const [message] = await refused(
    ruled({ a: { type: 'integer' } }, { rule: 'self.a > 0', messageExpression: 'self.a' }),
  );
  assert.match(message ?? '', /messageExpression: Invalid value: .*: messageExpression must evaluate to a string$/);
  const items = { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] };
  assert.deepEqual(await refused(schemaOf({ list: { type: 'array', items } })), [
    `${spec}.properties[list].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within ${spec}.properties[list]`,
  ]);
  assert.deepEqual(await refused(ruled({ a: { type: 'integer' } }, { rule: ' ' })), [
    `${spec}.x-kubernetes-validations[0].rule: Required value: rule is not specified`,
  ]);
});

test('a rule that may cost too much is refused with its definition, unless it was there before', async () => {
  const list = { type: 'array', items: { type: 'integer' } };
  const rule = 'self.list.all(a, self.list.all(b, a + b >= 0))';
  const schema = ruled({ list }, { rule });
  const spec = 'spec.validation.openAPIV3Schema';
  const at = `${spec}.properties[spec].x-kubernetes-validations[0].rule`;
  const advice =
    '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';
  assert.deepEqual(await causes('POST', definitions, definitionOf(schema, { plural: 'dears', kind: 'Dear' })), [
    `${at}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${advice}`,
    `${at}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
    `${spec}: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${advice}`,
  ]);
  const bounded = ruled({ list: { ...list, maxItems: 100 } }, { rule });
  const made = definitionOf(bounded, { plural: 'dears', kind: 'Dear' });
  await define(api, made);
  const url = `${definitions}/dears.example.com`;
  const versions = [{ name: 'v1', served: true, storage: true, schema }];
  assert.equal((await api.send('PATCH', url, { spec: { versions } }, merge)).code, 422);
  await api.json('PATCH', url, { metadata: { labels: { a: 'b' } } }, merge);
});

test('a rule that costs too much ends the judging, not the server', async () => {
  const plural = 'costlies';
  const list = { type: 'array', items: { type: 'integer' }, maxItems: 1000 };
  const rule = 'self.list.all(a, self.list.all(b, a + b >= 0))';
  await define(api, definitionOf(ruled({ list }, { rule }), { plural, kind: 'Costly' }));
  const spec = { list: Array.from({ length: 1000 }, (_, index) => index) };
  const [told] = await causes('POST', pathOf(plural), object('Costly', 'x', spec));
  assert.match(
    told ?? '',
    /^spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run/,
  );
});
