import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/validating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { Event } from '#api/events/event.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { abortController } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { Metrics } from '#lib/metrics.ts';
import { ControlPlane } from './control-plane.ts';
import { startCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';

type PodSpec = NonNullable<Pod['spec']>;

/** One node of four cores unless said otherwise, and three classes of priority. */
async function start(options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = await startCluster({ nodes: [{ count: 1, cpu: '4' }], ...options });
  for (const [name, value] of Object.entries({ low: 1, middle: 50, high: 100 })) {
    await cluster.client.create(PriorityClass, { metadata: { name }, value }, { signal: cluster.signal });
  }
  const patient = { metadata: { name: 'patient' }, value: 100, preemptionPolicy: 'Never' };
  await cluster.client.create(PriorityClass, patient, { signal: cluster.signal });
  return cluster;
}

const ref = (name: string) => ({ namespace: 'default', name });

/** Its containers take their whole grace to stop. */
function create(
  cluster: TestCluster,
  name: string,
  cpu: string,
  priorityClassName: string,
  more: Partial<PodSpec> = {},
) {
  const { client, signal } = cluster;
  const containers = [{ name: 'main', image: 'web:1', resources: { requests: { cpu } } }];
  const annotations = { 'sim.tutti.dev/stop-seconds': '3600' };
  const metadata = { ...ref(name), labels: { app: name.replace(/-.*/, '') }, annotations };
  return client.create(Pod, { metadata, spec: { containers, priorityClassName, ...more } }, { signal });
}

const podOf = (cluster: TestCluster, name: string) => cluster.cache.get(Pod, ref(name));
const nodeOf = (cluster: TestCluster, name: string) => podOf(cluster, name)?.spec.nodeName;
const nominated = (cluster: TestCluster, name: string) => podOf(cluster, name)?.status?.nominatedNodeName;
const messageOf = (cluster: TestCluster, name: string) =>
  podOf(cluster, name)?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
const leaving = (cluster: TestCluster) =>
  cluster.cache
    .list(Pod)
    .flatMap(({ metadata }) => (metadata?.deletionTimestamp === undefined ? [] : [metadata.name ?? '']))
    .toSorted();

/** `low-1` … of one core each. */
async function fill(cluster: TestCluster, count = 4, more: Partial<PodSpec> = {}): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `low-${index + 1}`);
  for (const name of names) {
    await create(cluster, name, '1', 'low', more);
    await cluster.until(() => podOf(cluster, name)?.status?.phase === 'Running');
    await cluster.advance(1_000); // each starts a second after the one before
  }
}

test('a pod has as few others leave as it needs, waits out their grace, and gets their room', async () => {
  await using cluster = await start();
  await fill(cluster, 4, { terminationGracePeriodSeconds: 60 });
  await create(cluster, 'high', '2', 'high');
  await cluster.until(() => leaving(cluster).length > 0);
  await cluster.advance(30_000);
  assert.equal(nominated(cluster, 'high'), 'sim-00001');
  assert.equal(nodeOf(cluster, 'high'), undefined);
  assert.deepEqual(leaving(cluster), ['low-3', 'low-4'], 'those that have run longest stay');
  const victim = podOf(cluster, 'low-4');
  assert.equal(victim?.metadata?.deletionGracePeriodSeconds, 60);
  const condition = victim.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  assert.deepEqual(
    [condition?.status, condition?.reason, condition?.message],
    ['True', 'PreemptionByScheduler', 'default-scheduler: preempting to accommodate a higher priority pod'],
  );
  await cluster.until(() => nodeOf(cluster, 'high') === 'sim-00001');
  assert.equal(nominated(cluster, 'high'), undefined);
  assert.deepEqual(
    new Set(cluster.cache.list(Pod).map(({ metadata }) => metadata?.name)),
    new Set(['high', 'low-1', 'low-2']),
  );
  const { items } = await cluster.client.list(Event, { namespace: 'default', signal: cluster.signal });
  const told = items.find(({ reason, regarding }) => reason === 'Preempted' && regarding?.name === 'low-4');
  const uid = podOf(cluster, 'high')?.metadata?.uid;
  assert.deepEqual(
    [told?.type, told?.action, told?.note],
    ['Normal', 'Preempting', `Preempted by pod ${uid} on node sim-00001`],
  );
});

test('a pod whose policy is Never has nobody leave, and says why it waits', async () => {
  await using cluster = await start();
  await fill(cluster);
  await create(cluster, 'high', '2', 'patient');
  await cluster.until(() => messageOf(cluster, 'high') !== undefined);
  await cluster.advance(60_000);
  assert.deepEqual(leaving(cluster), []);
  assert.match(messageOf(cluster, 'high') ?? '', /preemption: not eligible due to preemptionPolicy=Never\.$/);
  const why = cluster.why(ref('high'));
  assert.deepEqual(why?.preemption, { outcome: 'never' });
});

test('why() says whom a pod would have leave, and that it waits for them', async () => {
  await using cluster = await start({ controlled: false });
  const { client, signal } = cluster;
  await client.create(ServiceAccount, { metadata: ref('default') }, { signal });
  await using scheduling = await scheduler(cluster);
  await fill(cluster);
  await scheduling[Symbol.asyncDispose]();
  await create(cluster, 'high', '3', 'high');
  await using standby = await scheduler(cluster, false);
  await cluster.until(() => standby.control.scheduler.why(ref('high'))?.preemption !== undefined);
  const low = (name: string) => ({ namespace: 'default', name, priority: 1 });
  assert.deepEqual(standby.control.scheduler.why(ref('high'))?.preemption, {
    outcome: 'possible',
    nodeName: 'sim-00001',
    victims: [low('low-2'), low('low-3'), low('low-4')],
    budgetsViolated: 0,
  });
  await standby[Symbol.asyncDispose]();
  await using again = await scheduler(cluster);
  await cluster.until(() => leaving(cluster).length === 3);
  const why = again.control.scheduler.why(ref('high'));
  assert.deepEqual(why?.preemption, { outcome: 'waits', nodeName: 'sim-00001' });
});

test('disruption budgets decide who leaves, as long as anybody else can', async () => {
  await using cluster = await start({ nodes: [{ count: 2, cpu: '1' }] });
  const { client, signal } = cluster;
  await create(cluster, 'guarded-1', '1', 'low');
  await create(cluster, 'low-1', '1', 'middle');
  const budget = { metadata: ref('guard'), spec: { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } } };
  await client.create(PodDisruptionBudget, budget, { signal });
  cluster.cache.list(PodDisruptionBudget);
  await cluster.until(() => cluster.cache.get(PodDisruptionBudget, ref('guard'))?.status?.currentHealthy === 1);
  await create(cluster, 'high-1', '1', 'high');
  await cluster.until(() => leaving(cluster).length > 0);
  assert.deepEqual(leaving(cluster), ['low-1'], 'although its priority is higher');
  await create(cluster, 'high-2', '1', 'high');
  await cluster.until(() => leaving(cluster).length > 1);
  assert.deepEqual(leaving(cluster), ['guarded-1', 'low-1'], 'nothing else helps');
});

test('room that is made for a pod is not given to lesser ones, but to higher', async () => {
  await using cluster = await start();
  await fill(cluster, 4, { terminationGracePeriodSeconds: 60 });
  await create(cluster, 'middle', '3', 'middle');
  await cluster.until(() => leaving(cluster).length === 3);
  await cluster.client.delete(Pod, ref('low-2'), { signal: cluster.signal, gracePeriodSeconds: 0 });
  await create(cluster, 'low-9', '1', 'low');
  await cluster.until(() => messageOf(cluster, 'low-9') !== undefined);
  assert.equal(nodeOf(cluster, 'low-9'), undefined);
  await create(cluster, 'high', '1', 'high');
  await cluster.until(() => nodeOf(cluster, 'high') !== undefined);
  // Now it needs the last one's room as well.
  await cluster.until(() => leaving(cluster).includes('low-1'));
  await cluster.until(() => nodeOf(cluster, 'middle') === 'sim-00001');
});

test('a scheduler started anew keeps what was promised, and has nobody else leave', async () => {
  await using cluster = await start({ controlled: false, nodes: [{ count: 2, cpu: '2' }] });
  await cluster.client.create(ServiceAccount, { metadata: ref('default') }, { signal: cluster.signal });
  await using first = await scheduler(cluster);
  await fill(cluster, 4, { terminationGracePeriodSeconds: 60 });
  await create(cluster, 'high', '2', 'high');
  await cluster.until(() => leaving(cluster).length === 2);
  const node = nominated(cluster, 'high');
  const gone = leaving(cluster);
  await first[Symbol.asyncDispose]();
  await create(cluster, 'a-rival', '2', 'patient'); // of the same priority, and looked at first
  await create(cluster, 'low-9', '1', 'low');
  await cluster.until(() => gone.every((name) => podOf(cluster, name) === undefined));
  await using second = await scheduler(cluster);
  await cluster.until(() => messageOf(cluster, 'low-9') !== undefined && messageOf(cluster, 'a-rival') !== undefined);
  assert.deepEqual(leaving(cluster), []);
  await cluster.until(() => nodeOf(cluster, 'high') !== undefined);
  assert.equal(nodeOf(cluster, 'high'), node);
  assert.equal(nodeOf(cluster, 'low-9'), undefined);
  assert.equal(nodeOf(cluster, 'a-rival'), undefined);
  assert.match(await second.metrics.text(), /scheduler_preemption_attempts_total [1-9]/);
});

test('a preemption that the API refuses is taken back, and tried again', async () => {
  await using cluster = await start({ controlled: false });
  const { client, signal } = cluster;
  await client.create(ServiceAccount, { metadata: ref('default') }, { signal });
  await client.create(
    ValidatingAdmissionPolicy,
    {
      metadata: { name: 'nobody-leaves' },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['pods'] }],
        },
        validations: [{ expression: 'false', message: 'nobody leaves' }],
      },
    },
    { signal },
  );
  await client.create(
    ValidatingAdmissionPolicyBinding,
    { metadata: { name: 'nobody-leaves' }, spec: { policyName: 'nobody-leaves', validationActions: ['Deny'] } },
    { signal },
  );
  await using running = await scheduler(cluster);
  await fill(cluster, 1);
  await create(cluster, 'high', '4', 'high');
  await cluster.until(() => nominated(cluster, 'high') !== undefined);
  await cluster.advance(5_000);
  assert.deepEqual(leaving(cluster), []);
  await create(cluster, 'low-2', '1', 'low');
  await cluster.until(() => nodeOf(cluster, 'low-2') !== undefined, {
    what: 'room that is promised to nobody any more',
  });
  await client.delete(ValidatingAdmissionPolicyBinding, { name: 'nobody-leaves' }, { signal });
  await cluster.until(() => nodeOf(cluster, 'high') !== undefined);
  const text = await running.metrics.text();
  assert.match(text, /scheduler_preemption_victims_count \d/);
});

/** A scheduler of its own, without controllers, until it is disposed of. */
async function scheduler(cluster: TestCluster, leads = true) {
  const metrics = new Metrics();
  const control = new ControlPlane({
    client: cluster.client,
    clock: cluster.clock,
    log: silentLog,
    controllers: [],
    metrics,
  });
  const stop = abortController();
  const running = [control.follow(stop.signal), ...(leads ? [control.lead(stop.signal)] : [])];
  await control.caches.synced(stop.signal);
  return {
    control,
    metrics,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(running);
    },
  };
}
