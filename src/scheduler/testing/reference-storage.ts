import type { Node } from '#api/core/node.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Volume } from '#api/core/types.generated.ts';
import type { CSIDriver } from '#api/storage/csi-driver.ts';
import type { CSINode } from '#api/storage/csi-node.ts';
import type { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import type { StorageClass } from '#api/storage/storage-class.ts';
import type { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import { toUnits } from '#machinery/quantity.ts';
import type { VolumeBook } from '../volumes/volume-book.ts';
import { poolKeyOf } from '../volumes/volume-pools.ts';
import { labelOf, matches } from './reference-nodes.ts';

/** What tells of storage. */
export type StorageSink = Pick<
  VolumeBook,
  | 'putClaim'
  | 'removeClaim'
  | 'putVolume'
  | 'removeVolume'
  | 'putClass'
  | 'putDriver'
  | 'putNode'
  | 'putCapacity'
  | 'putAttachment'
  | 'removeAttachment'
>;

interface Decided {
  readonly claim: string;
  /** Undefined for one that is to be made. */
  readonly volume: string | undefined;
  readonly nodeName: string;
}

/**
 * The definition of where a pod may go for its volumes, and of which it gets: everything is looked up every time, and
 * nothing is kept but the objects and what was decided about pods that were placed.
 */
export class ReferenceStorage implements StorageSink {
  readonly claims = new Map<string, PersistentVolumeClaim>();
  readonly volumes = new Map<string, PersistentVolume>();
  readonly classes = new Map<string, StorageClass>();
  readonly drivers = new Map<string, CSIDriver>();
  readonly csiNodes = new Map<string, CSINode>();
  readonly capacities = new Map<string, CSIStorageCapacity>();
  readonly attachments = new Map<string, VolumeAttachment>();
  /** By pod. */
  readonly decided = new Map<string, readonly Decided[]>();

  putClaim = (claim: PersistentVolumeClaim): void => void this.claims.set(keyOf(claim), claim);
  removeClaim = (claim: PersistentVolumeClaim): void => void this.claims.delete(keyOf(claim));
  putVolume = (volume: PersistentVolume): void => void this.volumes.set(nameOf(volume), volume);
  removeVolume = (volume: PersistentVolume): void => void this.volumes.delete(nameOf(volume));
  putClass = (each: StorageClass): void => void this.classes.set(nameOf(each), each);
  putDriver = (driver: CSIDriver): void => void this.drivers.set(nameOf(driver), driver);
  putNode = (node: CSINode): void => void this.csiNodes.set(nameOf(node), node);
  putCapacity = (capacity: CSIStorageCapacity): void => void this.capacities.set(nameOf(capacity), capacity);
  putAttachment = (attachment: VolumeAttachment): void => void this.attachments.set(nameOf(attachment), attachment);
  removeAttachment = (attachment: VolumeAttachment): void => void this.attachments.delete(nameOf(attachment));

  /** `here` are the pods on the node, `everywhere` those on any; nominated ones that count among them. */
  fits(pod: Pod, node: Node, here: readonly Pod[], everywhere: readonly Pod[]): boolean {
    if (!this.#mayBePlaced(pod)) return false;
    const bound = this.#claimsOf(pod).filter(isBound);
    for (const claim of bound) {
      const volume = this.volumes.get(claim.spec.volumeName ?? '');
      if (volume === undefined || !reaches(volume, node) || !isInZone(volume, node)) return false;
    }
    if (this.#choose(pod, node) === undefined || this.#exceedsLimits(pod, node, here)) return false;
    const exclusive = keysOf(pod).filter((key) => this.claims.get(key)?.spec.accessModes?.includes('ReadWriteOncePod'));
    if (everywhere.some((other) => keysOf(other).some((key) => exclusive.includes(key)))) return false;
    return !here.some((other) => volumesOf(other).some((a) => volumesOf(pod).some((b) => conflict(a, b))));
  }

  /** Gives the pod, which was just placed, its volumes. */
  decide(pod: Pod, node: Node): void {
    const chosen = this.#choose(pod, node) ?? [];
    if (chosen.length > 0) this.decided.set(pod.metadata?.uid ?? '', chosen);
  }

  #mayBePlaced(pod: Pod): boolean {
    return keysOf(pod).every((key) => {
      const claim = this.claims.get(key);
      if (claim === undefined || claim.status?.phase === 'Lost') return false;
      if (claim.metadata?.deletionTimestamp !== undefined) return false;
      return isBound(claim) || this.#isLate(claim);
    });
  }

  #isLate({ spec }: PersistentVolumeClaim): boolean {
    const mode = this.classes.get(spec.storageClassName ?? '')?.volumeBindingMode;
    return mode === 'WaitForFirstConsumer' && spec.volumeName === undefined;
  }

  #claimsOf(pod: Pod): readonly PersistentVolumeClaim[] {
    return keysOf(pod).flatMap((key) => this.claims.get(key) ?? []);
  }

  #choose(pod: Pod, node: Node): readonly Decided[] | undefined {
    const late = this.#claimsOf(pod)
      .filter((claim) => !isBound(claim))
      .toSorted((a, b) => bytesOf(a.spec.resources?.requests) - bytesOf(b.spec.resources?.requests));
    const chosen: Decided[] = [];
    const nodeName = nameOf(node);
    for (const claim of late) {
      const selected = this.#selectedNodeOf(claim);
      if (selected !== undefined && selected !== nodeName) return undefined;
      const volume = selected === undefined ? this.#volumeFor(claim, node, chosen) : undefined;
      if (volume === undefined && !this.#mayBeMade(claim, node)) return undefined;
      chosen.push({ claim: keyOf(claim), volume, nodeName });
    }
    return chosen;
  }

  #decidedOn(claim: PersistentVolumeClaim): readonly Decided[] {
    return [...this.decided.values()].flat().filter((each) => each.claim === keyOf(claim));
  }

  #selectedNodeOf(claim: PersistentVolumeClaim): string | undefined {
    return (
      claim.metadata?.annotations?.['volume.kubernetes.io/selected-node'] ??
      this.#decidedOn(claim).find(({ volume }) => volume === undefined)?.nodeName
    );
  }

  #volumeFor(claim: PersistentVolumeClaim, node: Node, chosen: readonly Decided[]): string | undefined {
    const asked = bytesOf(claim.spec.resources?.requests);
    const given = this.#decidedOn(claim).flatMap(({ volume }) => this.volumes.get(volume ?? '') ?? []);
    const kept = [...this.volumes.values()].filter(({ spec: { claimRef } }) => {
      const { name, namespace, uid } = claim.metadata ?? {};
      return claimRef?.name === name && claimRef?.namespace === namespace && (claimRef?.uid ?? uid) === uid;
    });
    const [reserved] = [...given, ...kept.toSorted(byName)].filter(({ spec }) => bytesOf(spec.capacity) >= asked);
    if (reserved !== undefined) return reaches(reserved, node) ? nameOf(reserved) : undefined;
    const taken = [...this.decided.values(), chosen].flat().map(({ volume }) => volume);
    const [smallest] = [...this.volumes.values()]
      .filter(
        ({ metadata, spec, status }) =>
          status?.phase === 'Available' &&
          spec.claimRef === undefined &&
          !taken.includes(metadata?.name) &&
          spec.storageClassName === claim.spec.storageClassName &&
          bytesOf(spec.capacity) >= asked &&
          claim.spec.accessModes?.every((mode) => spec.accessModes?.includes(mode)) &&
          Object.entries(claim.spec.selector?.matchLabels ?? {}).every(
            ([key, value]) => metadata?.labels?.[key] === value,
          ),
      )
      .filter((volume) => reaches(volume, node))
      .toSorted((a, b) => {
        if (bytesOf(a.spec.capacity) !== bytesOf(b.spec.capacity)) {
          return bytesOf(a.spec.capacity) - bytesOf(b.spec.capacity);
        }
        const [alikeA, alikeB] = [poolKeyOf(a), poolKeyOf(b)];
        return alikeA === alikeB ? byName(a, b) : alikeA < alikeB ? -1 : 1;
      });
    return smallest === undefined ? undefined : nameOf(smallest);
  }

  #mayBeMade({ spec }: PersistentVolumeClaim, node: Node): boolean {
    const storageClass = this.classes.get(spec.storageClassName ?? '');
    if (storageClass === undefined || storageClass.provisioner === 'kubernetes.io/no-provisioner') return false;
    const { allowedTopologies = [], provisioner } = storageClass;
    const isAllowed = allowedTopologies.some(({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.every(({ key, values }) => values.includes(labelOf(node, key) ?? '')),
    );
    if (allowedTopologies.length > 0 && !isAllowed) return false;
    if (this.drivers.get(provisioner)?.spec.storageCapacity !== true) return true;
    return [...this.capacities.values()].some(
      ({ storageClassName, capacity, nodeTopology }) =>
        storageClassName === spec.storageClassName &&
        toUnits(capacity ?? 0) >= bytesOf(spec.resources?.requests) &&
        Object.entries(nodeTopology?.matchLabels ?? {}).every(([key, value]) => labelOf(node, key) === value),
    );
  }

  #exceedsLimits(pod: Pod, node: Node, here: readonly Pod[]): boolean {
    const attached = new Set(here.flatMap((other) => this.#attachesOf(other)));
    for (const { spec } of this.attachments.values()) {
      const volume = this.volumes.get(spec.source.persistentVolumeName ?? '');
      if (spec.nodeName === nameOf(node) && volume?.spec.csi !== undefined) attached.add(attachmentOf(volume));
    }
    const added = new Set([...attached, ...this.#attachesOf(pod)]);
    return (this.csiNodes.get(nameOf(node))?.spec.drivers ?? []).some(({ name, allocatable }) => {
      const countIn = (all: ReadonlySet<string>) => [...all].filter((each) => each.startsWith(`${name} `)).length;
      return countIn(added) > countIn(attached) && countIn(added) > (allocatable?.count ?? Infinity);
    });
  }

  #attachesOf(pod: Pod): readonly string[] {
    return this.#claimsOf(pod).flatMap((claim) => {
      const volume = this.volumes.get(claim.spec.volumeName ?? '');
      if (volume !== undefined) return volume.spec.csi === undefined ? [] : [attachmentOf(volume)];
      const provisioner = this.classes.get(claim.spec.storageClassName ?? '')?.provisioner;
      return provisioner === undefined ? [] : [`${provisioner} of ${keyOf(claim)}`];
    });
  }
}

const nameOf = ({ metadata }: { metadata?: { name?: string } }) => metadata?.name ?? '';
const keyOf = ({ metadata }: PersistentVolumeClaim) => `${metadata?.namespace}/${metadata?.name}`;
const byName = (a: PersistentVolume, b: PersistentVolume) => (nameOf(a) < nameOf(b) ? -1 : 1);
const bytesOf = (amounts: Readonly<Record<string, string>> | undefined) => toUnits(amounts?.['storage'] ?? 0);
const volumesOf = ({ spec }: Pod) => spec.volumes ?? [];
const attachmentOf = ({ spec }: PersistentVolume) => `${spec.csi?.driver} ${spec.csi?.volumeHandle}`;

const keysOf = (pod: Pod) => [
  ...new Set(
    volumesOf(pod).flatMap(({ persistentVolumeClaim }) =>
      persistentVolumeClaim === undefined ? [] : [`${pod.metadata?.namespace}/${persistentVolumeClaim.claimName}`],
    ),
  ),
];

const isBound = ({ metadata, spec }: PersistentVolumeClaim) =>
  spec.volumeName !== undefined && metadata?.annotations?.['pv.kubernetes.io/bind-completed'] === 'yes';

const reaches = ({ spec }: PersistentVolume, node: Node) =>
  spec.nodeAffinity?.required?.nodeSelectorTerms.some((term) => matches(term, node)) ?? true;

function isInZone({ metadata }: PersistentVolume, node: Node): boolean {
  const key = 'topology.kubernetes.io/zone';
  const [volume, own] = [metadata?.labels?.[key], labelOf(node, key)];
  return volume === undefined || own === undefined || volume.split('__').includes(own);
}

/** The tests know Google's disks, Amazon's and Ceph's. */
function conflict(a: Volume, b: Volume): boolean {
  const bothRead = (one?: { readOnly?: boolean }, other?: { readOnly?: boolean }) =>
    one?.readOnly === true && other?.readOnly === true;
  const [googleA, googleB] = [a.gcePersistentDisk, b.gcePersistentDisk];
  if (googleA !== undefined && googleA.pdName === googleB?.pdName && !bothRead(googleA, googleB)) return true;
  const [amazonA, amazonB] = [a.awsElasticBlockStore, b.awsElasticBlockStore];
  if (amazonA !== undefined && amazonA.volumeID === amazonB?.volumeID) return true;
  const [cephA, cephB] = [a.rbd, b.rbd];
  const meet = cephA?.monitors.some((monitor) => cephB?.monitors.includes(monitor)) === true;
  return meet && cephA?.image === cephB?.image && !bothRead(cephA, cephB);
}
