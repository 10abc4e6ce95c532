import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { refOf, type ContainerRecord } from './container-record.ts';
import { isGated, stateOf } from './container-state.ts';
import type { Containers } from './containers.ts';
import type { Readers } from './readers.ts';

export interface AutoRemoveOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly containers: Containers;
  readonly readers: Readers;
}

const retryMs = 2_000;
const deleteMsMax = 10_000;
/** Somebody who does not read on does not keep a container for longer. */
const readersMsMax = 30_000;

/** `docker run --rm`: removes such containers once they have ended, also those that ended while nobody looked. */
export class AutoRemove implements Disposable {
  readonly #options: AutoRemoveOptions;
  readonly #signal: AbortSignal;
  readonly #busy = new Set<string>();
  readonly #subscription: Disposable;

  constructor(options: AutoRemoveOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#subscription = options.containers.on(({ type, record }) => {
      if (type !== 'removed') this.#look(record);
    });
    for (const record of options.containers.all()) this.#look(record);
  }

  #look(record: ContainerRecord): void {
    if (record.body?.HostConfig?.AutoRemove !== true || isGated(record) || this.#busy.has(record.id)) return;
    if (stateOf(record, this.#options.clock.now()).status !== 'exited') return;
    this.#busy.add(record.id);
    void this.#remove(record).finally(() => this.#busy.delete(record.id));
  }

  async #remove(record: ContainerRecord): Promise<void> {
    const { client, clock, log, containers, readers } = this.#options;
    const { uid = '' } = record.pod.metadata ?? {};
    // Whoever waits for the end hears of it first, and may begin to read.
    await clock.sleep(0, this.#signal).catch(() => undefined);
    await Promise.race([readers.idle(record.id), clock.sleep(readersMsMax, this.#signal).catch(() => undefined)]);
    while (!this.#signal.aborted) {
      try {
        const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(deleteMsMax)]);
        await client.delete(Pod, refOf(record), { gracePeriodSeconds: 0, preconditions: { uid }, signal });
        containers.forget(record.pod);
        return;
      } catch (error) {
        if (hasReason(error, 'NotFound', 'Conflict')) return;
        log.warn('container cannot be removed after its end', { container: record.name, error, retryMs });
      }
      await clock.sleep(retryMs, this.#signal).catch(() => undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}
