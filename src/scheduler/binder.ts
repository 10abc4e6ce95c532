import type { Client } from '#client/client.ts';
import type { PendingPod } from './batch.ts';
import type { Profile } from './plugin.ts';

/** A decision on its way to the API server. */
export interface Placement {
  readonly pending: PendingPod;
  readonly nodeName: string;
  readonly profile: Profile;
}

/** How many pods are on their way at once: enough to keep the API server's group commits full. */
export const bindsInFlightMax = 256;

/** Brings placed pods to their nodes: reserve, permit, bind, with a bound on how many at once. */
export class Binder {
  readonly #client: Client;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #done: (placement: Placement, error: unknown) => void;

  /** `done` gets every placement once, with undefined or what went wrong. It must not throw. */
  constructor(client: Client, done: (placement: Placement, error: unknown) => void) {
    this.#client = client;
    this.#done = done;
  }

  get room(): number {
    return bindsInFlightMax - this.#inFlight.size;
  }

  start(placement: Placement, signal: AbortSignal): void {
    const work = this.#bind(placement, signal)
      .then(
        () => this.#done(placement, undefined),
        (error: unknown) => this.#done(placement, error),
      )
      .finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
  }

  /** Resolves once nothing is on its way. */
  async drained(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  async #bind({ pending: { pod }, nodeName, profile }: Placement, signal: AbortSignal): Promise<void> {
    const reserved: (typeof profile.reserve)[number][] = [];
    try {
      for (const plugin of profile.reserve) {
        reserved.unshift(plugin);
        plugin.reserve(pod, nodeName);
      }
      for (const plugin of profile.permit) await plugin.permit(pod, nodeName, { signal });
      await profile.bind.bind(pod, nodeName, this.#client, { signal });
    } catch (error) {
      for (const plugin of reserved) plugin.unreserve(pod, nodeName);
      throw error;
    }
  }
}
