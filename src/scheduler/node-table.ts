import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { parseTimestamp } from '#machinery/timestamp.ts';
import { AffinePods } from './affine-pods.ts';
import { ChangeLog, changed } from './change-log.ts';
import { demandOf, type HostPort } from './demand.ts';
import { hash32 } from './hash.ts';
import { Interner } from './interner.ts';
import { LabelColumns } from './label-columns.ts';
import { NamespaceLabels } from './namespace-labels.ts';
import { NodeImages } from './node-images.ts';
import { PortUse } from './port-use.ts';
import { amountOf, type Amounts } from './requests.ts';
import { placedSignature, type Signature, type Signatures } from './signature.ts';
import { TaintLists, type Taint } from './taints.ts';
import type { VolumeBook } from './volumes/volume-book.ts';

/** Numbers of the resources every node has; extended resources follow as they are first seen. */
export const resource = { cpu: 0, memory: 1, ephemeralStorage: 2, pods: 3 } as const;

/** Requests as parallel lists of resource numbers and amounts, one pod slot included. */
export interface RequestVector {
  readonly resources: readonly number[];
  readonly amounts: readonly number[];
}

/**
 * Something that takes room on a node: a pod that the API server knows as bound, one that this scheduler has placed
 * and the API server has yet to confirm (`assumed`), one that waits there for others to leave (`nominated`; see
 * `Nominations`), or room set aside for somebody who has yet to send pods (`reserved`: what a Mesos offer is).
 */
export interface Occupant {
  readonly uid: string;
  readonly state: 'bound' | 'assumed' | 'nominated' | 'reserved';
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly signature: Signature;
  readonly priority: number;
  /** True once its deletion has been asked for, or decided here: it still takes room. */
  readonly terminating: boolean;
  /** When its node took it up, in milliseconds since the epoch; Infinity as long as it has not. */
  readonly startedAt: number;
  readonly row: number;
  /** When an assumption lapses, in milliseconds since the epoch; Infinity for never. */
  readonly expiresAt: number;
  /** False while it is suspended: it takes no room then. */
  readonly counts: boolean;
  /** Nobody of this priority or below can have it leave: it is placed into a reservation of that priority. */
  readonly guard: number;
}

/** Amounts by resource name, `pods` for slots, and ports of the host. */
export interface Room {
  readonly amounts: Amounts;
  readonly hostPorts: readonly HostPort[];
}

/** Under what room is set aside, and from which priority on pods may have it. */
export type Reserved = Pick<Occupant, 'uid' | 'namespace' | 'name' | 'priority'>;

/** Told of every occupant that comes (1) and goes (-1); one whose labels change goes and comes. */
export type OccupantListener = (occupant: Occupant, by: 1 | -1) => void;

interface MutableOccupant extends Occupant {
  state: Occupant['state'];
  signature: Signature;
  labels: Readonly<Record<string, string>>;
  terminating: boolean;
  /** True once it was decided here that it must go, until the API says so or refuses. */
  doomed: boolean;
  startedAt: number;
  row: number;
  /** Position among the row's occupants. */
  slot: number;
  expiresAt: number;
  counts: boolean;
  guard: number;
}

const noLabels: Readonly<Record<string, string>> = {};
const firstRows = 64;

/**
 * What the scheduler knows of all nodes, in columns: one typed array a resource, label key and flag, a row a node.
 * It is kept current by node and pod events, by assumptions and by reservations; `log` tells readers which rows
 * changed, so that nothing ever walks all nodes for one pod.
 *
 * A row exists as long as its node or any occupant does: pods may be seen before their node, or outlive it.
 * Amounts are cpu in thousandths and everything else in units, as doubles: exact to 2^53 (9 PB).
 */
export class NodeTable {
  readonly resources = new Interner(['cpu', 'memory', 'ephemeral-storage', 'pods']);
  readonly log = new ChangeLog();
  readonly ports = new PortUse();
  readonly taintLists = new TaintLists();
  readonly labels: LabelColumns;
  readonly images: NodeImages;
  readonly namespaces = new NamespaceLabels();
  /** What pods with a place want of others. */
  readonly affine: AffinePods;
  readonly volumes: VolumeBook;
  /** Rises whenever a node comes, goes or changes in itself: domains may be others then. */
  nodeGeneration = 0;
  /** Rises whenever row numbers or value numbers mean something else; whatever is derived from them must be made anew. */
  epoch = 0;

  /** By resource number, then row. Live: read only. */
  readonly allocatable: Float64Array[] = [];
  readonly used: Float64Array[] = [];
  /** Use with nominal amounts for containers that request nothing: what scoring looks at. */
  nominalCpu = new Float64Array(firstRows);
  nominalMemory = new Float64Array(firstRows);
  /** 1 where the row is a node that exists. */
  present = new Uint8Array(firstRows);
  unschedulable = new Uint8Array(firstRows);
  taintList = new Int32Array(firstRows);
  /** By row: rises whenever the node changes, and whenever what runs there does, for a moment or for good. */
  nodeVersion = new Uint32Array(firstRows);
  useVersion = new Uint32Array(firstRows);
  /** Breaks ties between equally good nodes: lower first. */
  tie = new Uint32Array(firstRows);

  readonly #names: string[] = [];
  readonly #rowOf = new Map<string, number>();
  readonly #nodes: (Node | undefined)[] = [];
  readonly #freeRows: number[] = [];
  readonly #occupants: MutableOccupant[][] = [];
  readonly #byUid = new Map<string, MutableOccupant>();
  readonly #byNamespace = new Map<string, Set<MutableOccupant>>();
  readonly #listeners = new Set<OccupantListener>();
  readonly #listenersIn = new Map<string, Set<OccupantListener>>();
  /** Occupants that may lapse. */
  readonly #lapsing = new Set<MutableOccupant>();
  /** Pods with a node, by priority. */
  readonly #priorities = new Map<number, number>();
  readonly #vectors = new WeakMap<Signature, RequestVector>();
  readonly #signatures: Signatures;
  readonly #seed: number;
  #size = firstRows;
  #nodeCount = 0;

  constructor(signatures: Signatures, options: { seed?: number } = {}) {
    this.#signatures = signatures;
    this.#seed = options.seed ?? 0;
    this.labels = new LabelColumns(firstRows, () => this.epoch++);
    this.images = new NodeImages(() => this.epoch++);
    this.affine = new AffinePods(this.namespaces, () => this.epoch++);
    this.volumes = signatures.volumes;
    this.volumes.attach(this);
    for (let id = 0; id < this.resources.size; id++) this.#addResource();
  }

  /** One more than the highest row in use. Rows below it may be empty: check `present`. */
  get rowEnd(): number {
    return this.#names.length;
  }

  get nodeCount(): number {
    return this.#nodeCount;
  }

  get occupantCount(): number {
    return this.#byUid.size;
  }

  /** The row of a node by name, or -1. */
  rowOf(name: string): number {
    const row = this.#rowOf.get(name) ?? -1;
    return row >= 0 && this.present[row] === 1 ? row : -1;
  }

  nameOf(row: number): string {
    return this.#names[row] ?? '';
  }

  nodeAt(row: number): Node | undefined {
    return this.#nodes[row];
  }

  taintsAt(row: number): readonly Taint[] {
    return this.taintLists.list(this.taintList[row] ?? 0);
  }

  occupantsAt(row: number): readonly Occupant[] {
    return this.#occupants[row] ?? [];
  }

  occupant(uid: string): Occupant | undefined {
    return this.#byUid.get(uid);
  }

  /** The lowest priority of a pod that has a node; Infinity if there is none. */
  get lowestPriority(): number {
    let lowest = Infinity;
    for (const priority of this.#priorities.keys()) lowest = Math.min(lowest, priority);
    return lowest;
  }

  /** Tells of all occupants, or of those of one namespace. */
  onOccupant(listener: OccupantListener, namespace?: string): Disposable {
    let listeners = namespace === undefined ? this.#listeners : this.#listenersIn.get(namespace);
    if (listeners === undefined) this.#listenersIn.set(namespace ?? '', (listeners = new Set()));
    listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0 && namespace !== undefined && this.#listenersIn.get(namespace) === listeners)
          this.#listenersIn.delete(namespace);
      },
    };
  }

  /** All occupants, or those of one namespace. */
  occupants(namespace?: string): Iterable<Occupant> {
    return namespace === undefined ? this.#byUid.values() : (this.#byNamespace.get(namespace) ?? []);
  }

  /** Adds a node or takes over its new state. */
  setNode(node: Node): void {
    const name = node.metadata?.name ?? '';
    const row = this.#row(name);
    const previous = this.#nodes[row];
    const appears = this.present[row] === 0;
    let differs = appears;
    if (appears) {
      this.present[row] = 1;
      this.#nodeCount++;
    }
    this.#nodes[row] = node;
    differs =
      this.labels.set(row, previous?.metadata?.labels ?? noLabels, node.metadata?.labels ?? noLabels) || differs;
    const unschedulable = node.spec?.unschedulable === true ? 1 : 0;
    const taintList = this.taintLists.id(node.spec?.taints ?? []);
    differs ||= this.unschedulable[row] !== unschedulable || this.taintList[row] !== taintList;
    this.unschedulable[row] = unschedulable;
    this.taintList[row] = taintList;
    differs = this.#setAllocatable(row, node.status?.allocatable ?? node.status?.capacity ?? {}) || differs;
    // Images make a node better or worse; they let nobody in.
    const pulled = this.images.set(row, previous?.status?.images, node.status?.images);
    if (!differs && !pulled) return;
    this.nodeGeneration++;
    if (differs) this.#raise(this.nodeVersion, row);
    this.log.add(row, differs ? changed.node | changed.eased : changed.node);
  }

  /** Takes a node out. Its pods keep counting on the row until they go, in case it comes back. */
  removeNode(name: string): void {
    const row = this.#rowOf.get(name);
    if (row === undefined || this.present[row] === 0) return;
    this.present[row] = 0;
    this.#nodeCount--;
    this.labels.set(row, this.#nodes[row]?.metadata?.labels ?? noLabels, noLabels);
    this.images.set(row, this.#nodes[row]?.status?.images);
    this.#nodes[row] = undefined;
    this.#setAllocatable(row, {});
    this.unschedulable[row] = 0;
    this.taintList[row] = 0;
    this.nodeGeneration++;
    this.#raise(this.nodeVersion, row);
    this.log.add(row, changed.node);
    this.#releaseRow(row);
  }

  /** Takes over the labels of a namespace (undefined: it is gone). True if pods that fitted nowhere may fit now. */
  setNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): boolean {
    const matters = labels === undefined ? this.namespaces.remove(name) : this.namespaces.set(name, labels);
    if (matters) this.epoch++; // whoever was counted by that namespace must be counted anew
    return matters;
  }

  /**
   * Takes over what the API server says of a bound pod: adds it, confirms it if it was assumed, moves it if it was
   * assumed elsewhere, or changes its requests. A pod without a node or one that has ended takes no room.
   */
  setPod(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const nodeName = pod.spec?.nodeName ?? '';
    const phase = pod.status?.phase;
    const known = this.#byUid.get(uid);
    if (phase === 'Succeeded' || phase === 'Failed') return this.removePod(uid);
    if (nodeName === '') {
      if (known?.state === 'bound') this.removePod(uid);
      return;
    }
    const signature = this.#signatures.of(pod);
    const isThere = known !== undefined && known.state !== 'nominated' && this.#names[known.row] === nodeName;
    if (isThere && known.signature === signature) {
      known.state = 'bound';
      this.volumes.release(uid);
      this.#setExpiry(known, Infinity);
      const terminating = known.doomed || pod.metadata?.deletionTimestamp !== undefined;
      this.#relabel(known, pod.metadata?.labels ?? noLabels, terminating, startOf(pod));
      return;
    }
    if (known !== undefined) this.removePod(uid);
    const bound = occupantOf(pod, signature, 'bound', this.#row(nodeName), Infinity);
    if (isThere) bound.guard = known.guard;
    this.#add(bound);
    if (known?.doomed === true) this.doom(uid);
  }

  /** Counts a pod as leaving, although the API has yet to hear of it; `spare()` takes that back. */
  doom(uid: string): void {
    const occupant = this.#byUid.get(uid);
    if (occupant === undefined) return;
    occupant.doomed = true;
    this.#relabel(occupant, occupant.labels, true, occupant.startedAt);
  }

  /** The pod stays: what was to end it has failed. */
  spare(uid: string): void {
    const occupant = this.#byUid.get(uid);
    if (occupant?.doomed !== true) return;
    occupant.doomed = false;
    this.#relabel(occupant, occupant.labels, false, occupant.startedAt);
  }

  /** Sets `guard`; -Infinity for none. */
  guard(uid: string, priority: number): void {
    const occupant = this.#byUid.get(uid);
    if (occupant === undefined || occupant.guard === priority) return;
    occupant.guard = priority;
    this.log.add(occupant.row, changed.use | changed.eased);
  }

  /** Keeps room for a pod that waits on `row` until others have left. */
  nominate(pod: Pod, signature: Signature, row: number): void {
    this.#add(occupantOf(pod, signature, 'nominated', row, Infinity));
  }

  /**
   * Counts an occupant as gone while something is tried out, or while it does not concern those who are placed. Only
   * those who count along are told: where that lasts, `touch()` must follow, and `resume()` in any case.
   */
  suspend(occupant: Occupant): void {
    const known = this.#byUid.get(occupant.uid);
    if (known?.counts !== true) return;
    known.counts = false;
    this.#account(known, -1);
    this.#inform(known, -1);
  }

  resume(occupant: Occupant): void {
    const known = this.#byUid.get(occupant.uid);
    if (known?.counts !== false) return;
    known.counts = true;
    this.#account(known, 1);
    this.#inform(known, 1);
  }

  /** Has a row looked at again; by those who wait, too, if it is eased. */
  touch(row: number, eased = false): void {
    this.log.add(row, eased ? changed.use | changed.eased : changed.use);
  }

  /** Forgets whatever takes room under `uid`: a pod that is gone, an assumption that failed, a reservation given back. */
  removePod(uid: string): void {
    const occupant = this.#byUid.get(uid);
    if (occupant === undefined) return;
    this.resume(occupant);
    this.#byUid.delete(uid);
    const fellows = this.#byNamespace.get(occupant.namespace);
    fellows?.delete(occupant);
    if (fellows?.size === 0) this.#byNamespace.delete(occupant.namespace);
    this.#lapsing.delete(occupant);
    const { row } = occupant;
    const there = this.#occupants[row] ?? [];
    const last = there.pop();
    if (last !== undefined && last !== occupant) {
      there[occupant.slot] = last;
      last.slot = occupant.slot;
    }
    this.#account(occupant, -1);
    this.#tell(occupant, -1);
    this.#countPriority(occupant, -1);
    this.log.add(row, changed.use | changed.eased);
    this.#releaseRow(row);
  }

  /**
   * Takes room for a pod that was just placed on `row`, before the API server knows. It stays until the pod is seen
   * bound (`setPod`), is forgotten (`removePod`) or its time is over (`lapsed`).
   */
  assume(pod: Pod, signature: Signature, row: number, expiresAt = Infinity): void {
    this.removePod(pod.metadata?.uid ?? '');
    this.#add(occupantOf(pod, signature, 'assumed', row, expiresAt));
  }

  /** Starts the time within which an assumed pod must be seen bound; nothing if it already was. */
  expireAt(uid: string, at: number): void {
    const occupant = this.#byUid.get(uid);
    if (occupant !== undefined && occupant.state !== 'bound') this.#setExpiry(occupant, at);
  }

  /**
   * Sets room aside on a node for whoever has yet to send pods, whether there is any or not, instead of what was set
   * aside under that uid before; `removePod(uid)` gives it back.
   */
  reserve({ uid, namespace, name, priority }: Reserved, nodeName: string, room: Room): void {
    this.removePod(uid);
    const state = {
      state: 'reserved',
      labels: noLabels,
      terminating: false,
      doomed: false,
      counts: true,
      guard: -Infinity,
    } as const;
    const times = { startedAt: Infinity, expiresAt: Infinity };
    const place = { row: this.#row(nodeName), slot: 0 };
    this.#add({ uid, namespace, name, priority, signature: signatureOf(room), ...state, ...times, ...place });
  }

  /** Assumptions whose time is over at `now`. The caller finds out what became of them, and prolongs or drops them. */
  lapsed(now: number): readonly Occupant[] {
    return this.#lapsing.size === 0 ? [] : [...this.#lapsing].filter(({ expiresAt }) => expiresAt <= now);
  }

  /** Room left of resource number `id`; negative where a node is overcommitted. */
  free(id: number, row: number): number {
    return (this.allocatable[id]?.[row] ?? 0) - (this.used[id]?.[row] ?? 0);
  }

  /** By row: use of cpu or memory with nominal amounts for containers without requests; plain use of others. */
  nominalUse(id: number): Float64Array {
    if (id === resource.cpu) return this.nominalCpu;
    if (id === resource.memory) return this.nominalMemory;
    return this.used[id]!; // every resource has its column
  }

  vectorOf(signature: Signature): RequestVector {
    let vector = this.#vectors.get(signature);
    if (vector === undefined) {
      const resources: number[] = [resource.pods];
      const amounts: number[] = [signature.demand.requests.get('pods') ?? 1];
      for (const [name, amount] of signature.demand.requests) {
        if (amount <= 0 || name === 'pods') continue;
        resources.push(this.resourceId(name));
        amounts.push(amount);
      }
      vector = { resources, amounts };
      this.#vectors.set(signature, vector);
    }
    return vector;
  }

  resourceId(name: string): number {
    const id = this.resources.id(name);
    while (this.used.length <= id) this.#addResource();
    return id;
  }

  #add(occupant: MutableOccupant): void {
    const { row } = occupant;
    const there = this.#occupants[row] ?? (this.#occupants[row] = []);
    occupant.slot = there.length;
    there.push(occupant);
    this.#byUid.set(occupant.uid, occupant);
    let fellows = this.#byNamespace.get(occupant.namespace);
    if (fellows === undefined) this.#byNamespace.set(occupant.namespace, (fellows = new Set()));
    fellows.add(occupant);
    if (occupant.expiresAt !== Infinity) this.#lapsing.add(occupant);
    this.#account(occupant, 1);
    this.#tell(occupant, 1);
    this.#countPriority(occupant, 1);
    this.log.add(row, changed.use);
  }

  #countPriority({ state, priority }: Occupant, by: 1 | -1): void {
    if (state === 'nominated' || state === 'reserved') return;
    const count = (this.#priorities.get(priority) ?? 0) + by;
    if (count === 0) this.#priorities.delete(priority);
    else this.#priorities.set(priority, count);
  }

  #tell(occupant: Occupant, by: 1 | -1): void {
    this.affine.count(occupant.signature, by);
    this.#inform(occupant, by);
  }

  #inform(occupant: Occupant, by: 1 | -1): void {
    for (const listener of this.#listeners) listener(occupant, by);
    const listeners = this.#listenersIn.get(occupant.namespace);
    if (listeners !== undefined) for (const listener of listeners) listener(occupant, by);
  }

  #relabel(
    occupant: MutableOccupant,
    labels: Readonly<Record<string, string>>,
    terminating: boolean,
    startedAt: number,
  ): void {
    if (occupant.startedAt !== startedAt) {
      occupant.startedAt = startedAt;
      this.log.add(occupant.row, changed.use);
    }
    const before = occupant.labels;
    const same = before === labels || JSON.stringify(before) === JSON.stringify(labels);
    if (same && occupant.terminating === terminating) return;
    this.#tell(occupant, -1);
    occupant.labels = labels;
    occupant.terminating = terminating;
    this.#tell(occupant, 1);
    this.#raise(this.useVersion, occupant.row);
    this.log.add(occupant.row, changed.use | changed.eased);
  }

  #raise(versions: Uint32Array, row: number): void {
    versions[row] = (versions[row] ?? 0) + 1;
  }

  #account({ signature, row }: Occupant, sign: 1 | -1): void {
    this.#raise(this.useVersion, row);
    const { resources, amounts } = this.vectorOf(signature);
    for (let index = 0; index < resources.length; index++) {
      const column = this.used[resources[index] ?? 0];
      if (column !== undefined) column[row] = (column[row] ?? 0) + sign * (amounts[index] ?? 0);
    }
    const { nominalCpuMilli, nominalMemoryBytes, hostPorts } = signature.demand;
    this.nominalCpu[row] = (this.nominalCpu[row] ?? 0) + sign * nominalCpuMilli;
    this.nominalMemory[row] = (this.nominalMemory[row] ?? 0) + sign * nominalMemoryBytes;
    if (sign === 1) this.ports.add(row, hostPorts);
    else this.ports.remove(row, hostPorts);
  }

  #setExpiry(occupant: MutableOccupant, at: number): void {
    occupant.expiresAt = at;
    if (at === Infinity) this.#lapsing.delete(occupant);
    else this.#lapsing.add(occupant);
  }

  #setAllocatable(row: number, amounts: Readonly<Record<string, string | number>>): boolean {
    let differs = false;
    for (const name in amounts) this.resourceId(name);
    for (let id = 0; id < this.allocatable.length; id++) {
      const name = this.resources.name(id);
      const amount = amountOf(name, amounts[name] ?? 0);
      const column = this.allocatable[id];
      if (column === undefined || column[row] === amount) continue;
      column[row] = amount;
      differs = true;
    }
    return differs;
  }

  #addResource(): void {
    this.allocatable.push(new Float64Array(this.#size));
    this.used.push(new Float64Array(this.#size));
  }

  #row(name: string): number {
    let row = this.#rowOf.get(name);
    if (row !== undefined) return row;
    row = this.#freeRows.pop() ?? this.#names.length;
    if (row >= this.#size) this.#grow();
    this.#names[row] = name;
    this.#rowOf.set(name, row);
    this.tie[row] = hash32(this.#seed, name);
    return row;
  }

  #releaseRow(row: number): void {
    if (this.present[row] === 1 || (this.#occupants[row]?.length ?? 0) > 0) return;
    const name = this.#names[row] ?? '';
    if (this.#rowOf.get(name) !== row) return;
    this.#rowOf.delete(name);
    this.#names[row] = '';
    this.#freeRows.push(row);
    // Sums of doubles are exact here (integers), but an empty row starts from zero in any case.
    for (const column of this.used) column[row] = 0;
    this.nominalCpu[row] = 0;
    this.nominalMemory[row] = 0;
  }

  #grow(): void {
    this.#size *= 2;
    const size = this.#size;
    for (const columns of [this.allocatable, this.used]) {
      for (const [id, column] of columns.entries()) columns[id] = widen(new Float64Array(size), column);
    }
    this.nominalCpu = widen(new Float64Array(size), this.nominalCpu);
    this.nominalMemory = widen(new Float64Array(size), this.nominalMemory);
    this.present = widen(new Uint8Array(size), this.present);
    this.unschedulable = widen(new Uint8Array(size), this.unschedulable);
    this.taintList = widen(new Int32Array(size), this.taintList);
    this.nodeVersion = widen(new Uint32Array(size), this.nodeVersion);
    this.useVersion = widen(new Uint32Array(size), this.useVersion);
    this.tie = widen(new Uint32Array(size), this.tie);
    this.labels.grow(size);
    this.epoch++;
  }
}

function widen<T extends Float64Array | Int32Array | Uint32Array | Uint8Array>(wide: T, column: T): T {
  wide.set(column);
  return wide;
}

function occupantOf(
  pod: Pod,
  signature: Signature,
  state: Occupant['state'],
  row: number,
  expiresAt: number,
): MutableOccupant {
  const { uid = '', namespace = '', name = '', labels = noLabels } = pod.metadata ?? {};
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const priority = pod.spec?.priority ?? 0;
  const startedAt = startOf(pod);
  const place = { row, slot: 0, expiresAt, counts: true, guard: -Infinity };
  return {
    uid,
    state,
    namespace,
    name,
    labels,
    signature: signature.placed,
    priority,
    terminating,
    doomed: false,
    startedAt,
    ...place,
  };
}

const noDemand = demandOf({ spec: { containers: [] } });

/** What a reservation takes counts like a pod that asks for all of it. */
function signatureOf({ amounts, hostPorts }: Room): Signature {
  const requests = new Map([['pods', 0], ...amounts]);
  const nominal = { nominalCpuMilli: amounts.get('cpu') ?? 0, nominalMemoryBytes: amounts.get('memory') ?? 0 };
  return placedSignature(0, '', { ...noDemand, requests, hostPorts, ...nominal });
}

function startOf({ status }: Pod): number {
  return status?.startTime === undefined ? Infinity : (parseTimestamp(status.startTime)?.seconds ?? Infinity) * 1000;
}
