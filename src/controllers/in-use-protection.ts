import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { Pod } from '#api/core/pod.ts';
import { claimProtection, volumeProtection } from '#api/core/protection-finalizers.ts';
import { keyOfObject } from '#client/object-index.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { type Controller, type ReconcileContext, wakesOn } from './controller.ts';

/**
 * Lets a claim that is being deleted go once no pod on a node uses it. Pods are asked for at the source: a node may just
 * be about to start one that the cache does not know yet. Source: kubernetes pkg/controller/volume/pvcprotection.
 */
export const claimProtectionController: Controller = {
  name: 'pvc-protection-controller',
  reconciles: PersistentVolumeClaim,
  wakesOn: [wakesOn(Pod, ({ type, object }) => (type === 'DELETED' ? claimsOf(object) : []))],
  async reconcile(key, context) {
    const { cache, client, signal } = context;
    const claim = cache.get(PersistentVolumeClaim, key);
    if (claim === undefined) return;
    await settle(PersistentVolumeClaim, claim, claimProtection, context, async () => {
      const { namespace = '' } = claim.metadata ?? {};
      const { items } = await client.list(Pod, { namespace, signal });
      return items.some((pod) => (pod.spec.nodeName ?? '') !== '' && claimsOf(pod).includes(key));
    });
  },
};

/** Lets a volume that is being deleted go once it is bound to no claim. Source: kubernetes pkg/controller/volume/pvprotection. */
export const volumeProtectionController: Controller = {
  name: 'pv-protection-controller',
  reconciles: PersistentVolume,
  wakesOn: [],
  async reconcile(key, context) {
    const volume = context.cache.get(PersistentVolume, key);
    if (volume === undefined) return;
    await settle(PersistentVolume, volume, volumeProtection, context, async () => volume.status?.phase === 'Bound');
  },
};

/** Keys of the claims that a pod's volumes name, those made for the pod alone included. */
function claimsOf({ metadata, spec }: Pod): readonly string[] {
  const { name = '', namespace } = metadata ?? {};
  return (spec.volumes ?? []).flatMap((volume) => {
    const claim = volume.ephemeral === undefined ? volume.persistentVolumeClaim?.claimName : `${name}-${volume.name}`;
    return claim === undefined
      ? []
      : [keyOfObject({ metadata: { name: claim, ...(namespace === undefined ? {} : { namespace }) } })];
  });
}

/** Sees to it that an object has the finalizer while it lives, and loses it once it is to go and nobody uses it. */
async function settle<T extends ApiObject>(
  kind: Kind<T>,
  object: T,
  finalizer: string,
  { client, signal }: ReconcileContext,
  isUsed: () => Promise<boolean>,
): Promise<void> {
  const finalizers = object.metadata?.finalizers ?? [];
  const has = finalizers.includes(finalizer);
  const isDeleting = object.metadata?.deletionTimestamp !== undefined;
  if (isDeleting ? !has || (await isUsed()) : has) return;
  const next = isDeleting ? finalizers.filter((each) => each !== finalizer) : [...finalizers, finalizer];
  await client.update(kind, { ...object, metadata: { ...object.metadata, finalizers: next } }, { signal });
}
