import { DaemonSet } from '#api/apps/daemon-set.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { StatefulSet } from '#api/apps/stateful-set.ts';
import { Job } from '#api/batch/job.ts';
import { LimitRange } from '#api/core/limit-range.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { ResourceQuota } from '#api/core/resource-quota.ts';
import { Service } from '#api/core/service.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { RuntimeClass } from '#api/node/runtime-class.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { Workload } from '#api/scheduling/workload.ts';
import { CSIDriver } from '#api/storage/csi-driver.ts';
import { CSINode } from '#api/storage/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import { Reservation } from '#api/tutti-scheduling/reservation.ts';
import type { Client } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

/**
 * What placements depend on, owners before what they own. No secrets, no configuration, no events: a rehearsal starts
 * no containers. No CronJobs and autoscalers either: time passes quicker there.
 */
export const snapshotKinds: readonly Kind[] = [
  Namespace,
  Node,
  PriorityClass,
  RuntimeClass,
  StorageClass,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  VolumeAttachment,
  PersistentVolume,
  PersistentVolumeClaim,
  ServiceAccount,
  LimitRange,
  ResourceQuota,
  Service,
  PodDisruptionBudget,
  Workload,
  Reservation,
  Deployment,
  StatefulSet,
  DaemonSet,
  ReplicationController,
  Job,
  ReplicaSet,
  Pod,
] as readonly Kind[];

/** The objects of one kind, with their uids and statuses. */
export interface SnapshotPart {
  readonly kind: Kind;
  readonly items: readonly ApiObject[];
}

export interface Snapshot {
  readonly parts: readonly SnapshotPart[];
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
}

/** Reads the state that placements depend on. Kinds that this server does not serve are left out. */
export async function takeSnapshot(client: Client, signal: AbortSignal): Promise<Snapshot> {
  const parts: SnapshotPart[] = [];
  for (const kind of snapshotKinds) {
    const { items } = await client.list(kind, { signal });
    parts.push({ kind, items });
  }
  const itemsOf = <T extends ApiObject>(kind: Kind<T>) =>
    (parts.find((part) => part.kind === (kind as Kind))?.items ?? []) as readonly T[]; // listed as that kind
  return { parts, nodes: itemsOf(Node), pods: itemsOf(Pod) };
}
