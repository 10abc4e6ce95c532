import { type BackoffPolicy, backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';

/** What a queue tells about itself. All durations are in milliseconds. */
export interface WorkQueueMetrics {
  /** A key entered the queue that was not in it. */
  added?(depth: number): void;
  started?(queuedMs: number, depth: number): void;
  finished?(tookMs: number): void;
  retried?(failures: number): void;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Keys worked on at the same time. */
  readonly workersMax: number;
  readonly retry?: BackoffPolicy;
  readonly random?: () => number;
  /** A key's work failed; it is tried again after `retryMs`. */
  readonly onError?: (key: string, error: unknown, retry: { failures: number; retryMs: number }) => void;
  readonly metrics?: WorkQueueMetrics;
}

/** What the work on a key asks for when it succeeds: nothing, or to be called again after a while. */
export type WorkResult = { readonly againMs: number } | undefined | void;

/** From 10 ms to half a minute: a passing conflict costs little, a lasting fault costs two tries a minute. */
const retryDefault: BackoffPolicy = { initialMs: 10, maxMs: 30_000, jitter: 0.2 };

/**
 * Keys that need work, each at most once in the queue, however often it is added. A key is never worked on twice
 * at the same time: when added meanwhile it runs again afterwards. Failed keys return with exponential back-off.
 * Memory is bounded by the number of different keys.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #retry: BackoffPolicy;
  readonly #random: () => number;
  /** Keys in the order they came, from `#head` on; those before it have been taken. */
  #order: string[] = [];
  #head = 0;
  /** When each waiting key was added. */
  readonly #waiting = new Map<string, number>();
  readonly #active = new Set<string>();
  /** Active keys that were added meanwhile. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #delayed = new Map<string, { readonly at: number; readonly timer: Disposable }>();
  #work: ((key: string) => Promise<WorkResult>) | undefined;
  #onIdle: (() => void) | undefined;
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#retry = options.retry ?? retryDefault;
    this.#random = options.random ?? Math.random;
  }

  /** Keys that wait for a worker, without delayed ones. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** True while nothing waits and nothing is worked on (delayed keys do not count). */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#active.size === 0;
  }

  /** How often `key` has failed in a row. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Asks for work on `key` as soon as a worker is free. */
  add(key: string): void {
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.set(key, this.#options.clock.now());
    this.#order.push(key);
    this.#options.metrics?.added?.(this.#waiting.size);
    this.#pump();
  }

  /** Adds `key` after `ms`. Of several delays for one key the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) return this.add(key);
    const at = this.#options.clock.now() + ms;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.at <= at) return;
    earlier?.timer[Symbol.dispose]();
    const timer = this.#options.clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, timer });
  }

  /**
   * Works until `signal` aborts, then takes no more keys and settles once running work has ended. `work` must not
   * outlive `signal` for long. May be called once.
   */
  async run(work: (key: string, signal: AbortSignal) => Promise<WorkResult>, signal: AbortSignal): Promise<void> {
    if (this.#work !== undefined) throw new Error('A work queue runs once');
    this.#work = (key) => work(key, signal);
    if (!signal.aborted) {
      this.#pump();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) timer[Symbol.dispose]();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#order = [];
    if (this.#active.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #pump(): void {
    if (this.#work === undefined || this.#closed) return;
    while (this.#active.size < this.#options.workersMax && this.#head < this.#order.length) {
      const key = this.#order[this.#head++] as string; // within bounds by the loop's condition
      if (this.#head > 1024 && this.#head * 2 > this.#order.length) {
        this.#order = this.#order.slice(this.#head);
        this.#head = 0;
      }
      const since = this.#waiting.get(key) ?? 0;
      this.#waiting.delete(key);
      this.#active.add(key);
      this.#options.metrics?.started?.(this.#options.clock.now() - since, this.#waiting.size);
      void this.#process(key, this.#work);
    }
  }

  /** Never rejects. */
  async #process(key: string, work: (key: string) => Promise<WorkResult>): Promise<void> {
    const started = this.#options.clock.now();
    try {
      const result = await work(key);
      this.#failures.delete(key);
      // Never at once: work that always asks for more must not keep everything else from running.
      if (result !== undefined) this.addAfter(key, Math.max(1, result.againMs));
    } catch (error) {
      if (!this.#closed) this.#failed(key, error);
    } finally {
      this.#options.metrics?.finished?.(this.#options.clock.now() - started);
      this.#active.delete(key);
      if (this.#again.delete(key)) this.add(key);
      if (this.#closed && this.#active.size === 0) this.#onIdle?.();
      this.#pump();
    }
  }

  #failed(key: string, error: unknown): void {
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    const retryMs = backoffMs(this.#retry, failures, this.#random);
    this.#options.metrics?.retried?.(failures);
    this.#options.onError?.(key, error, { failures, retryMs });
    this.addAfter(key, retryMs);
  }
}
