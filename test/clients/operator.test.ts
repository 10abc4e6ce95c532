/**
 * An operator as its authors write one: it brings its definition, informs itself of its objects, and answers each with a
 * ConfigMap, a status, an event and a finalizer. Written on the official client, since the operator framework that still
 * installs brings a hundred packages with it.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ApiextensionsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  PatchStrategy,
  makeInformer,
  setHeaderOptions,
  type KubernetesListObject,
  type KubernetesObject,
} from '@kubernetes/client-node';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

interface Greeting extends KubernetesObject {
  readonly spec: { readonly text: string };
  readonly status?: { readonly observed?: string; readonly observedGeneration?: number };
}

const namespace = 'default';
const place = { group: 'op.example.com', version: 'v1', namespace, plural: 'greetings' };
const finalizer = 'op.example.com/cleanup';
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

let cluster: Tutti;
let core: CoreV1Api;
let custom: CustomObjectsApi;
let operator: { stop(): Promise<void> };
const cleaned: string[] = [];

async function define(config: KubeConfig): Promise<void> {
  const extensions = config.makeApiClient(ApiextensionsV1Api);
  const text = { type: 'string' };
  const openAPIV3Schema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { text } },
      status: { type: 'object', properties: { observed: text, observedGeneration: { type: 'integer' } } },
    },
  };
  const name = 'greetings.op.example.com';
  await extensions.createCustomResourceDefinition({
    body: {
      metadata: { name },
      spec: {
        group: place.group,
        scope: 'Namespaced',
        names: { plural: place.plural, kind: 'Greeting' },
        versions: [
          { name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema } },
        ],
      },
    },
  });
  await until('the definition is established', async () => {
    const { status } = await extensions.readCustomResourceDefinition({ name });
    return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True');
  });
}

async function reconcile(object: Greeting): Promise<void> {
  const { name = '', uid = '', generation, finalizers = [], deletionTimestamp } = object.metadata ?? {};
  const target = { ...place, name };
  if (deletionTimestamp !== undefined) {
    if (!finalizers.includes(finalizer)) return;
    cleaned.push(name);
    const body = { metadata: { finalizers: finalizers.filter((each) => each !== finalizer) } };
    await custom.patchNamespacedCustomObject({ ...target, body }, merge);
    return;
  }
  if (!finalizers.includes(finalizer)) {
    await custom.patchNamespacedCustomObject(
      { ...target, body: { metadata: { finalizers: [...finalizers, finalizer] } } },
      merge,
    );
    return;
  }
  if (object.status?.observedGeneration === generation) return;
  const owner = { apiVersion: 'op.example.com/v1', kind: 'Greeting', name, uid };
  const config = {
    metadata: { name, ownerReferences: [{ ...owner, controller: true }] },
    data: { text: object.spec.text },
  };
  await core
    .createNamespacedConfigMap({ namespace, body: config })
    .catch(() => core.patchNamespacedConfigMap({ namespace, name, body: { data: config.data } }, merge));
  await core.createNamespacedEvent({
    namespace,
    body: {
      metadata: { generateName: `${name}-` },
      involvedObject: { ...owner, namespace },
      reason: 'Greeted',
      message: object.spec.text,
      type: 'Normal',
    },
  });
  const status = { observed: object.spec.text, observedGeneration: generation };
  await custom.patchNamespacedCustomObjectStatus({ ...target, body: { status } }, merge);
}

async function operate(config: KubeConfig): Promise<typeof operator> {
  const list = async () => (await custom.listNamespacedCustomObject(place)) as KubernetesListObject<Greeting>;
  const informer = makeInformer(config, `/apis/op.example.com/v1/namespaces/${namespace}/greetings`, list);
  let queue = Promise.resolve();
  const failures: unknown[] = [];
  const wake = (object: Greeting) => {
    queue = queue.then(() => reconcile(object)).catch((error: unknown) => void failures.push(error));
  };
  informer.on('add', wake);
  informer.on('update', wake);
  await informer.start();
  return {
    async stop() {
      await informer.stop();
      await queue;
      assert.deepEqual(failures, []);
    },
  };
}

before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  core = config.makeApiClient(CoreV1Api);
  custom = config.makeApiClient(CustomObjectsApi);
  await define(config);
  operator = await operate(config);
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const get = async (name: string) => (await custom.getNamespacedCustomObject({ ...place, name })) as Greeting;

test('an operator answers its objects, their changes and their end', async () => {
  const body = (text: string) => ({
    apiVersion: 'op.example.com/v1',
    kind: 'Greeting',
    metadata: { name: 'hi' },
    spec: { text },
  });
  await custom.createNamespacedCustomObject({ ...place, body: body('hello') });
  await until('it is greeted', async () => (await get('hi')).status?.observed === 'hello');
  assert.deepEqual((await get('hi')).metadata?.finalizers, [finalizer]);
  assert.equal((await core.readNamespacedConfigMap({ namespace, name: 'hi' })).data?.['text'], 'hello');
  await custom.patchNamespacedCustomObject({ ...place, name: 'hi', body: { spec: { text: 'again' } } }, merge);
  await until('the change is seen', async () => (await get('hi')).status?.observedGeneration === 2);
  assert.equal((await core.readNamespacedConfigMap({ namespace, name: 'hi' })).data?.['text'], 'again');
  const { items } = await core.listNamespacedEvent({ namespace, fieldSelector: 'involvedObject.kind=Greeting' });
  assert.deepEqual(items.map(({ message = '' }) => message).toSorted(), ['again', 'hello']);
  await custom.deleteNamespacedCustomObject({ ...place, name: 'hi' });
  await until('it is gone', async () =>
    get('hi').then(
      () => false,
      ({ code }: { code?: number }) => code === 404,
    ),
  );
  assert.deepEqual(cleaned, ['hi']);
  await until('what it owned is gone', async () =>
    core.readNamespacedConfigMap({ namespace, name: 'hi' }).then(
      () => false,
      ({ code }: { code?: number }) => code === 404,
    ),
  );
  await operator.stop();
});
