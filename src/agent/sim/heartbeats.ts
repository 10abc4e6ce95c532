import { Lease } from '#api/coordination/lease.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { leaseObject } from './node-shape.ts';

export interface HeartbeatOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
}

const renewMsMin = 10_000;
const tickMsMin = 1_000;
/** Renewals of all pretend nodes together: more nodes renew less often, and say so in their leases. */
const renewalsPerSecondMax = 100;
const inFlightMax = 16;

/**
 * Renews the leases of many nodes, evenly spread over time. With up to 1,000 nodes each renews every 10 s; with more,
 * as often as 100 renewals a second allow. A lease lasts four renewals, which its `leaseDurationSeconds` says.
 */
export class Heartbeats {
  readonly #options: HeartbeatOptions;
  /** Node → its lease as last written. A Map keeps the order, so renewals go round. */
  readonly #leases = new Map<string, Lease | undefined>();
  #round: Iterator<string> | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** How long between two renewals of a node, in milliseconds. */
  get renewMs(): number {
    return Math.max(renewMsMin, (this.#leases.size / renewalsPerSecondMax) * 1000);
  }

  add(nodeName: string): void {
    if (!this.#leases.has(nodeName)) this.#leases.set(nodeName, undefined);
  }

  remove(nodeName: string): void {
    this.#leases.delete(nodeName);
  }

  /** Creates or renews the lease of one node now. Failures are logged: the next renewal repairs them. */
  async beat(nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    try {
      try {
        await this.#write(nodeName, signal);
      } catch (error) {
        // It is there from an earlier life, or was written by somebody else, or is gone: look, and write again.
        if (!hasReason(error, 'AlreadyExists', 'Conflict', 'NotFound')) throw error;
        const gone = hasReason(error, 'NotFound');
        const ref = { namespace: 'kube-node-lease', name: nodeName };
        this.#leases.set(nodeName, gone ? undefined : await client.get(Lease, ref, { signal }));
        await this.#write(nodeName, signal);
      }
    } catch (error) {
      if (!signal.aborted) log.warn('lease not renewed', { node: nodeName, error });
    }
  }

  async #write(nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const fresh = leaseObject(nodeName, renewTime, Math.ceil((4 * this.renewMs) / 1000));
    const known = this.#leases.get(nodeName);
    const written =
      known === undefined
        ? await client.create(Lease, fresh, { signal })
        : await client.update(Lease, { ...known, spec: { ...known.spec, ...fresh.spec } }, { signal });
    if (this.#leases.has(nodeName)) this.#leases.set(nodeName, written);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let owed = 0;
    while (!signal.aborted) {
      const { renewMs } = this;
      const tickMs = Math.max(tickMsMin, renewMs / Math.max(1, this.#leases.size));
      await clock.sleep(tickMs, signal).catch(() => {});
      if (signal.aborted) return;
      owed += (this.#leases.size * tickMs) / renewMs;
      const count = Math.floor(owed + 1e-9); // sums of fractions fall short of whole numbers
      const due = this.#next(count);
      owed -= count;
      for (let at = 0; at < due.length && !signal.aborted; at += inFlightMax) {
        await Promise.all(due.slice(at, at + inFlightMax).map((nodeName) => this.beat(nodeName, signal)));
      }
    }
  }

  #next(count: number): readonly string[] {
    const due: string[] = [];
    while (due.length < Math.min(count, this.#leases.size)) {
      this.#round ??= this.#leases.keys();
      const next = this.#round.next();
      if (next.done === true) this.#round = undefined;
      else due.push(next.value);
    }
    return due;
  }
}
