import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metadataErrors, metadataUpdateErrors } from './metadata-rules.ts';
import type { ObjectMeta } from './object.ts';

const summary = (metadata: ObjectMeta, namespaced = true) =>
  metadataErrors({ namespaced }, { metadata }).map(({ type, field }) => `${field} ${type}`);

test('metadata of a new object is checked field by field', () => {
  const good: ObjectMeta = { name: 'web', namespace: 'default' };
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '1', controller: true };
  const cases: readonly (readonly [ObjectMeta, readonly string[]])[] = [
    [good, []],
    [{ namespace: 'default' }, ['metadata.name FieldValueRequired']],
    [{ ...good, name: 'Web' }, ['metadata.name FieldValueInvalid']],
    [{ ...good, generateName: 'web-' }, []],
    [{ ...good, generateName: 'Web-' }, ['metadata.generateName FieldValueInvalid']],
    [{ name: 'web' }, ['metadata.namespace FieldValueRequired']],
    [{ ...good, namespace: 'a.b' }, ['metadata.namespace FieldValueInvalid']],
    [{ ...good, labels: { '-': 'x' } }, ['metadata.labels FieldValueInvalid']],
    [{ ...good, labels: { a: 'b c' } }, ['metadata.labels FieldValueInvalid']],
    [{ ...good, annotations: { 'Example.com/Thing': 'anything at all' } }, []],
    [{ ...good, annotations: { 'a b': '' } }, ['metadata.annotations FieldValueInvalid']],
    [{ ...good, annotations: { a: 'x'.repeat(256 * 1024) } }, ['metadata.annotations FieldValueTooLong']],
    [{ ...good, finalizers: ['a b'] }, ['metadata.finalizers FieldValueInvalid']],
    [{ ...good, finalizers: ['orphan', 'foregroundDeletion'] }, ['metadata.finalizers FieldValueInvalid']],
    [{ ...good, ownerReferences: [owner] }, []],
    [{ ...good, ownerReferences: [{ ...owner, uid: '' }] }, ['metadata.ownerReferences.uid FieldValueInvalid']],
    [
      { ...good, ownerReferences: [{ ...owner, apiVersion: 'a/b/c' }] },
      ['metadata.ownerReferences.apiVersion FieldValueInvalid'],
    ],
    [{ ...good, ownerReferences: [owner, { ...owner, name: 'y' }] }, ['metadata.ownerReferences FieldValueInvalid']],
    [{ ...good, ownerReferences: [{ ...owner, kind: 'Event' }] }, ['metadata.ownerReferences FieldValueInvalid']],
    [{ ...good, managedFields: [{ operation: 'Guess' }] }, ['metadata.managedFields[0].operation FieldValueInvalid']],
    [{ ...good, generation: -1 }, ['metadata.generation FieldValueInvalid']],
  ];
  for (const [metadata, expected] of cases) assert.deepEqual(summary(metadata), expected);
  assert.deepEqual(summary(good, false), ['metadata.namespace FieldValueForbidden']);
});

test('metadata that identifies an object cannot change', () => {
  const stored: ObjectMeta = {
    name: 'web',
    namespace: 'default',
    uid: '1',
    resourceVersion: '5',
    creationTimestamp: '2026-01-01T00:00:00Z',
    generation: 3,
  };
  const changed = (change: ObjectMeta, base = stored) =>
    metadataUpdateErrors({ metadata: { ...stored, ...change } }, { metadata: base }).map(
      ({ field, message }) => `${field}: ${message}`,
    );
  assert.deepEqual(changed({ labels: { a: 'b' } }), []);
  assert.deepEqual(changed({ name: 'other' }), ['metadata.name: Invalid value: "other": field is immutable']);
  assert.deepEqual(changed({ uid: '2' }), ['metadata.uid: Invalid value: "2": field is immutable']);
  assert.deepEqual(changed({ generation: 2 }), ['metadata.generation: Invalid value: 2: must not be decremented']);
  assert.deepEqual(changed({ resourceVersion: '' }), [
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
  ]);
  const deleting = { ...stored, deletionTimestamp: '2026-01-02T00:00:00Z' };
  assert.deepEqual(
    metadataUpdateErrors({ metadata: { ...deleting, finalizers: ['a.b/c'] } }, { metadata: deleting }).map(
      ({ type, field }) => `${field} ${type}`,
    ),
    ['metadata.finalizers FieldValueForbidden'],
  );
});
