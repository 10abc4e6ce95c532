import { Pod } from '#api/core/pod.ts';
import {
  Reservation,
  reservationEnds,
  timeoutSecondsDefault,
  type ReservationStatus,
} from '#api/tutti-scheduling/reservation.ts';
import type { CacheEvent, CacheReader } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { formatTime, parseTimestamp } from '#machinery/timestamp.ts';
import { claimOf } from '../batch.ts';
import type { NodeTable } from '../node-table.ts';
import type { Nominations } from '../preemption/nominations.ts';
import { keyOfHeld, type Held, type ReservationBook } from './reservation-book.ts';
import { quantitiesOf, rangesOf, roomAskedFor, roomOfStatus } from './room.ts';

export interface ReservationKeeperOptions {
  readonly client: Client;
  readonly cache: CacheReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly table: NodeTable;
  readonly book: ReservationBook;
  readonly nominations: Nominations;
  /** Lets a pod try again that waits for its reservation. */
  readonly wakePod: (uid: string) => void;
  /** Called when there is something to do in the next turn. */
  readonly onWork: () => void;
}

/** A reservation whose room is given to others already, and whose holder is to be told. */
interface Ending {
  readonly held: Held;
  readonly reason: string;
  readonly message: string;
  /** Settles once the API server knows. */
  readonly told: PromiseWithResolvers<void>;
}

const writesInFlightMax = 16;
const retryMs = 1_000;
/** What has ended is shown for so long. */
const endedKeepMs = 600_000;
const deletionsPerSweepMax = 64;

/**
 * Grants reservations and ends them: by time, because all their pods are placed, because their node cannot honour them,
 * or because pods of higher priority need the room. The object in the API is the truth: room is held before `Held` is
 * written, and given away only after the end is (`cleared()`), but for what a node has lost. So a scheduler that is
 * started anew, or a second one, knows all that was promised, and a holder that accepts too late is told.
 */
export class ReservationKeeper {
  readonly #options: ReservationKeeperOptions;
  readonly #endings = new Map<string, Ending>();
  /** Keys of reservations to look at. */
  readonly #dirty = new Set<string>();
  readonly #writing = new Map<string, Promise<void>>();
  /** Key → the version that the last write was made of: the cache has yet to see what came of it. */
  readonly #writtenFrom = new Map<string, string>();
  readonly #timers = new Map<string, Disposable>();
  /** Key → pods that name the reservation. */
  readonly #claimants = new Map<string, Set<string>>();
  readonly #claimOf = new Map<string, string>();

  constructor(options: ReservationKeeperOptions) {
    this.#options = options;
    options.book.whyNotHeld = (key) => this.#whyNotHeld(key);
  }

  follow({ type, object }: CacheEvent<Reservation>): void {
    const { uid = '' } = object.metadata ?? {};
    const key = keyOf(object);
    const phase = object.status?.phase;
    if (type === 'DELETED' || (phase !== undefined && reservationEnds.has(phase))) this.#over(key, uid);
    else if (phase === 'Held' && !this.#endings.has(uid)) this.#options.book.hold(heldOf(object));
    this.#wakeClaimants(key);
    if (type !== 'DELETED') return this.#touch(key);
    this.#dirty.delete(key);
    this.#writtenFrom.delete(key);
  }

  /** Takes up a pod, which may name a reservation. */
  followPod(pod: Pod, isAlive: boolean): void {
    const { uid = '' } = pod.metadata ?? {};
    const claim = isAlive ? claimOf(pod) : undefined;
    const before = this.#claimOf.get(uid);
    if (before !== undefined && before !== claim) {
      const others = this.#claimants.get(before);
      others?.delete(uid);
      if (others?.size === 0) this.#claimants.delete(before);
      this.#claimOf.delete(uid);
      this.#options.book.claim(uid, undefined);
      if (this.#cached(before) !== undefined) this.#touch(before);
    }
    if (claim === undefined) return;
    if (before !== claim) {
      const others = this.#claimants.get(claim);
      if (others === undefined) this.#claimants.set(claim, new Set([uid]));
      else others.add(uid);
      this.#claimOf.set(uid, claim);
      this.#options.book.claim(uid, claim);
    }
    if (this.#cached(claim) !== undefined) this.#touch(claim);
  }

  /** Catches up with the table and carries out what is due. Must come before pods are decided. */
  act(signal: AbortSignal): void {
    const { untenable, changed } = this.#options.book.tend();
    for (const { held, reason, message } of untenable) {
      this.#options.book.release(held.uid);
      this.rescind(held, reason, message);
    }
    for (const held of changed) this.#wakeClaimants(keyOfHeld(held));
    for (const key of this.#dirty) {
      if (this.#writing.size >= writesInFlightMax) return;
      if (this.#writing.has(key)) continue;
      this.#dirty.delete(key);
      this.#reconcile(key, signal);
    }
  }

  /** Has the holder told that a reservation is over whose room was taken back in the book. */
  rescind(held: Held, reason: string, message: string): void {
    if (this.#endings.has(held.uid)) return;
    const told = Promise.withResolvers<void>();
    told.promise.catch(() => {}); // whoever waits for it hears of it
    this.#endings.set(held.uid, { held, reason, message, told });
    this.#touch(keyOfHeld(held));
  }

  /** Resolves once the API server knows of every reservation on the node that had to give way; undefined if it does. */
  cleared(nodeName: string): Promise<unknown> | undefined {
    const pending = [...this.#endings.values()].filter(({ held }) => held.nodeName === nodeName);
    return pending.length === 0 ? undefined : Promise.all(pending.map(({ told }) => told.promise));
  }

  /** Removes what ended long ago. Never rejects. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { cache, client, clock, log } = this.#options;
    const before = clock.now() - endedKeepMs;
    const old = cache
      .list(Reservation)
      .filter(({ status }) => status?.endedAt !== undefined && millis(status.endedAt) <= before);
    for (const { metadata } of old.slice(0, deletionsPerSweepMax)) {
      const { namespace = '', name = '', uid = '' } = metadata ?? {};
      try {
        await client.delete(Reservation, { namespace, name }, { signal, preconditions: { uid } });
      } catch (error) {
        if (signal.aborted) return;
        if (!hasReason(error, 'NotFound', 'Conflict'))
          log.warn('ended reservation not removed', { reservation: `${namespace}/${name}`, error });
      }
    }
  }

  /** Ends its part once nothing is on its way: what was decided and not written is another's to decide anew. */
  async giveBack(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing.values());
    const { book, cache } = this.#options;
    for (const { held, told } of this.#endings.values()) {
      told.reject(new Error(`reservation "${keyOfHeld(held)}" was not ended: this scheduler has stopped`));
    }
    this.#endings.clear();
    this.#writtenFrom.clear();
    const objects = cache.list(Reservation);
    const held = new Set(objects.flatMap(({ metadata, status }) => (status?.phase === 'Held' ? [metadata?.uid] : [])));
    for (const { uid } of book.all()) if (!held.has(uid)) book.release(uid);
    for (const object of objects) {
      if (object.status?.phase === 'Held') book.hold(heldOf(object));
      this.#dirty.add(keyOf(object));
    }
  }

  /** Stops all timers. */
  close(): void {
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
  }

  #over(key: string, uid: string): void {
    this.#options.book.release(uid);
    this.#endings.get(uid)?.told.resolve();
    this.#endings.delete(uid);
    this.#timers.get(key)?.[Symbol.dispose]();
    this.#timers.delete(key);
  }

  #touch(key: string): void {
    this.#dirty.add(key);
    this.#options.onWork();
  }

  #wakeClaimants(key: string): void {
    for (const uid of this.#claimants.get(key) ?? []) this.#options.wakePod(uid);
  }

  #later(key: string, ms: number): void {
    this.#timers.get(key)?.[Symbol.dispose]();
    const timer = this.#options.clock.after(ms, () => {
      this.#timers.delete(key);
      this.#touch(key);
    });
    this.#timers.set(key, timer);
  }

  #reconcile(key: string, signal: AbortSignal): void {
    const object = this.#cached(key);
    const version = object?.metadata?.resourceVersion ?? '';
    if (object === undefined || this.#writtenFrom.get(key) === version) return;
    this.#writtenFrom.delete(key);
    const status = this.#next(object, key);
    if (status === undefined) return;
    this.#writtenFrom.set(key, version);
    const write = this.#write(object, key, status, signal).finally(() => {
      this.#writing.delete(key);
      this.#options.onWork();
    });
    this.#writing.set(key, write);
  }

  /** What the status of a reservation should be; undefined if it is that. */
  #next(object: Reservation, key: string): ReservationStatus | undefined {
    const { uid = '', name = '', namespace = '' } = object.metadata ?? {};
    const { clock, book } = this.#options;
    const { phase, expiresAt } = object.status ?? {};
    const now = clock.now();
    const endedAt = textOf(now);
    const ending = this.#endings.get(uid);
    if (phase !== undefined && reservationEnds.has(phase)) return undefined;
    if (ending !== undefined) return { phase: 'Rescinded', reason: ending.reason, message: ending.message, endedAt };
    if (phase === undefined && book.get(uid) === undefined) {
      const { spec } = object;
      const cleared = this.cleared(spec.nodeName);
      if (cleared !== undefined) {
        // Its room may be what others are yet to be told they have lost.
        void cleared.then(() => this.#touch(key)).catch(() => {}); // a scheduler that stops looks at nothing any more
        return undefined;
      }
      const refused = this.#grant(object, now);
      if (refused !== undefined) return { phase: 'Refused', reason: 'NoRoom', message: refused, endedAt };
      this.#options.log.info('room reserved', { reservation: `${namespace}/${name}`, node: spec.nodeName });
    }
    const held = book.get(uid);
    if (held === undefined) return undefined;
    if (phase === undefined) {
      const resources = quantitiesOf(held.room);
      const hostPorts = rangesOf(held.room);
      const [heldAt, until] = [textOf(held.heldAt), textOf(held.expiresAt)];
      return { phase: 'Held', reason: 'Granted', message: '', resources, hostPorts, heldAt, expiresAt: until };
    }
    if (this.#isConsumed(object)) {
      return { phase: 'Consumed', reason: 'PodsPlaced', message: 'every pod that it was for has its place', endedAt };
    }
    if (now >= held.expiresAt) {
      return {
        phase: 'Expired',
        reason: 'TimedOut',
        message: `its time was over at ${textOf(held.expiresAt)}`,
        endedAt,
      };
    }
    this.#later(key, held.expiresAt - now);
    return expiresAt === textOf(held.expiresAt) ? undefined : { expiresAt: textOf(held.expiresAt) };
  }

  /** Holds the room, or says why it is not to be had. */
  #grant(object: Reservation, now: number): string | undefined {
    const { table, book, nominations } = this.#options;
    const { uid = '', namespace = '', name = '' } = object.metadata ?? {};
    const { nodeName, holder, priority = 0, tolerations = [], timeoutSeconds = timeoutSecondsDefault } = object.spec;
    nominations.regard(priority);
    const room = roomAskedFor(object.spec, table, table.rowOf(nodeName));
    const refused = book.refusal({ nodeName, tolerations, room });
    nominations.regardAgain();
    if (refused !== undefined) return refused;
    const heldAt = Math.floor(now / 1000) * 1000;
    const expiresAt = heldAt + timeoutSeconds * 1000;
    book.hold({ uid, namespace, name, nodeName, holder, priority, tolerations, room, heldAt, expiresAt });
    return undefined;
  }

  #isConsumed({ metadata, spec: { pods = [] } }: Reservation): boolean {
    const { namespace = '' } = metadata ?? {};
    return (
      pods.length > 0 &&
      pods.every((name) => {
        const pod = this.#options.cache.get(Pod, { namespace, name });
        const phase = pod?.status?.phase;
        return (pod?.spec.nodeName ?? '') !== '' || phase === 'Succeeded' || phase === 'Failed';
      })
    );
  }

  /** Never rejects. */
  async #write(object: Reservation, key: string, status: ReservationStatus, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid, resourceVersion } = object.metadata ?? {};
    const { client, events, log } = this.#options;
    try {
      const patch = { metadata: { uid, resourceVersion }, status: { ...status } };
      const written = await client.patch(
        Reservation,
        { namespace, name },
        { type: 'merge', patch },
        { signal, subresource: 'status' },
      );
      this.follow({ type: 'MODIFIED', object: written });
      if (status.phase === undefined) return;
      const type = status.phase === 'Refused' || status.phase === 'Rescinded' ? 'Warning' : 'Normal';
      const message =
        status.message === undefined || status.message === '' ? `on node ${object.spec.nodeName}` : status.message;
      events.record(object, { type, reason: status.phase, action: 'Reserving', message });
    } catch (error) {
      this.#writtenFrom.delete(key);
      if (hasReason(error, 'NotFound')) this.#over(key, uid ?? '');
      else if (!signal.aborted) {
        if (!hasReason(error, 'Conflict')) log.warn('reservation not written', { reservation: key, error });
        this.#later(key, retryMs);
      }
    }
  }

  #cached(key: string): Reservation | undefined {
    const slash = key.indexOf('/');
    return this.#options.cache.get(Reservation, { namespace: key.slice(0, slash), name: key.slice(slash + 1) });
  }

  #whyNotHeld(key: string): string {
    const object = this.#cached(key);
    if (object === undefined) return 'does not exist';
    const { phase, message = '' } = object.status ?? {};
    if (phase === undefined) return 'is not granted yet';
    const ending = this.#endings.get(object.metadata?.uid ?? '');
    return `is ${ending === undefined ? phase : 'Rescinded'}${message === '' ? '' : `: ${message}`}`;
  }
}

function heldOf({ metadata, spec, status = {} }: Reservation): Held {
  const { uid = '', namespace = '', name = '' } = metadata ?? {};
  const { nodeName, holder, priority = 0, tolerations = [], timeoutSeconds = timeoutSecondsDefault } = spec;
  const heldAt = millis(status.heldAt ?? '');
  const expiresAt = heldAt + timeoutSeconds * 1000;
  return {
    uid,
    namespace,
    name,
    nodeName,
    holder,
    priority,
    tolerations,
    room: roomOfStatus(status),
    heldAt,
    expiresAt,
  };
}

const keyOf = ({ metadata }: Reservation) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
const millis = (text: string) => (parseTimestamp(text)?.seconds ?? 0) * 1000;
const textOf = (at: number) => formatTime({ seconds: Math.floor(at / 1000), nanos: 0 });
