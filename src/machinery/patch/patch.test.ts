import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectSchema, Schema } from '../schema.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) freeze(item);
    Object.freeze(value);
  }
  return value;
}

test('a JSON patch applies all of its operations', () => {
  const document = freeze({ a: { b: [1, 2, 3] }, 'x/y': { '~': 1 }, n: null });
  const cases: readonly (readonly [readonly object[], object])[] = [
    [[], document],
    [[{ op: 'add', path: '/a/b/0', value: 0 }], { ...document, a: { b: [0, 1, 2, 3] } }],
    [[{ op: 'add', path: '/a/b/-', value: 4 }], { ...document, a: { b: [1, 2, 3, 4] } }],
    [[{ op: 'add', path: '/a/b/-1', value: 4 }], { ...document, a: { b: [1, 2, 3, 4] } }],
    [[{ op: 'remove', path: '/a/b/-1' }], { ...document, a: { b: [1, 2] } }],
    [[{ op: 'replace', path: '/a/b/1', value: { c: 1 } }], { ...document, a: { b: [1, { c: 1 }, 3] } }],
    [[{ op: 'replace', path: '/x~1y/~0', value: 2 }], { ...document, 'x/y': { '~': 2 } }],
    [[{ op: 'remove', path: '/a' }], { 'x/y': { '~': 1 }, n: null }],
    [[{ op: 'move', from: '/a/b', path: '/c' }], { ...document, a: {}, c: [1, 2, 3] }],
    [
      [
        { op: 'copy', from: '/a', path: '/d' },
        { op: 'add', path: '/d/b/-', value: 4 },
      ],
      { ...document, d: { b: [1, 2, 3, 4] } },
    ],
    [
      [
        { op: 'test', path: '/a/b', value: [1, 2, 3] },
        { op: 'test', path: '/missing', value: null },
        { op: 'test', path: '/n', value: null },
        { op: 'replace', path: '/a/b', value: [] },
      ],
      { ...document, a: { b: [] } },
    ],
    [[{ op: 'replace', path: '', value: { z: 1 } }], { z: 1 }],
  ];
  for (const [patch, expected] of cases) assert.deepEqual(applyJsonPatch(document, patch), expected);
});

test('a JSON patch that does not apply is refused whole', () => {
  const document = freeze({ a: { b: [1] } });
  const invalid: readonly object[] = [
    { op: 'test', path: '/a/b/0', value: 2 },
    { op: 'test', path: '/x/y', value: 2 },
    { op: 'remove', path: '/a/c' },
    { op: 'remove', path: '/a/b/1' },
    { op: 'replace', path: '/a/c', value: 1 },
    { op: 'add', path: '/x/y', value: 1 },
    { op: 'add', path: '/a/b/2', value: 1 },
    { op: 'add', path: '/a/b/x', value: 1 },
    { op: 'add', path: 'a', value: 1 },
    { op: 'copy', from: '/c', path: '/d' },
    { op: 'move', from: '/a', path: '/a/b' },
    { op: 'remove', path: '' },
    { op: 'replace', path: '', value: 3 },
  ];
  for (const operation of invalid) {
    assert.throws(
      () => applyJsonPatch(document, [operation]),
      { reason: 'Invalid', code: 422 },
      JSON.stringify(operation),
    );
  }
  const malformed: readonly unknown[] = [
    {},
    [1],
    [{ op: 'shout', path: '/a' }],
    [{ op: 'add', value: 1 }],
    [{ op: 'add', path: '/a' }],
    [{ op: 'copy', path: '/a' }],
    [{ op: 'add', path: '/__proto__/x', value: 1 }],
    [{ op: 'add', path: '/x', value: JSON.parse('{"__proto__":{}}') as object }],
  ];
  for (const patch of malformed)
    assert.throws(() => applyJsonPatch(document, patch), { code: 400 }, JSON.stringify(patch));
  assert.deepEqual(Object.keys({}), []);
  assert.deepEqual(document, { a: { b: [1] } });
});

test('a JSON patch is bounded in operations and in what it copies', () => {
  const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }));
  assert.throws(() => applyJsonPatch({ a: 1 }, many), { code: 413 });
  const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/x${i}` }));
  assert.throws(() => applyJsonPatch({ a: { b: 'x'.repeat(1000) } }, doubling), {
    code: 422,
    message: /accumulated size increase of copy/,
  });
});

test('a merge patch sets, removes and replaces', () => {
  const document = freeze({ a: 'b', c: { d: 'e', f: 'g' }, list: [1, 2] });
  assert.deepEqual(applyMergePatch(document, { a: 'z', c: { f: null, n: { x: null, y: 1 } }, list: [3] }), {
    a: 'z',
    c: { d: 'e', n: { y: 1 } },
    list: [3],
  });
  assert.deepEqual(applyMergePatch(document, {}), document);
  assert.throws(() => applyMergePatch(document, [1]), { reason: 'BadRequest' });
  assert.throws(() => applyMergePatch(document, JSON.parse('{"c":{"__proto__":{"x":1}}}') as object), {
    reason: 'BadRequest',
  });
  let deep: object = {};
  for (let i = 0; i < 20_000; i++) deep = { a: deep };
  assert.throws(() => applyMergePatch(document, deep), { reason: 'BadRequest' });
});

const string: Schema = { type: 'string' };
const object = (fields: Record<string, Schema>, more: Partial<ObjectSchema> = {}): ObjectSchema => ({
  type: 'object',
  fields: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, { schema }])),
  required: [],
  ...more,
});
const item = object({ name: string, value: string, args: { type: 'array', items: string } });
const schema = object({
  items: { type: 'array', items: item, patchStrategy: ['merge'], patchMergeKey: 'name' },
  atomic: { type: 'array', items: item },
  finalizers: { type: 'array', items: string, patchStrategy: ['merge'] },
  strategy: object({ type: string, rolling: object({ surge: string }) }, { patchStrategy: ['retainKeys'] }),
  labels: { type: 'map', values: string },
});
const named = (...names: readonly string[]) => names.map((name) => ({ name }));

test('a strategic merge patch merges lists by their key and keeps the rest', () => {
  const document = freeze({
    items: [{ name: 'a', value: '1', args: ['x'] }, { name: 'b' }],
    atomic: named('p', 'q'),
    finalizers: ['one', 'two'],
    labels: { l: '1' },
  });
  const cases: readonly (readonly [string, object, object])[] = [
    ['nothing', {}, document],
    [
      'an element is merged',
      { items: [{ name: 'a', value: '2' }] },
      { ...document, items: [{ name: 'a', value: '2', args: ['x'] }, { name: 'b' }] },
    ],
    ['a new element comes first', { items: named('c') }, { ...document, items: [{ name: 'c' }, ...document.items] }],
    ['a list without strategy is replaced', { atomic: named('z') }, { ...document, atomic: named('z') }],
    ['an element is deleted', { items: [{ name: 'a', $patch: 'delete' }] }, { ...document, items: named('b') }],
    ['a list is replaced', { items: [{ $patch: 'replace' }, { name: 'z' }] }, { ...document, items: named('z') }],
    [
      'a field of an element is removed',
      { items: [{ name: 'a', value: null }] },
      { ...document, items: [{ name: 'a', args: ['x'] }, { name: 'b' }] },
    ],
    ['primitives merge', { finalizers: ['three', 'one'] }, { ...document, finalizers: ['three', 'one', 'two'] }],
    [
      'primitives are deleted',
      { '$deleteFromPrimitiveList/finalizers': ['one'] },
      { ...document, finalizers: ['two'] },
    ],
    ['a map is replaced', { labels: { $patch: 'replace', m: '2' } }, { ...document, labels: { m: '2' } }],
    ['a map is emptied', { labels: { $patch: 'delete' } }, { ...document, labels: {} }],
    [
      'a field is removed',
      { labels: null },
      { items: document.items, atomic: document.atomic, finalizers: document.finalizers },
    ],
    ['nulls of new maps vanish', { strategy: { type: 'X', rolling: null } }, { ...document, strategy: { type: 'X' } }],
  ];
  for (const [title, patch, expected] of cases) {
    assert.deepEqual(applyStrategicMergePatch(document, freeze(patch), schema), expected, title);
  }
});

test('$setElementOrder puts a merged list in order', () => {
  const document = freeze({ items: named('a', 'b', 'c'), finalizers: ['x', 'y', 'z'] });
  const items = (patch: object) => {
    const result = applyStrategicMergePatch(document, patch, schema);
    return result.items.map(({ name }) => name).join('');
  };
  assert.equal(items({ '$setElementOrder/items': named('c', 'a', 'b') }), 'cab');
  assert.equal(items({ '$setElementOrder/items': named('d', 'a', 'b', 'c'), items: named('d') }), 'dabc');
  assert.equal(items({ '$setElementOrder/items': named('a', 'd'), items: named('d') }), 'adbc');
  assert.equal(items({ '$setElementOrder/items': named('c', 'a'), items: [{ name: 'b', $patch: 'delete' }] }), 'ca');
  assert.deepEqual(
    applyStrategicMergePatch(
      document,
      { '$setElementOrder/finalizers': ['z', 'x'], '$deleteFromPrimitiveList/finalizers': ['y'] },
      schema,
    ).finalizers,
    ['z', 'x'],
  );
  assert.throws(() => items({ '$setElementOrder/items': named('a'), items: named('d') }), { reason: 'Invalid' });
});

test('$retainKeys drops what the patch does not keep', () => {
  const document = freeze({ strategy: { type: 'RollingUpdate', rolling: { surge: '1' } } });
  assert.deepEqual(
    applyStrategicMergePatch(document, { strategy: { $retainKeys: ['type'], type: 'Recreate' } }, schema),
    { strategy: { type: 'Recreate' } },
  );
  assert.throws(() => applyStrategicMergePatch(document, { strategy: { $retainKeys: ['x'], type: 'R' } }, schema), {
    reason: 'BadRequest',
  });
});

test('a strategic merge patch that makes no sense is refused', () => {
  const document = freeze({ items: named('a'), finalizers: ['x'] });
  const malformed: readonly unknown[] = [
    [],
    { $patch: 'shout' },
    { items: [{ value: 'no key' }] },
    { items: ['text'] },
    { items: [{ name: 'a', $patch: 'merge' }] },
    { '$deleteFromPrimitiveList/finalizers': 'x' },
    { '$setElementOrder/items': 'x' },
    JSON.parse('{"__proto__":{}}'),
  ];
  for (const patch of malformed) {
    assert.throws(
      () => applyStrategicMergePatch(document, patch, schema),
      { reason: 'BadRequest' },
      JSON.stringify(patch),
    );
  }
});

test('a strategic merge patch takes no longer than its size, however many elements it names', () => {
  const elements = (prefix: string, count: number) =>
    named(...Array.from({ length: count }, (_, i) => `${prefix}${i}`));
  const cost = (count: number) => {
    const stored = { items: elements('c', count) };
    const patch = { items: [...elements('c', count), ...elements('d', count)] };
    const before = process.threadCpuUsage();
    assert.equal(applyStrategicMergePatch(stored, patch, schema).items.length, 2 * count);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  cost(1_000); // compiled
  assert.ok(cost(10_000) < 1_000); // once by comparing each with each: ten seconds
});
