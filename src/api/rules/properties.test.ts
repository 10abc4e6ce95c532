import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { conform } from '#machinery/conform.ts';
import type { Kind } from '#machinery/kind.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Schema } from '#machinery/schema.ts';
import { builtinKinds, payloadKinds } from '../kinds.ts';

const words = [
  '',
  'a',
  'web',
  'Always',
  'Never',
  'TCP',
  'A_B',
  '-',
  '..',
  '/x',
  '10.0.0.1',
  'In',
  'Exists',
  'RollingUpdate',
  'Indexed',
  'ClientIP',
  'None',
  'NodePort',
  '25%',
  '__x',
];
const amounts = ['0', '1', '100m', '1Gi', '-1', '1.5', '2e3'];

/** Values of a schema, small and often absurd. Deeper than `depth` only what must be there. */
function values(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case 'string':
      if (schema.format === 'date-time') return fc.constant('2026-01-01T00:00:00Z');
      if (schema.format === 'micro-time') return fc.constant('2026-01-01T00:00:00.000000Z');
      if (schema.format === 'byte') return fc.constantFrom('', 'YQ==');
      return fc.constantFrom(...words);
    case 'integer':
      return fc.constantFrom(-1, 0, 1, 80, 2147483647);
    case 'number':
      return fc.constantFrom(-1, 0, 0.5);
    case 'boolean':
      return fc.boolean();
    case 'quantity':
      return fc.constantFrom(...amounts);
    case 'int-or-string':
      return fc.constantFrom<unknown>(-1, 0, 1, '25%', '101%', 'http', '');
    case 'any':
      return fc.constantFrom<unknown>({}, { a: 1 });
    case 'array':
      return depth <= 0 ? fc.constant([]) : fc.array(values(schema.items, depth - 1), { maxLength: 2 });
    case 'map':
      return depth <= 0
        ? fc.constant({})
        : fc.dictionary(
            fc.constantFrom('a', 'cpu', 'memory', 'storage', 'a/b', 'x y'),
            values(schema.values, depth - 1),
            { maxKeys: 2 },
          );
    case 'object': {
      const fields = Object.entries(schema.fields);
      if (depth <= 0) return fc.constant({});
      return fc
        .record(
          Object.fromEntries(
            fields.map(([name, field]) => [
              name,
              fc.option(fc.constant(field.schema), { nil: undefined, freq: name === 'spec' ? 9 : 1 }),
            ]),
          ),
        )
        .chain((chosen) =>
          fc.record(
            Object.fromEntries(
              Object.entries(chosen).flatMap(([name, found]) =>
                found === undefined ? [] : [[name, values(found, depth - 1)]],
              ),
            ),
          ),
        );
    }
  }
}

function objectsOf(kind: Kind): fc.Arbitrary<ApiObject> {
  return values(kind.schema, 9).map((value) => {
    const { value: conforming, errors } = conform(kind.schema, value);
    assert.deepEqual(errors, []);
    return conforming as ApiObject; // conform() says so
  });
}

/** What the registry does with an object, one step after the other. */
async function exercise(kind: Kind, object: ApiObject): Promise<void> {
  const prepared = kind.prepareForCreate?.(object) ?? object;
  const once = kind.defaults?.(prepared) ?? prepared;
  const twice = kind.defaults?.(once) ?? once;
  assert.deepEqual(twice, once, 'defaults are idempotent');
  await kind.load?.(once);
  assert.ok(Array.isArray(kind.validate?.(once) ?? []));
  const updated = kind.prepareForUpdate?.(once, object) ?? once;
  const next = kind.defaults?.(updated) ?? updated;
  for (const door of [undefined, 'status', 'binding', 'ephemeralcontainers', 'resize']) {
    assert.ok(Array.isArray(kind.validateUpdate?.(next, once, door) ?? []));
  }
  assert.deepEqual(kind.validateUpdate?.(once, once) ?? [], [], 'no change is no error');
  for (const column of kind.columns ?? []) assert.notEqual(column.cell(once, 0), undefined);
  for (const read of Object.values(kind.selectableFields ?? {})) assert.equal(typeof read(once), 'string');
  kind.deletionGracePeriodSeconds?.(once);
}

test('the rules of every kind hold up against any object that conforms', async () => {
  for (const kind of [...builtinKinds, ...payloadKinds]) {
    await fc.assert(
      fc.asyncProperty(objectsOf(kind), async (object) => {
        const frozen = deepFreeze(object);
        await exercise(kind, frozen);
      }),
      { numRuns: 60 },
    );
  }
});

const fixtures = new URL('../../../../shared/oracle/fixtures-v1.35/', import.meta.url);

test(
  'the rules of every kind hold up against a fully populated object',
  { skip: !existsSync(fixtures) && 'no fixtures here' },
  async () => {
    const files = new Set(readdirSync(fixtures));
    let exercised = 0;
    for (const kind of builtinKinds) {
      const file = `${kind.group === '' ? 'core' : kind.group}.${kind.version}.${kind.kind}.json`;
      if (!files.has(file)) continue;
      const { value } = conform(kind.schema, JSON.parse(readFileSync(new URL(file, fixtures), 'utf8')));
      assert.equal((value as ApiObject).apiVersion, apiVersionOf(kind));
      await exercise(kind, deepFreeze(value as ApiObject));
      exercised++;
    }
    assert.ok(exercised > 30);
  },
);

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
