import {
  bindCompleted,
  boundByController,
  classOfClaim,
  isKeptFor,
  noProvisioner,
  provisionedBy,
  selectedNode,
} from '#api/core/claim-binding.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { StorageClass } from '#api/storage/storage-class.ts';
import type { EventFact } from '#client/event-queue.ts';
import { selectorOf } from '#machinery/labels.ts';
import { compareQuantities } from '#machinery/quantity.ts';

/** What is to be done about a claim. */
export type ClaimStep =
  | { readonly do: 'bind'; readonly volume: PersistentVolume }
  /** Another is to make a volume; `provisioner` is who. */
  | { readonly do: 'wait'; readonly provisioner?: string; readonly told?: EventFact }
  | { readonly do: 'lose'; readonly told: EventFact };

/** What is to be done about a volume. */
export type VolumeStep =
  | { readonly do: 'phase'; readonly phase: string; readonly message?: string; readonly told?: EventFact }
  /** The claim for which it was kept is bound to another: it is given up. */
  | { readonly do: 'give-up' }
  /** Its claim is to decide. */
  | { readonly do: 'nothing' };

/**
 * Decides about one claim. `volumes` are all those that it might be bound to: of its class, kept for it, or named by it.
 * Source: kubernetes pkg/controller/volume/persistentvolume (syncClaim).
 */
export function planClaim(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  storageClass: StorageClass | undefined,
): ClaimStep {
  const { volumeName = '' } = claim.spec;
  const named = volumes.find(({ metadata }) => metadata?.name === volumeName);
  if (claim.metadata?.annotations?.[bindCompleted] !== undefined) return planBound(claim, named);
  if (volumeName !== '') return planNamed(claim, named);
  const late = isLate(storageClass);
  const volume = bestFor(claim, volumes, late);
  if (volume !== undefined) return { do: 'bind', volume };
  if (late && claim.metadata?.annotations?.[selectedNode] === undefined) {
    return wait('Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  }
  const className = classOfClaim(claim);
  if (className === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return wait('Normal', 'FailedBinding', message);
  }
  if (storageClass === undefined) {
    return wait('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
  }
  const { provisioner } = storageClass;
  if (provisioner === noProvisioner) {
    return wait('Warning', 'ProvisioningFailed', `no volume plugin matched name: ${provisioner}`);
  }
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { ...wait('Normal', 'ExternalProvisioning', message), provisioner };
}

/** True if claims of the class wait for their first consumer. */
export function isLate(storageClass: StorageClass | undefined): boolean {
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** A claim that was bound stays so, or has lost its volume for good. */
function planBound(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimStep {
  const lose = (reason: string, message: string): ClaimStep => ({
    do: 'lose',
    told: { type: 'Warning', reason, message },
  });
  if ((claim.spec.volumeName ?? '') === '') {
    return lose('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  }
  if (volume === undefined) {
    return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  }
  const { claimRef } = volume.spec;
  if (claimRef === undefined || claimRef.uid === claim.metadata?.uid) return { do: 'bind', volume };
  const message = 'Two claims are bound to the same volume, this one is bound incorrectly';
  return lose('ClaimMisbound', message);
}

/** A claim whose user has chosen the volume. */
function planNamed(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimStep {
  if (volume === undefined) return { do: 'wait' };
  if (isKeptFor(volume, claim)) return { do: 'bind', volume };
  if (volume.spec.claimRef !== undefined) {
    const { name = '' } = volume.metadata ?? {};
    return wait('Warning', 'FailedBinding', `volume "${name}" already bound to a different claim.`);
  }
  const mismatch = mismatchOf(claim, volume);
  if (mismatch === undefined) return { do: 'bind', volume };
  return wait(
    'Warning',
    'VolumeMismatch',
    `Cannot bind to requested volume "${volume.metadata?.name ?? ''}": ${mismatch}`,
  );
}

function mismatchOf(claim: PersistentVolumeClaim, volume: PersistentVolume): string | undefined {
  if (compareQuantities(storageOf(volume.spec.capacity), storageOf(claim.spec.resources?.requests)) < 0) {
    return 'requested PV is too small';
  }
  if ((volume.spec.storageClassName ?? '') !== classOfClaim(claim)) return 'storageClassName does not match';
  if (modeOf(volume) !== modeOf(claim)) return 'incompatible volumeMode';
  return hasModes(claim, volume) ? undefined : 'incompatible accessMode';
}

/**
 * The volume that is kept for the claim, else the smallest that will do, first by how little more it can do. A claim
 * that waits for its consumer gets only what is kept for it: the scheduler keeps it.
 * Source: k8s.io/component-helpers/storage/volume (FindMatchingVolume).
 */
function bestFor(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  late: boolean,
): PersistentVolume | undefined {
  const { spec } = claim;
  const requested = storageOf(spec.resources?.requests);
  const selector = spec.selector === undefined ? undefined : selectorOf(spec.selector);
  const suits = (volume: PersistentVolume) =>
    compareQuantities(storageOf(volume.spec.capacity), requested) >= 0 &&
    modeOf(volume) === modeOf(claim) &&
    (volume.spec.volumeAttributesClassName ?? '') === (spec.volumeAttributesClassName ?? '') &&
    volume.metadata?.deletionTimestamp === undefined;
  const able = volumes.filter(suits);
  const kept = able.find((volume) => isKeptFor(volume, claim));
  if (kept !== undefined || late) return kept;
  const [best] = able
    .filter(
      (volume) =>
        volume.spec.claimRef === undefined &&
        volume.status?.phase === 'Available' &&
        (volume.spec.storageClassName ?? '') === classOfClaim(claim) &&
        hasModes(claim, volume) &&
        (selector === undefined || selector.matches(volume.metadata?.labels)),
    )
    .toSorted(
      (a, b) =>
        (a.spec.accessModes?.length ?? 0) - (b.spec.accessModes?.length ?? 0) ||
        compareQuantities(storageOf(a.spec.capacity), storageOf(b.spec.capacity)) ||
        ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1),
    );
  return best;
}

/**
 * Decides about one volume; `claim` is the one that it is kept for, if that exists.
 * Source: kubernetes pkg/controller/volume/persistentvolume (syncVolume, reclaimVolume).
 */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumeStep {
  const { claimRef } = volume.spec;
  if (claimRef === undefined || (claimRef.uid ?? '') === '') return { do: 'phase', phase: 'Available' };
  if (claim === undefined || claim.metadata?.uid !== claimRef.uid) return planReleased(volume);
  const { volumeName = '' } = claim.spec;
  if (volumeName === '') return { do: 'nothing' };
  if (volumeName === volume.metadata?.name) return { do: 'phase', phase: 'Bound' };
  const { annotations } = volume.metadata ?? {};
  const isMade = annotations?.[provisionedBy] !== undefined;
  if (isMade && volume.spec.persistentVolumeReclaimPolicy === 'Delete') return planReleased(volume);
  return annotations?.[boundByController] === undefined ? { do: 'nothing' } : { do: 'give-up' };
}

/** Whoever made a volume deletes it; nobody here has hands to do so, or to wipe one. */
function planReleased(volume: PersistentVolume): VolumeStep {
  if (volume.status?.phase === 'Failed') return { do: 'nothing' };
  const { persistentVolumeReclaimPolicy: policy = 'Retain' } = volume.spec;
  const provisioner = volume.metadata?.annotations?.[provisionedBy] ?? '';
  const isLeftToOthers = provisioner !== '' && !provisioner.startsWith('kubernetes.io/');
  if (policy === 'Retain' || (policy === 'Delete' && isLeftToOthers)) return { do: 'phase', phase: 'Released' };
  const { name = '' } = volume.metadata ?? {};
  const [reason, message] =
    policy === 'Delete'
      ? [
          'VolumeFailedDelete',
          `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
        ]
      : ['VolumeFailedRecycle', 'No recycler plugin found for the volume!'];
  return { do: 'phase', phase: 'Failed', message, told: { type: 'Warning', reason, message } };
}

const wait = (type: 'Normal' | 'Warning', reason: string, message: string) =>
  ({ do: 'wait', told: { type, reason, message } }) as const;

const storageOf = (amounts: Readonly<Record<string, string>> | undefined) => amounts?.['storage'] ?? '0';
const modeOf = ({ spec }: PersistentVolume | PersistentVolumeClaim) => spec.volumeMode ?? 'Filesystem';
const hasModes = (claim: PersistentVolumeClaim, volume: PersistentVolume) =>
  (claim.spec.accessModes ?? []).every((mode) => volume.spec.accessModes?.includes(mode));
