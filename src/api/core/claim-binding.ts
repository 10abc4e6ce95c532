import type { PersistentVolumeClaim } from './persistent-volume-claim.ts';
import type { PersistentVolume } from './persistent-volume.ts';

/*
 * What annotations and references of claims and volumes mean; scheduler, binder and provisioners meet in them.
 * Source: k8s.io/component-helpers/storage/volume.
 */

/** On a claim: everything about its binding has been written. */
export const bindCompleted = 'pv.kubernetes.io/bind-completed';
/** On a volume or claim: the other side was chosen by the cluster, not by a user. */
export const boundByController = 'pv.kubernetes.io/bound-by-controller';
/** On a claim: a volume is to be made that this node reaches. */
export const selectedNode = 'volume.kubernetes.io/selected-node';
/** On a volume: who made it. */
export const provisionedBy = 'pv.kubernetes.io/provisioned-by';
/** On a claim: who is to make a volume for it. The older name is still read by some. */
export const storageProvisioner = 'volume.kubernetes.io/storage-provisioner';
export const storageProvisionerBeta = 'volume.beta.kubernetes.io/storage-provisioner';
/** As a provisioner: nobody makes volumes of the class. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

export function isFullyBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return (spec.volumeName ?? '') !== '' && metadata?.annotations?.[bindCompleted] !== undefined;
}

/** The claim's class; the annotation is from before the field. Empty for none. */
export function classOfClaim({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '';
}

/** True if the volume is kept for this very claim. */
export function isKeptFor({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (claimRef === undefined || claimRef.name !== metadata?.name || claimRef.namespace !== metadata?.namespace) {
    return false;
  }
  return (claimRef.uid ?? '') === '' || claimRef.uid === metadata?.uid;
}
