import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { ResourceQuota } from '#api/core/resource-quota.ts';
import { Service } from '#api/core/service.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { Client } from '#client/client.ts';
import { systemClock } from '#lib/clock.ts';
import { toMilli, toUnits } from '#machinery/quantity.ts';
import type { ResourceList } from '#machinery/resource-list.ts';
import { hasReason, internalError } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { QuotaLedger } from './quota-ledger.ts';

async function open(signal: AbortSignal, options: { store?: Store; admission?: readonly AdmissionPlugin[] } = {}) {
  const clock = systemClock;
  const api = await testApi({ ...options, ledger: (registry) => new QuotaLedger(registry, clock) });
  const client = new InProcessClient(api, { user: admin });
  await client.create(Namespace, { metadata: { name: 'a' }, spec: {} }, { signal }).catch((error: unknown) => {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  });
  return { api, client, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

/** A quota whose usage has been summed up: nothing is there yet. */
async function limit(client: Client, hard: ResourceList, signal: AbortSignal, spec: ResourceQuota['spec'] = {}) {
  const metadata = { name: 'q', namespace: 'a' };
  const made = await client.create(ResourceQuota, { metadata, spec: { ...spec, hard } }, { signal });
  const used = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));
  return client.update(ResourceQuota, { ...made, status: { hard, used } }, { signal, subresource: 'status' });
}

const used = async (client: Client, signal: AbortSignal) =>
  (await client.get(ResourceQuota, { namespace: 'a', name: 'q' }, { signal })).status?.used;

const pod = (name: string, requests: ResourceList = {}, limits: ResourceList = requests): Pod => ({
  metadata: { name, namespace: 'a' },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests, limits } }] },
});
const configMap = (name: string): ConfigMap => ({ metadata: { name, namespace: 'a' } });

/** A store whose commits fail now and then, before or after they have taken effect, once `fails` is set. */
function unreliable(store: Store, chance: { fails: boolean }): Store {
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  return {
    ...store,
    async commit(writes, options) {
      if (chance.fails && random() < 0.2) throw internalError('failed before');
      const at = await store.commit(writes, options);
      if (chance.fails && random() < 0.1) throw internalError('failed after');
      return at;
    },
  };
}

test('64 concurrent creators on two servers never exceed a quota, though writes fail at random', async ({ signal }) => {
  const chance = { fails: false };
  const store = unreliable(memoryStore(), chance);
  await using one = await open(signal, { store });
  await using two = await open(signal, { store });
  const hard = { pods: '100', 'requests.cpu': '10' };
  await limit(one.client, hard, signal);

  const watching = new AbortController();
  const seen: ResourceList[] = [];
  const watched = (async () => {
    const options = { namespace: 'a', signal: AbortSignal.any([signal, watching.signal]) };
    for await (const event of one.client.watch(ResourceQuota, options)) {
      if (event.type === 'ADDED' || event.type === 'MODIFIED') seen.push(event.object.status?.used ?? {});
    }
  })();

  chance.fails = true;
  let made = 0;
  let refused = 0;
  await Promise.all(
    Array.from({ length: 64 }, async (_, creator) => {
      const { client } = creator % 2 === 0 ? one : two;
      for (let i = 0; i < 4; i++) {
        try {
          await client.create(Pod, pod(`p-${creator}-${i}`, { cpu: creator % 3 === 0 ? '200m' : '50m' }), { signal });
          made++;
        } catch (error) {
          if (hasReason(error, 'Forbidden') && error.message.includes('exceeded quota: q')) refused++;
          else if (!hasReason(error, 'InternalError')) throw error;
        }
      }
    }),
  );
  chance.fails = false;
  const { items } = await one.client.list(Pod, { namespace: 'a', signal });
  const cpu = items.reduce(
    (sum, { spec }) => sum + toMilli(spec.containers[0]?.resources?.requests?.['cpu'] ?? '0'),
    0,
  );
  assert.ok(items.length >= made);
  assert.ok(refused > 0, 'the quota was in the way');
  assert.ok(cpu <= 10_000 && items.length <= 100);
  const now = await used(one.client, signal);
  assert.equal(toUnits(now?.['pods'] ?? ''), items.length);
  assert.equal(toMilli(now?.['requests.cpu'] ?? ''), cpu);
  watching.abort();
  await watched.catch(() => {});
  assert.ok(seen.length >= made);
  for (const each of seen) assert.ok(toUnits(each['pods'] ?? '0') <= 100 && toUnits(each['requests.cpu'] ?? '0') <= 10);
});

test("what exceeds a quota is refused in upstream's words, and uses up nothing", async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await limit(client, { pods: '2', 'requests.memory': '1Gi', 'limits.cpu': '1', configmaps: '1' }, signal);
  await client.create(Pod, pod('p', { memory: '512Mi', cpu: '500m' }), { signal });
  await assert.rejects(
    client.create(Pod, pod('big', { memory: '600Mi', cpu: '600m' }), { signal }),
    (error) =>
      hasReason(error, 'Forbidden') &&
      error.message ===
        'pods "big" is forbidden: exceeded quota: q, requested: limits.cpu=600m,requests.memory=600Mi, used: limits.cpu=500m,requests.memory=512Mi, limited: limits.cpu=1,requests.memory=1Gi',
  );
  await assert.rejects(
    client.create(Pod, pod('vague', { cpu: '1m' }), { signal }),
    /pods "vague" is forbidden: failed quota: q: must specify requests\.memory for: c/,
  );
  const expected = { pods: '1', 'requests.memory': '512Mi', 'limits.cpu': '500m', configmaps: '0' };
  assert.deepEqual(await used(client, signal), expected);
  await client.create(ConfigMap, configMap('dry'), { signal, dryRun: true });
  assert.deepEqual(await used(client, signal), expected);
  await client.create(ConfigMap, configMap('one'), { signal });
  await assert.rejects(client.create(ConfigMap, configMap('two'), { signal, dryRun: true }), /exceeded quota: q/);
  // The name being taken is no reason to have used up anything.
  await client.delete(ConfigMap, { namespace: 'a', name: 'one' }, { signal });
  await assert.rejects(client.create(Pod, pod('p', { memory: '1Mi', cpu: '1m' }), { signal }), /already exists/);
  assert.deepEqual(await used(client, signal), { ...expected, configmaps: '1' });
});

test('a quota whose usage is not known lets nobody in; one whose limits are new is summed up again', async ({
  signal,
}) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  const quota = await limit(client, { pods: '2' }, signal);
  await client.update(ResourceQuota, { ...quota, status: { hard: { pods: '2' } } }, { signal, subresource: 'status' });
  await assert.rejects(client.create(Pod, pod('p'), { signal }), /status unknown for quota: q, resources: pods/);
  await client.delete(ResourceQuota, { namespace: 'a', name: 'q' }, { signal });
  const metadata = { name: 'new', namespace: 'a' };
  const fresh = await client.create(ResourceQuota, { metadata, spec: { hard: { pods: '1' } } }, { signal });
  await client.create(Pod, pod('p'), { signal });
  await assert.rejects(
    client.update(
      ResourceQuota,
      { ...fresh, status: { hard: { pods: '1' }, used: { pods: '0' } } },
      { signal, subresource: 'status' },
    ),
    (error) => hasReason(error, 'Conflict'),
  );
});

test('an update is charged with what it adds', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await limit(client, { 'services.nodeports': '1', 'services.loadbalancers': '1', 'requests.storage': '2Gi' }, signal);
  const metadata = { name: 's', namespace: 'a' };
  const service = await client.create(
    Service,
    {
      metadata,
      spec: {
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      },
    },
    { signal },
  );
  const typed = (type: string, extra = {}) =>
    client.update(Service, { ...service, spec: { ...service.spec, type, ...extra } }, { signal });
  await assert.rejects(
    typed('NodePort'),
    /exceeded quota: q, requested: services\.nodeports=2, used: services\.nodeports=0, limited: services\.nodeports=1/,
  );
  await typed('LoadBalancer', { allocateLoadBalancerNodePorts: false });
  assert.equal((await used(client, signal))?.['services.loadbalancers'], '1');

  const claim: PersistentVolumeClaim = {
    metadata: { name: 'c', namespace: 'a' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const made = await client.create(PersistentVolumeClaim, claim, { signal });
  const status = { phase: 'Bound', capacity: { storage: '1Gi' } };
  const bound = await client.update(PersistentVolumeClaim, { ...made, status }, { signal, subresource: 'status' });
  const grown = (storage: string) =>
    client.update(
      PersistentVolumeClaim,
      { ...bound, spec: { ...bound.spec, resources: { requests: { storage } } } },
      { signal },
    );
  await assert.rejects(
    grown('3Gi'),
    /exceeded quota: q, requested: requests\.storage=2Gi, used: requests\.storage=1Gi/,
  );
  await grown('2Gi');
  assert.equal((await used(client, signal))?.['requests.storage'], '2Gi');
});

test('a pod counts for the quotas whose scopes it is in', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await limit(client, { pods: '1' }, signal, { scopes: ['BestEffort', 'NotTerminating'] });
  await client.create(Pod, pod('burstable', { cpu: '1m' }), { signal });
  const ending = pod('ending');
  await client.create(Pod, { ...ending, spec: { ...ending.spec, activeDeadlineSeconds: 1 } }, { signal });
  await client.create(Pod, pod('first'), { signal });
  await assert.rejects(client.create(Pod, pod('second'), { signal }), /exceeded quota: q, requested: pods=1/);
});

test('a pod that is resized is charged with what it grows by', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await limit(client, { 'requests.cpu': '500m' }, signal);
  const made = await client.create(Pod, pod('p', { cpu: '200m' }), { signal });
  const resized = (cpu: string) => {
    const [container] = made.spec.containers;
    const containers = [{ ...container!, resources: { requests: { cpu }, limits: { cpu } } }];
    return client.update(
      Pod,
      { ...made, metadata: { name: 'p', namespace: 'a' }, spec: { ...made.spec, containers } },
      { signal, subresource: 'resize' },
    );
  };
  await assert.rejects(
    resized('600m'),
    /exceeded quota: q, requested: requests\.cpu=400m, used: requests\.cpu=200m, limited: requests\.cpu=500m/,
  );
  await resized('400m');
  assert.deepEqual(await used(client, signal), { 'requests.cpu': '400m' });
});

test('who manages a quota is not forgotten when it is charged', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await limit(client, { configmaps: '3' }, signal);
  const managers = async () =>
    (await client.get(ResourceQuota, { namespace: 'a', name: 'q' }, { signal })).metadata?.managedFields;
  const before = await managers();
  assert.ok((before ?? []).length > 0);
  for (const name of ['one', 'two']) await client.create(ConfigMap, configMap(name), { signal });
  assert.deepEqual(await managers(), before);
});

test('a server that has lost track of the quotas asks anew instead of letting everything in', async ({ signal }) => {
  const inner = memoryStore();
  let gate = Promise.resolve();
  const store: Store = {
    ...inner,
    async commit(writes, options) {
      await gate;
      return inner.commit(writes, options);
    },
  };
  await using cluster = await open(signal, { store });
  const { client, api } = cluster;
  await limit(client, { configmaps: '1' }, signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  const both = ['one', 'two'].map((name) => client.create(ConfigMap, configMap(name), { signal }));
  // Until the second waits for its turn behind the first.
  for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
  // As after the store has compacted what the feed had yet to see.
  api.registry.of(ResourceQuota).cache.lost();
  resolve();
  const outcomes = await Promise.allSettled(both);
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  assert.equal((await client.list(ConfigMap, { namespace: 'a', signal })).items.length, 1);
});
