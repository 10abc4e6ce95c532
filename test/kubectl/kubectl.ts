import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { outcomeOf, type CommandOptions, type Outcome } from '../support/command.ts';
import type { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

/** The real kubectl as somebody uses it who works in one namespace of a cluster. */
export class Kubectl {
  readonly cluster: Tutti;
  readonly namespace: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(cluster: Tutti, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.#env = { KUBECONFIG: cluster.kubeconfig, KUBECACHEDIR: path.join(cluster.dataDir, 'kube-cache') };
  }

  /** Makes a namespace and works in it at once, as an impatient user does. */
  static async in(cluster: Tutti, namespace: string): Promise<Kubectl> {
    await cluster.kubectl(['create', 'namespace', namespace]);
    return new Kubectl(cluster, namespace);
  }

  /** Runs a line whose words are separated by spaces; `more` are further words, which may have spaces in them. */
  async ok(line: string, ...more: readonly string[]): Promise<string> {
    const { stdout } = await this.succeed(line, more);
    return stdout;
  }

  /** The same with `input` as what it reads. */
  async fed(input: string, line: string, ...more: readonly string[]): Promise<string> {
    const { stdout } = await this.succeed(line, more, { input });
    return stdout;
  }

  /** Runs a line that must succeed; both outputs. */
  async succeed(line: string, more: readonly string[] = [], options: CommandOptions = {}): Promise<Outcome> {
    const outcome = await this.outcome(line, more, options);
    if (outcome.code !== 0) {
      throw new Error(
        `kubectl ${[line, ...more].join(' ')} ended with ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`,
      );
    }
    return outcome;
  }

  /** Runs a line to its end, however it ends. */
  outcome(line: string, more: readonly string[] = [], options: CommandOptions = {}): Promise<Outcome> {
    return outcomeOf('kubectl', this.#words(line, more), { ...options, env: { ...this.#env, ...options.env } });
  }

  /** Runs a line on a terminal of 80 × 24 characters; what is typed before it starts is `input`. */
  async onTerminal(line: string, ...more: readonly string[]): Promise<Outcome> {
    const quoted = ['kubectl', ...this.#words(line, more)].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    const command = `stty cols 80 rows 24; ${quoted.join(' ')}`;
    const outcome = await outcomeOf('script', ['-qec', command, '/dev/null'], { env: this.#env });
    return { ...outcome, stdout: outcome.stdout.replaceAll('\r', '') };
  }

  /** An object, or a list of them, as `get` prints it in JSON. */
  async json<T>(line: string): Promise<T> {
    return JSON.parse(await this.ok(`get -o json ${line}`)) as T;
  }

  /** One value of an object. */
  value(jsonpath: string, line: string): Promise<string> {
    return this.ok(`get ${line}`, '-o', `jsonpath=${jsonpath}`);
  }

  /** Starts a line that goes on until it is disposed of. */
  start(line: string, ...more: readonly string[]): Running {
    return new Running(
      spawn('kubectl', this.#words(line, more), { stdio: 'pipe', env: { ...process.env, ...this.#env } }),
    );
  }

  #words(line: string, more: readonly string[]): readonly string[] {
    return ['-n', this.namespace, ...line.split(' ').filter((word) => word !== ''), ...more];
  }
}

/** A command that is still running. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = '';

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.on('error', (error) => (this.#output += `\n${error.message}`));
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
  }

  /** Everything it has printed, errors too. */
  get output(): string {
    return this.#output;
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Waits until it has printed something that `pattern` matches. */
  async printed(pattern: RegExp): Promise<RegExpMatchArray> {
    try {
      return await until(`${pattern}`, () => this.#output.match(pattern) ?? undefined);
    } catch (error) {
      throw new Error(`Never printed ${pattern}, but:\n${this.#output}`, { cause: error });
    }
  }

  /** Ends its input and waits until it ends by itself; its exit code. */
  async end(): Promise<number> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    return this.#child.exitCode ?? 128;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await closed;
  }
}
