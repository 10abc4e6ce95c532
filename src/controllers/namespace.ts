import { isDeepStrictEqual } from 'node:util';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { type KindSource, storedKinds } from '#client/kind-source.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { allVerbs, type Kind } from '#machinery/kind.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, type ReconcileContext, wakesOn } from './controller.ts';
import { type Remaining, terminatingStatus } from './namespace-content.ts';
import { timeOf } from './pod-state.ts';

/** The finalizer in `spec` that stands for a namespace's contents. */
const contentFinalizer = 'kubernetes';
const kindsAtOnceMax = 4;
const listItemsMax = 500;
/** How soon to look again: quickly at first, more slowly the longer it takes. */
const againMsMin = 100;
const againMsMax = 15_000;

/** Kinds whose objects live in namespaces and can be listed and deleted. */
function isNamespaceContent({ namespaced, verbs = allVerbs }: Kind): boolean {
  return namespaced && verbs.includes('list') && verbs.includes('deletecollection');
}

/**
 * Empties namespaces that are being deleted, and then lets them go. Pods go first, and alone: what they may still
 * need (secrets, policies) stays until the last of them has ended. `source` has all kinds that the API serves.
 */
export function namespaceController(source: KindSource): Controller {
  return {
    name: 'namespace-controller',
    reconciles: Namespace,
    workersMax: 10,
    wakesOn: [
      wakesOn(Pod, ({ type, object }, cache) => {
        const name = type === 'DELETED' ? object.metadata?.namespace : undefined;
        if (name === undefined) return [];
        return cache.get(Namespace, name)?.metadata?.deletionTimestamp === undefined ? [] : [name];
      }),
    ],
    async reconcile(key, context) {
      const { cache, client, clock, signal } = context;
      const namespace = cache.get(Namespace, key);
      const since = timeOf(namespace?.metadata?.deletionTimestamp);
      if (namespace === undefined || since === undefined) return undefined;
      if (!(namespace.spec.finalizers ?? []).includes(contentFinalizer)) return undefined;

      const remaining: Remaining[] = [];
      const failures: string[] = [];
      const clear = async (kind: Kind) => {
        try {
          remaining.push(await empty(kind, key, context));
        } catch (error) {
          if (signal.aborted || hasReason(error, 'ServiceUnavailable')) throw error;
          failures.push(`${kind.plural}: ${error instanceof Error ? error.message : String(error)}`);
        }
      };
      await clear(Pod);
      if (failures.length === 0 && remaining.every(({ count }) => count === 0)) {
        const others = storedKinds(source).filter((kind) => isNamespaceContent(kind) && kind !== (Pod as Kind));
        await forEachLimit(others, kindsAtOnceMax, clear);
      }
      const discovery = source.failures ?? [];
      const status = terminatingStatus(namespace, remaining, { discovery, deletion: failures }, clock.now());
      const isEmpty = failures.length + discovery.length === 0 && remaining.every(({ count }) => count === 0);
      if (isEmpty) {
        const finalizers = namespace.spec.finalizers?.filter((each) => each !== contentFinalizer) ?? [];
        const spec = { ...namespace.spec, finalizers };
        await client.update(Namespace, { ...namespace, spec }, { signal, subresource: 'finalize' });
        return undefined;
      }
      if (!isDeepStrictEqual(status, namespace.status)) {
        await client.update(Namespace, { ...namespace, status }, { signal, subresource: 'status' });
      }
      return { againMs: Math.min(againMsMax, Math.max(againMsMin, (clock.now() - since) / 4)) };
    },
  };
}

/** Deletes all objects of a kind in a namespace; says what is left. */
async function empty(kind: Kind, namespace: string, { client, signal }: ReconcileContext): Promise<Remaining> {
  const before = await remainingOf(kind, namespace, { client, signal });
  if (before.count === 0) return before;
  await client.deleteCollection(kind, { namespace, propagationPolicy: 'Background', signal });
  return await remainingOf(kind, namespace, { client, signal });
}

async function remainingOf(
  kind: Kind,
  namespace: string,
  { client, signal }: Pick<ReconcileContext, 'client' | 'signal'>,
): Promise<Remaining> {
  // Finalizers are counted on the first page: who waits for ten thousand objects learns nothing from more.
  const { items, metadata } = await client.list(kind, { namespace, limit: listItemsMax, signal });
  const finalizers = new Map<string, number>();
  for (const item of items) {
    for (const each of item.metadata?.finalizers ?? []) finalizers.set(each, (finalizers.get(each) ?? 0) + 1);
  }
  return { kind, count: items.length + (metadata.remainingItemCount ?? 0), finalizers };
}
