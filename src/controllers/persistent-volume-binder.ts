import {
  bindCompleted,
  boundByController,
  classOfClaim,
  isFullyBound,
  storageProvisioner,
  storageProvisionerBeta,
} from '#api/core/claim-binding.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import type { CacheReader } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, keysOfKind, type ReconcileContext, wakesOn } from './controller.ts';
import { isLate, planClaim, planVolume } from './volume-binding-plan.ts';

/** Volumes by the claim that they are kept for, and those that are kept for none by their class. */
const byClaim = 'claim';
const byClass = 'class';
/** Claims by the volume that they name. */
const byVolume = 'volume';
/** Claims that are not bound yet, by class. */
const unbound = 'unbound';

/**
 * Brings claims and volumes together, and says of both how they stand: what is to be bound at once it chooses itself;
 * where a claim waits for its first consumer it completes what the scheduler has begun. Keys with a slash are claims,
 * others volumes. What needs hands on a host (making, deleting, wiping) is left to provisioners.
 * Source: kubernetes pkg/controller/volume/persistentvolume.
 */
export const persistentVolumeBinder: Controller = {
  name: 'persistent-volume-binder',
  reconciles: PersistentVolumeClaim,
  reads: [StorageClass],
  wakesOn: [
    wakesOn(PersistentVolumeClaim, ({ object }, cache) => {
      const { volumeName = '' } = object.spec;
      const volumes = cache.byIndex(PersistentVolume, byClaim, keyOfObject(object)).map(keyOfObject);
      return volumeName === '' ? volumes : [...volumes, volumeName];
    }),
    wakesOn(PersistentVolume, ({ object, previous }, cache) => [
      keyOfObject(object),
      ...[object, previous].flatMap((each) => claimKeyOf(each) ?? []),
      ...namedBy(object, cache),
      ...waitingFor(object, cache),
    ]),
    wakesOn(StorageClass, ({ object }, cache) =>
      cache.byIndex(PersistentVolumeClaim, unbound, object.metadata?.name ?? '').map(keyOfObject),
    ),
  ],
  index(informers) {
    informers.index(PersistentVolume, byClaim, (volume) => {
      const key = claimKeyOf(volume);
      return key === undefined ? [] : [key];
    });
    informers.index(PersistentVolume, byClass, ({ spec }) =>
      spec.claimRef === undefined ? [spec.storageClassName ?? ''] : [],
    );
    informers.index(PersistentVolumeClaim, unbound, (claim) => (isFullyBound(claim) ? [] : [classOfClaim(claim)]));
    informers.index(PersistentVolumeClaim, byVolume, ({ spec }) => [spec.volumeName ?? '']);
  },
  *keys(cache) {
    yield* keysOfKind(cache, PersistentVolumeClaim);
    yield* keysOfKind(cache, PersistentVolume);
  },
  async reconcile(key, context) {
    const { cache } = context;
    if (key.includes('/')) {
      const claim = cache.get(PersistentVolumeClaim, key);
      if (claim !== undefined) await settleClaim(claim, key, context);
    } else {
      const volume = cache.get(PersistentVolume, key);
      if (volume !== undefined) await settleVolume(volume, context);
    }
  },
};

async function settleClaim(claim: PersistentVolumeClaim, key: string, context: ReconcileContext): Promise<void> {
  const { cache, client, events, signal } = context;
  const named = cache.get(PersistentVolume, claim.spec.volumeName ?? '');
  const storageClass = cache.get(StorageClass, classOfClaim(claim));
  const volumes = [
    ...(named === undefined ? [] : [named]),
    ...cache.byIndex(PersistentVolume, byClaim, key),
    ...(isLate(storageClass) ? [] : cache.byIndex(PersistentVolume, byClass, classOfClaim(claim))),
  ];
  const step = planClaim(claim, volumes, storageClass);
  if (step.do === 'bind') return await bind(step.volume, claim, context);
  if (step.told !== undefined) events.record(claim, step.told);
  if (step.do === 'lose') {
    if (claim.status?.phase === 'Lost') return;
    const status = { phase: 'Lost' };
    await client.update(PersistentVolumeClaim, { ...claim, status }, { signal, subresource: 'status' });
    return;
  }
  if (step.provisioner === undefined) return;
  const asked = { [storageProvisioner]: step.provisioner, [storageProvisionerBeta]: step.provisioner };
  await annotateClaim(claim, asked, {}, context);
}

/** Writes both sides, the volume first: a claim that says it is bound can rely on it. */
async function bind(volume: PersistentVolume, claim: PersistentVolumeClaim, context: ReconcileContext): Promise<void> {
  const { client, log, signal } = context;
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  const { kind } = PersistentVolumeClaim;
  let kept = volume;
  if (volume.spec.claimRef?.uid !== uid) {
    const chosenHere = volume.spec.claimRef === undefined;
    kept = await client.update(
      PersistentVolume,
      {
        ...volume,
        metadata: {
          ...volume.metadata,
          annotations: { ...volume.metadata?.annotations, ...(chosenHere ? { [boundByController]: 'yes' } : {}) },
        },
        spec: {
          ...volume.spec,
          claimRef: { apiVersion: apiVersionOf(PersistentVolumeClaim), kind, namespace, name, uid, resourceVersion },
        },
      },
      { signal },
    );
  }
  if (kept.status?.phase !== 'Bound') {
    kept = await client.update(
      PersistentVolume,
      { ...kept, status: { phase: 'Bound' } },
      { signal, subresource: 'status' },
    );
  }
  const volumeName = kept.metadata?.name ?? '';
  const chosenHere = (claim.spec.volumeName ?? '') === '';
  const annotations = { [bindCompleted]: 'yes', ...(chosenHere ? { [boundByController]: 'yes' } : {}) };
  const bound = await annotateClaim(claim, annotations, { volumeName }, context);
  const { accessModes = [], capacity = {}, volumeAttributesClassName } = kept.spec;
  const { phase, accessModes: modes = [], capacity: given } = bound.status ?? {};
  if (phase === 'Bound' && given !== undefined && String(modes) === String(accessModes)) return;
  const status = {
    ...bound.status,
    phase: 'Bound',
    accessModes,
    // A file system that was grown may be larger than its volume says, or is about to be.
    capacity: phase === 'Bound' ? (given ?? capacity) : capacity,
    ...(volumeAttributesClassName === undefined ? {} : { currentVolumeAttributesClassName: volumeAttributesClassName }),
  };
  await client.update(PersistentVolumeClaim, { ...bound, status }, { signal, subresource: 'status' });
  if (phase !== 'Bound') log.info('claim bound', { claim: keyOfObject(claim), volume: volumeName });
}

/** Adds annotations and fields to a claim, if they are not there. */
async function annotateClaim(
  claim: PersistentVolumeClaim,
  annotations: Readonly<Record<string, string>>,
  spec: { readonly volumeName?: string },
  { client, signal }: ReconcileContext,
): Promise<PersistentVolumeClaim> {
  const has = claim.metadata?.annotations ?? {};
  const same = Object.entries(annotations).every(([name, value]) => has[name] === value);
  if (same && (spec.volumeName === undefined || spec.volumeName === claim.spec.volumeName)) return claim;
  const metadata = { ...claim.metadata, annotations: { ...has, ...annotations } };
  const next = { ...claim, metadata, spec: { ...claim.spec, ...spec } };
  return await client.update(PersistentVolumeClaim, next, { signal });
}

async function settleVolume(volume: PersistentVolume, context: ReconcileContext): Promise<void> {
  const { client, events, log, signal } = context;
  const claim = await claimOf(volume, context);
  const step = planVolume(volume, claim);
  const { name = '' } = volume.metadata ?? {};
  if (step.do === 'give-up') {
    const { claimRef: _, ...spec } = volume.spec;
    const { [boundByController]: _by, ...annotations } = volume.metadata?.annotations ?? {};
    log.info('volume given up: its claim is bound to another', { volume: name });
    await client.update(
      PersistentVolume,
      { ...volume, metadata: { ...volume.metadata, annotations }, spec },
      { signal },
    );
    return;
  }
  if (step.do === 'nothing') return;
  const { phase, message, told } = step;
  if (volume.status?.phase === phase) return;
  if (told !== undefined) events.record(volume, told);
  const status = { phase, ...(message === undefined ? {} : { message }) };
  await client.update(PersistentVolume, { ...volume, status }, { signal, subresource: 'status' });
}

/** A volume is released for good: whether its claim is gone is asked at the source. */
async function claimOf(
  volume: PersistentVolume,
  { cache, client, signal }: ReconcileContext,
): Promise<PersistentVolumeClaim | undefined> {
  const { name = '', namespace = '', uid } = volume.spec.claimRef ?? {};
  if ((uid ?? '') === '') return undefined;
  const cached = cache.get(PersistentVolumeClaim, { namespace, name });
  if (cached !== undefined && cached.metadata?.uid === uid) return cached;
  try {
    return await client.get(PersistentVolumeClaim, { namespace, name }, { signal });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

function claimKeyOf(volume: PersistentVolume | undefined): string | undefined {
  const claim = volume?.spec.claimRef;
  return claim === undefined ? undefined : `${claim.namespace ?? ''}/${claim.name ?? ''}`;
}

function namedBy({ metadata }: PersistentVolume, cache: CacheReader): readonly string[] {
  return cache.byIndex(PersistentVolumeClaim, byVolume, metadata?.name ?? '').map(keyOfObject);
}

/** Claims that a free volume may be for; those that wait for their first consumer are the scheduler's to choose. */
function waitingFor({ spec, status }: PersistentVolume, cache: CacheReader): readonly string[] {
  const { storageClassName = '', claimRef } = spec;
  if (claimRef !== undefined || status?.phase !== 'Available') return [];
  if (isLate(cache.get(StorageClass, storageClassName))) return [];
  return cache.byIndex(PersistentVolumeClaim, unbound, storageClassName).map(keyOfObject);
}
