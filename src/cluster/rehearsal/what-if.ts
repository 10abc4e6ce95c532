import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Eviction } from '#api/policy/eviction.ts';
import { builtinByKind, builtinKinds } from '#api/kinds.ts';
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { badRequest, hasReason } from '#machinery/status-error.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import type { TestCluster } from '../test-cluster.ts';
import { comparePlacements, type PlacementChange } from './placements.ts';
import type { Snapshot } from './snapshot.ts';
import { settle, startTwin } from './twin.ts';

/** What might be done to a cluster. */
export type Supposition =
  /** Cordons nodes and evicts their pods, as far as disruption budgets allow. */
  | { readonly do: 'drain'; readonly nodes: readonly string[] }
  /** Nodes vanish with everything on them. */
  | { readonly do: 'remove'; readonly nodes: readonly string[] }
  | { readonly do: 'add'; readonly shape: NodeShape }
  | { readonly do: 'scale'; readonly kind: Kind; readonly ref: ObjectRef; readonly replicas: number };

export interface Outcome extends PlacementChange {
  /** Pods that a disruption budget kept on a drained node. */
  readonly kept: readonly { readonly pod: string; readonly node: string; readonly reason: string }[];
}

/** Evictions that a budget refuses are tried again while others become ready, so often. */
const evictionRoundsMax = 60;
const roundMs = 5_000;

/** Rehearses `suppositions`, one after the other, on a twin of the snapshot that schedules by `profiles`. */
export async function whatIf(
  snapshot: Snapshot,
  suppositions: readonly Supposition[],
  signal: AbortSignal,
  profiles?: readonly ProfileConfig[],
): Promise<Outcome> {
  const added = suppositions.flatMap((each) => (each.do === 'add' ? [each.shape] : []));
  await using twin = await startTwin(snapshot, { added, signal, ...(profiles === undefined ? {} : { profiles }) });
  const kept: Outcome['kept'][number][] = [];
  for (const each of suppositions) {
    switch (each.do) {
      case 'drain':
        kept.push(...(await drain(twin, each.nodes)));
        break;
      case 'remove':
        for (const name of each.nodes) await remove(twin, name);
        break;
      case 'scale':
        await scale(twin, each.kind, each.ref, each.replicas);
        break;
      case 'add':
        break; // they are there from the start
    }
  }
  await settle(twin);
  const { items } = await twin.client.list(Pod, { signal: twin.signal });
  return { ...comparePlacements(snapshot.pods, items, (pod) => twin.why(pod)), kept };
}

async function cordon({ client, signal }: TestCluster, name: string): Promise<void> {
  await client.patch(Node, { name }, { type: 'merge', patch: { spec: { unschedulable: true } } }, { signal });
}

async function podsOn({ client, signal }: TestCluster, node: string): Promise<readonly Pod[]> {
  const { items } = await client.list(Pod, { fieldSelector: `spec.nodeName=${node}`, signal });
  return items.filter(
    ({ metadata, status }) =>
      metadata?.deletionTimestamp === undefined &&
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed' &&
      // What belongs to the node itself stays, as with kubectl drain --ignore-daemonsets.
      metadata?.annotations?.['kubernetes.io/config.mirror'] === undefined &&
      metadata?.ownerReferences?.some(({ kind, controller }) => controller === true && kind === 'DaemonSet') !== true,
  );
}

async function drain(twin: TestCluster, nodes: readonly string[]): Promise<Outcome['kept']> {
  for (const node of nodes) await cordon(twin, node);
  let refused: Outcome['kept'][number][] = [];
  for (let round = 0; round < evictionRoundsMax; round++) {
    refused = [];
    for (const node of nodes) {
      for (const pod of await podsOn(twin, node)) {
        const reason = await evict(twin, pod);
        const { namespace = '', name = '' } = pod.metadata ?? {};
        if (reason !== undefined) refused.push({ pod: `${namespace}/${name}`, node, reason });
      }
    }
    if (refused.length === 0) return [];
    await twin.advance(roundMs);
  }
  return refused;
}

/** Undefined if it goes; else why it may not. */
async function evict({ client, signal }: TestCluster, pod: Pod): Promise<string | undefined> {
  const { name, namespace } = pod.metadata ?? {};
  const metadata = { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) };
  try {
    const eviction = { apiVersion: apiVersionOf(Eviction), kind: Eviction.kind, metadata };
    await client.create<ApiObject>(Pod, eviction, { subresource: 'eviction', signal });
    return undefined;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    if (hasReason(error, 'TooManyRequests')) return error.details?.causes?.[0]?.message ?? error.message;
    throw error;
  }
}

async function remove(twin: TestCluster, name: string): Promise<void> {
  const { client, signal } = twin;
  const pods = await client.list(Pod, { fieldSelector: `spec.nodeName=${name}`, signal });
  await client.delete(Node, { name }, { signal });
  for (const { metadata } of pods.items) {
    const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
    try {
      await client.delete(Pod, ref, { signal, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
  }
}

async function scale(twin: TestCluster, kind: Kind, ref: ObjectRef, replicas: number): Promise<void> {
  const { client, signal } = twin;
  await client.patch(kind, ref, { type: 'merge', patch: { spec: { replicas } } }, { subresource: 'scale', signal });
}

/** The kind that `deployment`, `deployments`, `deploy` or `apps/v1/Deployment` names. Throws BadRequest. */
export function kindNamed(text: string): Kind {
  const word = text.toLowerCase();
  const [, group = '', version = '', kind = ''] = /^(?:(.*)\/)?([^/]+)\/([^/]+)$/.exec(text) ?? [];
  const found =
    (kind === '' ? undefined : builtinByKind(group, version, kind)) ??
    builtinKinds.find(
      ({ singular, plural, shortNames }) => singular === word || plural === word || shortNames?.includes(word) === true,
    );
  if (found === undefined) throw badRequest(`"${text}" names no kind; say for example deployment/web`);
  if (found.subresources?.scale === undefined) {
    const scalable = builtinKinds.filter(({ subresources }) => subresources?.scale !== undefined);
    throw badRequest(
      `a ${apiVersionOf(found)} ${found.kind} has no replicas; ${scalable.map(({ singular }) => singular).join(', ')} have`,
    );
  }
  return found;
}
