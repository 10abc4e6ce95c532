import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { conform } from './conform.ts';
import { nestingMax } from './json.ts';
import type { Field, ObjectSchema, Schema } from './schema.ts';

const object = (fields: Record<string, Field>, rest: Partial<ObjectSchema> = {}): ObjectSchema => ({
  type: 'object',
  fields: Object.assign(Object.create(null) as Record<string, Field>, fields),
  required: [],
  ...rest,
});
const words: Schema = { type: 'string' };
const port = object(
  {
    port: { schema: { type: 'integer', format: 'int32' } },
    protocol: { schema: { type: 'string', default: 'TCP' } },
  },
  { name: 'test.v1.Port', zeroIsAbsent: true },
);
const thing = object(
  {
    name: { schema: words },
    title: { schema: { type: 'string', default: '' } },
    replicas: { schema: { type: 'integer', format: 'int32' }, pointer: true },
    size: { schema: { type: 'integer', format: 'int64' } },
    paused: { schema: { type: 'boolean' } },
    ratio: { schema: { type: 'number' }, pointer: true },
    limits: { schema: { type: 'map', values: { type: 'quantity' } } },
    labels: { schema: { type: 'map', values: words } },
    ports: { schema: { type: 'array', items: port } },
    args: { schema: { type: 'array', items: words } },
    items: { schema: { type: 'array', items: words } },
    created: { schema: { type: 'string', format: 'date-time' } },
    renewed: { schema: { type: 'string', format: 'micro-time' } },
    secret: { schema: { type: 'string', format: 'byte' } },
    target: { schema: { type: 'int-or-string' } },
    raw: { schema: { type: 'any', object: true } },
    spec: { schema: port },
  },
  { name: 'test.v1.Thing', zeroIsAbsent: true, required: ['items'] },
);
const always = { title: '', items: [], spec: { protocol: 'TCP' } };

test('conform() gives back the very same object when nothing needs a change', () => {
  const value = { name: 'a', replicas: 0, ports: [{ port: 1, protocol: 'UDP' }], ...always };
  assert.equal(conform(thing, value).value, value);
});

test('conform() prunes unknown fields and names their paths', () => {
  const value = { nope: { deep: 1 }, ports: [{ port: 1, protocol: 'UDP', extra: true }], ...always };
  const result = conform(thing, value);
  assert.deepEqual(result.value, { ports: [{ port: 1, protocol: 'UDP' }], ...always });
  assert.deepEqual(result.unknown, ['nope', 'ports[0].extra']);
  assert.deepEqual(result.errors, []);
  assert.ok('nope' in value, 'the value handed in stays as it was');
});

test('conform() keeps unknown fields where the schema says so', () => {
  const free = object({ a: { schema: words } }, { preserveUnknownFields: true });
  assert.deepEqual(conform(free, { a: 'x', b: { c: [1] } }), {
    value: { a: 'x', b: { c: [1] } },
    unknown: [],
    errors: [],
  });
});

test('conform() reads null as absence, and as zero within lists and maps', () => {
  const { value } = conform(thing, { name: null, labels: { a: null }, args: [null, 'x'], ports: [null] });
  assert.deepEqual(value, { labels: { a: '' }, args: ['', 'x'], ports: [{ protocol: 'TCP' }], ...always });
});

test('conform() drops zeros of Go fields that are no pointers, keeps zeros of pointers and of custom resources', () => {
  const zeros = { name: '', replicas: 0, size: 0, paused: false, ratio: 0, ports: [{ port: 0, protocol: '' }] };
  assert.deepEqual(conform(thing, zeros).value, { replicas: 0, ratio: 0, ports: [{ protocol: 'TCP' }], ...always });
  const custom = object({ replicas: { schema: { type: 'integer' } }, on: { schema: { type: 'boolean' } } });
  assert.deepEqual(conform(custom, { replicas: 0, on: false }).value, { replicas: 0, on: false });
});

test('conform() stores quantities, times and base64 in their canonical form', () => {
  const { value, errors } = conform(thing, {
    limits: { cpu: '1000m', memory: 1024, disk: '1024Mi' },
    created: '2026-01-02T05:04:05.9+02:00',
    renewed: '2026-01-02T03:04:05.5Z',
    secret: 'YWJj\nZGVm',
    ...always,
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(value, {
    limits: { cpu: '1', memory: '1024', disk: '1Gi' },
    created: '2026-01-02T03:04:05Z',
    renewed: '2026-01-02T03:04:05.500000Z',
    secret: 'YWJjZGVm',
    ...always,
  });
});

test('conform() names wrong types the way clients know them, with the path', () => {
  const wrong: readonly [unknown, string][] = [
    [{ replicas: 'three' }, 'json: cannot unmarshal string into Go struct field Thing.replicas of type int32'],
    [{ replicas: 1.5 }, 'json: cannot unmarshal number 1.5 into Go struct field Thing.replicas of type int32'],
    [
      { replicas: 2 ** 31 },
      'json: cannot unmarshal number 2147483648 into Go struct field Thing.replicas of type int32',
    ],
    [{ ports: {} }, 'json: cannot unmarshal object into Go struct field Thing.ports of type []v1.Port'],
    [{ ports: [{}, 'x'] }, 'json: cannot unmarshal string into Go struct field Thing.ports[1] of type v1.Port'],
    [{ ports: [{ port: true }] }, 'json: cannot unmarshal bool into Go struct field Port.ports[0].port of type int32'],
    [{ labels: { a: 1 } }, 'json: cannot unmarshal number 1 into Go struct field Thing.labels.a of type string'],
    [{ labels: [] }, 'json: cannot unmarshal array into Go struct field Thing.labels of type map[string]string'],
    [
      { limits: { cpu: 'lots' } },
      "limits.cpu: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      { size: 9007199254740992 },
      'size: 9007199254740992 is beyond the integers that can be kept exactly (±9007199254740991)',
    ],
    [{ created: 'yesterday' }, 'created: parsing time "yesterday": it must look like "2006-01-02T15:04:05Z"'],
    [
      { created: '2026-02-30T00:00:00Z' },
      'created: parsing time "2026-02-30T00:00:00Z": it must look like "2006-01-02T15:04:05Z"',
    ],
    [{ secret: 'a*b=' }, 'secret: illegal base64 data at input byte 1'],
    [{ target: 1.5 }, 'json: cannot unmarshal number 1.5 into Go struct field Thing.target of type intstr.IntOrString'],
    [{ raw: 'text' }, 'json: cannot unmarshal string into Go struct field Thing.raw of type map[string]interface {}'],
    [[], 'json: cannot unmarshal array into Go value of type v1.Thing'],
  ];
  for (const [value, message] of wrong) assert.deepEqual(conform(thing, value).errors, [message]);
});

test('conform() lets no key reach a prototype', () => {
  const evil = JSON.parse('{"__proto__":{"polluted":1},"name":"a","labels":{"constructor":"fine"}}') as unknown;
  const { value, unknown } = conform(thing, evil);
  assert.deepEqual(value, { name: 'a', labels: { constructor: 'fine' }, ...always });
  assert.deepEqual(unknown, ['__proto__']);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  for (const text of ['{"labels":{"__proto__":"x"}}', '{"raw":{"a":[{"__proto__":{}}]}}']) {
    assert.match(conform(thing, JSON.parse(text)).errors[0] ?? '', /"__proto__" is not allowed/);
  }
});

test('conform() refuses free-form values nested without end', () => {
  let deep: unknown = {};
  for (let level = 0; level < nestingMax + 10; level++) deep = { a: deep };
  assert.match(conform(thing, { raw: deep }).errors[0] ?? '', /nested deeper than/);
});

test('conform() never throws nor pollutes, and conforming again changes nothing', () => {
  const names = fc.constantFrom(...Object.keys(thing.fields), '__proto__', 'constructor', 'toString', 'x');
  const leaf = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('', 0, false, null, '1', '1000m', '2026-01-02T03:04:05+01:00', 2 ** 53),
  );
  const part = fc.dictionary(fc.oneof(names, fc.constantFrom('port', 'protocol')), leaf, { noNullPrototype: true });
  const any = fc.dictionary(names, fc.oneof(leaf, part, fc.array(part), fc.array(leaf)), { noNullPrototype: true });
  fc.assert(
    fc.property(fc.oneof(any, leaf), (value) => {
      const before = structuredClone(value);
      const once = conform(thing, value);
      assert.deepEqual(value, before);
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
      if (once.errors.length > 0) return;
      const twice = conform(thing, once.value);
      assert.equal(twice.value, once.value);
      assert.deepEqual([twice.unknown, twice.errors], [[], []]);
    }),
    { numRuns: 1000 },
  );
});

test('optional lists and maps that are empty are absent, required ones stay; a wrong type is never taken for empty', () => {
  assert.deepEqual(conform(thing, { labels: {}, args: [], items: [] }).value, conform(thing, {}).value);
  for (const wrong of [{ labels: [] }, { args: {} }, { args: '' }, { labels: 0 }, { name: false }, { paused: 0 }]) {
    assert.equal(conform(thing, wrong).errors.length, 1, JSON.stringify(wrong));
  }
});
