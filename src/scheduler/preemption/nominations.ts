import type { Pod } from '#api/core/pod.ts';
import type { NodeTable } from '../node-table.ts';
import type { Signature } from '../signature.ts';

/** A pod that waits for room on one node: what ran there has been asked to leave. */
export interface Nomination {
  readonly uid: string;
  readonly pod: Pod;
  readonly signature: Signature;
  readonly priority: number;
  readonly nodeName: string;
  /** False until the API server is seen to know of it: until then its older word counts for nothing. */
  readonly confirmed: boolean;
}

/**
 * Which pods are nominated to which nodes (`status.nominatedNodeName`). A nominated pod takes room in the table, so
 * that nobody of lower priority gets what was freed for it; for whoever outranks it, and for itself, it is not there.
 * Its room stands in others' way and helps nobody: no affinity is satisfied by a pod that has yet to come.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/runtime (RunFilterPluginsWithNominatedPods).
 */
export class Nominations {
  readonly #table: NodeTable;
  readonly #byUid = new Map<string, Nomination>();
  readonly #byNode = new Map<string, Set<Nomination>>();
  readonly #byPriority = new Map<number, Set<Nomination>>();
  /** Nominations below this priority are disregarded now, and that of `#own`. */
  #level = -Infinity;
  #own: string | undefined;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  get(uid: string): Nomination | undefined {
    return this.#byUid.get(uid);
  }

  on(nodeName: string): readonly Nomination[] {
    return [...(this.#byNode.get(nodeName) ?? [])];
  }

  /** Nominates a pod, instead of wherever it was nominated before. Nothing happens for a pod that has a place. */
  set(pod: Pod, signature: Signature, nodeName: string, confirmed = false): void {
    const { uid = '' } = pod.metadata ?? {};
    const state = this.#table.occupant(uid)?.state;
    if (state !== undefined && state !== 'nominated') return;
    this.delete(uid);
    const priority = pod.spec?.priority ?? 0;
    const nomination = { uid, pod, signature, priority, nodeName, confirmed };
    this.#byUid.set(uid, nomination);
    put(this.#byNode, nodeName, nomination);
    put(this.#byPriority, priority, nomination);
    this.#takeRoom(nomination);
  }

  /** The pod is nominated no more: it is placed or gone, or must look elsewhere. */
  delete(uid: string): void {
    const nomination = this.#byUid.get(uid);
    if (nomination === undefined) return;
    this.#byUid.delete(uid);
    drop(this.#byNode, nomination.nodeName, nomination);
    drop(this.#byPriority, nomination.priority, nomination);
    if (this.#own === uid) this.#own = undefined;
    if (this.#table.occupant(uid)?.state === 'nominated') this.#table.removePod(uid);
  }

  /** Takes over what the API server says of a pod without a node. What was decided here meanwhile goes before. */
  follow(pod: Pod, signature: Signature): void {
    const { uid = '' } = pod.metadata ?? {};
    const nodeName = pod.status?.nominatedNodeName ?? '';
    const known = this.#byUid.get(uid);
    if (known !== undefined && nodeName === known.nodeName) {
      const same = known.signature === signature && known.priority === (pod.spec?.priority ?? 0);
      if (!known.confirmed || !same) this.set(pod, signature, nodeName, true);
    } else if (known === undefined || known.confirmed) {
      if (nodeName === '') this.delete(uid);
      else this.set(pod, signature, nodeName, true);
    }
  }

  /** A node has come: whoever is nominated to it takes room on it from now on. */
  nodeCame(nodeName: string): void {
    for (const nomination of this.#byNode.get(nodeName) ?? []) this.#takeRoom(nomination);
  }

  /** A node has gone; the pods that were nominated to it are so no more. */
  nodeWent(nodeName: string): readonly Nomination[] {
    const lost = this.on(nodeName);
    for (const { uid } of lost) this.delete(uid);
    return lost;
  }

  /**
   * Has the table count as for a pod of `priority`: with nominations of that priority and above, but for that of the
   * pod `uid` itself.
   */
  regard(priority: number, uid?: string): void {
    if (this.#own !== undefined && this.#own !== uid) {
      const before = this.#byUid.get(this.#own);
      this.#own = undefined;
      if (before !== undefined) this.#recount(before);
    }
    if (priority !== this.#level) {
      const [from, to] = [Math.min(priority, this.#level), Math.max(priority, this.#level)];
      this.#level = priority;
      for (const [each, nominations] of this.#byPriority) {
        if (each < from || each >= to) continue;
        for (const nomination of nominations) this.#recount(nomination);
      }
    }
    if (uid === undefined || this.#own === uid) return;
    const own = this.#byUid.get(uid);
    if (own === undefined) return;
    this.#own = uid;
    this.#recount(own);
  }

  /** Counts the pod again that was last regarded itself. */
  regardAgain(): void {
    this.regard(this.#level);
  }

  #takeRoom(nomination: Nomination): void {
    const row = this.#table.rowOf(nomination.nodeName);
    if (row < 0 || this.#table.occupant(nomination.uid) !== undefined) return;
    this.#table.nominate(nomination.pod, nomination.signature, row);
    this.#recount(nomination);
  }

  #recount({ uid, priority }: Nomination): void {
    const occupant = this.#table.occupant(uid);
    if (occupant?.state !== 'nominated') return;
    const counts = priority >= this.#level && uid !== this.#own;
    if (counts === occupant.counts) return;
    if (counts) this.#table.resume(occupant);
    else this.#table.suspend(occupant);
    this.#table.touch(occupant.row);
  }
}

function put<K>(map: Map<K, Set<Nomination>>, key: K, nomination: Nomination): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([nomination]));
  else set.add(nomination);
}

function drop<K>(map: Map<K, Set<Nomination>>, key: K, nomination: Nomination): void {
  const set = map.get(key);
  set?.delete(nomination);
  if (set?.size === 0) map.delete(key);
}
