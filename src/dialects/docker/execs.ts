import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { badRequest, conflict, tooManyRequests, type Status } from '#machinery/status-error.ts';
import { refOf, type ContainerRecord } from './container-record.ts';
import { stateOf } from './container-state.ts';
import { isObject } from './create-body.ts';
import { noSuchExec, notOffered, notRunning } from './errors.ts';
import { containerEvent, type EventLog } from './events.ts';
import { writeAll } from './attach.ts';
import { frame, streamType, type StreamNumber } from './frames.ts';
import type { Grant, Hijacked } from './hijack.ts';
import type { TerminalSizes } from './terminal-sizes.ts';

interface Exec {
  readonly id: string;
  readonly record: ContainerRecord;
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  state: 'created' | 'running' | 'ended';
  exitCode: number | null;
}

/** Docker forgets the exec of a container with it; here the oldest that have ended make room. */
const execsMax = 1000;

export interface ExecContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly events: EventLog;
  readonly sizes: TerminalSizes;
}

/** Commands in running containers: created, started, asked about. They live in this process alone. */
export class Execs {
  readonly #context: ExecContext;
  readonly #execs = new Map<string, Exec>();

  constructor(context: ExecContext) {
    this.#context = context;
  }

  /** Throws Conflict if the container does not run, and for what cannot be done by name. */
  create(record: ContainerRecord, body: unknown): string {
    const { clock, events } = this.#context;
    if (stateOf(record, clock.now()).status !== 'running') throw notRunning(record.id);
    if (!isObject(body)) throw badRequest('an exec configuration is wanted');
    const { Cmd, Env, WorkingDir, User, Privileged, Tty, AttachStdin, AttachStdout, AttachStderr, ConsoleSize } = body;
    if (!isTexts(Cmd) || Cmd.length === 0) throw badRequest('No exec command specified');
    if (typeof User === 'string' && User !== '')
      throw notOffered('docker exec --user', 'commands run as the user of the container');
    if (Privileged === true) throw notOffered('docker exec --privileged');
    const id = randomBytes(32).toString('hex');
    const exec: Exec = {
      id,
      record,
      command: commandOf(Cmd, isTexts(Env) ? Env : [], typeof WorkingDir === 'string' ? WorkingDir : ''),
      tty: Tty === true,
      stdin: AttachStdin === true,
      stdout: AttachStdout === true,
      stderr: AttachStderr === true,
      state: 'created',
      exitCode: null,
    };
    this.#makeRoom();
    this.#execs.set(id, exec);
    if (Array.isArray(ConsoleSize)) this.#context.sizes.set(id, Number(ConsoleSize[1]), Number(ConsoleSize[0]));
    events.add(containerEvent(record, `exec_create: ${Cmd.join(' ')}`, clock.now(), { execID: id }));
    return id;
  }

  #makeRoom(): void {
    if (this.#execs.size < execsMax) return;
    const oldest = [...this.#execs.values()].find(({ state }) => state !== 'running');
    if (oldest === undefined) throw tooManyRequests(`${execsMax} commands run already`, 1);
    this.#execs.delete(oldest.id);
  }

  #find(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined) throw noSuchExec(id);
    return exec;
  }

  /** GET /exec/ID/json */
  inspect(id: string): Record<string, unknown> {
    const { record, command, tty, stdin, stdout, stderr, state, exitCode } = this.#find(id);
    const [entrypoint = '', ...args] = command;
    return {
      ID: id,
      Running: state === 'running',
      ExitCode: exitCode,
      ProcessConfig: { tty, entrypoint, arguments: args, privileged: false },
      OpenStdin: stdin,
      OpenStdout: stdout,
      OpenStderr: stderr,
      CanRemove: state === 'ended',
      ContainerID: record.id,
      DetachKeys: '',
      Pid: 0,
    };
  }

  resize(id: string, query: URLSearchParams): void {
    this.#context.sizes.tell(this.#find(id).id, query);
  }

  /** Runs the command without anybody at its streams; resolves once it has begun. */
  async startDetached(id: string, signal: AbortSignal): Promise<void> {
    const exec = this.#begin(id);
    const { client } = this.#context;
    try {
      const session = await client.exec(refOf(exec.record), {
        container: exec.record.container.name,
        command: exec.command,
        stdin: false,
        stdout: true,
        stderr: !exec.tty,
        tty: exec.tty,
        signal,
      });
      session.stdout?.resume();
      session.stderr?.resume();
      void session.done.then(
        (outcome) => this.#end(exec, exitCodeOf(outcome)),
        () => this.#end(exec, 126),
      );
    } catch (error) {
      this.#end(exec, 126);
      throw error;
    }
  }

  /** Runs the command on the client's streams; resolves once it has ended and all was sent. */
  async start(id: string, body: unknown, grant: Grant, signal: AbortSignal): Promise<void> {
    const exec = this.#begin(id);
    const { tty } = exec;
    if (isObject(body) && Array.isArray(body['ConsoleSize']))
      this.#context.sizes.set(id, Number(body['ConsoleSize'][1]), Number(body['ConsoleSize'][0]));
    const hijacked = grant(streamType(tty));
    try {
      const outcome = await this.#run(exec, hijacked, signal);
      this.#end(exec, exitCodeOf(outcome));
      const text = isExit(outcome)
        ? ''
        : `OCI runtime exec failed: ${outcome.message ?? 'the command could not be run'}\r\n`;
      if (text !== '') hijacked.output.write(tty ? text : frameText(text));
    } catch (error) {
      this.#end(exec, 126);
      if (!signal.aborted)
        hijacked.output.write(tty ? `${(error as Error).message}\r\n` : frameText(`${(error as Error).message}\r\n`));
    }
  }

  async #run(exec: Exec, { input, output }: Hijacked, signal: AbortSignal): Promise<Status> {
    const { client, sizes } = this.#context;
    const { record, command, tty } = exec;
    const session = await client.exec(refOf(record), {
      container: record.container.name,
      command,
      stdin: exec.stdin,
      stdout: exec.stdout || (!exec.stdin && !exec.stderr),
      stderr: exec.stderr && !tty,
      tty,
      signal,
    });
    const close = () => session.close();
    signal.addEventListener('abort', close, { once: true });
    using _ = sizes.follow(exec.id, (width, height) => session.resize(width, height));
    session.stdin?.on('error', () => {});
    if (session.stdin === undefined) input.resume();
    else input.pipe(session.stdin);
    const outputs = [relay(session.stdout, 1, tty, output), relay(session.stderr, 2, tty, output)];
    const outcome = await session.done;
    await Promise.all(outputs);
    signal.removeEventListener('abort', close);
    input.unpipe();
    input.resume();
    return outcome;
  }

  #begin(id: string): Exec {
    const { clock, events } = this.#context;
    const exec = this.#find(id);
    if (exec.state !== 'created') throw conflict({ group: '', plural: 'execs' }, id, 'it has been started before');
    exec.state = 'running';
    events.add(containerEvent(exec.record, `exec_start: ${exec.command.join(' ')}`, clock.now(), { execID: id }));
    return exec;
  }

  #end(exec: Exec, exitCode: number): void {
    const { clock, events } = this.#context;
    exec.state = 'ended';
    exec.exitCode = exitCode;
    events.add(containerEvent(exec.record, 'exec_die', clock.now(), { execID: exec.id, exitCode: `${exitCode}` }));
  }
}

const frameText = (text: string) => frame(2, Buffer.from(text));

/** Everything of `source`, without ending `output`. How the session ended is told by its status. */
async function relay(
  source: Readable | undefined,
  stream: StreamNumber,
  tty: boolean,
  output: Writable,
): Promise<void> {
  if (source === undefined) return;
  async function* chunks(from: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of from) yield tty ? chunk : frame(stream, chunk);
  }
  await writeAll(chunks(source), output).catch(() => undefined);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** Kubernetes runs plain commands: variables and directory are set by programs that nearly every image has. */
function commandOf(command: readonly string[], env: readonly string[], dir: string): readonly string[] {
  const inDir = dir === '' ? command : ['sh', '-c', 'cd "$0" && exec "$@"', dir, ...command];
  return env.length === 0 ? inDir : ['env', ...env, ...inDir];
}

const isExit = ({ status, reason }: Status) => status === 'Success' || reason === 'NonZeroExitCode';

function exitCodeOf(outcome: Status): number {
  if (outcome.status === 'Success') return 0;
  const code = outcome.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (code !== undefined) return Number(code);
  return /no such file or directory|not found in \$PATH/i.test(outcome.message ?? '') ? 127 : 126;
}
