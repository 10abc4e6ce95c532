import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, constantFrom, dictionary, integer, property, record, uniqueArray } from 'fast-check';
import type { ManagedFieldsEntry } from '../object.ts';
import type { ObjectSchema, Schema } from '../schema.ts';
import { compareFields } from './compare.ts';
import {
  difference,
  intersection,
  isFields,
  isMember,
  leaf,
  pathsOf,
  sameFields,
  union,
  type Fields,
} from './fields.ts';
import {
  applyFields,
  managerName,
  startingEntries,
  trackUpdate,
  untrackedEntries,
  updateManagersMax,
  type Tracking,
} from './managed-fields.ts';
import { fieldsOf, ShapeError } from './to-fields.ts';

const text: Schema = { type: 'string' };
const struct = (fields: Record<string, Schema>, more: Partial<ObjectSchema> = {}): ObjectSchema => ({
  type: 'object',
  required: [],
  fields: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, { schema, pointer: true }])),
  ...more,
});
const item = struct({
  name: text,
  port: { type: 'integer' },
  protocol: { type: 'string', default: 'TCP' },
  value: text,
});
const schema = struct({
  a: text,
  b: text,
  map: { type: 'map', values: text },
  atomicMap: { type: 'map', values: text, mapType: 'atomic' },
  inner: struct({ x: text, y: text }),
  atomicStruct: struct({ x: text, y: text }, { mapType: 'atomic' }),
  set: { type: 'array', items: text, listType: 'set' },
  list: { type: 'array', items: text },
  items: { type: 'array', items: item, listType: 'map', listMapKeys: ['name'] },
  ports: { type: 'array', items: item, listType: 'map', listMapKeys: ['port', 'protocol'] },
  free: { type: 'any' },
  raw: { type: 'any', name: 'RawExtension' },
});
const tracking: Tracking = { schema, ignored: leaf, time: '2026-01-01T00:00:00Z' };
const ignoringNothing = { ...tracking, ignored: {} };
const writer = (manager: string) => ({ manager, apiVersion: 'v1' });

interface State {
  readonly object: unknown;
  readonly entries: readonly ManagedFieldsEntry[];
}
const nothing: State = { object: {}, entries: [] };
/** Applies without force; conflicts come back as `manager: path`. */
function apply(
  { object, entries }: State,
  manager: string,
  config: object,
  force = false,
): State & { conflicts: string[] } {
  const applied = applyFields(ignoringNothing, writer(manager), entries, object, config, { force });
  return {
    object: applied.object,
    entries: applied.entries,
    conflicts: applied.conflicts.flatMap(({ entry, paths }) => paths.map((path) => `${entry.manager}: ${path}`)),
  };
}
const update = ({ object, entries }: State, manager: string, next: object): State => ({
  object: next,
  entries: trackUpdate(ignoringNothing, writer(manager), entries, object, next),
});
/** `manager: paths` of every entry. */
const owners = ({ entries }: State) =>
  Object.fromEntries(entries.map(({ manager = '', fieldsV1 }) => [manager, pathsOf(fieldsV1 as Fields)]));

test('what a configuration sets is known by the merge strategy of each part', () => {
  const cases: readonly (readonly [config: object, ...paths: readonly string[]])[] = [
    [{ a: '1' }, '.a'],
    [{ inner: { x: '1' } }, '.inner.x'],
    [{ inner: {} }, '.inner'],
    [{ map: { k: '1', 'a.b/c': '2' } }, '.map.a.b/c', '.map.k'],
    [{ map: {} }, '.map'],
    [{ atomicMap: { k: '1' } }, '.atomicMap'],
    [{ atomicStruct: { x: '1' } }, '.atomicStruct'],
    [{ list: ['a', 'b'] }, '.list'],
    [{ set: ['a', 'b'] }, '.set[="a"]', '.set[="b"]'],
    [{ items: [{ name: 'n', value: 'v' }] }, '.items[name="n"]', '.items[name="n"].name', '.items[name="n"].value'],
    [{ ports: [{ port: 80 }] }, '.ports[port=80,protocol="TCP"]', '.ports[port=80,protocol="TCP"].port'],
    [{ items: [] }],
    [{ free: { a: { b: 1 }, c: [1] } }, '.free.a', '.free.a.b', '.free.c'],
    [{ raw: { a: 1 } }, '.raw'],
  ];
  for (const [config, ...paths] of cases)
    assert.deepEqual(pathsOf(fieldsOf(schema, config)), paths, JSON.stringify(config));
});

test('lists whose elements cannot be told apart are refused, with the place', () => {
  assert.throws(() => fieldsOf(schema, { items: [{ value: 'v' }] }), ShapeError);
  assert.throws(() => fieldsOf(schema, { set: ['a', 'a'] }), /^ShapeError: \.set: duplicate entries for key \["a"\]/);
  assert.throws(
    () => fieldsOf(schema, { inner: {}, ports: [{ port: 1 }, { port: 1, protocol: 'TCP' }] }),
    /\.ports: duplicate/,
  );
});

test('two states differ in what was added, removed and modified', () => {
  const before = { a: '1', b: '2', map: { k: '1' }, items: [{ name: 'n', value: '1' }], set: ['x'], list: ['a'] };
  const after = {
    a: '1',
    b: '3',
    items: [{ name: 'n', value: '2' }, { name: 'm' }],
    set: ['y'],
    list: ['b'],
    inner: { x: '1' },
  };
  const { added, removed, modified } = compareFields(schema, before, after);
  assert.deepEqual(pathsOf(added), ['.inner', '.inner.x', '.items[name="m"]', '.items[name="m"].name', '.set[="y"]']);
  assert.deepEqual(pathsOf(removed), ['.map', '.map.k', '.set[="x"]']);
  assert.deepEqual(pathsOf(modified), ['.b', '.items[name="n"].value', '.list']);
  assert.deepEqual(compareFields(schema, after, structuredClone(after)), {
    added: undefined,
    removed: undefined,
    modified: undefined,
  });
});

test('appliers of different fields do not disturb each other', () => {
  const first = apply(nothing, 'one', { a: '1', items: [{ name: 'x', value: '1' }] });
  const second = apply(first, 'two', { b: '2', items: [{ name: 'y' }] });
  assert.deepEqual(second.object, { a: '1', b: '2', items: [{ name: 'x', value: '1' }, { name: 'y' }] });
  assert.deepEqual(owners(second), {
    one: ['.a', '.items[name="x"]', '.items[name="x"].name', '.items[name="x"].value'],
    two: ['.b', '.items[name="y"]', '.items[name="y"].name'],
  });
});

test('a field that another manages is a conflict, shared if the values agree, and taken by force', () => {
  const mine = apply(nothing, 'one', { a: '1', b: '1' });
  const refused = apply(mine, 'two', { a: '2', b: '2' });
  assert.deepEqual(refused.conflicts, ['one: .a', 'one: .b']);
  assert.equal(refused.object, mine.object);
  assert.deepEqual(owners(apply(mine, 'two', { a: '1' })), { one: ['.a', '.b'], two: ['.a'] });
  const forced = apply(mine, 'two', { a: '2' }, true);
  assert.deepEqual(
    [forced.object, owners(forced)],
    [
      { a: '2', b: '1' },
      { one: ['.b'], two: ['.a'] },
    ],
  );
});

test('what is applied no longer goes, unless another manages it too', () => {
  const both = apply(apply(nothing, 'one', { a: '1', b: '1', map: { k: '1', l: '2' } }), 'two', { a: '1' });
  const less = apply(both, 'one', { map: { k: '1' } });
  assert.deepEqual(less.object, { a: '1', map: { k: '1' } });
  assert.deepEqual(owners(less), { one: ['.map.k'], two: ['.a'] });
  const gone = apply(less, 'one', {});
  assert.deepEqual([gone.object, owners(gone)], [{ a: '1' }, { two: ['.a'] }]);
});

test('what the server added to an element goes with it; what another manages in it keeps it', () => {
  const mine = apply(nothing, 'one', { items: [{ name: 'x' }, { name: 'y' }] });
  const defaulted = { ...mine, object: { items: [{ name: 'x', value: 'default' }, { name: 'y' }] } };
  assert.deepEqual(apply(defaulted, 'one', { items: [{ name: 'y' }] }).object, { items: [{ name: 'y' }] });
  const shared = apply(mine, 'two', { items: [{ name: 'x', value: '2' }] });
  assert.deepEqual(apply(shared, 'one', { items: [{ name: 'y' }] }).object, {
    items: [{ name: 'x', value: '2' }, { name: 'y' }],
  });
});

test('atomic parts have one owner and are replaced whole', () => {
  const mine = apply(nothing, 'one', { list: ['a'], atomicMap: { a: '1' }, atomicStruct: { x: '1' }, raw: { a: 1 } });
  const refused = apply(mine, 'two', { list: ['b'], atomicMap: { b: '1' }, atomicStruct: { y: '1' }, raw: { b: 1 } });
  assert.deepEqual(refused.conflicts, ['one: .atomicMap', 'one: .atomicStruct', 'one: .list', 'one: .raw']);
  const forced = apply(mine, 'two', { list: ['b'], atomicStruct: { y: '1' } }, true);
  assert.deepEqual(forced.object, { list: ['b'], atomicMap: { a: '1' }, atomicStruct: { y: '1' }, raw: { a: 1 } });
});

test('elements come in the order of the configuration, others as early as their own order allows', () => {
  const names = (state: State) =>
    (state.object as { items: { name: string }[] }).items.map(({ name }) => name).join('');
  const list = (order: string) => ({ items: order.split('').map((name) => ({ name })) });
  const live = apply(apply(nothing, 'one', list('abcd')), 'two', list('xby'));
  assert.equal(names(live), 'axbcdy');
  assert.equal(names(apply(live, 'one', list('dcba'))), 'xdycba');
});

test('an updater takes over what it changes, and drops what it removes from everybody', () => {
  const mine = apply(nothing, 'one', { a: '1', b: '1', map: { k: '1' } });
  const changed = update(mine, 'two', { a: '2', map: { k: '1', l: '1' } });
  assert.deepEqual(owners(changed), { one: ['.map.k'], two: ['.a', '.map.l'] });
  // Back to the applier: a conflict, as somebody else changed it.
  assert.deepEqual(apply(changed, 'one', { a: '1', map: { k: '1' } }).conflicts, ['two: .a']);
});

test('an update that changes nothing leaves the entries as they are, to the very object', () => {
  const mine = update(nothing, 'one', { a: '1' });
  assert.equal(update(mine, 'two', { a: '1' }).entries, mine.entries);
  const again = apply(apply(mine, 'three', { a: '1' }), 'three', { a: '1' });
  const later = applyFields(
    { ...ignoringNothing, time: '2030-01-01T00:00:00Z' },
    writer('three'),
    again.entries,
    again.object,
    { a: '1' },
    { force: false },
  );
  assert.deepEqual(later.entries, again.entries);
});

test('more than ten updaters are folded, the oldest first', () => {
  let state = nothing;
  for (let i = 0; i < updateManagersMax + 4; i++) {
    const next = { map: { ...(state.object as { map?: object }).map, [`k${i}`]: '1' } };
    const time = `2026-01-01T00:00:${String(i).padStart(2, '0')}Z`;
    state = {
      object: next,
      entries: trackUpdate({ ...ignoringNothing, time }, writer(`m${i}`), state.entries, state.object, next),
    };
  }
  assert.equal(state.entries.length, updateManagersMax);
  assert.equal(state.entries[0]?.manager, 'ancient-changes');
  assert.deepEqual(owners(state)['ancient-changes'], ['.map', '.map.k0', '.map.k1', '.map.k2', '.map.k3', '.map.k4']);
});

test('entries that a client sends count if they can be read; one empty entry resets them', () => {
  const stored = [
    { manager: 'one', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:a': {} } },
  ];
  const sent = [{ ...stored[0], manager: 'two' }];
  assert.equal(startingEntries(stored, sent, undefined), sent);
  assert.equal(startingEntries(stored, sent, 'status'), stored);
  assert.equal(startingEntries(stored, undefined, undefined), stored);
  assert.equal(startingEntries(stored, [], undefined), stored);
  assert.deepEqual(startingEntries(stored, [{}], undefined), []);
  for (const bad of [
    { operation: 'Own' },
    { fieldsType: 'FieldsV2' },
    { fieldsV1: { x: {} } },
    { fieldsV1: { 'k:{': {} } },
    { apiVersion: '' },
  ]) {
    assert.equal(startingEntries(stored, [{ ...stored[0], ...bad }], undefined), stored, JSON.stringify(bad));
  }
});

test('before the first apply everything belongs to somebody else', () => {
  const entries = untrackedEntries(ignoringNothing, 'v1', { a: '1' });
  assert.deepEqual(owners({ object: {}, entries }), { 'before-first-apply': ['.a'] });
  assert.deepEqual(apply({ object: { a: '1' }, entries }, 'one', { a: '2' }).conflicts, ['before-first-apply: .a']);
});

test('managers are called as they ask, or by the first word of their user agent', () => {
  assert.equal(managerName('me', 'kubectl/v1.32'), 'me');
  assert.equal(managerName(undefined, 'kubectl/v1.32 (linux)'), 'kubectl');
  assert.equal(managerName('', ''), 'unknown');
  assert.equal(managerName(undefined, `${'x'.repeat(200)}/1`).length, 128);
});

const name = constantFrom('a', 'b', 'c', 'd');
const small = integer({ min: 0, max: 3 }).map(String);
const configs = record(
  {
    a: small,
    b: small,
    map: dictionary(name, small, { maxKeys: 3 }),
    inner: record({ x: small, y: small }, { requiredKeys: [] }),
    set: uniqueArray(small, { maxLength: 3 }),
    list: uniqueArray(small, { maxLength: 3 }),
    items: uniqueArray(record({ name, value: small }, { requiredKeys: ['name'] }), {
      selector: (each) => each.name,
      maxLength: 4,
    }),
    free: dictionary(name, small, { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

test('applying the same configuration again changes nothing', () => {
  holds(
    property(configs, configs, (other, own) => {
      const live = apply(nothing, 'other', other);
      const once = apply(live, 'own', own, true);
      const twice = apply(once, 'own', own);
      assert.deepEqual([twice.conflicts, twice.object, twice.entries], [[], once.object, once.entries]);
    }),
  );
});

test('appliers without a field in common may come in any order', () => {
  holds(
    property(configs, configs, (one, two) => {
      const [left, right] = [fieldsOf(schema, one), fieldsOf(schema, two)];
      if (intersection(left, right) !== undefined) return;
      const forth = apply(apply(nothing, 'one', one), 'two', two);
      const back = apply(apply(nothing, 'two', two), 'one', one);
      assert.deepEqual(owners(forth), owners(back));
      // Lists keep the order of who came first; what is in them is the same.
      const { added, removed, modified } = compareFields(schema, forth.object, back.object);
      assert.deepEqual([added, removed, modified], [undefined, undefined, undefined]);
    }),
  );
});

test('an apply never takes a field away that another manages', () => {
  holds(
    property(configs, configs, configs, (theirs, before, after) => {
      const live = apply(apply(nothing, 'they', theirs), 'own', before, true);
      const next = apply(live, 'own', after);
      if (next.conflicts.length > 0) return;
      const kept = live.entries.find(({ manager }) => manager === 'they')?.fieldsV1 as Fields | undefined;
      const there = compareFields(schema, {}, next.object).added;
      assert.deepEqual(pathsOf(difference(kept, there)), []);
    }),
  );
});

test('sets of fields obey the laws of sets', () => {
  const fields = configs.map((value) => fieldsOf(schema, value));
  holds(
    property(fields, fields, (a, b) => {
      const both = union(a, b);
      assert.ok(sameFields(both, union(b, a)));
      assert.ok(sameFields(difference(both, b), difference(a, b)));
      assert.ok(sameFields(union(intersection(a, b), difference(a, b)), a));
      assert.equal(difference(a, a), undefined);
      assert.ok(a === undefined || isFields(JSON.parse(JSON.stringify(a))));
      for (const path of pathsOf(a)) assert.ok(pathsOf(both).includes(path));
    }),
  );
  assert.ok(isMember(leaf) && !isMember({ 'f:a': {} }) && isMember({ '.': {}, 'f:a': {} }));
});

test('hostile keys reach no prototype', () => {
  const config = JSON.parse(
    '{"map":{"__proto__":"x","constructor":"y"},"free":{"__proto__":{"polluted":true}}}',
  ) as object;
  const state = apply(nothing, 'one', config);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.deepEqual(Object.keys((state.object as { map: object }).map), ['__proto__', 'constructor']);
});
