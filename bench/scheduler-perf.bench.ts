import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { Service } from '#api/core/service.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { Namespace } from '#api/core/namespace.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import type { Client } from '#client/client.ts';
import { ControlPlane } from '#cluster/control-plane.ts';
import { startCluster } from '#cluster/test-cluster.ts';
import { abortController, systemClock } from '#lib/clock.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { silentLog } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { csiDriver, perfCases, type PerfCase, type PodGroup } from './scheduler-perf-cases.ts';
import type { Benchmark, Row } from './row.ts';

/*
 * Upstream's scheduler_perf: scheduler and API in one process, pretend nodes that keep still. The pods are there when
 * the scheduler begins, so that creating them is not what is measured; then it counts until the last binding was seen
 * by a watch.
 */

const caseMsMax = 300_000;
const writersMax = 32;

function podOf({ namespace, labels, spec, volumes }: PodGroup, name: string): Pod {
  const metadata = { name, namespace, ...(labels === undefined ? {} : { labels }) };
  const claimed =
    volumes === undefined ? {} : { volumes: [{ name: 'vol', persistentVolumeClaim: { claimName: name } }] };
  return { metadata, spec: { terminationGracePeriodSeconds: 0, ...claimed, ...spec } as Pod['spec'] }; // with containers
}

async function create(client: Client, group: PodGroup, name: string, signal: AbortSignal): Promise<void> {
  const names = Array.from({ length: group.count }, (_, index) => `${name}-${index}`);
  if (group.volumes !== undefined) {
    await forEachLimit(names, writersMax, (each) => createVolume(client, group, each, signal));
  }
  await forEachLimit(names, writersMax, (each) => client.create(Pod, podOf(group, each), { signal }));
}

/** A volume and a claim that are bound to each other, as upstream's cases have them. */
async function createVolume(
  client: Client,
  { namespace, volumes }: PodGroup,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const annotations = { 'pv.kubernetes.io/bind-completed': 'true' };
  const shared = { accessModes: ['ReadWriteOnce'], storageClassName: '' };
  const source =
    volumes === 'csi'
      ? { csi: { driver: csiDriver, volumeHandle: name } }
      : { awsElasticBlockStore: { volumeID: name, fsType: 'ext4' } };
  const spec = { ...shared, ...source, capacity: { storage: '1Gi' }, claimRef: { namespace, name } };
  await client.create(PersistentVolume, { metadata: { name }, spec }, { signal });
  const claim = { ...shared, volumeName: name, resources: { requests: { storage: '1Gi' } } };
  await client.create(PersistentVolumeClaim, { metadata: { namespace, name, annotations }, spec: claim }, { signal });
}

async function boundPerSecond(perf: PerfCase): Promise<number> {
  const { nodes, objects = [], before = [], waiting = [], measured } = perf;
  // The nodes keep still: only scheduler and API are measured.
  await using cluster = await startCluster({ nodes, clock: 'system', controlled: false, podStartMs: 3_600_000 });
  const { client, signal } = cluster;
  const namespaces = ['default'];
  await forEachLimit(objects, writersMax, async ({ kind, object }) => {
    await client.create(kind, object, { signal });
    if (kind.kind === Namespace.kind) namespaces.push(object.metadata?.name ?? '');
  });
  // No controllers are here to do it.
  for (const namespace of namespaces) {
    await client.create(ServiceAccount, { metadata: { name: 'default', namespace } }, { signal });
  }
  await client.create(PriorityClass, { metadata: { name: 'high' }, value: 10 }, { signal });

  const control = new ControlPlane({ client, clock: systemClock, log: silentLog, controllers: [] });
  const bound = new Map<string, number>();
  let [seen, last] = [0, 0];
  control.caches.on(Pod, ({ type, object, previous }) => {
    if (type === 'ADDED') seen++;
    if (object.spec.nodeName === undefined || previous?.spec.nodeName !== undefined) return;
    const [name = ''] = object.metadata?.name?.split('-') ?? [];
    bound.set(name, (bound.get(name) ?? 0) + 1);
    if (name === 'measured') last = performance.now();
  });
  const stop = abortController();
  const following = control.follow(stop.signal);
  const lead = async (work: () => Promise<void>) => {
    const leading = abortController();
    const running = control.lead(leading.signal);
    await work();
    leading.abort();
    await running;
  };
  const until = (holds: () => boolean, what: string) => cluster.until(holds, { withinMs: caseMsMax, what });
  try {
    await control.caches.synced(signal);
    let made = 0;
    const createAll = async (group: PodGroup, name: string) => {
      await create(client, group, name, signal);
      made += group.count;
      await until(() => seen >= made, 'all pods to be seen');
    };
    for (const group of waiting) await createAll(group, 'waiting');
    if (before.length > 0) {
      await lead(async () => {
        for (const group of before) await createAll(group, `before${before.indexOf(group)}`);
        const [total, placed] = [before.reduce((sum, { count }) => sum + count, 0), () => countOf(bound, 'before')];
        await until(() => placed() === total, 'the pods before to be bound');
      });
    }
    await createAll(measured, 'measured');
    let start = 0;
    await lead(async () => {
      start = performance.now();
      const churning = abortController();
      const churn = churnOf(perf, client, churning.signal);
      await until(() => bound.get('measured') === measured.count, 'all pods to be bound');
      churning.abort();
      await churn;
    });
    return measured.count / ((last - start) / 1000);
  } finally {
    stop.abort();
    await following;
  }
}

const countOf = (bound: ReadonlyMap<string, number>, prefix: string) =>
  [...bound].reduce((sum, [name, count]) => sum + (name.startsWith(prefix) ? count : 0), 0);

/** Ends with the signal. */
async function churnOf({ churn, before = [] }: PerfCase, client: Client, signal: AbortSignal): Promise<void> {
  if (churn === undefined) return;
  const tooLarge = (index: number): Pod => {
    const resources = { requests: { cpu: '9', memory: '500Mi' } };
    const spec = { priorityClassName: 'high', containers: [{ name: 'pause', image: 'pause:3.10', resources }] };
    return { metadata: { name: `unschedulable-${index}`, namespace: 'default' }, spec };
  };
  const everyMs = { unschedulable: 200, mixed: 1_000, deletes: 20 }[churn];
  try {
    for (let index = 0; ; index++) {
      switch (churn) {
        case 'unschedulable':
          await client.create(Pod, tooLarge(index), { signal });
          break;
        case 'mixed':
          await recreate(client, index, tooLarge(index), signal);
          break;
        case 'deletes': {
          if (index >= (before[0]?.count ?? 0)) return;
          const ref = { namespace: 'default', name: `before0-${index}` };
          await client.delete(Pod, ref, { signal, gracePeriodSeconds: 0 });
          break;
        }
      }
      await systemClock.sleep(everyMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A node, a pod that fits nowhere and a service take the place of those before. */
async function recreate(client: Client, index: number, pod: Pod, signal: AbortSignal): Promise<void> {
  const node: Node = {
    metadata: { name: `churn-${index}` },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '32Gi', pods: '110' } },
  };
  const service: Service = {
    metadata: { name: `churn-${index}`, namespace: 'default' },
    spec: { selector: { app: 'none' }, ports: [{ port: 80 }] },
  };
  await client.create(Node, node, { signal });
  await client.create(Pod, pod, { signal });
  await client.create(Service, service, { signal });
  if (index === 0) return;
  const old = { namespace: 'default', name: `churn-${index - 1}` };
  const gone = (error: unknown) => {
    if (!hasReason(error, 'NotFound')) throw error;
  };
  await client.delete(Service, old, { signal }).catch(gone);
  const ref = { namespace: 'default', name: `unschedulable-${index - 1}` };
  await client.delete(Pod, ref, { signal, gracePeriodSeconds: 0 }).catch(gone);
}

const prefix = 'scheduler_perf.';

export const benchmarks: readonly Benchmark[] = perfCases.map((perf) => ({
  names: [`${prefix}${perf.name}`],
  async run(): Promise<readonly Row[]> {
    const value = await boundPerSecond(perf);
    const { name, floor, budget } = perf;
    return [
      {
        name: `${prefix}${name}`,
        value,
        unit: 'pods per second',
        ...(budget === undefined ? {} : { budget }),
        ...(floor === undefined ? {} : { peer: floor }),
        samples: perf.measured.count,
      },
    ];
  },
}));
