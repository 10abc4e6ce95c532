import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { Codec } from '#lib/proto3.ts';
import { GrpcChannel, GrpcError, grpcCodes } from '#lib/grpc.ts';

/** The one message of containerd's events service that we send. */
const codec = new Codec({ SubscribeRequest: { fields: [[1, 'filters', 'repeated', 'string']] } });
const path = '/containerd.services.events.v1.Events/Subscribe';
const filters = ['topic=="/tasks/exit"', 'topic=="/tasks/oom"'];

const retryMs = 1000;
/** CRI learns of an end by the same events, so its lists are right a moment later, and surely the second time. */
const settleMs = [15, 150] as const;

/**
 * Tells when a container may have ended, so that nobody has to ask every moment. Only a hint: what happened is read
 * from CRI, and a runtime without containerd's events is simply asked more often.
 */
export class ExitEvents {
  readonly #socket: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Set<() => void>();
  #isListening = false;
  #pending = 0;

  constructor(socket: string, clock: Clock, log: Log) {
    this.#socket = socket;
    this.#clock = clock;
    this.#log = log;
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /** Resolves when a container may have ended, after `ms`, or when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#pending > 0) {
      this.#pending--;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    using timer = this.#clock.after(ms, resolve);
    const abort = () => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await promise;
    signal.removeEventListener('abort', abort);
    this.#waiting.delete(resolve);
    void timer;
  }

  /** Settles when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    using channel = new GrpcChannel({ path: this.#socket });
    const request = codec.encode('SubscribeRequest', { filters });
    while (!signal.aborted) {
      try {
        this.#isListening = true;
        const stream = channel.stream(path, { signal });
        stream.send(request);
        stream.end();
        for await (const _ of stream) this.#exited();
      } catch (error) {
        if (error instanceof GrpcError && error.code === grpcCodes.UNIMPLEMENTED) {
          this.#isListening = false;
          return;
        }
        this.#log.debug('container events interrupted', { error });
      }
      this.#isListening = false;
      this.#tell();
      await this.#clock.sleep(retryMs, signal).catch(() => {});
    }
  }

  #exited(): void {
    for (const ms of settleMs) this.#clock.after(ms, () => this.#tell());
  }

  #tell(): void {
    if (this.#waiting.size === 0) this.#pending = 1;
    for (const wake of this.#waiting) wake();
  }
}
