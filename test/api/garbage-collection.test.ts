import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { CronJob } from '#api/batch/cron-job.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { Secret } from '#api/core/secret.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';

/** The cases of upstream's conformance suite (test/e2e/apimachinery/garbage_collector.go), and random graphs. */

const namespace = 'default';
const labels = { app: 'x' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
type Policy = 'Foreground' | 'Background' | 'Orphan';

const rcOf = (name: string, replicas: number, app: string): ReplicationController => ({
  metadata: { name, namespace },
  spec: {
    replicas,
    selector: { app },
    template: { metadata: { labels: { app } }, spec: template.spec },
  },
});
const deploymentOf = (name: string): Deployment => ({
  metadata: { name, namespace },
  spec: { replicas: 2, selector: { matchLabels: labels }, template },
});
const list = async <T extends ApiObject>({ client, signal }: TestCluster, kind: Kind<T>) =>
  (await client.list(kind, { namespace, signal })).items;
const remove = ({ client, signal }: TestCluster, kind: Kind, name: string, propagationPolicy: Policy) =>
  client.delete(kind, { namespace, name }, { signal, propagationPolicy });
const count = async (cluster: TestCluster, kind: Kind) => (await list(cluster, kind)).length;

test('pods go with a replication controller that is deleted without orphaning them', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(ReplicationController, rcOf('rc', 3, 'a'), { signal: cluster.signal });
  await cluster.until(async () => (await count(cluster, Pod)) === 3);
  await remove(cluster, ReplicationController, 'rc', 'Background');
  await cluster.until(async () => (await count(cluster, Pod)) === 0);
});

test('pods stay when their replication controller is deleted alone', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(ReplicationController, rcOf('rc', 20, 'a'), { signal: cluster.signal });
  await cluster.until(async () => (await count(cluster, Pod)) === 20);
  await remove(cluster, ReplicationController, 'rc', 'Orphan');
  await cluster.until(async () => (await count(cluster, ReplicationController)) === 0);
  await cluster.advance(120_000);
  const pods = await list(cluster, Pod);
  assert.equal(pods.length, 20);
  for (const { metadata } of pods) assert.deepEqual(metadata?.ownerReferences ?? [], []);
});

test('a replica set goes with its deployment, or stays if it is orphaned', async () => {
  await using cluster = await startCluster();
  const { client, signal } = cluster;
  await client.create(Deployment, deploymentOf('d'), { signal });
  await cluster.until(async () => (await count(cluster, Pod)) === 2);
  await remove(cluster, Deployment, 'd', 'Orphan');
  await cluster.until(async () => (await count(cluster, Deployment)) === 0);
  await cluster.advance(60_000);
  assert.deepEqual(
    (await list(cluster, ReplicaSet)).map(({ metadata }) => metadata?.ownerReferences ?? []),
    [[]],
  );
  await client.create(Deployment, deploymentOf('d'), { signal });
  await cluster.until(async () => (await list(cluster, ReplicaSet))[0]?.metadata?.ownerReferences?.length === 1);
  await remove(cluster, Deployment, 'd', 'Background');
  await cluster.until(async () => (await count(cluster, ReplicaSet)) + (await count(cluster, Pod)) === 0);
});

test('in the foreground an owner goes last', async () => {
  await using cluster = await startCluster();
  const { client, signal } = cluster;
  await client.create(ReplicationController, rcOf('rc', 5, 'a'), { signal });
  await cluster.until(async () => (await count(cluster, Pod)) === 5);
  const gone: string[] = [];
  const watching = new AbortController();
  const both = [Pod, ReplicationController].map(async (kind: Kind) => {
    for await (const event of client.watch(kind, { namespace, signal: watching.signal })) {
      if (event.type === 'DELETED') gone.push(kind.kind);
    }
  });
  await remove(cluster, ReplicationController, 'rc', 'Foreground');
  await cluster.until(() => gone.includes('ReplicationController'));
  watching.abort();
  await Promise.allSettled(both);
  assert.deepEqual(gone, [...Array<string>(5).fill('Pod'), 'ReplicationController']);
});

test('a pod with two owners stays when one of them waits to go', async () => {
  await using cluster = await startCluster();
  const { client, signal } = cluster;
  const first = await client.create(ReplicationController, rcOf('first', 4, 'a'), { signal });
  const second = await client.create(ReplicationController, rcOf('second', 0, 'b'), { signal });
  await cluster.until(async () => (await count(cluster, Pod)) === 4);
  const pods = await list(cluster, Pod);
  const reference = { apiVersion: 'v1', kind: 'ReplicationController', name: 'second', uid: second.metadata?.uid };
  for (const { metadata } of pods.slice(0, 2)) {
    const ownerReferences = [...(metadata?.ownerReferences ?? []), reference];
    const patch = { metadata: { ownerReferences } };
    await client.patch(Pod, { namespace, name: metadata?.name ?? '' }, { type: 'merge', patch }, { signal });
  }
  await remove(cluster, ReplicationController, 'first', 'Foreground');
  await cluster.until(async () => (await count(cluster, ReplicationController)) === 1);
  await cluster.until(async () => (await count(cluster, Pod)) === 2);
  for (const { metadata } of await list(cluster, Pod)) {
    assert.equal(metadata?.deletionTimestamp, undefined);
    assert.deepEqual(
      metadata?.ownerReferences?.map(({ uid }) => uid),
      [second.metadata?.uid],
    );
  }
  assert.notEqual(first.metadata?.uid, second.metadata?.uid);
});

test('a circle of owners does not hold itself up', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  const pods: Pod[] = [];
  for (const name of ['a', 'b', 'c']) {
    pods.push(await client.create(Pod, { metadata: { name, namespace }, spec: template.spec }, { signal }));
  }
  for (const [i, pod] of pods.entries()) {
    const owner = pods[(i + 2) % 3]!.metadata!;
    const reference = {
      apiVersion: 'v1',
      kind: 'Pod',
      name: owner.name,
      uid: owner.uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const patch = { metadata: { ownerReferences: [reference] } };
    await client.patch(Pod, { namespace, name: pod.metadata?.name ?? '' }, { type: 'merge', patch }, { signal });
  }
  await remove(cluster, Pod, 'a', 'Foreground');
  await cluster.until(async () => (await count(cluster, Pod)) === 0);
});

test('what is made after its owner has gone is collected too, whatever the kinds', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  const job = {
    metadata: { name: 'cron', namespace },
    spec: {
      schedule: '0 0 1 1 *',
      jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
    },
  };
  const owner = await client.create(CronJob, job, { signal });
  await remove(cluster, CronJob, 'cron', 'Background');
  const global = await client.create(PriorityClass, { metadata: { name: 'p' }, value: 1 }, { signal });
  const reference = (kind: Kind, { metadata }: ApiObject): OwnerReference => ({
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
  });
  const make = (name: string, ...ownerReferences: readonly OwnerReference[]) =>
    client.create(Secret, { metadata: { name, namespace, ownerReferences } }, { signal });
  await make('late', reference(CronJob, owner));
  await make('of-the-cluster', reference(PriorityClass, global));
  await make('of-a-namesake', { ...reference(PriorityClass, global), uid: 'another' });
  await cluster.until(async () => (await count(cluster, Secret)) === 1);
  await client.delete(PriorityClass, { name: 'p' }, { signal });
  await cluster.until(async () => (await count(cluster, Secret)) === 0);
});

const graphKinds: readonly Kind[] = [ConfigMap, Secret, ServiceAccount];
const graphs = 40;
const objectsPerGraph = 18;
const deletionsPerGraph = 4;

/** Numbers in [0, below), the same for the same seed. */
function randomFrom(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What should be left, by the words of the API alone: owners by name, and undefined for who is gone. */
class Model {
  readonly owners = new Map<string, Set<string>>();

  delete(name: string, policy: Policy): void {
    if (policy === 'Orphan') for (const owners of this.owners.values()) owners.delete(name);
    this.owners.delete(name);
    for (let changed = true; changed;) {
      changed = false;
      for (const [each, owners] of this.owners) {
        const living = [...owners].filter((owner) => this.owners.has(owner));
        if (living.length === owners.size) continue;
        changed = true;
        if (living.length === 0) this.owners.delete(each);
        else this.owners.set(each, new Set(living));
      }
    }
  }
}

test('of random graphs of owners exactly those are left that should be, whatever is deleted', async () => {
  await using cluster = await startCluster({ nodes: 0 });
  const { client, signal } = cluster;
  const everything = async (space: string) => {
    const found = new Map<string, readonly string[]>();
    for (const kind of graphKinds) {
      for (const { metadata } of (await client.list(kind, { namespace: space, signal })).items) {
        if (metadata?.name?.startsWith('o') !== true) continue;
        found.set(metadata.name, (metadata.ownerReferences ?? []).map((each) => each.name).toSorted());
      }
    }
    return found;
  };
  for (let seed = 1; seed <= graphs; seed++) {
    const random = randomFrom(seed);
    const space = `graph-${seed}`;
    await client.create(Namespace, { metadata: { name: space }, spec: {} }, { signal });
    const objects: { kind: Kind; object: ApiObject }[] = [];
    for (let i = 0; i < objectsPerGraph; i++) {
      const kind = graphKinds[random(graphKinds.length)]!;
      const object = await client.create(kind, { metadata: { name: `o${i}`, namespace: space } }, { signal });
      objects.push({ kind, object });
    }
    const model = new Model();
    for (const { kind, object } of objects) {
      const owners = new Map<string, OwnerReference>();
      for (let n = random(4); n > 0; n--) {
        const owner = objects[random(objects.length)]!;
        if (owner.object === object) continue;
        const { name = '', uid = '' } = owner.object.metadata ?? {};
        const blocks = random(2) === 1;
        owners.set(name, {
          apiVersion: apiVersionOf(owner.kind),
          kind: owner.kind.kind,
          name,
          uid,
          blockOwnerDeletion: blocks,
        });
      }
      const { name = '' } = object.metadata ?? {};
      model.owners.set(name, new Set(owners.keys()));
      const patch = { metadata: { ownerReferences: [...owners.values()] } };
      await client.patch(kind, { namespace: space, name }, { type: 'merge', patch }, { signal });
    }
    for (let n = 0; n < deletionsPerGraph && model.owners.size > 0; n++) {
      const name = [...model.owners.keys()][random(model.owners.size)]!;
      const policy = (['Foreground', 'Background', 'Orphan'] as const)[random(3)]!;
      const { kind } = objects.find(({ object }) => object.metadata?.name === name)!;
      await client.delete(kind, { namespace: space, name }, { signal, propagationPolicy: policy });
      model.delete(name, policy);
      const byName = (found: Iterable<readonly [string, readonly string[]]>) =>
        [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const expected = byName([...model.owners].map(([each, owners]) => [each, [...owners].toSorted()] as const));
      const sorted = async () => byName(await everything(space));
      await cluster
        .until(async () => JSON.stringify(await sorted()) === JSON.stringify(expected), {
          withinMs: 60_000,
        })
        .catch(async () => assert.deepEqual(await sorted(), expected, `seed ${seed}, ${policy} ${name}`));
    }
  }
});
