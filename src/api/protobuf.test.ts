import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { conform } from '#machinery/conform.ts';
import type { ApiObject } from '#machinery/object.ts';
import { encodeProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import type { ObjectSchema } from '#machinery/schema.ts';
import { definition } from './definitions.ts';

const fixtures = join(import.meta.dirname, '../../../shared/oracle/fixtures-v1.35');
const skip = existsSync(fixtures) ? false : 'the oracle is absent: ../shared/oracle';

/** Groups whose package is not named after the first part of the group. */
const packages: Readonly<Record<string, string>> = { core: 'core', 'flowcontrol.apiserver.k8s.io': 'flowcontrol' };

function schemaOf(group: string, version: string, kind: string): ObjectSchema {
  const name = `io.k8s.api.${packages[group] ?? group.replace(/\.k8s\.io$/, '').replace(/\.authorization$/, '')}.${version}.${kind}`;
  try {
    return definition(name);
  } catch {
    return definition(`io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`);
  }
}

test('every stable kind is decoded to its JSON form and encoded to the very same bytes', { skip }, () => {
  let count = 0;
  for (const file of readdirSync(fixtures)) {
    const match = /^(.+)\.(v\d+)\.(\w+)\.pb$/.exec(file);
    if (match === null) continue;
    const [, group = '', version = '', kind = ''] = match;
    const bytes = readFileSync(join(fixtures, file));
    const json = JSON.parse(readFileSync(join(fixtures, file.replace(/pb$/, 'json')), 'utf8')) as ApiObject;
    const schema = schemaOf(group, version, kind);
    assert.deepEqual(readMessage(schema, openEnvelope(bytes)), json, file);
    assert.ok(bytes.equals(encodeProtobuf(schema, json)), `${file} is encoded differently`);
    assert.deepEqual(conform(schema, json).unknown, [], file);
    count++;
  }
  assert.ok(count >= 80, `only ${count} fixtures`);
});

test('what is written once is written the same after it was read', () => {
  const pod = definition('io.k8s.api.core.v1.Pod');
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constantFrom('1Gi', '2026-01-02T03:04:05Z'));
  const container = fc.record(
    {
      name: fc.string(),
      args: fc.array(fc.string()),
      env: fc.array(fc.record({ name: fc.string(), value: fc.string() }, { noNullPrototype: true })),
      resources: fc.record(
        { limits: fc.dictionary(fc.string(), fc.integer(), { noNullPrototype: true }) },
        { noNullPrototype: true },
      ),
      readinessProbe: fc.record(
        { httpGet: fc.record({ port: leaf, path: leaf }, { noNullPrototype: true }) },
        { noNullPrototype: true },
      ),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const object = fc.record(
    {
      metadata: fc.record(
        { name: fc.string(), labels: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }) },
        { noNullPrototype: true },
      ),
      spec: fc.record(
        { containers: fc.array(container), priority: leaf, hostNetwork: leaf },
        { requiredKeys: [], noNullPrototype: true },
      ),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  fc.assert(
    fc.property(object, (value) => {
      const { value: whole, errors } = conform(pod, value);
      if (errors.length > 0) return;
      const bytes = encodeProtobuf(pod, { kind: 'Pod', apiVersion: 'v1', ...(whole as object) });
      const { value: read, errors: none } = conform(pod, readMessage(pod, openEnvelope(bytes)));
      assert.deepEqual(none, []);
      assert.ok(Buffer.from(bytes).equals(encodeProtobuf(pod, read as ApiObject)));
    }),
    {
      numRuns: 300,
      examples: [[{ spec: { containers: [{ readinessProbe: { httpGet: { port: '', path: '' } } }] } }]],
    },
  );
});
