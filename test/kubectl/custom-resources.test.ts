import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('kubectl');
let cluster: Tutti;
let kubectl: Kubectl;

before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  kubectl = await Kubectl.in(cluster, 'crontabs');
});
after(async () => {
  if (skip !== false) return;
  await cluster[Symbol.asyncDispose]();
});

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: crontabs.stable.example.com }
spec:
  group: stable.example.com
  scope: Namespaced
  names: { plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all] }
  versions:
    - name: v1
      served: true
      storage: true
      subresources: { status: {}, scale: { specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas } }
      additionalPrinterColumns:
        - { name: Spec, type: string, jsonPath: .spec.cronSpec }
        - { name: Replicas, type: integer, jsonPath: .spec.replicas }
        - { name: Age, type: date, jsonPath: .metadata.creationTimestamp }
      schema:
        openAPIV3Schema:
          description: CronTab runs things by the clock.
          type: object
          properties:
            spec:
              type: object
              properties:
                cronSpec: { type: string, description: When to run., pattern: '^(\\S+ ){4}\\S+$' }
                replicas: { type: integer, default: 1, minimum: 0 }
            status: { type: object, properties: { replicas: { type: integer } } }
`;
const object = `
apiVersion: stable.example.com/v1
kind: CronTab
metadata: { name: mine }
spec: { cronSpec: '* * * * 5' }
`;

test('kubectl applies a definition and works with its objects at once', { skip }, async () => {
  assert.match(await kubectl.fed(definition, 'apply -f -'), /crontabs\.stable\.example\.com created/);
  await kubectl.ok('wait --for=condition=established crd/crontabs.stable.example.com --timeout=10s');
  assert.match(await kubectl.ok('get crd'), /crontabs\.stable\.example\.com +\d{4}-/);
  assert.match(await kubectl.fed(object, 'apply -f -'), /crontab\.stable\.example\.com\/mine created/);
  assert.match(await kubectl.fed(object, 'apply -f -'), /mine unchanged/);
  assert.match(await kubectl.ok('get ct'), /^NAME +SPEC +REPLICAS +AGE\nmine +\* \* \* \* 5 +1 +\d+s\n$/);
  assert.match(await kubectl.ok('get all'), /crontab\.stable\.example\.com\/mine/);
  assert.equal(await kubectl.ok('get crontabs.stable.example.com mine -o', 'jsonpath={.spec.cronSpec}'), '* * * * 5');
  assert.match(
    await kubectl.ok('api-resources --api-group=stable.example.com'),
    /crontabs +ct +stable\.example\.com\/v1 +true +CronTab/,
  );
  assert.match(await kubectl.ok('describe ct mine'), /Cron Spec: +\* \* \* \* 5/);
});

test('kubectl explains what the definition describes', { skip }, async () => {
  const text = await kubectl.ok('explain crontabs');
  assert.match(text, /GROUP: +stable\.example\.com\nKIND: +CronTab\nVERSION: +v1/);
  assert.match(text, /CronTab runs things by the clock\./);
  assert.match(await kubectl.ok('explain ct.spec.cronSpec'), /FIELD: cronSpec <string>[^]*When to run\./);
  assert.match(await kubectl.ok('explain ct --recursive'), /replicas\t<integer>/);
});

test('kubectl patches, scales, labels and edits the status of a custom resource', { skip }, async () => {
  await kubectl.ok('patch ct mine --type=merge -p', '{"spec":{"replicas":2}}');
  assert.equal(await kubectl.ok('get ct mine -o', 'jsonpath={.spec.replicas}'), '2');
  await kubectl.ok('scale ct mine --replicas=3');
  assert.equal(await kubectl.ok('get ct mine -o', 'jsonpath={.spec.replicas} {.metadata.generation}'), '3 3');
  await kubectl.ok('label ct mine tier=x');
  assert.match(await kubectl.ok('get ct -l tier=x -o name'), /mine/);
  await kubectl.ok('patch ct mine --subresource=status --type=merge -p', '{"status":{"replicas":3}}');
  assert.equal(await kubectl.ok('get ct mine --subresource=status -o', 'jsonpath={.status.replicas}'), '3');
  await kubectl.succeed('edit ct mine --subresource=status', [], {
    env: { EDITOR: "sed -i 's/replicas: 3$/replicas: 4/'" },
  });
  assert.equal(await kubectl.ok('get ct mine -o', 'jsonpath={.status.replicas} {.spec.replicas}'), '4 3');
  const applied = await kubectl.fed(object, 'apply --server-side --force-conflicts -f -');
  assert.match(applied, /mine serverside-applied/);
});

test('kubectl is told what is wrong with a custom resource', { skip }, async () => {
  const bad = object.replace("'* * * * 5'", 'never').replace('mine', 'bad');
  const refused = await kubectl.outcome('create -f -', [], { input: bad });
  assert.notEqual(refused.code, 0);
  assert.match(
    refused.stderr,
    /The CronTab "bad" is invalid: spec\.cronSpec: Invalid value: "never": spec\.cronSpec in body should match/,
  );
  const unknown = object.replace('spec: {', 'spec: { nope: 1, ').replace('mine', 'bad');
  const strict = await kubectl.outcome('create -f -', [], { input: unknown });
  assert.match(strict.stderr, /strict decoding error: unknown field "spec\.nope"/);
});

test('kubectl deletes a definition, and what it brought is gone', { skip }, async () => {
  await kubectl.ok('delete crd crontabs.stable.example.com');
  await until('kubectl knows it no more', async () => {
    const { stderr } = await kubectl.outcome('get ct');
    return /doesn't have a resource type|could not find the requested resource/.test(stderr);
  });
});
