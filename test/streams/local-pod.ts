import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough, Readable, type Duplex } from 'node:stream';
import type { PodStreams } from '#agent/streams.ts';
import type { AttachOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import { exitStatus } from '#client/exit-status.ts';
import type { ObjectRef } from '#machinery/object.ts';
import { notFoundError, unavailable } from '#machinery/status-error.ts';

/** A pod whose commands are processes of this machine: real pipes and real exit codes without a container runtime. */
export class LocalPod implements PodStreams, Disposable {
  readonly sizes: (readonly [width: number, height: number])[] = [];
  /** What attach shows and takes. */
  readonly attached = new PassThrough();
  readonly attachedInput = new PassThrough();
  readonly #name: string;
  readonly #kill = new Set<() => void>();
  logText = '';
  logOptions: LogOptions | undefined;
  /** Followers read from here. */
  readonly following = new PassThrough();

  constructor(name: string) {
    this.#name = name;
  }

  get runningCount(): number {
    return this.#kill.size;
  }

  async logs(pod: ObjectRef, options: LogOptions): Promise<Readable> {
    this.#check(pod);
    this.logOptions = options;
    if (options.follow !== true) return Readable.from([Buffer.from(this.logText)]);
    this.following.write(this.logText);
    return this.following;
  }

  async exec(pod: ObjectRef, { command, tty, stdin, stdout, stderr }: ExecOptions): Promise<Session> {
    this.#check(pod);
    const [file = '', ...words] = command;
    const child = spawn(file, words, { stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw unavailable(`cannot start ${file}: ${(cause as Error).message}`, cause);
    }
    const kill = () => void child.kill('SIGKILL');
    this.#kill.add(kill);
    const exit = once(child, 'close').then(([code]) => {
      this.#kill.delete(kill);
      return exitStatus(typeof code === 'number' ? code : 137);
    });
    child.stdin?.on('error', () => {});
    if (!stdout) child.stdout?.resume();
    if (!stderr && !tty) child.stderr?.resume();
    const terminal = new PassThrough();
    if (tty) {
      child.stderr?.pipe(terminal, { end: false });
      child.stdout?.pipe(terminal, { end: false });
      void exit.then(() => terminal.end());
    }
    const output = tty ? terminal : child.stdout;
    return {
      stdin: stdin ? (child.stdin ?? undefined) : undefined,
      stdout: stdout ? (output ?? undefined) : undefined,
      stderr: stderr && !tty ? (child.stderr ?? undefined) : undefined,
      resize: (width, height) => void this.sizes.push([width, height]),
      done: exit,
      close: kill,
    };
  }

  async attach(pod: ObjectRef, { stdin, stdout }: AttachOptions): Promise<Session> {
    this.#check(pod);
    const ended = once(this.attached, 'end').then(() => exitStatus(0));
    return {
      stdin: stdin ? this.attachedInput : undefined,
      stdout: stdout ? this.attached : undefined,
      stderr: undefined,
      resize: (width, height) => void this.sizes.push([width, height]),
      done: ended,
      close() {},
    };
  }

  async portForward(pod: ObjectRef, port: number): Promise<Duplex> {
    this.#check(pod);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (cause) {
      throw unavailable(`failed to connect to 127.0.0.1:${port}: ${(cause as Error).message}`, cause);
    }
  }

  async stats() {
    return { node: { nodeName: 'n1', cpu: { time: '2026-01-01T00:00:00Z', usageNanoCores: 5 } }, pods: [] };
  }

  [Symbol.dispose](): void {
    for (const kill of this.#kill) kill();
    this.following.destroy();
    this.attached.destroy();
  }

  #check({ name }: ObjectRef): void {
    if (name !== this.#name) throw notFoundError({ group: '', plural: 'pods' }, name);
  }
}
