import { isDeepStrictEqual } from 'node:util';
import { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';

interface Options {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest version of the pod that is known. */
  readonly pod: () => Pod;
  /** The pod as a write returned it. */
  readonly onWritten: (pod: Pod) => void;
}

const retryMs = 1000;

/**
 * Publishes a pod's status: one write at a time, only the fields that differ, only against the version they were
 * derived from. What is superseded while a write is under way is never written.
 */
export class StatusWriter {
  readonly #options: Options;
  #wanted: core.PodStatus | undefined;
  #running: Promise<void> | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  publish(status: core.PodStatus, signal: AbortSignal): void {
    this.#wanted = status;
    this.#running ??= this.#run(signal).finally(() => {
      this.#running = undefined;
    });
  }

  /** Settles once everything asked for so far is written or has been given up. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.#options;
    while (this.#wanted !== undefined && !signal.aborted) {
      const status = this.#wanted;
      this.#wanted = undefined;
      const pod = this.#options.pod();
      const patch = statusChanges(pod.status, status);
      if (patch === undefined) continue;
      const { name = '', namespace, uid, resourceVersion } = pod.metadata ?? {};
      const ref = namespace === undefined ? { name } : { name, namespace };
      try {
        const body = { metadata: { uid, resourceVersion }, status: patch };
        const written = await client.patch(Pod, ref, { type: 'merge', patch: body }, { subresource: 'status', signal });
        this.#options.onWritten(written);
      } catch (error) {
        if (signal.aborted || hasReason(error, 'NotFound')) return;
        this.#wanted ??= status;
        if (hasReason(error, 'Conflict')) {
          const fresh = await client.get(Pod, ref, { signal }).catch(() => undefined);
          if (fresh === undefined || fresh.metadata?.uid !== uid) return;
          this.#options.onWritten(fresh);
          continue;
        }
        log.warn('pod status cannot be written', { error });
        await clock.sleep(retryMs, signal).catch(() => {});
      }
    }
  }
}

/** The merge patch from one status to another, by whole fields; undefined if they are equal. */
export function statusChanges(before: core.PodStatus = {}, after: core.PodStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  const [from, to] = [before as Record<string, unknown>, after as Record<string, unknown>];
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (to[key] === undefined) patch[key] = null;
    else if (!isDeepStrictEqual(from[key], to[key])) patch[key] = to[key];
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
