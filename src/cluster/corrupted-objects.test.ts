import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { startCluster } from './test-cluster.ts';

const deployment = (name: string): Deployment => ({
  metadata: { namespace: 'default', name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'x:1' }] } },
  },
});

type Json = Record<string, unknown>;

/** What may become of a stored object when one of its fields is damaged. */
const damages: Readonly<Record<string, (object: Json) => unknown>> = {
  'no JSON': () => undefined,
  'no metadata': ({ metadata: _metadata, ...rest }) => rest,
  'another name': (object) => ({ ...object, metadata: { ...(object['metadata'] as Json), name: 'elsewhere' } }),
  'labels that are a text': (object) => ({ ...object, metadata: { ...(object['metadata'] as Json), labels: 'x' } }),
  'owners that are a number': (object) => ({
    ...object,
    metadata: { ...(object['metadata'] as Json), ownerReferences: 7 },
  }),
  'owners without anything': (object) => ({
    ...object,
    metadata: { ...(object['metadata'] as Json), ownerReferences: [{}] },
  }),
  'no labels': (object) => ({ ...object, metadata: { ...(object['metadata'] as Json), labels: {} } }),
  'a spec that is a list': (object) => ({ ...object, spec: [] }),
  'no spec': ({ spec: _spec, ...rest }) => rest,
  'an empty spec': (object) => ({ ...object, spec: {} }),
  'a selector that is a text': (object) => ({ ...object, spec: { ...(object['spec'] as Json), selector: 'x' } }),
  'a selector of everything': (object) => ({ ...object, spec: { ...(object['spec'] as Json), selector: {} } }),
  'replicas below nothing': (object) => ({ ...object, spec: { ...(object['spec'] as Json), replicas: -5 } }),
  'no template': (object) => ({ ...object, spec: { ...(object['spec'] as Json), template: null } }),
  'a status that is a text': (object) => ({ ...object, status: 'x' }),
};

/** Damages what is stored at `key`, past the API. */
async function damage(store: Store, key: string, how: (object: Json) => unknown, signal: AbortSignal): Promise<void> {
  const entry = await store.get(key, { signal });
  if (entry === undefined) return;
  const whole = JSON.parse(new TextDecoder().decode(entry.value)) as Json;
  const value = new TextEncoder().encode(JSON.stringify(how(whole)) ?? '{"damaged');
  await store.commit([{ do: 'put', key, value }], { signal });
}

test('one damaged object, whichever it is, keeps nobody else from being controlled and scheduled', async ({
  signal,
}) => {
  const store = memoryStore();
  await using cluster = await startCluster({ store });
  const { client } = cluster;
  await client.create(Deployment, deployment('good'), { signal });
  const ready = async (replicas: number) => {
    const { status } = await client.get(Deployment, { namespace: 'default', name: 'good' }, { signal });
    return (status?.readyReplicas ?? 0) === replicas && (status?.replicas ?? 0) === replicas;
  };
  await cluster.until(() => ready(2), { what: 'the good deployment' });
  let replicas = 2;
  for (const folder of ['apps/deployments', 'apps/replicasets', 'core/pods']) {
    for (const [name, how] of Object.entries(damages)) {
      const victim = `v-${folder} ${name}`.toLowerCase().replaceAll(/\W/g, '-');
      await client.create(Deployment, deployment(victim), { signal });
      const keysOf = async () => {
        const { entries } = await store.list(`/registry/${folder}/default/${victim}`, { signal });
        return entries.map(({ key }) => key);
      };
      await cluster.until(async () => (await keysOf()).length > 0, { what: `something to damage in ${folder}` });
      await damage(store, (await keysOf())[0]!, how, signal);
      replicas = replicas === 2 ? 3 : 2;
      await client.patch(
        Deployment,
        { namespace: 'default', name: 'good' },
        { type: 'merge', patch: { spec: { replicas } } },
        { signal },
      );
      await cluster.until(() => ready(replicas), { what: `the good deployment beside ${folder} with ${name}` });
      await client
        .delete(Deployment, { namespace: 'default', name: victim }, { signal, propagationPolicy: 'Background' })
        .catch(() => undefined);
    }
  }
  assert.equal(await ready(replicas), true);
});
