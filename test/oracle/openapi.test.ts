import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { builtinKinds } from '#api/kinds.ts';
import { readOracle, type Operation } from '../../tools/generate/oracle.ts';
import { componentsOf } from '#apiserver/openapi/components.ts';
import { openapiV3Document } from '#apiserver/openapi/v3.ts';

const folder = join(import.meta.dirname, '../../../shared/oracle');
const skip = existsSync(folder) ? false : 'the oracle is absent: ../shared/oracle';

/** Without our descriptions; `allOf` around nothing but a reference means the reference. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, each]) => key !== 'description' || typeof each !== 'string');
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === 'allOf') return normal((first[1] as readonly unknown[])[0]);
  return Object.fromEntries(entries.map(([key, each]) => [key, normal(each)]));
}

test('every stable kind is published with the fields, types and extensions of upstream', { skip }, () => {
  const { schemas } = readOracle(folder);
  const ours = componentsOf([...schemas.keys()]);
  for (const [name, schema] of schemas) assert.deepEqual(normal(ours[name]), normal(schema), name);
  assert.deepEqual(
    Object.keys(ours).filter((name) => !schemas.has(name)),
    [],
  );
});

test('the kinds we serve have operations with the actions, kinds, ids and parameters of upstream', { skip }, () => {
  const { documents } = readOracle(folder);
  let count = 0;
  for (const [groupVersion, document] of documents) {
    const kinds = builtinKinds.filter(
      ({ group, version }) => (group === '' ? version : `${group}/${version}`) === groupVersion,
    );
    if (kinds.length === 0) continue;
    const ours = openapiV3Document(kinds) as unknown as typeof document;
    for (const [path, operations] of Object.entries(ours.paths)) {
      const theirs = document.paths[path];
      assert.ok(theirs !== undefined, `${path} is not upstream's`);
      assert.deepEqual(Object.keys(operations).toSorted(), Object.keys(theirs).toSorted(), path);
      for (const [method, operation] of Object.entries(operations)) {
        assert.deepEqual(essenceOf(operation), essenceOf(theirs[method]!), `${method} ${path}`);
        count++;
      }
    }
    const plurals = new Set(kinds.map(({ plural }) => plural));
    const missing = Object.keys(document.paths).filter((path) => {
      const [plural = '', , sub] = path
        .split('/')
        .slice(groupVersion.includes('/') ? 4 : 3)
        .join('/')
        .replace(/^namespaces\/\{namespace\}\//, '')
        .split('/');
      return plurals.has(plural) && ours.paths[path] === undefined && sub !== 'proxy' && sub !== 'resize';
    });
    assert.deepEqual(missing, [], groupVersion);
    assert.deepEqual(
      Object.keys(ours.components.schemas).filter((name) => document.components.schemas[name] === undefined),
      [],
      groupVersion,
    );
  }
  assert.ok(count > 200);
});

function essenceOf(operation: Operation | readonly unknown[]): unknown {
  if (Array.isArray(operation)) return parametersOf(operation);
  const {
    operationId,
    tags,
    parameters = [],
  } = operation as { operationId?: string; tags?: unknown; parameters?: readonly unknown[] };
  return {
    operationId,
    tags,
    parameters: parametersOf(parameters),
    action: (operation as Operation)['x-kubernetes-action'],
    kind: (operation as Operation)['x-kubernetes-group-version-kind'],
  };
}

function parametersOf(parameters: readonly unknown[]): unknown {
  return (parameters as readonly { name: string }[]).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
