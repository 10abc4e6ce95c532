import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { definition } from './definitions.ts';
import { describe } from './descriptions.ts';
import { builtinKinds, payloadKinds } from './kinds.ts';

const folder = (name: string) => new URL(`./${name}/`, import.meta.url);
const read = (name: string, file: string) =>
  JSON.parse(readFileSync(new URL(file, folder(name)), 'utf8')) as Record<string, unknown>;

test('every kind has a sentence of its own, and so do its fields that all kinds have', () => {
  for (const { schema } of [...builtinKinds, ...payloadKinds]) {
    const { text, fields } = describe(schema.name ?? '');
    assert.ok(text, schema.name);
    assert.ok(fields['metadata']);
  }
  assert.equal(describe('io.k8s.api.core.v1.PodList').text, 'A list of Pod objects.');
  assert.equal(
    describe('io.k8s.api.core.v1.EphemeralContainer').fields['image'],
    describe('io.k8s.api.core.v1.Container').fields['image'],
  );
});

test('what is described is there, in sentences', () => {
  let count = 0;
  for (const file of readdirSync(folder('descriptions'))) {
    const table = read('schemas', file) as Record<string, { f?: Record<string, unknown> }>;
    for (const [name, entry] of Object.entries(read('descriptions', file))) {
      const [text, fields = {}] = entry as [string, Record<string, string>?];
      for (const [field, sentence] of [['', text], ...Object.entries(fields)] as const) {
        if (field !== '') assert.ok(table[name]?.f?.[field], `${file} ${name}.${field}`);
        assert.match(sentence, /^[^ ].*\.$/, `${file} ${name}.${field}`);
        count++;
      }
    }
  }
  assert.ok(count > 600);
});

test('pods, their containers and the metadata of objects are described to the last common field', () => {
  const rare = new Set(['restartPolicyRules']);
  for (const name of [
    'core.v1.PodSpec',
    'core.v1.Container',
    'core.v1.Probe',
    'core.v1.ServiceSpec',
    'apps.v1.DeploymentSpec',
  ]) {
    const { fields } = describe(`io.k8s.api.${name}`);
    const silent = Object.keys(definition(`io.k8s.api.${name}`).fields).filter(
      (field) => fields[field] === undefined && !rare.has(field),
    );
    assert.deepEqual(silent, [], name);
  }
});
