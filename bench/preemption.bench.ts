import { Pod } from '#api/core/pod.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import type { Informers } from '#client/cache.ts';
import { controllersOf, pretendClusterCidr } from '#cluster/controllers.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import { abortController, systemClock } from '#lib/clock.ts';
import { BatchPlacer, pendingOf } from '#scheduler/batch.ts';
import { NodeTable } from '#scheduler/node-table.ts';
import { profileOf } from '#scheduler/profile.ts';
import { Signatures } from '#scheduler/signature.ts';
import type { Benchmark, Row } from './row.ts';

/*
 * Preemption as upstream's scheduler_perf measures it: nodes of four cores, each filled by four pods of low priority
 * that ask for 0.9; pods of high priority ask for three cores, so three must leave for each.
 */

const classes = { low: 1, high: 10 };
type Priority = keyof typeof classes | 'none';
const cpuOf = { low: '900m', high: '3', none: '100m' };

function podOf(index: number, priority: Priority): Pod {
  const resources = { requests: { cpu: cpuOf[priority], memory: priority === 'none' ? '100Mi' : '500Mi' } };
  return {
    metadata: { name: `${priority}-${index}`, namespace: 'default' },
    spec: {
      containers: [{ name: 'pause', image: 'pause:3.10', resources }],
      ...(priority === 'none' ? {} : { priorityClassName: priority }),
      // Nothing but preemption is measured: pretend pods go at once in any case, as upstream's do.
      terminationGracePeriodSeconds: 0,
    },
  };
}

/** Preemptions decided a second by the pure core: the choice among all nodes, and its accounting. */
function decided(nodes: number, preemptors: number): number {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  const placer = new BatchPlacer(table, [profileOf()]);
  const serial = (pod: Pod, priority: number): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, uid: `uid-${pod.metadata?.name}` },
    spec: { ...pod.spec, priority },
  });
  for (let index = 0; index < nodes; index++) {
    const name = `sim-${index}`;
    table.setNode({ metadata: { name }, spec: {}, status: { allocatable: { cpu: '4', memory: '32Gi', pods: '110' } } });
    for (let each = 0; each < 4; each++) {
      const pod = serial(podOf(4 * index + each, 'low'), classes.low);
      table.setPod({ ...pod, spec: { ...pod.spec, nodeName: name } });
    }
  }
  const pending = Array.from({ length: preemptors }, (_, index) => serial(podOf(index, 'high'), classes.high));
  const start = performance.now();
  for (const pod of pending) {
    const decision = placer.decide(pendingOf(pod, signatures.of(pod)));
    if (decision.do !== 'preempt') throw new Error(`nobody leaves for the pod: ${decision.do}`);
  }
  return preemptors / ((performance.now() - start) / 1000);
}

async function createAll({ client, signal }: TestCluster, pods: Iterable<Pod>): Promise<void> {
  const waiting = pods[Symbol.iterator]();
  const creator = async () => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      await client.create(Pod, next.value, { signal });
    }
  };
  await Promise.all(Array.from({ length: 32 }, creator));
}

function* podsOf(count: number, priority: Priority): Generator<Pod> {
  for (let index = 0; index < count; index++) yield podOf(index, priority);
}

/** Counts bindings of pods of one kind, and when the last was seen. */
interface Seen {
  count: number;
  last: number;
}

/** A cluster of full nodes with a scheduler that runs. */
async function onFullNodes(
  nodes: number,
  measure: (cluster: TestCluster, bound: Readonly<Record<Priority, Seen>>) => Promise<number>,
): Promise<number> {
  await using cluster = await startCluster({
    nodes: [{ count: nodes, cpu: '4', memory: '32Gi' }],
    clock: 'system',
    without: controllersOf({ clusterCidr: pretendClusterCidr }).flatMap(({ name }) =>
      name === 'serviceaccount-controller' ? [] : [name],
    ),
    podStartMs: 3_600_000, // the nodes keep still: only scheduler and API are measured
  });
  const { client, signal } = cluster;
  for (const [name, value] of Object.entries(classes)) {
    await client.create(PriorityClass, { metadata: { name }, value }, { signal });
  }
  const bound = { low: { count: 0, last: 0 }, high: { count: 0, last: 0 }, none: { count: 0, last: 0 } };
  // The cache is the control plane's own: another would cost what is measured.
  (cluster.cache as unknown as Informers).on(Pod, ({ object, previous }) => {
    if (object.spec.nodeName === undefined || previous?.spec.nodeName !== undefined) return;
    const seen = bound[object.metadata?.name?.split('-')[0] as Priority];
    seen.count++;
    seen.last = performance.now();
  });
  await createAll(cluster, podsOf(nodes * 4, 'low'));
  await cluster.until(() => bound.low.count === nodes * 4, { withinMs: 120_000, what: 'the nodes to be full' });
  return await measure(cluster, bound);
}

/** Pods a second that get the room of others, from the first creation to the last binding seen. */
const preempting = (nodes: number, pods: number) =>
  onFullNodes(nodes, async (cluster, { high }) => {
    const start = performance.now();
    await createAll(cluster, podsOf(pods, 'high'));
    await cluster.until(() => high.count === pods, { withinMs: 120_000, what: 'all pods to have their room' });
    return pods / ((high.last - start) / 1000);
  });

/** Other pods bound a second while five pods a second have others leave. */
const beside = (nodes: number, pods: number) =>
  onFullNodes(nodes, async (cluster, { none }) => {
    const stop = abortController();
    const churn = (async () => {
      for (let index = 0; !stop.signal.aborted; index++) {
        await cluster.client.create(Pod, podOf(index, 'high'), { signal: cluster.signal });
        await systemClock.sleep(200, stop.signal).catch(() => undefined);
      }
    })();
    const start = performance.now();
    await createAll(cluster, podsOf(pods, 'none'));
    await cluster.until(() => none.count === pods, { withinMs: 120_000, what: 'all pods to be bound' });
    stop.abort();
    await churn;
    return pods / ((none.last - start) / 1000);
  });

const row = (name: string, value: number, budget?: number, samples = 1): Row => ({
  name,
  value,
  unit: 'pods per second',
  ...(budget === undefined ? {} : { budget }),
  samples,
});

export const benchmarks: readonly Benchmark[] = [
  {
    names: ['scheduler.preemption-decided-1000', 'scheduler.preemption-decided-5000'],
    async run() {
      decided(200, 200); // warm
      return [
        row('scheduler.preemption-decided-1000', decided(1000, 1000)),
        row('scheduler.preemption-decided-5000', decided(5000, 5000), 500),
      ];
    },
  },
  {
    names: ['scheduler.PreemptionBasic-500'],
    run: async () => [row('scheduler.PreemptionBasic-500', await preempting(500, 500), 500)],
  },
  {
    names: ['scheduler.PreemptionFull-5000'],
    run: async () => [row('scheduler.PreemptionFull-5000', await preempting(5000, 5000), 500)],
  },
  {
    names: ['scheduler.PreemptionAsync-5000'],
    run: async () => [row('scheduler.PreemptionAsync-5000', await beside(5000, 5000), 570)],
  },
];
