import type { Volume } from '#api/core/types.generated.ts';

/** A disk that a pod names directly, not through a claim. */
export type Disk =
  | { readonly kind: 'gce' | 'iscsi'; readonly id: string; readonly readOnly: boolean }
  | { readonly kind: 'ebs'; readonly id: string }
  | {
      readonly kind: 'rbd';
      readonly pool: string;
      readonly image: string;
      readonly monitors: readonly string[];
      readonly readOnly: boolean;
    };

/** The disks among a pod's volumes that two pods on one node may not always have both. */
export function disksOf(volumes: readonly Volume[]): readonly Disk[] {
  return volumes.flatMap(({ gcePersistentDisk, awsElasticBlockStore, iscsi, rbd }): Disk[] => {
    if (gcePersistentDisk !== undefined) {
      const { pdName, readOnly = false } = gcePersistentDisk;
      return [{ kind: 'gce', id: pdName, readOnly }];
    }
    if (awsElasticBlockStore !== undefined) return [{ kind: 'ebs', id: awsElasticBlockStore.volumeID }];
    // Two targets are one if they have one name, whatever the unit.
    if (iscsi !== undefined) return [{ kind: 'iscsi', id: iscsi.iqn, readOnly: iscsi.readOnly ?? false }];
    if (rbd !== undefined) {
      const { pool = 'rbd', image, monitors, readOnly = false } = rbd;
      return [{ kind: 'rbd', pool, image, monitors, readOnly }];
    }
    return [];
  });
}

/**
 * True if a node cannot have both: it is one disk, and not read by both alone. An EBS volume is never shared.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumerestrictions (isVolumeConflict).
 */
export function diskConflict(a: Disk, b: Disk): boolean {
  if (a.kind === 'ebs' || b.kind === 'ebs') return a.kind === 'ebs' && b.kind === 'ebs' && a.id === b.id;
  if (a.readOnly && b.readOnly) return false;
  if (a.kind === 'rbd' || b.kind === 'rbd') {
    if (a.kind !== 'rbd' || b.kind !== 'rbd') return false;
    return a.pool === b.pool && a.image === b.image && a.monitors.some((monitor) => b.monitors.includes(monitor));
  }
  return a.kind === b.kind && a.id === b.id;
}
