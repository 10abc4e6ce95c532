import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

const enterNamespace = 'nsenter';

/** A Node process in a network namespace, started on its first order: a line of JSON in, a line of JSON out. */
export class PlacedProcess implements AsyncDisposable {
  readonly #namespace: string;
  readonly #file: string;
  readonly #signal: AbortSignal;
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #replies: AsyncIterator<string> | undefined;

  constructor(namespace: string, file: string, signal: AbortSignal) {
    this.#namespace = namespace;
    this.#file = file;
    this.#signal = signal;
  }

  async tell(order: object): Promise<unknown> {
    this.#signal.throwIfAborted();
    if (this.#child === undefined) {
      const args = [`--net=/run/netns/${this.#namespace}`, process.execPath, this.#file];
      this.#child = spawn(enterNamespace, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      this.#replies = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    }
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const reply = await this.#replies?.next();
    if (reply === undefined || reply.done === true) throw new Error(`the process in ${this.#namespace} ended`);
    const { value, error } = JSON.parse(reply.value) as { value?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
