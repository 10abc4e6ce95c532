import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { encodeProtobuf, encodeWatchFrame, isEnvelope, openEnvelope, readMessage } from './protobuf.ts';
import type { Field, ObjectSchema } from './schema.ts';

const go = (name: string, fields: Record<string, Field>): ObjectSchema => ({
  type: 'object',
  name: `test.v1.${name}`,
  fields: Object.assign(Object.create(null) as Record<string, Field>, fields),
  required: [],
  zeroIsAbsent: true,
});
const part = go('Part', {
  name: { schema: { type: 'string' }, number: 1 },
  weight: { schema: { type: 'integer', format: 'int32' }, number: 2, pointer: true },
});
const thing = go('Thing', {
  apiVersion: { schema: { type: 'string' } },
  kind: { schema: { type: 'string' } },
  name: { schema: { type: 'string' }, number: 1 },
  count: { schema: { type: 'integer', format: 'int64' }, number: 2, pointer: true },
  part: { schema: part, number: 3, pointer: true },
  parts: { schema: { type: 'array', items: part }, number: 4 },
  labels: { schema: { type: 'map', values: { type: 'string' } }, number: 5 },
  size: { schema: { type: 'quantity' }, number: 6, pointer: true },
  port: { schema: { type: 'int-or-string' }, number: 7, pointer: true },
  at: { schema: { type: 'string', format: 'date-time' }, number: 8, pointer: true },
  secret: { schema: { type: 'string', format: 'byte' }, number: 9 },
  raw: { schema: { type: 'any', object: true }, number: 10, pointer: true },
  path: { schema: { type: 'string' }, number: 2, within: [11] },
  on: { schema: { type: 'boolean' }, number: 1, within: [11], pointer: true },
});
const full = {
  kind: 'Thing',
  apiVersion: 'test/v1',
  name: 'é',
  count: -5,
  part: { name: 'a', weight: 0 },
  parts: [{ name: 'b' }, { name: 'c', weight: -1 }],
  labels: { b: '2', a: '1' },
  size: '1Gi',
  port: 'http',
  at: '2026-01-02T03:04:05Z',
  secret: 'AAEC',
  raw: { a: [1, { b: null }] },
  path: '/x',
  on: false,
};

test('what encodeProtobuf() writes is read back', () => {
  const bytes = encodeProtobuf(thing, full);
  assert.ok(isEnvelope(bytes));
  const envelope = openEnvelope(bytes);
  assert.deepEqual([envelope.apiVersion, envelope.kind], ['test/v1', 'Thing']);
  assert.deepEqual(readMessage(thing, envelope), { ...full, labels: { a: '1', b: '2' } });
});

test('zero values of pointers are kept, those of other fields are what Go always writes', () => {
  const weightless = { kind: '', apiVersion: '', weight: 0 };
  const bytes = encodeProtobuf(part, weightless);
  const { raw } = openEnvelope(bytes);
  assert.deepEqual([...raw], [0x0a, 0x00, 0x10, 0x00]);
  assert.deepEqual(readMessage(part, openEnvelope(bytes)), { weight: 0 });
});

test('integers that a double cannot hold are refused, negative ones are read', () => {
  const read = (...count: number[]) =>
    readMessage(thing, { apiVersion: '', kind: '', raw: Uint8Array.of(0x10, ...count) });
  assert.deepEqual(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), { count: -1 });
  assert.deepEqual(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), { count: Number.MAX_SAFE_INTEGER });
  assert.throws(() => read(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10), {
    message: 'the integer 9007199254740992 cannot be kept exactly',
  });
});

test('fields of later versions are skipped, and a key reaches no prototype', () => {
  const raw = Buffer.from([0x0a, 0x01, 0x61, 0xfa, 0x01, 0x02, 0x01, 0x02]);
  assert.deepEqual(readMessage(thing, { apiVersion: '', kind: '', raw }), { name: 'a' });
  const polluting = { kind: '', labels: JSON.parse('{"__proto__":"x"}') as unknown };
  const evil = encodeProtobuf(thing, polluting);
  const { labels } = readMessage(thing, openEnvelope(evil)) as { labels: object };
  assert.equal(Object.getPrototypeOf(labels), Object.prototype);
  assert.ok(Object.hasOwn(labels, '__proto__'));
});

test('a body that is no envelope, or carries another encoding, is refused', () => {
  assert.throws(() => openEnvelope(Buffer.from('{}')), { reason: 'BadRequest', message: /does not start with "k8s/ });
  assert.throws(() => openEnvelope(Buffer.from('k8s\0\x22\x10application/json')), { reason: 'UnsupportedMediaType' });
});

test('random and damaged bytes are refused as BadRequest or read, never worse', () => {
  const refusedOrRead = (bytes: Uint8Array) => {
    try {
      readMessage(thing, openEnvelope(bytes));
    } catch (error) {
      const { reason } = error as { reason?: string };
      assert.ok(reason === 'BadRequest' || reason === 'UnsupportedMediaType', String(error));
    }
  };
  const whole = encodeProtobuf(thing, full);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      refusedOrRead(Buffer.concat([Buffer.from('k8s\0'), bytes]));
      refusedOrRead(Buffer.concat([Buffer.from('k8s\0\x12'), Buffer.from([bytes.length % 128]), bytes]));
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
      const damaged = Buffer.from(whole.subarray(0, length));
      if (at < length) damaged[at] = byte;
      refusedOrRead(damaged);
    }),
    { numRuns: 5000 },
  );
});

test('encodeWatchFrame() puts its length in front of an event without an envelope', () => {
  const frame = encodeWatchFrame('ADDED', Uint8Array.of(1, 2));
  assert.deepEqual([...frame], [0, 0, 0, 13, 0x0a, 5, ...Buffer.from('ADDED'), 0x12, 4, 0x0a, 2, 1, 2]);
});
