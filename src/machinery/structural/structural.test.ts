import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { definition } from '#api/definitions.ts';
import { withDefaults } from './defaults.ts';
import { hasFormat } from './formats.ts';
import type { JsonSchema } from './json-schema.ts';
import { containsPattern } from './pattern.ts';
import { prune } from './prune.ts';
import { valueErrors } from './validate-value.ts';

const meta = definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
const schema: JsonSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: { type: 'string', default: 'x' },
        list: { type: 'array', items: { type: 'object', properties: { b: { type: 'integer', default: 1 } } } },
        map: { type: 'object', additionalProperties: { type: 'string' } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        embedded: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          properties: { spec: { type: 'object' } },
        },
      },
    },
  },
};

test('prune() keeps what the schema knows, and the metadata of embedded objects', () => {
  const value = {
    apiVersion: 'v1',
    kind: 'X',
    metadata: { name: 'n', nope: 1 },
    spec: {
      map: { any: 'thing' },
      free: { deep: [{ er: 1 }] },
      embedded: { apiVersion: 'v1', kind: 'Y', metadata: { labels: { a: 'b' }, strange: 1 }, spec: {}, other: 1 },
      list: [{ b: 1, c: 2 }],
    },
  };
  const { value: kept, unknown, errors } = prune(schema, value, meta);
  assert.deepEqual(errors, []);
  assert.deepEqual([...unknown].toSorted(), [
    'metadata.nope',
    'spec.embedded.metadata.strange',
    'spec.embedded.other',
    'spec.list[0].c',
  ]);
  assert.deepEqual(kept, {
    ...value,
    metadata: { name: 'n' },
    spec: {
      ...value.spec,
      embedded: { apiVersion: 'v1', kind: 'Y', metadata: { labels: { a: 'b' } }, spec: {} },
      list: [{ b: 1 }],
    },
  });
});

test('prune() refuses metadata of the wrong type and keys that reach a prototype', () => {
  assert.equal(prune(schema, { metadata: { labels: { a: 1 } } }, meta).errors.length, 1);
  const hostile: unknown = JSON.parse('{"spec":{"free":{"__proto__":{"polluted":true}}}}');
  assert.match(prune(schema, hostile, meta).errors[0] ?? '', /__proto__/);
});

test('pruning and defaulting again changes nothing, keeps the very same object, and never touches what it was given', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (spec) => {
      const value = { spec };
      const before = JSON.stringify(value);
      const once = withDefaults(schema, prune(schema, value, meta).value);
      assert.equal(JSON.stringify(value), before);
      const again = prune(schema, once, meta);
      assert.equal(withDefaults(schema, again.value), once);
      assert.ok(valueErrors(schema, once).length >= 0);
    }),
    { numRuns: 300 },
  );
});

test('a pattern is matched in linear time, in the syntax of Go', () => {
  const start = performance.now();
  assert.equal(containsPattern('^(a+)+$', `${'a'.repeat(5_000)}!`), false);
  assert.ok(performance.now() - start < 2_000);
  assert.equal(containsPattern(String.raw`^\p{Greek}+\z`, 'αβγ'), true);
  assert.equal(containsPattern('(?i)HELLO', 'say hello'), true);
});

test('formats are told by what Go accepts of them', () => {
  const fine: readonly (readonly [string, string])[] = [
    ['date', '2024-02-29'],
    ['date-time', '2024-02-29T12:00:00.5+01:00'],
    ['duration', '1h30m'],
    ['duration', '3 days'],
    ['ipv4', '10.0.0.1'],
    ['ipv6', '::1'],
    ['cidr', '10.0.0.0/8'],
    ['mac', '01:23:45:67:89:ab'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000'],
    ['uri', 'https://example.com/x'],
    ['email', 'a@b.example'],
    ['hostname', 'a.example'],
    ['byte', 'aGVsbG8='],
    ['isbn', '978-0321751041'],
    ['isbn10', '0321751043'],
    ['creditcard', '4111 1111 1111 1111'],
    ['hexcolor', '#fff'],
    ['rgbcolor', 'rgb(0, 128, 255)'],
    ['k8s-short-name', 'a-b'],
    ['unheard-of', 'anything'],
  ];
  const bad: readonly (readonly [string, string])[] = [
    ['date', '2023-02-29'],
    ['date-time', '2024-01-01'],
    ['duration', 'soon'],
    ['ipv4', '10.0.0.256'],
    ['ipv6', '10.0.0.1'],
    ['cidr', '10.0.0.0/33'],
    ['mac', '01:23'],
    ['uuid4', '123e4567-e89b-12d3-a456-426614174000'],
    ['uri', 'not a uri'],
    ['email', 'nobody'],
    ['byte', '*'],
    ['isbn10', '0321751044'],
    ['creditcard', '4111 1111 1111 1112'],
    ['k8s-short-name', 'a.b'],
  ];
  for (const [format, text] of fine) assert.equal(hasFormat(format, text), true, `${format} ${text}`);
  for (const [format, text] of bad) assert.equal(hasFormat(format, text), false, `${format} ${text}`);
});
