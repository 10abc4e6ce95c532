import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from './decode.ts';
import type { Kind } from './kind.ts';

const kind: Kind = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  namespaced: true,
  schema: {
    type: 'object',
    name: 'test.Deployment',
    fields: { replicas: { schema: { type: 'integer', format: 'int32' } } },
    required: [],
  },
};

test('decode() refuses, warns of or ignores unknown and repeated fields, as the client wishes', () => {
  const body = { replicas: 1, extra: 1 };
  const duplicates = ['replicas'];
  assert.throws(() => decode(kind, body, { validation: 'Strict', duplicates }), {
    reason: 'BadRequest',
    message:
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field "replicas", unknown field "extra"',
  });
  const warned = decode(kind, body, { validation: 'Warn', duplicates });
  assert.deepEqual(warned, {
    object: { replicas: 1 },
    warnings: ['duplicate field "replicas"', 'unknown field "extra"'],
  });
  assert.deepEqual(decode(kind, body, { validation: 'Ignore', duplicates }), { object: { replicas: 1 }, warnings: [] });
});

test('decode() refuses a wrong type whatever the client wishes', () => {
  assert.throws(() => decode(kind, { replicas: 'x' }, { validation: 'Ignore' }), {
    code: 400,
    message:
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field Deployment.replicas of type int32',
  });
});
