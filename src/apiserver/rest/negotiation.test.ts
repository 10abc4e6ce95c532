import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#machinery/status-error.ts';
import { negotiate, type Offer } from './negotiation.ts';

const offer: Offer = {
  shapes: new Set(['object', 'Table', 'PartialObjectMetadata']),
  encodings: ['json', 'yaml', 'protobuf'],
};
const chosen = (accept: string | undefined) => Object.values(negotiate(accept, offer)).join(' ');

test('negotiate() gives kubectl the table it asks for first', () => {
  const accept =
    'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
  assert.equal(chosen(accept), 'json Table v1');
});

test('negotiate() prefers JSON to protobuf for whoever takes both, and gives protobuf to whoever insists', () => {
  assert.equal(chosen('application/vnd.kubernetes.protobuf,application/json'), 'json object v1');
  assert.equal(chosen('application/vnd.kubernetes.protobuf'), 'protobuf object v1');
  assert.equal(chosen(undefined), 'json object v1');
  assert.equal(chosen('*/*'), 'json object v1');
  assert.equal(chosen('application/yaml'), 'yaml object v1');
});

test('negotiate() goes by quality before order', () => {
  assert.equal(chosen('application/json;q=0.5,application/yaml'), 'yaml object v1');
});

test('negotiate() makes metadata in JSON for clients that list protobuf first', () => {
  const accept =
    'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';
  assert.equal(chosen(accept), 'json PartialObjectMetadata v1');
});

test('negotiate() refuses what nobody can make, naming what there is', () => {
  for (const accept of [
    'application/cbor',
    'text/html',
    'application/json;as=Table;v=v9;g=meta.k8s.io',
    'application/json;q=0',
  ]) {
    assert.throws(
      () => negotiate(accept, offer),
      (error) => hasReason(error, 'NotAcceptable'),
      accept,
    );
  }
});
