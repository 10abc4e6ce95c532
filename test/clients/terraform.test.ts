/**
 * Terraform's `kubernetes_manifest`: its provider reads the schema from OpenAPI, plans by a server-side apply that is
 * not persisted, compares what comes back with what it knows, and applies the same with the very same field manager.
 * What it asks for is from hashicorp/terraform-provider-kubernetes, manifest/provider (plan.go, apply.go, read.go, import.go).
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KubeConfig, KubernetesObjectApi, PatchStrategy, type KubernetesObject } from '@kubernetes/client-node';
import { RawApi } from '../support/api.ts';
import { define, definitionOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const manager = 'Terraform';
type Open = KubernetesObject & Readonly<Record<string, unknown>>;
/** Computed by the server: the provider never compares them, unless told otherwise. */
const computed = ['metadata.annotations', 'metadata.labels'];

let cluster: Tutti;
let objects: KubernetesObjectApi;
let raw: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  objects = KubernetesObjectApi.makeApiClient(config);
  raw = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  raw[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

const apply = (manifest: Open, { dryRun = false, force = false } = {}) =>
  objects.patch<Open>(manifest, undefined, dryRun ? 'All' : undefined, manager, force, PatchStrategy.ServerSideApply);
const read = (manifest: Open) =>
  objects.read<Open>(manifest as { apiVersion: string; kind: string; metadata: { name: string } });
const isMissing = (error: { readonly code?: number }) => error.code === 404;

/** The object without what the provider leaves out of its state. */
function stateOf({ metadata, status: _status, ...rest }: Open) {
  const { name, namespace, labels, annotations } = metadata ?? {};
  return { ...rest, metadata: { name, namespace, labels, annotations } };
}

/** Paths where `wanted` differs from `state`: what makes Terraform show a change. */
function drift(state: unknown, wanted: unknown, path = ''): readonly string[] {
  if (computed.includes(path)) return [];
  if (typeof wanted !== 'object' || wanted === null) return state === wanted ? [] : [path];
  const at = (key: string) => (path === '' ? key : `${path}.${key}`);
  const known = (typeof state === 'object' && state !== null ? state : {}) as Readonly<Record<string, unknown>>;
  const keys = new Set([...Object.keys(wanted), ...Object.keys(known)]);
  return [...keys].flatMap((key) => drift(known[key], (wanted as Readonly<Record<string, unknown>>)[key], at(key)));
}

/** The provider's schema of a kind is the definition whose group, version and kind say so. */
async function schemaOf(group: string, version: string, kind: string): Promise<Readonly<Record<string, unknown>>> {
  const { definitions } = await raw.json<{ definitions: Readonly<Record<string, Readonly<Record<string, unknown>>>> }>(
    'GET',
    '/openapi/v2',
  );
  const isMeant = (each: unknown) => {
    const gvk = each as { readonly group: string; readonly version: string; readonly kind: string };
    return gvk.group === group && gvk.version === version && gvk.kind === kind;
  };
  const found = Object.values(definitions).filter((definition) =>
    ((definition['x-kubernetes-group-version-kind'] ?? []) as readonly unknown[]).some(isMeant),
  );
  assert.equal(found.length, 1, `${group}/${version} ${kind}`);
  return found[0]!;
}

const labels = { app: 'web' };
const deployment = (replicas: number, image = 'web:1'): Open => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'main', image, resources: { limits: { memory: '1024Mi' } } }] },
    },
  },
});

test('a plan is made of what the server would store, and an apply gives exactly that', async () => {
  const schema = await schemaOf('apps', 'v1', 'Deployment');
  assert.ok('spec' in (schema['properties'] as object));
  await assert.rejects(read(deployment(2)), isMissing);
  const planned = stateOf(await apply(deployment(2), { dryRun: true }));
  await assert.rejects(read(deployment(2)), isMissing, 'a plan leaves nothing');
  const applied = stateOf(await apply(deployment(2)));
  // "Provider produced inconsistent result after apply" is what Terraform says of anything else.
  assert.deepEqual(applied, planned);
  const memory = (state: object) =>
    (state as { spec: { template: { spec: { containers: { resources: { limits: unknown } }[] } } } }).spec.template.spec
      .containers[0]?.resources.limits;
  assert.deepEqual(memory(planned), { memory: '1Gi' }, 'quantities are planned as they are stored');
});

test('a second plan finds no change, and one with another image that alone', async () => {
  await until('controllers are done', async () => {
    const { status, metadata } = await read(deployment(2));
    const { observedGeneration, readyReplicas } = (status ?? {}) as {
      observedGeneration?: number;
      readyReplicas?: number;
    };
    return observedGeneration === metadata?.generation && readyReplicas === 2;
  });
  const state = stateOf(await read(deployment(2)));
  assert.deepEqual(drift(state, stateOf(await apply(deployment(2), { dryRun: true }))), []);
  const changed = stateOf(await apply(deployment(2, 'web:2'), { dryRun: true }));
  assert.deepEqual(drift(state, changed), ['spec.template.spec.containers.0.image']);
  assert.deepEqual(stateOf(await apply(deployment(2, 'web:2'))), changed);
});

test('drift by others is a conflict in the plan already, unless conflicts are forced', async () => {
  await raw.json(
    'PATCH',
    '/apis/apps/v1/namespaces/default/deployments/web?fieldManager=kubectl-scale',
    { spec: { replicas: 5 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  await assert.rejects(apply(deployment(3), { dryRun: true }), (error: { code?: number; body?: unknown }) => {
    assert.equal(error.code, 409);
    assert.match(JSON.stringify(error.body), /conflict with .*kubectl-scale.*: \.spec\.replicas/);
    return true;
  });
  const forced = stateOf(await apply(deployment(3), { dryRun: true, force: true }));
  assert.deepEqual(stateOf(await apply(deployment(3), { force: true })), forced);
});

test('a field that leaves the configuration goes back to its default', async () => {
  const withGrace: Open = {
    ...deployment(3, 'web:2'),
    spec: { ...(deployment(3, 'web:2')['spec'] as object), minReadySeconds: 7 },
  };
  await apply(withGrace, { force: true });
  const planned = stateOf(await apply(deployment(3, 'web:2'), { dryRun: true }));
  assert.equal((planned as unknown as { spec: { minReadySeconds?: number } }).spec.minReadySeconds, undefined);
  assert.deepEqual(drift(stateOf(await apply(deployment(3, 'web:2'))), planned), []);
});

test('what is there already can be imported, and is then planned without a change', async () => {
  const manifest: Open = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'old', namespace: 'default' },
    data: { a: '1' },
  };
  await objects.create(manifest, undefined, undefined, 'kubectl-create');
  const imported = stateOf(await read(manifest));
  // Equal values are shared, not contested.
  assert.deepEqual(drift(imported, stateOf(await apply(manifest, { dryRun: true }))), []);
  const { metadata } = await apply(manifest);
  assert.deepEqual(metadata?.managedFields?.map(({ manager: by }) => by).toSorted(), ['Terraform', 'kubectl-create']);
});

test('custom resources are planned by the schema of their definition, as soon as it is there', async () => {
  const text = { type: 'string' };
  const openAPIV3Schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        required: ['size'],
        properties: { size: { type: 'integer' }, mode: { ...text, default: 'slow' } },
      },
    },
  };
  // By hand: the client's own model of a schema calls this field otherwise.
  await define(raw, definitionOf({ openAPIV3Schema }, { group: 'tf.example.com', plural: 'plans', kind: 'Plan' }));
  const schema = await until('its schema is published', () => schemaOf('tf.example.com', 'v1', 'Plan'));
  assert.ok('spec' in (schema['properties'] as object));
  const plan = (spec: object): Open => ({
    apiVersion: 'tf.example.com/v1',
    kind: 'Plan',
    metadata: { name: 'one', namespace: 'default' },
    spec,
  });
  const planned = stateOf(await apply(plan({ size: 1 }), { dryRun: true }));
  assert.deepEqual((planned as unknown as { spec: object }).spec, { size: 1, mode: 'slow' });
  assert.deepEqual(stateOf(await apply(plan({ size: 1 }))), planned);
  await assert.rejects(apply(plan({}), { dryRun: true }), (error: { code?: number }) => error.code === 422);
});

test('destroy deletes, and waits until it is so', async () => {
  await objects.delete(deployment(1), undefined, undefined, undefined, undefined, 'Foreground');
  await until('it is gone', () => read(deployment(1)).then(() => false, isMissing));
  await assert.rejects(objects.delete(deployment(1)), isMissing);
});
