import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Node } from '#api/core/node.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import type { Informers } from '#client/cache.ts';
import { ControlPlane } from '#cluster/control-plane.ts';
import { controllersOf, pretendClusterCidr } from '#cluster/controllers.ts';
import { startCluster } from '#cluster/test-cluster.ts';
import { abortController, systemClock } from '#lib/clock.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { silentLog } from '#lib/log.ts';
import { BatchPlacer, pendingOf } from '#scheduler/batch.ts';
import { defaultSpreadFor } from '#scheduler/default-spread.ts';
import { NodeTable } from '#scheduler/node-table.ts';
import { profileOf } from '#scheduler/profile.ts';
import { Signatures } from '#scheduler/signature.ts';
import { SpreadOwners } from '#scheduler/spread-owners.ts';
import { sqliteStore } from '#store/sqlite.ts';
import type { Store } from '#store/store.ts';
import { percentile, type Benchmark, type Row } from './row.ts';

const samples = 3;
const median = (values: readonly number[]) => percentile(values, 0.5);

function nodeOf(index: number): Node {
  const name = `sim-${String(index + 1).padStart(5, '0')}`;
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index % 3}` } },
    spec: {},
    status: { allocatable: { cpu: '32', memory: '128Gi', pods: '110' } },
  };
}

/** `kinds` different workloads in turn; pods of one differ in name only. */
function podOf(index: number, kinds: number, more: Partial<Pod['spec']> = {}): Pod {
  const requests = { cpu: '100m', memory: `${128 + (index % kinds)}Mi` };
  return {
    metadata: { name: `pod-${index}`, namespace: 'default', uid: `uid-${index}`, labels: { app: 'web' } },
    spec: { containers: [{ name: 'main', image: 'web:1', resources: { requests } }], ...more },
  };
}

const counted = { matchLabels: { app: 'web' } };
/** Demands that concern other pods, as upstream's scheduler_perf has them. */
const constrained: Readonly<Record<string, Partial<Pod['spec']>>> = {
  'anti-affinity': {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: counted },
        ],
      },
    },
  },
  'spread-hard': {
    topologySpreadConstraints: [
      { topologyKey: 'kubernetes.io/hostname', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: counted },
    ],
  },
};

/** Pods decided a second by the pure core: reading of demands, filtering, scoring and accounting included. */
function decided(
  nodes: number,
  pods: number,
  kinds: number,
  more: Partial<Pod['spec']> = {},
  owners = new SpreadOwners(),
): number {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  for (let index = 0; index < nodes; index++) table.setNode(nodeOf(index));
  const placer = new BatchPlacer(table, [profileOf()]);
  const pending = Array.from({ length: pods }, (_, index) => podOf(index, kinds, more));
  const start = performance.now();
  for (const pod of pending) {
    const defaultSpread = defaultSpreadFor(pod, 'system', owners);
    const decision = placer.decide(pendingOf(pod, signatures.of(pod, { defaultSpread })));
    if (decision.do !== 'place') throw new Error(`pod not placed: ${decision.do}`);
  }
  return pods / ((performance.now() - start) / 1000);
}

/** Pods bound a second through the API in this process: from the scheduler's start, caches empty, to the last binding seen. */
async function bound(nodes: number, pods: number, store?: Store): Promise<number> {
  await using cluster = await startCluster({
    nodes,
    clock: 'system',
    controlled: false,
    podStartMs: 3_600_000, // the nodes keep still: only scheduler and API are measured
    ...(store === undefined ? {} : { store }),
  });
  const { client, signal } = cluster;
  // No controllers are here to do it.
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } }, { signal });
  const waiting = Array.from({ length: pods }, (_, index) => podOf(index, 1)).values();
  const creator = async () => {
    for (const { metadata, spec } of waiting) {
      const { name = '', namespace = '' } = metadata ?? {};
      await client.create(Pod, { metadata: { name, namespace }, spec }, { signal });
    }
  };
  await Promise.all(Array.from({ length: 32 }, creator));
  const control = new ControlPlane({ client, clock: systemClock, log: silentLog, controllers: [] });
  let [seen, last] = [0, 0];
  control.caches.on(Pod, ({ object, previous }) => {
    if (object.spec.nodeName === undefined || previous?.spec.nodeName !== undefined) return;
    seen++;
    last = performance.now();
  });
  const start = performance.now();
  const stop = abortController();
  const running = Promise.all([control.follow(stop.signal), control.lead(stop.signal)]);
  await cluster.until(() => seen === pods, { withinMs: 120_000, what: 'all pods to be bound' });
  stop.abort();
  await running;
  return pods / ((last - start) / 1000);
}

async function boundOnDisk(nodes: number, pods: number): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tutti-bench-'));
  try {
    return await bound(nodes, pods, await sqliteStore(path.join(folder, 'state.db')));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Latencies {
  /** From sending the pod to its binding being heard of, one at a time, in milliseconds. */
  readonly idle: readonly number[];
  /** The same for pods of another tenant, while one has very many waiting. */
  readonly beside: readonly number[];
}

const idlePods = 500;
const crowd = 50_000;
const besidePods = 10;

/** Pods that arrive at an idle scheduler, and then beside another tenant's, on 5,000 nodes with room for all. */
async function latencies(): Promise<Latencies> {
  await using cluster = await startCluster({
    nodes: 5_000,
    clock: 'system',
    without: controllersOf({ clusterCidr: pretendClusterCidr }).flatMap(({ name }) =>
      name === 'serviceaccount-controller' ? [] : [name],
    ),
    podStartMs: 3_600_000,
  });
  const { client, signal } = cluster;
  const heard = new Map<string, number>();
  let crowded = 0;
  // The cache is the control plane's own: another would cost what is measured.
  (cluster.cache as unknown as Informers).on(Pod, ({ object, previous }) => {
    if (object.spec.nodeName === undefined || previous?.spec.nodeName !== undefined) return;
    const name = object.metadata?.name ?? '';
    if (name.startsWith('crowd')) crowded++;
    else heard.set(name, performance.now());
  });
  const send = async (name: string, namespace: string) => {
    const start = performance.now();
    await client.create(Pod, { ...podOf(0, 1), metadata: { name, namespace } }, { signal });
    await cluster.until(() => heard.has(name), { what: 'the pod to be bound' });
    return (heard.get(name) ?? Infinity) - start;
  };
  for (const name of ['crowded', 'quiet']) await client.create(Namespace, { metadata: { name }, spec: {} }, { signal });
  await cluster.until(() => cluster.cache.get(ServiceAccount, { namespace: 'quiet', name: 'default' }) !== undefined);
  const idle: number[] = [];
  // Looking whether it was heard of takes a pause, in which the scheduler gets idle again.
  for (let index = 0; index < idlePods; index++) idle.push(await send(`idle-${index}`, 'quiet'));
  // They come faster than they can be placed: gates open all at once.
  const gated = Array.from({ length: crowd }, (_, index) => `crowd-${index}`);
  await forEachLimit(gated, 32, (name) => {
    const pod = { ...podOf(0, 1, { schedulingGates: [{ name: 'crowd' }] }), metadata: { name, namespace: 'crowded' } };
    return client.create(Pod, pod, { signal });
  });
  const opening = forEachLimit(gated, 32, (name) => {
    const patch = { spec: { schedulingGates: null } };
    return client.patch(Pod, { namespace: 'crowded', name }, { type: 'merge', patch }, { signal });
  });
  const beside: number[] = [];
  for (let index = 0; index < besidePods; index++) {
    await cluster.until(() => crowded > ((index + 1) * crowd) / (besidePods + 2), { withinMs: 120_000 });
    beside.push(await send(`beside-${index}`, 'quiet'));
  }
  await opening;
  return { idle, beside };
}

const rate = (name: string, values: readonly number[], budget?: number): Row => ({
  name,
  value: median(values),
  unit: 'pods per second',
  ...(budget === undefined ? {} : { budget }),
  samples: values.length,
});

const repeat = (measure: () => number) => Array.from({ length: samples }, measure);

async function repeatAsync(measure: () => Promise<number>): Promise<readonly number[]> {
  const values: number[] = [];
  for (let sample = 0; sample < samples; sample++) values.push(await measure());
  return values;
}

/** Runs a script of this folder in a process of its own and reads the JSON it prints. */
async function inChild<T>(script: string, ...args: string[]): Promise<T> {
  const file = path.join(import.meta.dirname, script);
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', file, ...args], { timeout: 600_000 });
  return JSON.parse(stdout) as T;
}

export const benchmarks: readonly Benchmark[] = [
  {
    names: ['scheduler.decided-1000', 'scheduler.decided-5000', 'scheduler.decided-10000'],
    async run() {
      decided(1000, 20_000, 1); // warm
      return [
        rate(
          'scheduler.decided-1000',
          repeat(() => decided(1000, 50_000, 1)),
        ),
        rate(
          'scheduler.decided-5000',
          repeat(() => decided(5000, 50_000, 1)),
          20_000,
        ),
        rate(
          'scheduler.decided-10000',
          repeat(() => decided(10_000, 50_000, 1)),
        ),
      ];
    },
  },
  {
    names: ['scheduler.decided-5000-mixed', 'scheduler.decided-5000-different'],
    async run() {
      return [
        rate(
          'scheduler.decided-5000-mixed',
          repeat(() => decided(5000, 20_000, 50)),
        ),
        rate(
          'scheduler.decided-5000-different',
          repeat(() => decided(5000, 1000, 1000)),
          1000,
        ),
      ];
    },
  },
  {
    names: Object.keys(constrained).map((name) => `scheduler.decided-5000-${name}`),
    async run() {
      return Object.entries(constrained).map(([name, more]) =>
        rate(
          `scheduler.decided-5000-${name}`,
          repeat(() => decided(5000, 3000, 1, more)),
          2000,
        ),
      );
    },
  },
  {
    names: ['scheduler.decided-5000-spread-default', 'scheduler.decided-5000-spread-default-mixed'],
    async run() {
      const owners = new SpreadOwners();
      owners.putService({ metadata: { name: 'web', namespace: 'default' }, spec: { selector: { app: 'web' } } });
      return [
        rate(
          'scheduler.decided-5000-spread-default',
          repeat(() => decided(5000, 50_000, 1, {}, owners)),
          20_000,
        ),
        rate(
          'scheduler.decided-5000-spread-default-mixed',
          repeat(() => decided(5000, 20_000, 50, {}, owners)),
        ),
      ];
    },
  },
  {
    names: ['scheduler.bound-1000', 'scheduler.bound-5000', 'scheduler.bound-5000-sqlite'],
    async run() {
      return [
        rate('scheduler.bound-1000', await repeatAsync(() => bound(1000, 10_000))),
        rate('scheduler.bound-5000', await repeatAsync(() => bound(5000, 10_000)), 5000),
        rate('scheduler.bound-5000-sqlite', await repeatAsync(() => boundOnDisk(5000, 10_000))),
      ];
    },
  },
  {
    names: ['scheduler.latency-idle-p50', 'scheduler.latency-idle-p99', 'scheduler.latency-beside-50000'],
    async run() {
      const { idle, beside } = await latencies();
      const { length } = idle;
      return [
        { name: 'scheduler.latency-idle-p50', value: median(idle), unit: 'ms', samples: length },
        { name: 'scheduler.latency-idle-p99', value: percentile(idle, 0.99), unit: 'ms', budget: 5, samples: length },
        {
          name: 'scheduler.latency-beside-50000',
          value: Math.max(...beside),
          unit: 'ms',
          budget: 100,
          samples: beside.length,
        },
      ];
    },
  },
  {
    names: ['testcluster.start', 'testcluster.start-cold'],
    async run() {
      const warm: number[] = [];
      const cold: number[] = [];
      for (let sample = 0; sample < 5; sample++) {
        const { importMs, startMs } = await inChild<{ importMs: number; startMs: number }>('test-cluster-start.ts');
        warm.push(startMs);
        cold.push(importMs + startMs);
      }
      return [
        { name: 'testcluster.start', value: median(warm), unit: 'ms', budget: 100, samples: warm.length },
        { name: 'testcluster.start-cold', value: median(cold), unit: 'ms', samples: cold.length },
      ];
    },
  },
  {
    names: ['scale.rss-5000-nodes-50000-pods'],
    async run() {
      const { megabytes } = await inChild<{ megabytes: number }>('cluster-size.ts', '5000', '50000');
      return [{ name: 'scale.rss-5000-nodes-50000-pods', value: megabytes, unit: 'MB', budget: 1000, samples: 1 }];
    },
  },
  {
    names: ['scale.rss-5000-nodes-150000-pods'],
    async run() {
      const { megabytes } = await inChild<{ megabytes: number }>('cluster-size.ts', '5000', '150000');
      return [{ name: 'scale.rss-5000-nodes-150000-pods', value: megabytes, unit: 'MB', budget: 2500, samples: 1 }];
    },
  },
];
