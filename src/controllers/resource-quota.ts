import { ResourceQuota } from '#api/core/resource-quota.ts';
import { Pod } from '#api/core/pod.ts';
import { quotaReleaseTime } from '#api/quota/pod-quota.ts';
import { type QuotaEvaluator, quotaEvaluatorOf } from '#api/quota/quota-evaluator.ts';
import { isInScopes } from '#api/quota/quota-scopes.ts';
import { type CountedObjects, usageOf } from '#api/quota/quota-usage.ts';
import type { CacheEvent, CacheReader } from '#client/cache.ts';
import { type KindSource, storedKinds } from '#client/kind-source.ts';
import { keyOfObject } from '#client/object-index.ts';
import { allVerbs, type Kind } from '#machinery/kind.ts';
import { type ApiObject, refOf } from '#machinery/object.ts';
import { pickResources, sameResources } from '#machinery/resource-list.ts';
import type { Controller } from './controller.ts';
import { followKinds } from './follow-kinds.ts';

/** What is deleted in one go is given back in few passes. */
const spacingMs = 500;
/**
 * A write that was decided just before a quota came to be may land just after its usage was summed up: so soon it is
 * looked at again after its limits have changed.
 */
const secondLookMs = 5_000;

/**
 * Sums up what is used of each ResourceQuota: at first, when its limits change, and when something goes away. The API
 * server itself adds what comes (`apiserver/quota`), in the same commit; so a sum of everything that is there now,
 * written only if the quota is still at the revision from before the listing, never misses any. `source` has all kinds
 * that the API serves.
 */
export function resourceQuotaController(source: KindSource): Controller {
  const wants = (kind: Kind) => evaluatorFor(kind) !== undefined;
  return {
    name: 'resourcequota-controller',
    reconciles: ResourceQuota,
    spacingMs,
    wakesOn: [],
    follow: (informers, wake) =>
      followKinds(source, informers, {
        wants: (kind) => wants(kind) && (kind.verbs ?? allVerbs).includes('watch'),
        handles(kind, event) {
          const evaluator = evaluatorFor(kind);
          if (evaluator !== undefined) wake(wokenBy(event, evaluator, informers));
        },
      }),
    async reconcile(key, { client, clock, signal }) {
      const { namespace = '', name } = refOf(key);
      // As it is now: a sum is only written over the very revision that was looked at before summing up.
      const fieldSelector = `metadata.name=${name}`;
      const [quota] = (await client.list(ResourceQuota, { namespace, fieldSelector, signal })).items;
      if (quota === undefined || quota.metadata?.deletionTimestamp !== undefined) return undefined;
      const hard = quota.spec?.hard ?? {};
      const now = clock.now();
      const found: CountedObjects[] = [];
      let againMs: number | undefined;
      for (const kind of storedKinds(source)) {
        const evaluator = evaluatorFor(kind);
        if (evaluator === undefined || !Object.keys(hard).some((each) => evaluator.counts(each))) continue;
        const { items } = await client.list(kind, { namespace, signal });
        found.push({ evaluator, objects: items });
        if (kind === (Pod as Kind)) againMs = untilNextRelease(items, now);
      }
      const known = pickResources(quota.status?.used ?? {}, (each) => hard[each] !== undefined);
      // Kinds that are not followed have no objects.
      const none = Object.keys(hard).filter((each) => each.startsWith('count/'));
      const zero = Object.fromEntries(none.map((each) => [each, '0']));
      const used = { ...known, ...zero, ...usageOf(quota, found, now) };
      const sameHard = sameResources(hard, quota.status?.hard ?? {});
      if (!sameHard) againMs = Math.min(againMs ?? secondLookMs, secondLookMs);
      if (!sameHard || !sameResources(used, quota.status?.used ?? {})) {
        await client.update(ResourceQuota, { ...quota, status: { hard, used } }, { signal, subresource: 'status' });
      }
      return againMs === undefined ? undefined : { againMs };
    },
  };
}

/** For kinds whose objects can be counted. */
function evaluatorFor(kind: Kind): QuotaEvaluator | undefined {
  return (kind.verbs ?? allVerbs).includes('list') ? quotaEvaluatorOf(kind) : undefined;
}

/** The quotas of the namespace, if the event may mean that less is used. */
function* wokenBy(event: CacheEvent<ApiObject>, evaluator: QuotaEvaluator, cache: CacheReader): Iterable<string> {
  const { type, object, previous } = event;
  const namespace = object.metadata?.namespace;
  if (namespace === undefined || type === 'ADDED') return;
  const quotas = cache.list(ResourceQuota, { namespace });
  if (quotas.length === 0) return;
  const ending = ({ metadata }: ApiObject) => metadata?.deletionTimestamp;
  const usage = (each: ApiObject) => evaluator.usage(each, 0);
  const isSame =
    type === 'MODIFIED' &&
    previous !== undefined &&
    ending(object) === ending(previous) &&
    sameResources(usage(object), usage(previous));
  for (const quota of quotas) {
    const inScopes = (each: ApiObject) => isInScopes(quota, evaluator, each);
    if (!isSame || (previous !== undefined && inScopes(object) !== inScopes(previous))) yield keyOfObject(quota);
  }
}

/** How long until the first of the pods that are being deleted counts as gone, whether it is or not. */
function untilNextRelease(pods: readonly ApiObject[], now: number): number | undefined {
  const times = pods.map(quotaReleaseTime).filter((time) => time !== undefined && time >= now) as readonly number[];
  return times.length === 0 ? undefined : Math.min(...times) - now + 1;
}
