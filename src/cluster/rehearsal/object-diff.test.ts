import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectDiff } from './object-diff.ts';

const metadata = { name: 'web', uid: '1', resourceVersion: '5', generation: 1, managedFields: [] };
const container = (name: string, image: string) => ({ name, image });

test('fields are named, elements by their name, and what the server keeps for itself is not told', () => {
  const before = { metadata, spec: { replicas: 1, old: true, containers: [container('a', '1'), container('b', '1')] } };
  const after = {
    metadata: { ...metadata, resourceVersion: '6', generation: 2, labels: { 'example.com/tier': 'front' } },
    spec: { replicas: 2, containers: [container('a', '2'), container('c', '1')] },
    status: { replicas: 3 },
  };
  assert.deepEqual(
    objectDiff(before, after).toSorted((a, b) => (a.field < b.field ? -1 : 1)),
    [
      { field: 'metadata.labels', after: { 'example.com/tier': 'front' } },
      { field: 'spec.containers[name=a].image', before: '1', after: '2' },
      { field: 'spec.containers[name=b]', before: container('b', '1') },
      { field: 'spec.containers[name=c]', after: container('c', '1') },
      { field: 'spec.old', before: true },
      { field: 'spec.replicas', before: 1, after: 2 },
    ],
  );
  assert.deepEqual(objectDiff(before, before), []);
});

test('keys with dots do not read as a path', () => {
  const labelled = (value: string) => ({ metadata: { name: 'a', labels: { 'example.com/tier': value } } });
  assert.deepEqual(objectDiff(labelled('x'), labelled('y')), [
    { field: 'metadata.labels[example.com/tier]', before: 'x', after: 'y' },
  ]);
});
