import { Lease } from '#api/coordination/lease.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { Log } from '#lib/log.ts';
import type { ObjectRef } from '#machinery/object.ts';
import { hasReason, timeout } from '#machinery/status-error.ts';
import type { Client } from './client.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** The Lease that candidates compete for. */
  readonly lease: Required<ObjectRef>;
  /** Differs for every process that may ever run: host name and a random part. */
  readonly identity: string;
  /** How long others wait after the last renewal they saw. */
  readonly leaseMs?: number;
  /** How long a leader that cannot renew keeps leading; less than `leaseMs`. */
  readonly renewMsMax?: number;
  /** How often a leader renews and a candidate looks. */
  readonly retryMs?: number;
  readonly random?: () => number;
}

/** One time of leading. */
export interface Term {
  /** Aborts when leadership is lost, or the candidate is stopped. */
  readonly signal: AbortSignal;
  /**
   * Rises with every change of leader, and never falls: a fencing token. A pause of the process can outlast the
   * lease before any timer fires, so writes that must not come from a former leader carry it or are conditional.
   */
  readonly transitions: number;
  /** False once others may lead, by the clock, even if `signal` has not aborted yet. */
  isCertain(): boolean;
}

interface Observed {
  readonly lease: Lease;
  /** Local time when this content was first seen: clocks of other machines are never compared with ours. */
  readonly at: number;
}

/**
 * Leads whenever elected, until `signal` aborts: runs `work` for each term and waits for it to end before it stands
 * again. If `work` returns by itself, the lease is given up. Times: 15 s lease, 10 s to renew, every 2 s, as upstream.
 */
export async function lead(
  options: LeaderElectionOptions,
  work: (term: Term) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const candidate = new Candidate(options);
  while (!signal.aborted) {
    const held = await candidate.acquire(signal);
    if (held === undefined) return;
    await candidate.serve(held, work, signal);
  }
}

class Candidate {
  readonly #options: Required<Omit<LeaderElectionOptions, 'log'>>;
  readonly #log: Log;
  #observed: Observed | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = { leaseMs: 15_000, renewMsMax: 10_000, retryMs: 2_000, random: Math.random, ...options };
    this.#log = options.log.child({
      lease: `${options.lease.namespace}/${options.lease.name}`,
      identity: options.identity,
    });
  }

  /** Waits until the lease is ours; undefined if `signal` aborts before. */
  async acquire(signal: AbortSignal): Promise<Lease | undefined> {
    const { clock, retryMs, random } = this.#options;
    while (!signal.aborted) {
      try {
        const lease = await this.#take(signal);
        if (lease !== undefined) return lease;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!hasReason(error, 'Conflict', 'AlreadyExists')) this.#log.warn('cannot stand for leader', { error });
      }
      // Spread, so that candidates that started together do not collide each time.
      await clock.sleep(retryMs * (1 + 0.2 * random()), signal).catch(() => {});
    }
    return undefined;
  }

  /** Runs `work` while the lease `held` can be renewed. */
  async serve(held: Lease, work: (term: Term) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, leaseMs, renewMsMax, retryMs } = this.#options;
    const stop = abortController();
    const end = () => stop.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    let lease = held;
    let renewedAt = clock.now();
    const transitions = held.spec?.leaseTransitions ?? 0;
    this.#log.info('leading', { transitions });
    const working = (async () => {
      try {
        await work({
          signal: stop.signal,
          transitions,
          isCertain: () => !stop.signal.aborted && clock.now() - renewedAt < leaseMs,
        });
      } catch (error) {
        if (!stop.signal.aborted) this.#log.error('leader failed', { error });
      } finally {
        stop.abort(new Error('The leader has stopped by itself'));
      }
    })();
    while (!stop.signal.aborted) {
      await clock.sleep(retryMs, stop.signal).catch(() => {});
      if (stop.signal.aborted) break;
      const began = clock.now();
      try {
        const left = renewedAt + renewMsMax - began;
        using limit = deadline(clock, left, stop.signal, () => timeout('renewing took too long'));
        lease = await this.#renew(lease, limit.signal);
        renewedAt = began;
      } catch (error) {
        const current = hasReason(error, 'Conflict') ? await this.#ours(stop.signal) : lease;
        lease = current ?? lease;
        const lost = current === undefined || hasReason(error, 'NotFound');
        if (lost || clock.now() - renewedAt >= renewMsMax) {
          if (!stop.signal.aborted) this.#log.warn('no longer leading', { error });
          stop.abort(new Error('Leadership was lost', { cause: error }));
        }
      }
    }
    signal.removeEventListener('abort', end);
    await working;
    await this.#release(lease);
  }

  /** Creates the lease, or takes it over if its holder has let it go or go stale. Undefined while another holds it. */
  async #take(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, clock, lease: ref, identity } = this.#options;
    let current: Lease;
    try {
      current = await client.get(Lease, ref, { signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      return await client.create(Lease, { metadata: ref, spec: this.#spec(0, undefined) }, { signal });
    }
    if (this.#observed === undefined || !sameRecord(this.#observed.lease, current)) {
      this.#observed = { lease: current, at: clock.now() };
    }
    const { holderIdentity = '', leaseDurationSeconds = 0, leaseTransitions = 0 } = current.spec ?? {};
    const free = holderIdentity === '' || holderIdentity === identity;
    if (!free && clock.now() < this.#observed.at + leaseDurationSeconds * 1000) return undefined;
    const transitions = leaseTransitions + (holderIdentity === identity ? 0 : 1);
    const acquired = holderIdentity === identity ? current.spec?.acquireTime : undefined;
    return await client.update(Lease, { ...current, spec: this.#spec(transitions, acquired) }, { signal });
  }

  async #renew(lease: Lease, signal: AbortSignal): Promise<Lease> {
    const spec = this.#spec(lease.spec?.leaseTransitions ?? 0, lease.spec?.acquireTime);
    return await this.#options.client.update(Lease, { ...lease, spec }, { signal });
  }

  /** After a conflict: the lease as it is now, if still ours; someone annotated it, or our own reply was lost. */
  async #ours(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      const current = await this.#options.client.get(Lease, this.#options.lease, { signal });
      return current.spec?.holderIdentity === this.#options.identity ? current : undefined;
    } catch {
      return undefined;
    }
  }

  /** Lets the next leader start at once. Best effort: a lease that stays runs out. */
  async #release(lease: Lease): Promise<void> {
    const { client, clock, renewMsMax } = this.#options;
    const { holderIdentity: _holder, ...spec } = this.#spec(lease.spec?.leaseTransitions ?? 0, undefined);
    try {
      using limit = deadline(clock, renewMsMax, new AbortController().signal, () => timeout('releasing took too long'));
      await client.update(Lease, { ...lease, spec: { ...spec, leaseDurationSeconds: 1 } }, { signal: limit.signal });
    } catch (error) {
      this.#log.debug('lease not released', { error });
    }
  }

  #spec(transitions: number, acquireTime: string | undefined): NonNullable<Lease['spec']> {
    const { clock, identity, leaseMs } = this.#options;
    const now = microTime(clock.now());
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: acquireTime ?? now,
      renewTime: now,
      leaseTransitions: transitions,
    };
  }
}

function sameRecord(a: Lease, b: Lease): boolean {
  return (
    a.metadata?.uid === b.metadata?.uid &&
    a.spec?.renewTime === b.spec?.renewTime &&
    a.spec?.holderIdentity === b.spec?.holderIdentity
  );
}

/** `metav1.MicroTime`: RFC 3339 with six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
