import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { patchOf, WebhookServer } from '../support/webhook-server.ts';
import { Kubectl } from './kubectl.ts';

/** What kubectl shows of other people's webhooks: their changes, warnings and refusals, and failures to ask them. */

const skip = unless('kubectl');
let cluster: Tutti;
let server: WebhookServer;
before(async () => {
  if (skip !== false) return;
  server = await WebhookServer.start();
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
});
after(async () => {
  if (skip !== false) return;
  await cluster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A configuration for the ConfigMaps of one namespace, as kubectl applies it. */
const configuration = (type: 'Mutating' | 'Validating', namespace: string, url: string, more: object = {}) =>
  JSON.stringify({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${type}WebhookConfiguration`,
    metadata: { name: namespace },
    webhooks: [
      {
        name: `${namespace}.example.com`,
        clientConfig: { url, caBundle: server.caBundle },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }],
        ...more,
      },
    ],
  });

const map = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { ${data} }\n`;

test('kubectl apply shows what a mutating webhook made of an object, and stays unchanged by it', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'mutated');
  const url = server.on('/mutate', () => patchOf([{ op: 'add', path: '/data/added', value: 'by the hook' }]));
  await kubectl.fed(configuration('Mutating', 'mutated', url), 'apply -f -');
  await kubectl.ok('get mutatingwebhookconfigurations'); // in force once a list has seen it
  assert.match(await kubectl.fed(map('a: "1"'), 'apply -f -'), /^configmap\/settings created$/m);
  assert.equal(await kubectl.value('{.data.added}', 'configmap settings'), 'by the hook');
  assert.match(await kubectl.fed(map('a: "1"'), 'apply -f -'), /^configmap\/settings unchanged$/m);
  assert.match(await kubectl.ok('get mutatingwebhookconfigurations mutated'), /^NAME +WEBHOOKS +AGE\nmutated +1 /);
  const dry = await kubectl.fed(map('a: "2"'), 'apply --dry-run=server -o yaml -f -');
  assert.match(dry, /added: by the hook/);
});

test('kubectl shows the warnings of a webhook, and why it denies', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'validated');
  const url = server.on('/validate', ({ request }) =>
    JSON.stringify(request.object).includes('bad')
      ? { allowed: false, status: { message: 'nothing bad here' } }
      : { allowed: true, warnings: ['"a" is old-fashioned'] },
  );
  await kubectl.fed(configuration('Validating', 'validated', url), 'apply -f -');
  await kubectl.ok('get validatingwebhookconfigurations');
  const warned = await kubectl.outcome('create configmap settings --from-literal=a=1');
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /^Warning: "a" is old-fashioned$/m);
  const denied = await kubectl.outcome('create configmap others --from-literal=a=bad');
  assert.equal(denied.code, 1);
  assert.equal(
    denied.stderr.trim(),
    'error: failed to create configmap: admission webhook "validated.example.com" denied the request: nothing bad here',
  );
  const none = await kubectl.outcome('get configmap others');
  assert.match(none.stderr, /\(NotFound\)/);
});

test('a webhook that cannot be asked refuses or lets pass, as its failure policy says', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'unreachable');
  const url = 'https://127.0.0.1:1/nobody';
  await kubectl.fed(configuration('Validating', 'unreachable', url), 'apply -f -');
  await kubectl.ok('get validatingwebhookconfigurations');
  const refused = await kubectl.outcome('create configmap settings --from-literal=a=1');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /failed calling webhook "unreachable\.example\.com": .*127\.0\.0\.1:1/);
  await kubectl.fed(configuration('Validating', 'unreachable', url, { failurePolicy: 'Ignore' }), 'apply -f -');
  await kubectl.ok('get validatingwebhookconfigurations');
  await kubectl.ok('create configmap settings --from-literal=a=1');
});
