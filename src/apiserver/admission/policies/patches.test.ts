import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Pod } from '#api/core/pod.ts';
import { compileAdmission } from '#machinery/cel/admission.ts';
import { costPerCallMax } from '#machinery/cel/environment.ts';
import { CelBudget } from '#machinery/cel/evaluate.ts';
import { fromJson } from '#machinery/cel/values.ts';
import type { ApiObject } from '#machinery/object.ts';
import { configured, jsonPatched, PatchError } from './patches.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: '1' } },
  spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, protocol: 'TCP' }] }] },
};

function run(use: 'jsonPatch' | 'applyConfiguration', source: string, object: ApiObject = pod): unknown {
  const program = compileAdmission(source, use, { hasParams: false, hasAuthorizer: false });
  const result = program.evaluate({ object: fromJson(object) }, new CelBudget(costPerCallMax));
  return use === 'jsonPatch' ? jsonPatched(object, result) : configured(object, result, Pod);
}

test('a configuration merges maps by entry and lists by their keys, and leaves the rest alone', () => {
  const source = `Object{
    metadata: Object.metadata{labels: {"b": object.metadata.labels.a}},
    spec: Object.spec{containers: [
      Object.spec.containers{name: "c", env: [Object.spec.containers.env{name: "E", value: "e"}]},
      Object.spec.containers{name: "d", image: "d"}
    ]}
  }`;
  assert.deepEqual(run('applyConfiguration', source), {
    ...pod,
    metadata: { name: 'p', labels: { a: '1', b: '1' } },
    spec: {
      containers: [
        { ...pod.spec.containers[0], env: [{ name: 'E', value: 'e' }] },
        { name: 'd', image: 'd' },
      ],
    },
  });
  assert.equal(run('applyConfiguration', 'Object{}'), pod);
});

test('what cannot be merged in part is named', () => {
  const args = 'Object{spec: Object.spec{containers: [Object.spec.containers{name: "c", args: ["x"]}]}}';
  assert.throws(
    () => run('applyConfiguration', args),
    new PatchError(
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].args',
    ),
  );
  const one = 'Object.spec.containers{name: "x"}';
  const twice = `Object{spec: Object.spec{containers: [${one}, ${one}]}}`;
  assert.throws(
    () => run('applyConfiguration', twice),
    /failed to convert patch object to typed object: \.spec\.containers: duplicate entries for key/,
  );
});

test('patches run one after the other, all or none, and a test that fails makes none of them', () => {
  const both =
    '[JSONPatch{op: "add", path: "/metadata/labels/x~1y", value: "1"}, JSONPatch{op: "remove", path: "/metadata/labels/a"}]';
  assert.deepEqual((run('jsonPatch', both) as ApiObject).metadata?.labels, { 'x/y': '1' });
  const tested = '[JSONPatch{op: "remove", path: "/spec"}, JSONPatch{op: "test", path: "/metadata/name", value: "q"}]';
  assert.equal(run('jsonPatch', tested), pod);
  assert.throws(
    () => run('jsonPatch', '[JSONPatch{op: "replace", path: "/none/x", value: 1}]'),
    /^PatchError: JSON Patch: /,
  );
  assert.throws(
    () => run('jsonPatch', '[JSONPatch{op: "add", path: "/spec/x", value: Object.spec{y: Object.z{}}}]'),
    /unexpected type name "Object\.z", expected "Object\.spec\.y"/,
  );
});

test('applying a configuration twice is the same as once, and drops nothing that it does not name', () => {
  const word = fc.stringMatching(/^[a-z]{1,3}$/);
  const container = fc.record({ name: word, image: word });
  const containers = fc.uniqueArray(container, { selector: ({ name }) => name, maxLength: 4 });
  const labels = fc.dictionary(word, word, { maxKeys: 4, noNullPrototype: true });
  fc.assert(
    fc.property(containers, labels, containers, labels, (held, heldLabels, set, setLabels) => {
      const object = { ...pod, metadata: { name: 'p', labels: heldLabels }, spec: { containers: held } };
      const source = `Object{metadata: Object.metadata{labels: ${JSON.stringify(setLabels)}}, spec: Object.spec{containers: [${set
        .map(({ name, image }) => `Object.spec.containers{name: "${name}", image: "${image}"}`)
        .join(', ')}]}}`;
      const once = run('applyConfiguration', source, object) as typeof object;
      assert.deepEqual(run('applyConfiguration', source, once), once);
      assert.deepEqual(once.metadata.labels, { ...heldLabels, ...setLabels });
      const images = (list: readonly { name: string; image: string }[]) =>
        list.map(({ name, image }) => [name, image] as const);
      assert.deepEqual(new Map(images(once.spec.containers)), new Map([...images(held), ...images(set)]));
    }),
    { numRuns: 200 },
  );
});
