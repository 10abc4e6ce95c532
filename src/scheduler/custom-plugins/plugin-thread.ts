import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { Pod } from '#api/core/pod.ts';
import { Backoff } from '#lib/backoff.ts';
import { systemClock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { PluginFailure } from './plugin-failure.ts';
import type {
  Answer,
  CallPoint,
  FromPlugin,
  PluginPoint,
  PluginWorkerData,
  Question,
  ToPlugin,
} from './plugin-protocol.ts';

/** A plugin as the configuration names it. */
export interface PluginSource {
  readonly name: string;
  /** A file URL. */
  readonly module: string;
  readonly args: unknown;
  /** Within that it answers about up to 256 nodes, or returns from a call: the server's own thread waits for it. */
  readonly callTimeoutMs: number;
  /** Within that what a call has begun is done. */
  readonly waitTimeoutMs: number;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Binds the pod when the plugin asks for it. */
  readonly bind?: (annotations: Readonly<Record<string, string>>) => Promise<void>;
}

interface Call {
  readonly point: CallPoint;
  readonly begun: () => void;
  readonly settle: (error?: Error) => void;
  readonly bind: CallOptions['bind'];
}

interface Thread {
  readonly worker: Worker;
  readonly questions: MessagePort;
  readonly answered: Int32Array;
}

const loadMsMax = 10_000;
const restart = { initialMs: 1_000, maxMs: 300_000 };
/** A thread that has worked this long without a failure has recovered. */
const calmMs = 60_000;
const heapMegabytesMax = 256;
const outputPerMinuteMax = 100;
const outputLengthMax = 1_000;

const workerFile = (): URL =>
  new URL(import.meta.url.endsWith('.ts') ? './plugin-worker.ts' : './plugin-worker.js', import.meta.url);

/**
 * Runs one plugin in a thread of its own, so that nothing it does ends or blocks the server. A thread that does not
 * answer in time, or dies, is ended and started again with back-off; meanwhile every question and call fails at once.
 *
 * What it is waited for is another thread's work, so time here is always the machine's, in tests too.
 */
export class PluginThread implements AsyncDisposable {
  readonly source: PluginSource;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #calls = new Map<number, Call>();
  readonly #backoff = new Backoff(restart);
  #thread: Thread | undefined;
  #downBecause = 'it is still starting';
  #points: ReadonlySet<PluginPoint> = new Set();
  #reads: 'node' | 'use' = 'node';
  #nextId = 1;
  #generation = 0;
  #heardAt = 0;
  #startedAt = 0;
  #outputs = { at: 0, count: 0 };
  #restart: Disposable | undefined;
  #closed = false;

  private constructor(source: PluginSource, log: Log) {
    this.source = source;
    this.#log = log;
  }

  /** Loads the plugin. Throws PluginFailure if its module cannot be used. */
  static async open(source: PluginSource, log: Log): Promise<PluginThread> {
    const thread = new PluginThread(source, log.child({ plugin: source.name }));
    try {
      await thread.#start();
    } catch (error) {
      await thread[Symbol.asyncDispose]();
      throw error;
    }
    return thread;
  }

  /** What the plugin has a say in. */
  get points(): ReadonlySet<PluginPoint> {
    return this.#points;
  }

  get reads(): 'node' | 'use' {
    return this.#reads;
  }

  /** Rises with every new thread: it knows nothing of what the one before was told. */
  get generation(): number {
    return this.#generation;
  }

  /** Calls `listener` whenever the plugin is there again after it was down. */
  onReady(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Waits for the answer with this very thread, `callTimeoutMs` at most. Throws PluginFailure. */
  ask(question: Question): Answer {
    const thread = this.#up();
    Atomics.store(thread.answered, 0, 0);
    thread.questions.postMessage(question);
    const { callTimeoutMs } = this.source;
    if (Atomics.wait(thread.answered, 0, 0, callTimeoutMs) === 'timed-out') {
      throw this.#fail(`it did not answer within ${callTimeoutMs} ms`);
    }
    // It answers before it says that it has, and one question at a time.
    const { message } = receiveMessageOnPort(thread.questions) as { readonly message: Answer };
    this.#heard();
    return message;
  }

  /** Resolves once the plugin is done with it; rejects with PluginFailure. */
  async call(point: CallPoint, pod: Pod, nodeName: string, { signal, bind }: CallOptions): Promise<void> {
    const { worker } = this.#up();
    const { name, callTimeoutMs, waitTimeoutMs } = this.source;
    const id = this.#nextId++;
    const send = (message: ToPlugin) => worker.postMessage(message);
    const done = Promise.withResolvers<void>();
    const fail = (what: string) => {
      send({ do: 'abort', id, reason: what });
      done.reject(new PluginFailure(name, `${point}: ${what}`));
    };
    const watch = systemClock.after(callTimeoutMs, () => this.#watch(id));
    const late = systemClock.after(waitTimeoutMs, () => fail(`it was not done within ${waitTimeoutMs / 1000} s`));
    const stop = () => fail('the scheduler stops');
    signal.addEventListener('abort', stop, { once: true });
    this.#calls.set(id, {
      point,
      bind,
      begun: () => watch[Symbol.dispose](),
      settle: (error) => (error === undefined ? done.resolve() : done.reject(error)),
    });
    send({ do: point, id, pod, nodeName });
    if (signal.aborted) stop();
    try {
      await done.promise;
    } finally {
      this.#calls.delete(id);
      watch[Symbol.dispose]();
      late[Symbol.dispose]();
      signal.removeEventListener('abort', stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#restart?.[Symbol.dispose]();
    await this.#end('the scheduler stops');
  }

  #up(): Thread {
    if (this.#thread === undefined) throw new PluginFailure(this.source.name, this.#downBecause);
    return this.#thread;
  }

  /** A call has not begun in time: the thread is stuck, unless it has said something meanwhile. */
  #watch(id: number): void {
    setImmediate(() => {
      // What it has said may not have been read yet: that comes before this.
      const { callTimeoutMs } = this.source;
      const call = this.#calls.get(id);
      if (call === undefined) return;
      const silentMs = performance.now() - this.#heardAt;
      if (silentMs >= callTimeoutMs) this.#fail(`it did not return from ${call.point}() within ${callTimeoutMs} ms`);
      else systemClock.after(callTimeoutMs - silentMs, () => this.#watch(id));
    });
  }

  #heard(): void {
    this.#heardAt = performance.now();
    if (this.#heardAt - this.#startedAt > calmMs) this.#backoff.reset();
  }

  /** Ends the thread and starts another after a while; returns what to throw. */
  #fail(what: string): PluginFailure {
    const { name } = this.source;
    if (this.#thread !== undefined && !this.#closed) {
      const inMs = this.#backoff.next();
      this.#log.error('scheduler plugin is ended and started again', { what, inMs });
      void this.#end(`${what}; it is started again`);
      this.#restart = systemClock.after(inMs, () => void this.#startAgain());
    }
    return new PluginFailure(name, what);
  }

  async #startAgain(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#closed) return;
      const inMs = this.#backoff.next();
      this.#downBecause = `it could not be started again: ${(error as Error).message}`;
      this.#log.error('scheduler plugin could not be started again', { inMs, error });
      this.#restart = systemClock.after(inMs, () => void this.#startAgain());
      return;
    }
    for (const listener of this.#listeners) listener();
  }

  async #start(): Promise<void> {
    const { name, module, args } = this.source;
    const { port1: questions, port2 } = new MessageChannel();
    const answered = new SharedArrayBuffer(4);
    const data: PluginWorkerData = { module, args, questions: port2, answered };
    const worker = new Worker(workerFile(), {
      name: `plugin-${name}`,
      workerData: data,
      transferList: [port2],
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
    });
    worker.unref();
    questions.unref();
    const thread: Thread = { worker, questions, answered: new Int32Array(answered) };
    const loaded = Promise.withResolvers<FromPlugin & { readonly is: 'loaded' }>();
    const late = systemClock.after(loadMsMax, () => {
      loaded.reject(new PluginFailure(name, `its module was not loaded within ${loadMsMax / 1000} s`));
    });
    worker.on('message', (message: FromPlugin) => {
      this.#heard();
      if (message.is === 'loaded') loaded.resolve(message);
      else if (message.is === 'unusable')
        loaded.reject(new PluginFailure(name, `its module cannot be used: ${message.why}`));
      else this.#take(thread, message);
    });
    for (const stream of [worker.stdout, worker.stderr]) stream.on('data', (chunk: Buffer) => this.#print(chunk));
    let died = 'its thread has ended';
    worker.on('error', (error) => {
      died = `its thread has died: ${error.message}`;
    });
    worker.once('exit', () => {
      loaded.reject(new PluginFailure(name, died));
      if (this.#thread === thread) this.#fail(died);
    });
    try {
      const { points, reads = 'node' } = await loaded.promise;
      // What it said first holds: profiles are made of it.
      if (this.#generation === 0) this.#points = new Set(points);
      if (this.#generation === 0) this.#reads = reads;
    } catch (error) {
      questions.close();
      await worker.terminate();
      throw error;
    } finally {
      late[Symbol.dispose]();
    }
    if (this.#closed) {
      questions.close();
      await worker.terminate();
      return;
    }
    this.#startedAt = performance.now();
    this.#generation++;
    this.#thread = thread;
  }

  #take({ worker }: Thread, message: FromPlugin): void {
    if (message.is === 'loaded' || message.is === 'unusable') return;
    const call = this.#calls.get(message.id);
    if (call === undefined) return; // it was given up
    const { id } = message;
    call.begun();
    if (message.is === 'settled') {
      const { error } = message;
      call.settle(error === undefined ? undefined : new PluginFailure(this.source.name, `${call.point}: ${error}`));
    } else if (message.is === 'binding') {
      const answer = (error?: string) =>
        worker.postMessage({ do: 'bound', id, ...(error === undefined ? {} : { error }) } satisfies ToPlugin);
      (call.bind ?? noBinding)(message.annotations).then(
        () => answer(),
        (error: unknown) => answer(error instanceof Error ? error.message : String(error)),
      );
    }
  }

  async #end(why: string): Promise<void> {
    const thread = this.#thread;
    this.#downBecause = why;
    this.#thread = undefined;
    for (const { point, settle } of this.#calls.values())
      settle(new PluginFailure(this.source.name, `${point}: ${why}`));
    thread?.questions.close();
    await thread?.worker.terminate();
  }

  #print(chunk: Buffer): void {
    const now = performance.now();
    if (now - this.#outputs.at > 60_000) this.#outputs = { at: now, count: 0 };
    if (this.#outputs.count++ >= outputPerMinuteMax) return;
    this.#log.info('scheduler plugin prints', { text: chunk.toString().trimEnd().slice(0, outputLengthMax) });
  }
}

const noBinding = () => Promise.reject(new Error('only bind() may bind'));
