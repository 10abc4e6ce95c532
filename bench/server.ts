import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { outcomeOf } from '#test/support/command.ts';
import { unless } from '#test/support/needs.ts';
import { freePort } from '#test/support/tutti.ts';

const program = path.join(import.meta.dirname, '..', 'bin', 'tutti');
const readyMsMax = 60_000;
const resetMsMax = 60_000;
const askEveryMs = 5;
/** Linux counts CPU time in these, whatever the kernel's own tick (USER_HZ; proc_pid_stat(5)). */
const ticksPerSecond = 100;

/** Why this machine cannot be a real node; false if it can. */
export const realNodeMissing = (): string | false =>
  process.getuid?.() === 0 ? unless('containerd', 'cni', 'nft') : 'needs root';

/** Says on stderr which rows are left out, and why; stdout belongs to the figures. */
export function skipped(names: readonly string[], why: string): [] {
  process.stderr.write(`skipped: ${names.join(', ')}: ${why}\n`);
  return [];
}

/**
 * Compiled code is kept here, apart from the user's own, so that `tutti reset` between samples leaves it: the first
 * boot of a run fills it, as the first boot of an installed version does.
 */
const compileCache = mkdtempSync(path.join(tmpdir(), 'tutti-bench-code-'));
process.on('exit', () => rmSync(compileCache, { recursive: true, force: true }));

/** A `tutti up` in a process of its own on a data directory of its own; disposing it leaves nothing. */
export class Server implements AsyncDisposable {
  readonly dataDir: string;
  readonly port: number;
  /** From spawning the process to the first 200 of `/readyz`, in milliseconds. */
  readonly readyzMs: number;
  /** The same to its ready line, which it prints once its nodes are Ready. */
  readonly nodesReadyMs: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, facts: Pick<Server, 'dataDir' | 'port' | 'readyzMs' | 'nodesReadyMs'>) {
    this.#process = process;
    this.dataDir = facts.dataDir;
    this.port = facts.port;
    this.readyzMs = facts.readyzMs;
    this.nodesReadyMs = facts.nodesReadyMs;
  }

  static up(args: readonly string[] = []): Promise<Server> {
    return Server.#on(mkdtempSync(path.join(tmpdir(), 'tutti-bench-')), args);
  }

  /** Ends this server and starts another on its data; only the other need be disposed of. */
  async restarted(args: readonly string[] = [], by: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<Server> {
    this.#process.kill(by);
    await once(this.#process, 'exit');
    return Server.#on(this.dataDir, args);
  }

  static async #on(dataDir: string, args: readonly string[]): Promise<Server> {
    const port = await freePort();
    const start = performance.now();
    const child = spawn(program, ['up', '--data-dir', dataDir, '--port', `${port}`, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    });
    try {
      const [readyzMs, nodesReadyMs] = await Promise.all([
        answers(port, child).then(() => performance.now() - start),
        saysReady(child).then(() => performance.now() - start),
      ]);
      return new Server(child, { dataDir, port, readyzMs, nodesReadyMs });
    } catch (error) {
      await remove(child, dataDir);
      throw error;
    }
  }

  /** Resident memory of the process with all its threads, in megabytes of 10^6 bytes. */
  residentMegabytes(): number {
    const [, kib = 'NaN'] = /^VmRSS:\s+(\d+) kB$/m.exec(this.#proc('status')) ?? [];
    return (Number(kib) * 1024) / 1e6;
  }

  /** CPU time the process has used so far, in seconds: its threads and the programs that it ran to their end. */
  cpuSeconds(): number {
    const fields = this.#proc('stat').split(') ')[1]?.split(' ') ?? [];
    // utime, stime, cutime and cstime are fields 14 to 17; what follows the name starts with field 3.
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.#process, this.dataDir);
  }

  #proc(file: string): string {
    return readFileSync(`/proc/${this.#process.pid}/${file}`, 'utf8');
  }
}

/** Resolves once `/readyz` says 200. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  const end = performance.now() + readyMsMax;
  while (performance.now() < end && child.exitCode === null) {
    const status = await new Promise<number | undefined>((resolve) => {
      const request = get(
        { host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, agent: false },
        (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        },
      );
      request.on('error', () => resolve(undefined));
    });
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
  throw new Error(`/readyz did not say 200 within ${readyMsMax} ms`);
}

function saysReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const late = setTimeout(() => reject(new Error(`No ready line within ${readyMsMax} ms: ${output}`)), readyMsMax);
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (!/^ready\b/m.test(output)) return;
      clearTimeout(late);
      resolve();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      reject(new Error(`tutti up ended with ${code ?? signal}: ${output}`));
    });
  });
}

async function remove(child: ChildProcess, dataDir: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  const { code, stderr } = await outcomeOf(program, ['reset', '--yes', '--data-dir', dataDir], {
    timeoutMs: resetMsMax,
    env: { NODE_COMPILE_CACHE: compileCache },
  });
  rmSync(dataDir, { recursive: true, force: true });
  if (code !== 0) throw new Error(`tutti reset ended with ${code}: ${stderr}`);
}
