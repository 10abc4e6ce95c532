import { request as httpsRequest } from 'node:https';
import { request as httpRequest } from 'node:http';
import type { Server } from '#client/server.ts';
import { identityHeadersOf, tlsOptionsOf } from '#client/server.ts';
import type { Clock } from '#lib/clock.ts';
import { abortController } from '#lib/clock.ts';
import type { AuditBackend } from './auditor.ts';

export interface AuditWebhookOptions {
  /** Out of a kubeconfig; `url` is called as it stands. */
  readonly server: Server;
  readonly clock: Clock;
  /** Names and defaults: kube-apiserver --audit-webhook-batch-… */
  readonly batchEventsMax?: number;
  readonly batchWaitMs?: number;
  readonly bufferEventsMax?: number;
  readonly initialBackoffMs?: number;
  readonly onError?: (error: unknown) => void;
}

const callMsMax = 30_000;
/** Tries of one batch, beyond which it is lost. */
const triesMax = 5;
const backoffFactor = 1.5;
/** Bytes that wait, whatever their number: events may hold whole objects. */
const bufferBytesMax = 64 * 1024 * 1024;

/** Sends events in batches to a webhook. What does not fit its buffer is lost and counted; requests never wait for it. */
export class AuditWebhook implements AuditBackend {
  readonly #options: Required<Omit<AuditWebhookOptions, 'onError'>> & Pick<AuditWebhookOptions, 'onError'>;
  readonly #stop = abortController();
  readonly #running: Promise<void>;
  #lines: string[] = [];
  #bytes = 0;
  #errors = 0;
  #wake: () => void = () => undefined;
  #closing = false;

  constructor(options: AuditWebhookOptions) {
    this.#options = {
      batchEventsMax: 400,
      batchWaitMs: 30_000,
      bufferEventsMax: 10_000,
      initialBackoffMs: 10_000,
      ...options,
    };
    this.#running = this.#run();
  }

  get errors(): number {
    return this.#errors;
  }

  write(line: string): void {
    const { bufferEventsMax, batchEventsMax } = this.#options;
    if (this.#lines.length >= bufferEventsMax || this.#bytes + line.length > bufferBytesMax) {
      this.#errors++;
      return;
    }
    this.#bytes += line.length;
    const { length } = this.#lines;
    this.#lines.push(line);
    if (length === 0 || length + 1 >= batchEventsMax) this.#wake();
  }

  /** Sends what is left, once, without waiting for a second try. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#wake();
    this.#stop.abort(new Error('the server stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, batchEventsMax, batchWaitMs } = this.#options;
    for (;;) {
      if (this.#lines.length === 0) {
        if (this.#closing) return;
        await this.#woken();
        continue;
      }
      if (this.#lines.length < batchEventsMax && !this.#closing) {
        using _timer = clock.after(batchWaitMs, () => this.#wake());
        await this.#woken();
      }
      const batch = this.#lines.splice(0, batchEventsMax);
      this.#bytes -= batch.reduce((sum, { length }) => sum + length, 0);
      await this.#deliver(batch);
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  async #deliver(batch: readonly string[]): Promise<void> {
    const { clock, initialBackoffMs, onError } = this.#options;
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${batch.join(',')}]}`;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#post(body);
      } catch (error) {
        if (tries >= triesMax || this.#closing) {
          this.#errors += batch.length;
          onError?.(error);
          return;
        }
        await clock.sleep(initialBackoffMs * backoffFactor ** (tries - 1), this.#stop.signal).catch(() => undefined);
      }
    }
  }

  /** Follows no redirect, and reads nothing of the answer but its code. */
  async #post(body: string): Promise<void> {
    const { server } = this.#options;
    const url = new URL(server.url);
    const identity = await identityHeadersOf(server);
    await new Promise<void>((resolve, reject) => {
      const request = (url.protocol === 'http:' ? httpRequest : httpsRequest)(
        url,
        {
          method: 'POST',
          ...tlsOptionsOf(server),
          headers: { ...identity, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
          signal: AbortSignal.timeout(callMsMax),
        },
        (reply) => {
          reply.resume();
          reply.on('error', reject);
          const code = reply.statusCode ?? 0;
          if (code >= 200 && code < 300) resolve();
          else reject(new Error(`the audit webhook answered ${code}`));
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }
}
