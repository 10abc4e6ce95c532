import { classOfClaim, isFullyBound } from '#api/core/claim-binding.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { CSIDriver } from '#api/storage/csi-driver.ts';
import type { CSINode } from '#api/storage/csi-node.ts';
import type { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import type { StorageClass } from '#api/storage/storage-class.ts';
import type { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import { selectorOf } from '#machinery/labels.ts';
import { toUnits } from '#machinery/quantity.ts';
import type { NodeTable, Occupant } from '../node-table.ts';
import { NodeView } from '../node-view.ts';
import { claimUsesOf, type ClaimUse } from './claim-uses.ts';
import { NodeAttachments } from './node-attachments.ts';
import { readVolumeDemand, readUnbound } from './read-demand.ts';
import { matchUnbound, prepareUnbound } from './match-unbound.ts';
import type { VolumeDemand } from './volume-demand.ts';
import { hostKey, VolumePools, type Pool } from './volume-pools.ts';

/** What is decided about a pod's claims with its place, to be written before it is bound. */
export interface VolumePlan {
  readonly nodeName: string;
  /** Claims, by key, and the volumes that are theirs now. */
  readonly bindings: readonly { readonly claim: string; readonly volume: string }[];
  /** Keys of claims for which a volume is to be made that the node reaches. */
  readonly provisions: readonly string[];
}

/**
 * What the scheduler knows of storage: claims, volumes, classes, drivers, who uses what, and what it has itself decided
 * and the API has yet to show: a volume that one pod was placed with is nobody else's from that moment.
 *
 * Where a change may let a node take a pod, or no longer, the node's row is touched; where it changes what a pod asks,
 * the pod is named by `takeChanged()` and must be signed anew.
 */
export class VolumeBook {
  readonly claims = new Map<string, PersistentVolumeClaim>();
  readonly volumes = new Map<string, PersistentVolume>();
  readonly classes = new Map<string, StorageClass>();
  readonly drivers = new Map<string, CSIDriver>();
  readonly attachments = new NodeAttachments();
  readonly pools = new VolumePools();
  readonly #capacities = new Map<string, Map<string, CSIStorageCapacity>>();
  readonly #usesOf = new Map<string, readonly ClaimUse[]>();
  readonly #usersOf = new Map<string, Set<string>>();
  /** Volume → claims that say they are bound to it, or for which it is kept. */
  readonly #claimsOf = new Map<string, Set<string>>();
  /** Claim → volumes that are kept for it. */
  readonly #keptFor = new Map<string, Set<string>>();
  readonly #plans = new Map<string, VolumePlan>();
  /** Claim → pods that were placed with something decided about it. */
  readonly #holdersOf = new Map<string, Set<string>>();
  /** Volume → pods that were placed with it given to a claim of theirs. */
  readonly #taken = new Map<string, Set<string>>();
  /** Class → the most claims of one pod that may wait for its volumes. */
  readonly #claimsAtOnce = new Map<string, number>();
  readonly #changed = new Set<string>();
  readonly #listeners = new Set<() => void>();
  /** By row: what is attached, as long as the row's use is what it was. */
  readonly #attached = new Map<number, { nodeName: string; use: number; volumes: ReadonlyMap<string, string> }>();
  #table: NodeTable | undefined;
  #view: NodeView | undefined;

  /** From now on changes touch rows of `table`. */
  attach(table: NodeTable): void {
    this.#table = table;
    this.#view = new NodeView(table);
    table.onOccupant(({ uid }, by) => {
      if (by === -1 && this.#plans.has(uid) && table.occupant(uid) === undefined) this.release(uid);
    });
  }

  /** Calls `listener` after every change of a claim or volume. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** What the pod asks through its volumes as things are. It counts as a user of its claims until `removePod()`. */
  demandOf(pod: Pod): VolumeDemand | undefined {
    if (pod.spec?.volumes === undefined) return undefined;
    const uses = claimUsesOf(pod);
    const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (uses.length > 0 && !hasEnded) this.#follow(pod.metadata?.uid ?? '', uses);
    const demand = readVolumeDemand(pod, uses, this);
    for (const { className } of demand?.unbound ?? []) {
      const count = demand?.unbound.filter((each) => each.className === className).length ?? 0;
      if (count > (this.#claimsAtOnce.get(className) ?? 0)) this.#claimsAtOnce.set(className, count);
    }
    return demand;
  }

  /** The pod is gone or has ended. */
  removePod(uid: string): void {
    const uses = this.#usesOf.get(uid);
    if (uses === undefined) return;
    this.#usesOf.delete(uid);
    this.#changed.delete(uid);
    for (const { key } of uses) {
      const users = this.#usersOf.get(key);
      users?.delete(uid);
      if (users?.size === 0) this.#usersOf.delete(key);
      else if (users?.size === 1) this.#claimChanged(key);
    }
  }

  /** Pods, by uid, that may ask something else than when they were last signed. */
  takeChanged(): readonly string[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  isChanged(uid: string): boolean {
    return this.#changed.has(uid);
  }

  usersOf(claim: string): ReadonlySet<string> {
    return this.#usersOf.get(claim) ?? nobody;
  }

  /** Volumes that were given to a claim here, and then those that are kept for it, by name. */
  *keptFor(claim: string): Iterable<PersistentVolume> {
    for (const name of [...this.#givenTo(claim), ...[...(this.#keptFor.get(claim) ?? [])].toSorted()]) {
      const volume = this.volumes.get(name);
      if (volume !== undefined) yield volume;
    }
  }

  isGivenTo(claim: string, volume: string): boolean {
    return this.#givenTo(claim).includes(volume);
  }

  #givenTo(claim: string): readonly string[] {
    const plans = [...(this.#holdersOf.get(claim) ?? [])].map((uid) => this.#plans.get(uid));
    return plans.flatMap((plan) => plan?.bindings.find((binding) => binding.claim === claim)?.volume ?? []);
  }

  /** The node for which a volume was decided here to be made. */
  plannedNodeOf(claim: string): string | undefined {
    for (const uid of this.#holdersOf.get(claim) ?? []) {
      const plan = this.#plans.get(uid);
      if (plan?.provisions.includes(claim) === true) return plan.nodeName;
    }
    return undefined;
  }

  putClaim(claim: PersistentVolumeClaim): void {
    const key = keyOf(claim);
    const before = this.claims.get(key);
    if (before !== undefined) drop(this.#claimsOf, before.spec.volumeName ?? '', key);
    this.claims.set(key, claim);
    put(this.#claimsOf, claim.spec.volumeName ?? '', key);
    this.#claimChanged(key);
  }

  removeClaim(claim: PersistentVolumeClaim): void {
    const key = keyOf(claim);
    this.claims.delete(key);
    drop(this.#claimsOf, claim.spec.volumeName ?? '', key);
    this.#claimChanged(key);
  }

  putVolume(volume: PersistentVolume): void {
    const { name = '' } = volume.metadata ?? {};
    const before = this.volumes.get(name);
    this.volumes.set(name, volume);
    this.#keep(before, volume);
    this.#pool(name);
    this.#volumeChanged(name);
  }

  removeVolume({ metadata: { name = '' } = {} }: PersistentVolume): void {
    const before = this.volumes.get(name);
    this.volumes.delete(name);
    this.#volumeChanged(name);
    this.#keep(before, undefined);
    this.#pool(name);
  }

  putClass(storageClass: StorageClass): void {
    this.classes.set(storageClass.metadata?.name ?? '', storageClass);
    this.#unboundChanged();
  }

  removeClass({ metadata }: StorageClass): void {
    this.classes.delete(metadata?.name ?? '');
    this.#unboundChanged();
  }

  putDriver(driver: CSIDriver): void {
    this.drivers.set(driver.metadata?.name ?? '', driver);
    this.#unboundChanged();
  }

  removeDriver({ metadata }: CSIDriver): void {
    this.drivers.delete(metadata?.name ?? '');
    this.#unboundChanged();
  }

  putNode(node: CSINode): void {
    this.attachments.putNode(node);
    this.#touchNode(node.metadata?.name ?? '');
  }

  removeNode({ metadata: { name = '' } = {} }: CSINode): void {
    this.attachments.removeNode(name);
    this.#touchNode(name);
  }

  putCapacity(capacity: CSIStorageCapacity): void {
    const before = this.#capacities.get(capacity.storageClassName)?.get(keyOf(capacity));
    let capacities = this.#capacities.get(capacity.storageClassName);
    if (capacities === undefined) this.#capacities.set(capacity.storageClassName, (capacities = new Map()));
    capacities.set(keyOf(capacity), capacity);
    if (before !== undefined) this.#touchTopology(before);
    this.#touchTopology(capacity);
  }

  removeCapacity(capacity: CSIStorageCapacity): void {
    this.#capacities.get(capacity.storageClassName)?.delete(keyOf(capacity));
    this.#touchTopology(capacity);
  }

  /**
   * True if the driver has said that it can make a volume of so many bytes that a node with `labels` reaches.
   * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding (hasEnoughCapacity).
   */
  hasCapacity(className: string, bytes: number, labels: Readonly<Record<string, string>>): boolean {
    for (const { capacity, maximumVolumeSize, nodeTopology } of this.#capacities.get(className)?.values() ?? []) {
      const limit = maximumVolumeSize ?? capacity;
      if (limit === undefined || toUnits(limit) < bytes || nodeTopology === undefined) continue;
      if (selectorOf(nodeTopology).matches(labels)) return true;
    }
    return false;
  }

  putAttachment(attachment: VolumeAttachment): void {
    if (this.attachments.put(attachment)) this.#attachmentChanged(attachment);
  }

  removeAttachment(attachment: VolumeAttachment): void {
    this.attachments.remove(attachment);
    this.#attachmentChanged(attachment);
  }

  /** `driver/handle` → driver of every CSI volume that takes one of the node's slots now. */
  attachedOn(row: number): ReadonlyMap<string, string> {
    const table = this.#table;
    if (table === undefined) return new Map();
    const nodeName = table.nameOf(row);
    const use = table.useVersion[row] ?? 0;
    const known = this.#attached.get(row);
    if (known !== undefined && known.nodeName === nodeName && known.use === use) return known.volumes;
    const volumes = new Map<string, string>();
    for (const volume of this.attachments.on(nodeName)) {
      const csi = this.volumes.get(volume)?.spec.csi;
      if (csi !== undefined) volumes.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    }
    for (const { uid, counts } of table.occupantsAt(row)) {
      for (const { key } of counts ? (this.#usesOf.get(uid) ?? []) : []) {
        const attached = this.attachmentOf(key);
        if (attached !== undefined) volumes.set(attached.unique, attached.driver);
      }
    }
    this.#attached.set(row, { nodeName, use, volumes });
    return volumes;
  }

  /** What a claim attaches: its CSI volume, or the one that will be made for it. */
  attachmentOf(claim: string): { readonly driver: string; readonly unique: string } | undefined {
    const object = this.claims.get(claim);
    if (object === undefined) return undefined;
    const name = object.spec.volumeName ?? '';
    const volume = name === '' ? undefined : this.volumes.get(name);
    if (volume !== undefined) {
      const { csi } = volume.spec;
      return csi === undefined ? undefined : { driver: csi.driver, unique: `${csi.driver}/${csi.volumeHandle}` };
    }
    const driver = this.classes.get(classOfClaim(object))?.provisioner;
    return driver === undefined ? undefined : { driver, unique: `claim ${claim}` };
  }

  /** Whether any pod on a node, or on its way to one, uses the claim, but for those suspended. */
  isInUse(claim: string): boolean {
    for (const uid of this.usersOf(claim)) if (this.#table?.occupant(uid)?.counts === true) return true;
    return false;
  }

  /** Decides about the claims of a pod that was just placed on `row`; undone when its room is given back. */
  assume(pod: Pod, row: number): void {
    const view = this.#view?.at(row);
    const uses = claimUsesOf(pod);
    const unbound = uses.length === 0 ? [] : readUnbound(uses, this);
    if (view === undefined || unbound.length === 0) return;
    const { name = '', uid = '' } = pod.metadata ?? {};
    const match = matchUnbound(
      unbound.map(({ claim }) => prepareUnbound(claim)),
      view,
      this,
    );
    if ('reason' in match) throw new Error(`pod "${name}" was placed on ${view.name} but ${match.reason}`);
    const bindings: { claim: string; volume: string }[] = [];
    const provisions: string[] = [];
    for (const [index, { key }] of unbound.entries()) {
      const volume = match.volumes[index];
      if (volume === undefined) provisions.push(key);
      else bindings.push({ claim: key, volume });
      put(this.#holdersOf, key, uid);
      if (volume !== undefined) put(this.#taken, volume, uid);
    }
    this.#plans.set(uid, { nodeName: view.name, bindings, provisions });
    for (const { volume } of bindings) this.#pool(volume);
    for (const { key } of unbound) this.#claimChanged(key, uid);
  }

  /** What must be written before the pod is bound; undefined if nothing. */
  planOf(uid: string): VolumePlan | undefined {
    return this.#plans.get(uid);
  }

  /** What was decided about the pod's claims counts no more: it was brought about, or will not be. */
  release(uid: string): void {
    const plan = this.#plans.get(uid);
    if (plan === undefined) return;
    this.#plans.delete(uid);
    for (const { claim, volume } of plan.bindings) {
      drop(this.#holdersOf, claim, uid);
      drop(this.#taken, volume, uid);
      this.#pool(volume);
    }
    for (const claim of plan.provisions) drop(this.#holdersOf, claim, uid);
    for (const claim of [...plan.bindings.map((binding) => binding.claim), ...plan.provisions]) {
      this.#claimChanged(claim);
    }
  }

  #follow(uid: string, uses: readonly ClaimUse[]): void {
    if (this.#usesOf.has(uid)) return;
    this.#usesOf.set(uid, uses);
    for (const { key } of uses) {
      let users = this.#usersOf.get(key);
      if (users === undefined) this.#usersOf.set(key, (users = new Set()));
      users.add(uid);
      if (users.size === 2) this.#claimChanged(key, uid);
    }
  }

  /** Puts a volume into its pool or takes it out, as it is now, and has nodes looked at again that this concerns. */
  #pool(name: string): void {
    const volume = this.volumes.get(name);
    const available =
      volume !== undefined &&
      volume.status?.phase === 'Available' &&
      volume.spec.claimRef === undefined &&
      volume.metadata?.deletionTimestamp === undefined &&
      !this.#taken.has(name);
    if (available && this.pools.has(name, volume)) return;
    const left = this.pools.delete(name);
    if (left !== undefined) this.#poolChanged(left, left.names.length, false);
    if (!available) return;
    const pool = this.pools.add(name, volume);
    this.#poolChanged(pool, pool.names.length - 1, true);
  }

  /** It makes no difference whether a pool has as many volumes as a pod may want, or more. */
  #poolChanged(pool: Pool, least: number, eased: boolean): void {
    const atOnce = this.#claimsAtOnce.get(pool.className) ?? 0;
    if (least >= atOnce) return;
    const { hosts } = pool;
    this.#touchRows((view) => pool.reaches(view), eased, hosts);
  }

  #touchTopology({ nodeTopology }: CSIStorageCapacity): void {
    const table = this.#table;
    if (table === undefined || nodeTopology === undefined || this.#claimsAtOnce.size === 0) return;
    const selector = selectorOf(nodeTopology);
    this.#touchRows(({ row }) => selector.matches(table.nodeAt(row)?.metadata?.labels), true);
  }

  #touchRows(matches: (view: NodeView) => boolean, eased: boolean, hosts?: readonly string[]): void {
    const table = this.#table;
    const view = this.#view;
    if (table === undefined || view === undefined) return;
    const column = hosts === undefined ? undefined : table.labels.column(hostKey);
    if (hosts !== undefined && column === undefined) return;
    const ids = hosts?.map((host) => column?.ids.get(host));
    for (let row = 0; row < table.rowEnd; row++) {
      if (ids !== undefined && !ids.includes(column?.rows[row])) continue;
      if (table.present[row] === 1 && matches(view.at(row))) table.touch(row, eased);
    }
  }

  #touchNode(name: string): void {
    const row = this.#table?.rowOf(name) ?? -1;
    this.#attached.delete(row);
    if (row >= 0) this.#table?.touch(row, true);
  }

  #attachmentChanged({ spec: { nodeName, source } }: VolumeAttachment): void {
    this.#touchNode(nodeName);
    for (const claim of this.#claimsOf.get(source.persistentVolumeName ?? '') ?? []) this.#claimChanged(claim);
  }

  #keep(before: PersistentVolume | undefined, after: PersistentVolume | undefined): void {
    const name = (after ?? before)?.metadata?.name ?? '';
    const [old, kept] = [claimKeyOf(before), claimKeyOf(after)];
    if (old === kept) return;
    if (old !== undefined) {
      drop(this.#keptFor, old, name);
      this.#claimChanged(old);
    }
    if (kept !== undefined) put(this.#keptFor, kept, name);
  }

  #volumeChanged(name: string): void {
    const kept = claimKeyOf(this.volumes.get(name));
    const claims = new Set(this.#claimsOf.get(name));
    if (kept !== undefined) claims.add(kept);
    for (const uid of this.#taken.get(name) ?? []) {
      for (const { claim } of this.#plans.get(uid)?.bindings ?? []) claims.add(claim);
    }
    for (const claim of claims) this.#claimChanged(claim);
    for (const listener of this.#listeners) listener();
  }

  /** Everybody who uses the claim, but for one, may ask something else now, or take other slots where it is. */
  #claimChanged(claim: string, but?: string): void {
    for (const uid of this.usersOf(claim)) {
      if (uid !== but) this.#changed.add(uid);
      const occupant: Occupant | undefined = this.#table?.occupant(uid);
      if (occupant === undefined || uid === but) continue;
      this.#attached.delete(occupant.row);
      this.#table?.touch(occupant.row, true);
    }
    for (const listener of this.#listeners) listener();
  }

  #unboundChanged(): void {
    for (const [key, claim] of this.claims) if (!isFullyBound(claim)) this.#claimChanged(key);
  }
}

const nobody: ReadonlySet<string> = new Set();

function keyOf({ metadata }: PersistentVolumeClaim | CSIStorageCapacity): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

function claimKeyOf(volume: PersistentVolume | undefined): string | undefined {
  const claim = volume?.spec.claimRef;
  return claim === undefined ? undefined : `${claim.namespace ?? ''}/${claim.name ?? ''}`;
}

function put(map: Map<string, Set<string>>, key: string, value: string): void {
  if (key === '') return;
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function drop(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
