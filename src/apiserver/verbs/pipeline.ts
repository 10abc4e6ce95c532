import type { Clock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { conflict } from '#machinery/status-error.ts';
import type { AdmissionRequest } from '../admission/admission.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { Revision, Write } from '#store/store.ts';
import type { Registry } from '../registry/registry.ts';
import type { Attributes, RequestContext } from '../request.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { isConflict } from '../registry/store-errors.ts';

/** What the verbs work with. */
export interface Pipeline {
  readonly registry: Registry;
  readonly admission: AdmissionChain;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly newUid: () => string;
  /** Told before and after objects of a kind are written: what keeps addresses unique. */
  readonly hooks: readonly WriteHook[];
  /** What writes are held against, if anything. */
  readonly ledger: Ledger | undefined;
}

/** One authorized write. */
export interface WriteCall<T extends ApiObject> {
  readonly kind: Kind<T>;
  readonly attributes: Attributes;
  readonly context: RequestContext;
  readonly dryRun: boolean;
  /** Whom the client calls the writer; the first word of its user agent unless given. */
  readonly fieldManager?: string | undefined;
  /** The object comes with `metadata.managedFields` worked out: an apply. */
  readonly isTracked?: boolean;
}

/** An allocation tied to a write: reserved before the commit, kept if it succeeds and given back if not. */
export interface Reservation<T extends ApiObject = ApiObject> {
  readonly object: T;
  keep(): void;
  giveBack(): void;
}

/** Sums that must be right at every moment, because they are committed together with what they are sums of. */
export interface Ledger {
  /**
   * Decides about a write that has passed everything else and calls `commit` with what must land with it or not at all;
   * again, if those sums have changed meanwhile. Throws Forbidden, and what `commit` throws.
   */
  charge<T extends ApiObject>(
    request: AdmissionRequest,
    signal: AbortSignal,
    commit: (alongside: readonly Write[]) => Promise<Committed<T>>,
  ): Promise<Committed<T>>;
}

/** What was written, and as of when; a dry run has no revision. */
export interface Committed<T extends ApiObject> {
  readonly object: T;
  readonly revision?: Revision;
}

/** Completes objects with what only the server may hand out (a Service's addresses). */
export interface WriteHook {
  applies(kind: Kind): boolean;
  /** Throws Invalid if what the object asks for is taken. */
  reserve(object: ApiObject, stored: ApiObject | undefined, signal: AbortSignal): Promise<Reservation>;
  removed(stored: ApiObject): void;
}

/**
 * How often a write that others keep outrunning is tried. Each failure means that another write landed, so this many
 * callers may change one object at once without preconditions and none is refused.
 */
export const attemptsMax = 100;

/**
 * Runs `attempt` on the newest state of an object until its write lands. Throws NotFound if there is none, and
 * Conflict if others were faster every time.
 */
export async function retrying<T extends ApiObject, R>(
  pipeline: Pipeline,
  { kind, context: { signal } }: { kind: Kind<T>; context: RequestContext },
  ref: ObjectRef,
  attempt: (stored: StoredObject<T>) => Promise<R>,
): Promise<R> {
  const resource = pipeline.registry.of(kind);
  for (let attempts = 1; ; attempts++) {
    const stored = await resource.get(ref, { want: 'newest' }, signal);
    try {
      return await attempt(stored);
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (attempts === attemptsMax) {
        throw conflict(kind, ref.name, `it was changed by others during each of ${attemptsMax} attempts; try again`);
      }
    }
  }
}

/** Commits an object with what the hooks add to it; gives back what they reserved if the commit fails. */
export async function withReservations<T extends ApiObject>(
  { hooks }: Pipeline,
  call: WriteCall<T>,
  object: T,
  stored: T | undefined,
  commit: (object: T) => Promise<T>,
): Promise<T> {
  const reservations: Reservation[] = [];
  try {
    let complete = object;
    for (const hook of hooks) {
      if (!hook.applies(call.kind)) continue;
      const reservation = await hook.reserve(complete, stored, call.context.signal);
      reservations.push(reservation);
      // A hook returns an object of the kind it was given.
      complete = reservation.object as T;
    }
    const written = await commit(complete);
    for (const reservation of reservations) {
      if (call.dryRun) reservation.giveBack();
      else reservation.keep();
    }
    return written;
  } catch (error) {
    for (const reservation of reservations) reservation.giveBack();
    throw error;
  }
}

/** Tells the hooks that an object is gone. */
export function released({ hooks }: Pipeline, kind: Kind, stored: ApiObject): void {
  for (const hook of hooks) if (hook.applies(kind)) hook.removed(stored);
}

/** Commits a write with what the ledger adds to it. */
export async function charged<T extends ApiObject>(
  { ledger }: Pipeline,
  request: AdmissionRequest,
  signal: AbortSignal,
  commit: (alongside: readonly Write[]) => Promise<Committed<T>>,
): Promise<T> {
  const { object } = ledger === undefined ? await commit([]) : await ledger.charge(request, signal, commit);
  return object;
}

export const committed = <T extends ApiObject>({ whole, revision }: StoredObject<T>): Committed<T> => ({
  object: whole,
  revision,
});
