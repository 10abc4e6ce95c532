import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition } from './definitions.ts';
import { builtinByKind, builtinByPlural, builtinKinds, payloadKinds } from './kinds.ts';

test('every built-in kind resolves its whole schema', () => {
  const seen = new Set<object>();
  const visit = (schema: ReturnType<typeof definition> | ReturnType<typeof definition>['fields'][string]['schema']) => {
    if (seen.has(schema)) return;
    seen.add(schema);
    if (schema.type === 'object') for (const field of Object.values(schema.fields)) visit(field.schema);
    if (schema.type === 'array') visit(schema.items);
    if (schema.type === 'map') visit(schema.values);
  };
  for (const kind of [...builtinKinds, ...payloadKinds]) visit(kind.schema);
  assert.ok(seen.size > 500);
});

test('kinds are found by plural and by kind, bodies of subresources only by kind', () => {
  assert.equal(builtinByPlural('apps', 'deployments')?.kind, 'Deployment');
  assert.equal(builtinByPlural('', 'deployments'), undefined);
  assert.equal(builtinByKind('', 'v1', 'Pod')?.plural, 'pods');
  assert.equal(builtinByKind('policy', 'v1', 'Eviction')?.kind, 'Eviction');
  assert.equal(builtinByPlural('policy', 'evictions'), undefined);
});

test('a schema says how lists merge, what protobuf calls a field and what a kind stands for', () => {
  const spec = definition('io.k8s.api.core.v1.PodSpec');
  assert.deepEqual(spec.required, ['containers']);
  const { containers } = spec.fields;
  assert.equal(containers?.number, 2);
  assert.ok(containers.schema.type === 'array');
  assert.deepEqual(containers.schema.patchStrategy, ['merge']);
  assert.equal(containers.schema.patchMergeKey, 'name');
  assert.equal(containers.schema.items, definition('io.k8s.api.core.v1.Container'));
  assert.equal(spec.fields['__proto__'], undefined);
  assert.deepEqual(definition('io.k8s.api.apps.v1.Deployment').kinds, [
    { group: 'apps', version: 'v1', kind: 'Deployment' },
  ]);
});
