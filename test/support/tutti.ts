import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { outcomeOf, run, type CommandOptions, type Outcome } from './command.ts';

const root = path.join(import.meta.dirname, '..', '..');
/** Longer than `tutti up` itself waits, so that its own reason is seen. */
const readyMsMax = 75_000;

/** A port nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('No port');
  return address.port;
}

/** Compiled code is shared by all clusters that tests start, and is not what their `tutti reset` removes. */
const compileCache = { NODE_COMPILE_CACHE: path.join(root, 'node_modules', '.cache', 'compiled') };

/** Runs `bin/tutti` to its end. */
export const tutti = (args: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
  outcomeOf(path.join(root, 'bin', 'tutti'), args, { ...options, env: { ...compileCache, ...options.env } });

/** A real `tutti up` in a process of its own, on a data directory of its own. */
export class Tutti implements AsyncDisposable {
  readonly dataDir: string;
  readonly port: number;
  readonly kubeconfig: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;
  #output = '';

  private constructor(dataDir: string, port: number, args: readonly string[]) {
    this.dataDir = dataDir;
    this.port = port;
    this.kubeconfig = path.join(dataDir, 'kubeconfig');
    this.#args = args;
  }

  /** Starts a cluster and waits for its ready line. `args` go to `tutti up`; `dataDir` is removed with it. */
  static async up(args: readonly string[] = [], { dataDir }: { readonly dataDir?: string } = {}): Promise<Tutti> {
    const self = new Tutti(dataDir ?? mkdtempSync(path.join(tmpdir(), 'tutti-')), await freePort(), args);
    try {
      await self.start();
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
    return self;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('The server is not running');
    return pid;
  }

  /** Everything the server has printed since it was last started. */
  get output(): string {
    return this.#output;
  }

  /** Starts the server (again) on the same data; returns how long until its ready line, in milliseconds. */
  async start(): Promise<number> {
    const start = performance.now();
    this.#output = '';
    const child = spawn(
      path.join(root, 'bin', 'tutti'),
      ['up', '--data-dir', this.dataDir, '--port', `${this.port}`, ...this.#args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...compileCache } },
    );
    this.#process = child;
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`No ready line within ${readyMsMax} ms:\n${this.#output}`)),
        readyMsMax,
      );
      const read = (chunk: Buffer) => {
        this.#output += chunk.toString();
        if (/^ready\b/m.test(this.#output)) {
          clearTimeout(timer);
          resolve();
        }
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`tutti up ended with ${code ?? signal} before it was ready:\n${this.#output}`));
      });
    });
    await ready;
    return performance.now() - start;
  }

  /** Ends the server by `signal` and waits until it is gone; containers are not touched. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return run('kubectl', ['--kubeconfig', this.kubeconfig, ...args], {
      ...options,
      env: { KUBECACHEDIR: path.join(this.dataDir, 'kube-cache'), ...options.env },
    });
  }

  kubectlOutcome(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return outcomeOf('kubectl', ['--kubeconfig', this.kubeconfig, ...args], {
      ...options,
      env: { KUBECACHEDIR: path.join(this.dataDir, 'kube-cache'), ...options.env },
    });
  }

  docker(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return run('docker', ['--host', `unix://${path.join(this.dataDir, 'docker.sock')}`, ...args], options);
  }

  dockerOutcome(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return outcomeOf('docker', ['--host', `unix://${path.join(this.dataDir, 'docker.sock')}`, ...args], options);
  }

  /** Applies a manifest given as text. */
  apply(manifest: string): Promise<string> {
    return this.kubectl(['apply', '-f', '-'], { input: manifest });
  }

  /** Loads a one-layer image with busybox in it, whose applets are on its PATH. `files` are added, path → text. */
  async busyboxImage(
    name: string,
    files: Readonly<Record<string, string>> = {},
    args: readonly string[] = ['--cmd', '/bin/sh'],
  ): Promise<void> {
    const dir = mkdtempSync(path.join(tmpdir(), 'tutti-image-'));
    try {
      for (const sub of ['bin', 'tmp', 'etc', 'root']) mkdirSync(path.join(dir, sub));
      cpSync('/bin/busybox', path.join(dir, 'bin', 'busybox'));
      for (const applet of (await run('/bin/busybox', ['--list'])).trim().split('\n')) {
        if (applet !== 'busybox') symlinkSync('busybox', path.join(dir, 'bin', applet));
      }
      writeFileSync(
        path.join(dir, 'etc', 'passwd'),
        'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
      );
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
        writeFileSync(path.join(dir, file), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
      }
      const { code, stderr } = await tutti([
        'image',
        'build',
        '--data-dir',
        this.dataDir,
        '-t',
        name,
        ...args,
        '--',
        dir,
      ]);
      if (code !== 0) throw new Error(`tutti image build failed: ${stderr}`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGTERM');
    const { code, stdout, stderr } = await tutti(['reset', '--yes', '--data-dir', this.dataDir], {
      timeoutMs: 120_000,
    });
    rmSync(this.dataDir, { recursive: true, force: true });
    if (code !== 0) throw new Error(`tutti reset ended with ${code}\n${stdout}\n${stderr}`);
  }
}
