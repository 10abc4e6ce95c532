/**
 * A rehearsal: the state of a cluster, copied into a cluster of pretend nodes in this process, where the same API
 * server, controllers and scheduler act on it in virtual time. Nothing that happens there touches the original.
 */
import { Deployment } from '#api/apps/deployment.ts';
import { Pod } from '#api/core/pod.ts';
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { Layout } from '#apiserver/registry/layout.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store, Write } from '#store/store.ts';
import { startCluster, type TestCluster } from '../test-cluster.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import type { Snapshot } from './snapshot.ts';

export interface TwinOptions {
  /** Nodes to add to those of the snapshot. */
  readonly added?: readonly NodeShape[];
  readonly profiles?: readonly ProfileConfig[];
  readonly signal: AbortSignal;
}

/** Writes of one commit while the copy is made. */
const writesMax = 500;
/** A twin is at rest when nothing has moved for so long. */
const restMsMin = 5_000;
/** Roll-outs that take longer, for want of room or by their own settings, are shown as far as they came. */
const settleMsMax = 15 * 60_000;
const stepMs = 1_000;

/**
 * Left out: they watch over what a twin does not have (heartbeats, pod ranges, certificates), or throw away what the
 * comparison needs.
 */
const without = [
  'node-lifecycle-controller',
  'node-ipam-controller',
  'root-ca-cert-publisher',
  'event-expiry',
  'endpoint-controller',
  'endpoint-slice-controller',
];

/** Starts the twin of a snapshot; dispose of it. Nodes that were not ready stay so, and their pods stand still. */
export async function startTwin(snapshot: Snapshot, options: TwinOptions): Promise<TestCluster> {
  const store = memoryStore();
  await fill(store, snapshot, options.signal);
  const ready = snapshot.nodes.filter(({ status }) =>
    status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True'),
  );
  const { profiles, added = [] } = options;
  return startCluster({
    store,
    nodes: added,
    adopts: ready.map(({ metadata }) => metadata?.name ?? ''),
    without,
    startsAt: Date.now(),
    ...(profiles === undefined ? {} : { profiles }),
  });
}

async function fill(store: Store, { parts }: Snapshot, signal: AbortSignal): Promise<void> {
  let writes: Write[] = [];
  const flush = async () => {
    if (writes.length > 0) await store.commit(writes, { signal });
    writes = [];
  };
  for (const { kind, items } of parts) {
    const layout = new Layout(kind);
    for (const item of items) {
      const { name = '', namespace } = item.metadata ?? {};
      const key = layout.key(namespace === undefined ? { name } : { namespace, name });
      writes.push({ do: 'put', key, value: layout.encode(item) });
      if (writes.length === writesMax) await flush();
    }
  }
  await flush();
}

/** Lets the twin act until nothing moves any more, or for a quarter of an hour of its time. */
export async function settle(twin: TestCluster): Promise<void> {
  const end = twin.clock.now() + settleMsMax;
  let last = '';
  let since = twin.clock.now();
  while (twin.clock.now() < end) {
    await twin.advance(stepMs);
    const { items: pods } = await twin.client.list(Pod, { signal: twin.signal });
    const { items: deployments } = await twin.client.list(Deployment, { signal: twin.signal });
    const state = pods.map(stateOf).join('\n');
    if (state !== last) {
      last = state;
      since = twin.clock.now();
    }
    const restMs = restMsMin + 1000 * Math.max(0, ...deployments.map(({ spec }) => spec.minReadySeconds ?? 0));
    if (twin.clock.now() - since >= restMs) return;
  }
}

const stateOf = ({ metadata, spec, status }: Pod) =>
  `${metadata?.uid} ${spec.nodeName} ${status?.phase} ${metadata?.deletionTimestamp} ${status?.conditions?.find(({ type }) => type === 'Ready')?.status}`;
