/**
 * Spans of what a server does, sent to an OpenTelemetry collector (OTLP over HTTP, as JSON). Whoever is not sampled costs
 * a look at a header. Nothing waits for the collector: what it does not take in time is dropped and counted.
 * Source: https://www.w3.org/TR/trace-context/ and opentelemetry-proto (trace.proto).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

const spansMax = 2_048;
const batchMax = 512;
const flushMs = 2_000;
const sendMsMax = 5_000;
const kinds = { internal: 1, server: 2, client: 3 } as const;

export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
}

type Attributes = Readonly<Record<string, string | number>>;

export interface Span extends SpanContext {
  /** Ends it; `error` says that what it stands for has failed. */
  end(attributes?: Attributes, error?: boolean): void;
}

/** Whose child a request is, as its `traceparent` says; undefined without a valid one. */
function parentOf(traceparent: string | undefined): (SpanContext & { readonly sampled: boolean }) | undefined {
  const [, traceId = '', spanId = '', flags = ''] =
    /^[0-9a-e][0-9a-f]-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(traceparent ?? '') ?? [];
  if (traceId === '' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export interface TracerOptions {
  /** Where the collector is: `http://localhost:4318`. */
  readonly endpoint: string;
  /** Of traces that nobody else has begun, in a million. */
  readonly samplingRatePerMillion: number;
  readonly serviceName: string;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random?: () => number;
}

export class Tracer implements AsyncDisposable {
  readonly #options: TracerOptions;
  readonly #current = new AsyncLocalStorage<Span>();
  #finished: object[] = [];
  #timer: Disposable | undefined;
  #sending: Promise<void> = Promise.resolve();
  #dropped = 0;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** Spans that were not sent. */
  get dropped(): number {
    return this.#dropped;
  }

  /** A span for a request that came with `traceparent`; undefined if it is not sampled. */
  serve(name: string, traceparent: string | undefined, attributes: Attributes): Span | undefined {
    const parent = parentOf(traceparent);
    const { random = Math.random, samplingRatePerMillion } = this.#options;
    const sampled = parent?.sampled ?? random() * 1_000_000 < samplingRatePerMillion;
    return sampled ? this.#start(name, 'server', parent, attributes) : undefined;
  }

  /** Runs `fn` within `span`. */
  within<T>(span: Span, fn: () => T): T {
    return this.#current.run(span, fn);
  }

  /** Runs `fn` as a part of what runs now, if that is sampled. */
  async child<T>(name: string, attributes: Attributes, fn: () => Promise<T>): Promise<T> {
    const parent = this.#current.getStore();
    if (parent === undefined) return fn();
    const span = this.#start(name, 'client', parent, attributes);
    try {
      const result = await fn();
      span.end();
      return result;
    } catch (error) {
      span.end({}, true);
      throw error;
    }
  }

  /** Sends what is left, within a bounded time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.#sending;
    await this.#flush();
  }

  #start(name: string, kind: keyof typeof kinds, parent: SpanContext | undefined, attributes: Attributes): Span {
    const { clock } = this.#options;
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
    const spanId = randomBytes(8).toString('hex');
    const startMs = clock.now();
    const begin = performance.now();
    return {
      traceId,
      spanId,
      end: (more = {}, error = false) => {
        const startNs = BigInt(startMs) * 1_000_000n;
        this.#finish({
          traceId,
          spanId,
          ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
          name,
          kind: kinds[kind],
          startTimeUnixNano: String(startNs),
          endTimeUnixNano: String(startNs + BigInt(Math.round((performance.now() - begin) * 1e6))),
          attributes: attributesOf({ ...attributes, ...more }),
          status: error ? { code: 2 } : {},
        });
      },
    };
  }

  #finish(span: object): void {
    if (this.#finished.length >= spansMax) {
      this.#dropped++;
      return;
    }
    this.#finished.push(span);
    this.#timer ??= this.#options.clock.after(flushMs, () => {
      this.#timer = undefined;
      this.#sending = this.#sending.then(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    while (this.#finished.length > 0) {
      const batch = this.#finished.slice(0, batchMax);
      this.#finished = this.#finished.slice(batch.length);
      try {
        await this.#send(batch);
      } catch (error) {
        this.#dropped += batch.length;
        this.#options.log.warn('spans were dropped', { spans: batch.length, endpoint: this.#options.endpoint, error });
        return;
      }
    }
  }

  #send(spans: readonly object[]): Promise<void> {
    const resource = { attributes: attributesOf({ 'service.name': this.#options.serviceName }) };
    const scopeSpans = [{ scope: { name: this.#options.serviceName }, spans }];
    const body = Buffer.from(JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] }));
    return new Promise((resolve, reject) => {
      const call = request(new URL('/v1/traces', this.#options.endpoint), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        signal: AbortSignal.timeout(sendMsMax),
      });
      call.on('error', reject);
      call.on('response', (response) => {
        response.resume();
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) resolve();
        else reject(new Error(`the collector answered with ${statusCode}`));
      });
      call.end(body);
    });
  }
}

function attributesOf(attributes: Attributes) {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }));
}
