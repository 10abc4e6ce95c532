import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';

/*
 * What annotations and references of claims and volumes mean.
 * Source: k8s.io/component-helpers/storage/volume and k8s.io/component-helpers/storage/ephemeral.
 */

/** On a claim: everything about its binding has been written. */
export const bindCompleted = 'pv.kubernetes.io/bind-completed';
/** On a volume or claim: the other side was chosen by the cluster, not by a user. */
export const boundByController = 'pv.kubernetes.io/bound-by-controller';
/** On a claim: a volume is to be made that this node reaches. */
export const selectedNode = 'volume.kubernetes.io/selected-node';
/** As a provisioner: nobody makes volumes of the class. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

/** A claim that a pod uses. */
export interface ClaimUse {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  /** True if it is made for the pod and lives with it. */
  readonly isEphemeral: boolean;
}

/** The claims that a pod's volumes name, in their order. */
export function claimUsesOf({ metadata, spec }: Pod): readonly ClaimUse[] {
  const { namespace = '', name: podName = '' } = metadata ?? {};
  const uses: ClaimUse[] = [];
  for (const { name: volume, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    const isEphemeral = ephemeral !== undefined;
    const name = isEphemeral ? `${podName}-${volume}` : persistentVolumeClaim?.claimName;
    if (name !== undefined) uses.push({ key: `${namespace}/${name}`, name, isEphemeral });
  }
  return uses;
}

export function isFullyBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return (spec.volumeName ?? '') !== '' && metadata?.annotations?.[bindCompleted] !== undefined;
}

/** The claim's class; the annotation is from before the field. Empty for none. */
export function classOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '';
}

/** True if the volume is kept for this very claim. */
export function isKeptFor({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (claimRef === undefined || claimRef.name !== metadata?.name || claimRef.namespace !== metadata?.namespace) {
    return false;
  }
  return (claimRef.uid ?? '') === '' || claimRef.uid === metadata?.uid;
}
