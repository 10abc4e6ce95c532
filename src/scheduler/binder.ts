import type { Client } from '#client/client.ts';
import type { PendingPod } from './batch.ts';
import { conditionalBind } from './bind.ts';
import type { Profile } from './plugin.ts';
import type { VolumeBinder } from './volumes/volume-binder.ts';

/** A decision on its way to the API server. */
export interface Placement {
  readonly pending: PendingPod;
  readonly nodeName: string;
  readonly profile: Profile;
  /** Resolves once those know who had to give way; the pod is not bound before. */
  readonly cleared: Promise<unknown> | undefined;
}

/** How many pods are on their way at once: enough to keep the API server's group commits full. */
export const bindsInFlightMax = 256;

/** How many more may be held back at once by plugins that reserve, permit or bind: they keep nobody else waiting. */
const heldMax = 4096;

/** Brings placed pods to their nodes: reserve, permit, bind volumes, bind, with a bound on how many at once. */
export class Binder {
  readonly #client: Client;
  readonly #volumes: VolumeBinder;
  readonly #inFlight = new Set<Promise<void>>();
  #held = 0;
  readonly #done: (placement: Placement, error: unknown) => void;

  /** `done` gets every placement once, with undefined or what went wrong. It must not throw. */
  constructor(client: Client, volumes: VolumeBinder, done: (placement: Placement, error: unknown) => void) {
    this.#client = client;
    this.#volumes = volumes;
    this.#done = done;
  }

  get room(): number {
    return bindsInFlightMax - (this.#inFlight.size - this.#held);
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

  async #bind({ pending: { pod }, nodeName, profile, cleared }: Placement, signal: AbortSignal): Promise<void> {
    const reserved: (typeof profile.reserve)[number][] = [];
    try {
      if (profile.reserve.length + profile.permit.length > 0) {
        using _ = this.#hold();
        for (const plugin of profile.reserve) {
          reserved.unshift(plugin);
          await plugin.reserve(pod, nodeName, { signal });
        }
        for (const plugin of profile.permit) await plugin.permit(pod, nodeName, { signal });
      }
      await cleared;
      if (profile.volumeBindMsMax !== undefined && this.#volumes.concerns(pod)) {
        using _ = this.#hold();
        await this.#volumes.bind(pod, profile.volumeBindMsMax, { signal });
      }
      using _ = profile.bind === conditionalBind ? undefined : this.#hold();
      await profile.bind.bind(pod, nodeName, this.#client, { signal });
    } catch (error) {
      for (const plugin of reserved) await plugin.unreserve(pod, nodeName, { signal });
      throw error;
    }
  }

  #hold(): Disposable {
    if (this.#held >= heldMax) throw new Error(`${heldMax} pods are held back by plugins already`);
    this.#held++;
    return { [Symbol.dispose]: () => void this.#held-- };
  }
}
