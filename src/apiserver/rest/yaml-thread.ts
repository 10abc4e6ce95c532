import { parseExact } from '#machinery/json.ts';
import { Worker } from 'node:worker_threads';
import { badRequest, StatusError, tooManyRequests, type Status } from '#machinery/status-error.ts';
import { parseYaml, type ParsedYaml } from '#machinery/yaml.ts';

/** Bodies up to here are read where they are: that takes 25 ms at worst (deep nesting), mostly less than asking a thread. */
export const hereBytesMax = 2 * 1024;
/** How long a body may take to read. */
export const yamlMsMax = 5_000;
const waitingMax = 64;
/** A thread with nothing to do ends after this. */
const idleMs = 10_000;
const heapMegabytesMax = 256;

export type YamlReply =
  | { readonly is: 'parsed'; readonly json: string; readonly duplicates: readonly string[] }
  | { readonly is: 'refused'; readonly status: Status }
  | { readonly is: 'failed'; readonly message: string };

interface Job {
  readonly body: Buffer;
  readonly resolve: (value: ParsedYaml) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads YAML bodies beside the thread that serves everybody: a hostile text of 64 KiB can keep a parser busy for a
 * second. One at a time, each within a bounded time and memory; the thread is there only while there is something to do.
 */
export class YamlThread implements Disposable {
  readonly #jobs: Job[] = [];
  #worker: Worker | undefined;
  #running: Job | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Throws what `parseYaml()` throws, and TooManyRequests if too many wait. */
  async parse(body: Buffer): Promise<ParsedYaml> {
    if (body.length <= hereBytesMax) return parseYaml(body);
    if (this.#jobs.length >= waitingMax)
      throw tooManyRequests('too many YAML bodies wait to be read; send JSON instead', 1);
    return new Promise((resolve, reject) => {
      this.#jobs.push({ body, resolve, reject });
      this.#next();
    });
  }

  [Symbol.dispose](): void {
    this.#end(badRequest('the server is shutting down'));
  }

  #next(): void {
    if (this.#running !== undefined) return;
    clearTimeout(this.#timer);
    const job = this.#jobs.shift();
    if (job === undefined) {
      this.#timer = setTimeout(() => this.#stop(), idleMs).unref();
      return;
    }
    this.#running = job;
    this.#timer = setTimeout(
      () =>
        this.#end(badRequest(`the YAML body could not be read within ${yamlMsMax / 1000} seconds; send JSON instead`)),
      yamlMsMax,
    ).unref();
    this.#worker ??= this.#start();
    this.#worker.postMessage(job.body);
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './yaml-worker.ts' : './yaml-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      name: 'tutti-yaml',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
    });
    worker.unref();
    worker.on('message', (reply: YamlReply) => {
      const job = this.#running;
      this.#running = undefined;
      if (job !== undefined) settle(job, reply);
      this.#next();
    });
    worker.on('error', (error) => this.#end(badRequest(`the YAML body could not be read: ${error.message}`, error)));
    return worker;
  }

  /** Ends the thread with what it is doing; the next job gets a new one. */
  #end(error: Error): void {
    const job = this.#running;
    this.#running = undefined;
    this.#stop();
    job?.reject(error);
    this.#next();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    void this.#worker?.terminate();
    this.#worker?.removeAllListeners();
    this.#worker = undefined;
  }
}

function settle({ resolve, reject }: Job, reply: YamlReply): void {
  switch (reply.is) {
    case 'parsed':
      resolve({ value: parseExact(reply.json), duplicates: reply.duplicates });
      break;
    case 'refused':
      reject(StatusError.from(reply.status));
      break;
    case 'failed':
      reject(badRequest(`the YAML body could not be read: ${reply.message}`));
      break;
  }
}
