import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifest } from './manifests.ts';

const named = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;

test('documents, lists and JSON hold objects; empty documents hold none', () => {
  const names = (text: string) => parseManifest(text, 'file').map(({ metadata }) => metadata?.name);
  assert.deepEqual(names(`---\n# nothing\n---\n${named('a')}--- # two\n${named('b')}---\n`), ['a', 'b']);
  const items = ['c', 'd'].map((name) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } }));
  assert.deepEqual(names(JSON.stringify({ apiVersion: 'v1', kind: 'List', items })), ['c', 'd']);
  assert.deepEqual(names(''), []);
});

test('what is wrong is told with the file and the document', () => {
  const fails = (text: string, message: RegExp) => assert.throws(() => parseManifest(text, 'web.yaml'), { message });
  fails('a: [', /^web\.yaml: the body is not valid YAML/);
  fails(`${named('a')}---\nkind: ConfigMap\n`, /^document 2 of web\.yaml has no apiVersion and kind/);
  fails('apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n', /^web\.yaml: the Pod has no metadata\.name/);
  fails(`${named('a')}kind: Pod\n`, /^web\.yaml: key "kind" is there twice/);
  fails('text', /^web\.yaml is no object/);
});
