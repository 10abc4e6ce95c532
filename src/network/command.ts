import { spawn } from 'node:child_process';
import { StatusError, unavailable } from '#machinery/status-error.ts';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The process id it ran under. */
  readonly pid: number;
}

export interface CommandOptions {
  readonly signal: AbortSignal;
  /** Written to the program's input piece by piece, so that a long text never blocks the event loop. */
  readonly stdin?: Iterable<string>;
}

/** Runs a program of the host to its end. Never a shell: arguments reach the program as they are. */
export type RunCommand = (program: string, args: readonly string[], options: CommandOptions) => Promise<CommandResult>;

/** No command of ours takes longer; one that does hangs, and its caller must be able to try again. */
const runMsMax = 30_000;
const outputCharsMax = 64 * 1024 * 1024;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The `RunCommand` that starts real processes. Resolves whatever the exit code. Throws ServiceUnavailable if the
 * program is not installed; rejects with the signal's reason, after killing the process, when `signal` aborts.
 */
export const runCommand: RunCommand = (program, args, { signal, stdin }) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const child = spawn(program, args, { stdio: 'pipe', env: { PATH: path, LC_ALL: 'C' } });
    const out = { stdout: '', stderr: '' };
    let failure: Error | undefined;
    const abort = () => {
      failure = signal.reason as Error;
      child.kill('SIGKILL');
    };
    signal.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(() => {
      failure = new StatusError('InternalError', `${program} ${args.join(' ')} did not end within ${runMsMax} ms`);
      child.kill('SIGKILL');
    }, runMsMax).unref();
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        out[name] += text;
        if (out[name].length > outputCharsMax) {
          failure = new StatusError('InternalError', `${program} ${args.join(' ')} wrote more than it may`);
          child.kill('SIGKILL');
        }
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      const missing = error.code === 'ENOENT';
      reject(unavailable(missing ? `${program} is not installed` : `cannot run ${program}: ${error.message}`, error));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      if (failure !== undefined) reject(failure);
      else resolve({ code: code ?? 128, ...out, pid: child.pid ?? 0 });
    });
    child.stdin.on('error', () => {}); // the program ended early: its exit code and complaint say why
    feed(child.stdin, stdin ?? []);
  });

/** Writes the pieces as the program takes them, giving other work a turn between. */
function feed(input: NodeJS.WritableStream, pieces: Iterable<string>): void {
  const rest = pieces[Symbol.iterator]();
  const step = () => {
    if (!input.writable) return;
    const { done, value } = rest.next();
    if (done === true) return void input.end();
    if (input.write(value)) setImmediate(step);
    else input.once('drain', step);
  };
  step();
}

/** Like `run`, but throws InternalError with the program's own complaint unless it exits with 0. */
export async function runChecked(
  run: RunCommand,
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const result = await run(program, args, options);
  if (result.code !== 0) {
    const complaint = result.stderr.trim().slice(0, 2_000);
    throw new StatusError(
      'InternalError',
      `${program} ${args.join(' ')} failed with code ${result.code}: ${complaint}`,
    );
  }
  return result;
}
