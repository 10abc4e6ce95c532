import { classOfClaim, isFullyBound, isKeptFor, noProvisioner, selectedNode } from '#api/core/claim-binding.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { NodeSelector } from '#api/core/types.generated.ts';
import type { ClaimUse } from './claim-uses.ts';
import { disksOf } from './disks.ts';
import type { Provision, UnboundClaim, VolumeDemand, VolumeZone } from './volume-demand.ts';
import type { VolumeBook } from './volume-book.ts';
import { bytesOf } from './volume-pools.ts';

/** Reads what a pod asks through its volumes; undefined if it has none that matter to where it runs. */
export function readVolumeDemand(pod: Pod, uses: readonly ClaimUse[], book: VolumeBook): VolumeDemand | undefined {
  const disks = disksOf(pod.spec?.volumes ?? []);
  if (uses.length + disks.length === 0) return undefined;
  const refusal = refusalOf(pod, uses, book);
  const nothing = { affinities: [], zones: [], hasLost: false, unbound: [], attaches: {}, attachesShared: [] };
  if (refusal !== undefined || uses.length === 0) return { refusal, ...nothing, exclusiveClaims: [], disks };
  const bound = uses.flatMap(({ key }) => {
    const claim = book.claims.get(key);
    return claim !== undefined && isFullyBound(claim) ? [book.volumes.get(claim.spec.volumeName ?? '')] : [];
  });
  const volumes = bound.filter((volume) => volume !== undefined);
  return {
    refusal,
    affinities: distinct(volumes.flatMap(({ spec }) => spec.nodeAffinity?.required ?? [])),
    zones: distinct(volumes.flatMap(zonesOf)),
    hasLost: volumes.length < bound.length,
    unbound: readUnbound(uses, book).map(({ claim }) => claim),
    ...attachesOf(uses, book),
    exclusiveClaims: uses
      .filter(({ key, isEphemeral }) => {
        const modes = book.claims.get(key)?.spec.accessModes ?? [];
        return !isEphemeral && modes.includes('ReadWriteOncePod') && book.usersOf(key).size > 1;
      })
      .map(({ key }) => key),
    disks,
  };
}

/** Upstream's words, in its order. Source: pkg/scheduler/framework/plugins/volumebinding (PreFilter, podHasPVCs). */
function refusalOf(pod: Pod, uses: readonly ClaimUse[], book: VolumeBook): string | undefined {
  const { name: podName = '', namespace = '', uid } = pod.metadata ?? {};
  for (const { key, name, isEphemeral } of uses) {
    const claim = book.claims.get(key);
    if (claim === undefined) {
      return isEphemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
        : `persistentvolumeclaim "${name}" not found`;
    }
    if (claim.status?.phase === 'Lost') {
      return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`;
    }
    if (claim.metadata?.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`;
    const owner = claim.metadata?.ownerReferences?.find(({ controller }) => controller === true);
    if (isEphemeral && (owner === undefined || owner.uid !== uid)) {
      return `PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`;
    }
  }
  const isImmediate = ({ key }: ClaimUse) => {
    const claim = book.claims.get(key);
    return claim !== undefined && !isFullyBound(claim) && !waitsForConsumer(claim, book);
  };
  return uses.some(isImmediate) ? 'pod has unbound immediate PersistentVolumeClaims' : undefined;
}

/** A claim that names its volume is bound at once, whatever its class says. */
function waitsForConsumer(claim: PersistentVolumeClaim, book: VolumeBook): boolean {
  const mode = book.classes.get(classOfClaim(claim))?.volumeBindingMode;
  return mode === 'WaitForFirstConsumer' && (claim.spec.volumeName ?? '') === '';
}

/** The claims that are bound with the pod's place, the smallest first. */
export function readUnbound(
  uses: readonly ClaimUse[],
  book: VolumeBook,
): readonly { readonly key: string; readonly claim: UnboundClaim }[] {
  const keys = new Set(uses.map(({ key }) => key));
  return [...keys]
    .flatMap((key) => {
      const claim = book.claims.get(key);
      if (claim === undefined || isFullyBound(claim) || !waitsForConsumer(claim, book)) return [];
      return [{ key, claim: unboundOf(key, claim, book) }];
    })
    .toSorted((a, b) => a.claim.bytes - b.claim.bytes);
}

function unboundOf(key: string, claim: PersistentVolumeClaim, book: VolumeBook): UnboundClaim {
  const { spec, metadata } = claim;
  const bytes = bytesOf(spec.resources?.requests);
  const volumeMode = spec.volumeMode ?? 'Filesystem';
  const attributesClass = spec.volumeAttributesClassName ?? '';
  const suits = (volume: PersistentVolume) =>
    (isKeptFor(volume, claim) || book.isGivenTo(key, volume.metadata?.name ?? '')) &&
    bytesOf(volume.spec.capacity) >= bytes &&
    (volume.spec.volumeMode ?? 'Filesystem') === volumeMode &&
    (volume.spec.volumeAttributesClassName ?? '') === attributesClass &&
    volume.metadata?.deletionTimestamp === undefined;
  const [reserved] = [...book.keptFor(key)].filter(suits);
  const { name = '' } = reserved?.metadata ?? {};
  return {
    className: classOfClaim(claim),
    accessModes: (spec.accessModes ?? []).toSorted(),
    bytes,
    selector: spec.selector,
    volumeMode,
    attributesClass,
    reserved: reserved === undefined ? undefined : { name, affinity: reserved.spec.nodeAffinity?.required },
    selectedNode: metadata?.annotations?.[selectedNode] ?? book.plannedNodeOf(key),
    provision: provisionOf(claim, book),
  };
}

function provisionOf(claim: PersistentVolumeClaim, book: VolumeBook): Provision | undefined {
  const storageClass = book.classes.get(classOfClaim(claim));
  const provisioner = storageClass?.provisioner ?? '';
  if (provisioner === '' || provisioner === noProvisioner) return undefined;
  return {
    topologies: storageClass?.allowedTopologies ?? [],
    checksCapacity: book.drivers.get(provisioner)?.spec.storageCapacity === true,
  };
}

/**
 * Volumes that only this pod uses are counted; others are named, as one that is on a node already takes no second slot.
 */
function attachesOf(uses: readonly ClaimUse[], book: VolumeBook): Pick<VolumeDemand, 'attaches' | 'attachesShared'> {
  const attaches: Record<string, number> = {};
  const shared = new Set<string>();
  for (const key of new Set(uses.map((use) => use.key))) {
    const attached = book.attachmentOf(key);
    if (attached === undefined) continue;
    const { driver, unique } = attached;
    const volume = book.claims.get(key)?.spec.volumeName ?? '';
    if (book.usersOf(key).size > 1 || (volume !== '' && book.attachments.isAttached(volume))) {
      shared.add(JSON.stringify([driver, unique]));
    } else attaches[driver] = (attaches[driver] ?? 0) + 1;
  }
  return { attaches, attachesShared: [...shared] };
}

/** Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumezone. */
export const zoneKeys = [
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
] as const;

function zonesOf({ metadata }: PersistentVolume): readonly VolumeZone[] {
  return zoneKeys.flatMap((key) => {
    const text = metadata?.labels?.[key];
    return text === undefined ? [] : [{ key, values: text.split('__') }];
  });
}

function distinct<T extends NodeSelector | VolumeZone>(all: readonly T[]): readonly T[] {
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}
