import { join } from 'node:path';
import { Readable, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { AttachOptions, CallOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import type { ObjectRef } from '#machinery/object.ts';
import { badRequest, notFoundError } from '#machinery/status-error.ts';
import { Pod } from '#api/core/pod.ts';
import type { AgentContext } from './agent-context.ts';
import { logDirName } from './cri-names.ts';
import { readLogs } from './logs/read-logs.ts';
import { tellingOfMissedOutput } from './missed-output.ts';
import { containerStatus } from './pod/container-status.ts';
import { isOver, isRunning, latestOf, type ObservedContainer } from './pod/observed.ts';
import { containersOf } from './pod/pod-containers.ts';
import type { PodWorker } from './pod/pod-worker.ts';
import { StatsReader } from './stats.ts';
import type { PodStreams, StatsSummary } from './streams.ts';

/** Speaks the runtime's own streaming protocol on the URLs it hands out. */
export interface RuntimeStreaming {
  session(url: string, options: AttachOptions): Promise<Session>;
  port(url: string, port: number, options: CallOptions): Promise<Duplex>;
}

export interface PodWorkers {
  byName(ref: ObjectRef): PodWorker | undefined;
  byUid(uid: string): PodWorker | undefined;
}

/** Clients attach this soon after a start if they have waited for it. */
const freshMsMax = 10_000;
/** The runtime closes a container's streams a moment before it says that the container has ended. */
const endingMsMax = 500;
const endingPollMs = 50;
const defaultContainer = 'kubectl.kubernetes.io/default-container';

/** A look into the pods of this node, through CRI and the log files. */
export class CriPodStreams implements PodStreams {
  readonly #context: AgentContext;
  readonly #workers: PodWorkers;
  readonly #streaming: RuntimeStreaming;
  readonly #stats: StatsReader;

  constructor(context: AgentContext, workers: PodWorkers, streaming: RuntimeStreaming) {
    this.#context = context;
    this.#workers = workers;
    this.#streaming = streaming;
    this.#stats = new StatsReader(context.cri, context.clock);
  }

  async logs(ref: ObjectRef, options: LogOptions): Promise<Readable> {
    const worker = this.#worker(ref);
    const name = containerName(worker, options.container);
    const instance = await this.#instance(worker, name, options.previous === true, options.signal);
    const { clock, paths } = this.#context;
    const sinceTime = options.sinceTime === undefined ? undefined : Date.parse(options.sinceTime);
    if (Number.isNaN(sinceTime)) throw badRequest(`sinceTime ${JSON.stringify(options.sinceTime)} is not a time`);
    const since = options.sinceSeconds === undefined ? sinceTime : clock.now() - options.sinceSeconds * 1000;
    const lines = readLogs({
      dir: join(paths.podLogs, logDirName(worker.pod), name),
      attempt: instance.attempt,
      clock,
      signal: options.signal,
      follow: options.follow === true && options.previous !== true,
      timestamps: options.timestamps === true,
      stream: options.stream ?? 'All',
      ...(since === undefined ? {} : { since }),
      ...(options.tailLines === undefined ? {} : { tailLines: options.tailLines }),
      ...(options.limitBytes === undefined ? {} : { limitBytes: options.limitBytes }),
      isRunning: () => worker.observed.containers.some((found) => found.id === instance.id && !isOver(found)),
    });
    return Readable.from(lines, { objectMode: false, signal: options.signal });
  }

  async exec(ref: ObjectRef, options: ExecOptions): Promise<Session> {
    const id = this.#running(ref, options.container);
    const { tty, stdin, stdout, stderr, command, signal } = options;
    const { url } = await this.#context.cri.call(
      'Exec',
      { containerId: id, cmd: command, tty, stdin, stdout, stderr: stderr && !tty },
      { signal },
    );
    return this.#streaming.session(url, { ...options, stderr: stderr && !tty });
  }

  async attach(ref: ObjectRef, options: AttachOptions): Promise<Session> {
    const worker = this.#worker(ref);
    const id = this.#running(ref, options.container);
    const name = containerName(worker, options.container);
    const { stdin: takesInput = false, tty = false } =
      containersOf(worker.pod).find(({ spec }) => spec.name === name)?.spec ?? {};
    const wanted = { ...options, tty, stdin: options.stdin && takesInput, stderr: options.stderr && !tty };
    const { url } = await this.#context.cri.call(
      'Attach',
      { containerId: id, tty, stdin: wanted.stdin, stdout: wanted.stdout, stderr: wanted.stderr },
      { signal: options.signal },
    );
    const session = await this.#streaming.session(url, wanted);
    const startedAt = latestOf(worker.observed, name)?.startedAt ?? 0;
    if (this.#context.clock.now() - startedAt > freshMsMax) return session;
    return tellingOfMissedOutput(session, () => this.#wroteAndEnded(ref, name, id, options));
  }

  async portForward(ref: ObjectRef, port: number, options: CallOptions): Promise<Duplex> {
    const worker = this.#worker(ref);
    const sandbox = worker.observed.sandboxes.find(({ ready }) => ready);
    if (sandbox === undefined) {
      throw badRequest(
        `unable to forward port because pod is not running. Current status=${worker.pod.status?.phase ?? ''}`,
      );
    }
    const request = { podSandboxId: sandbox.id, port: [port] };
    const { url } = await this.#context.cri.call('PortForward', request, { signal: options.signal });
    return this.#streaming.port(url, port, options);
  }

  stats({ signal }: CallOptions): Promise<StatsSummary> {
    return this.#stats.read(this.#context.nodeName, (uid) => this.#workers.byUid(uid), signal);
  }

  /** Whether a container has written something and is over, or will be in a moment. */
  async #wroteAndEnded(ref: ObjectRef, container: string, id: string, { signal }: CallOptions): Promise<boolean> {
    const { clock, view } = this.#context;
    try {
      if ((await text(await this.logs(ref, { container, tailLines: 1, signal }))) === '') return false;
      const { uid } = this.#worker(ref);
      for (const end = clock.now() + endingMsMax; clock.now() < end; await clock.sleep(endingPollMs, signal)) {
        const { containers } = await view.read(uid, signal);
        if (containers.some((each) => each.id === id && isOver(each))) return true;
      }
    } catch {
      // The pod is gone, or the client.
    }
    return false;
  }

  #worker(ref: ObjectRef): PodWorker {
    const worker = this.#workers.byName(ref);
    if (worker === undefined) throw notFoundError(Pod, ref.name);
    return worker;
  }

  #running(ref: ObjectRef, container: string | undefined): string {
    const worker = this.#worker(ref);
    const name = containerName(worker, container);
    const latest = latestOf(worker.observed, name);
    if (latest !== undefined && isRunning(latest)) return latest.id;
    throw badRequest(`container ${JSON.stringify(name)} of pod ${JSON.stringify(ref.name)} is not running`);
  }

  /** The instance whose log is meant. Throws BadRequest in the words kubectl's users know. */
  async #instance(worker: PodWorker, name: string, previous: boolean, signal: AbortSignal): Promise<ObservedContainer> {
    const { pod } = worker;
    const observed = await this.#context.view.read(worker.uid, signal);
    const instances = observed.containers.filter((found) => found.name === name && found.state !== 'created');
    const podName = pod.metadata?.name ?? '';
    if (previous) {
      const [latest, before] = instances;
      const last =
        latest !== undefined && isOver(latest) && !pod.status?.phase?.match(/^(Succeeded|Failed)$/) ? latest : before;
      if (last === undefined) throw badRequest(`previous terminated container "${name}" in pod "${podName}" not found`);
      return last;
    }
    const [latest] = instances;
    if (latest !== undefined) return latest;
    const container = containersOf(pod).find(({ spec }) => spec.name === name);
    const waiting = container === undefined ? undefined : containerStatus(worker.facts(), container).state?.waiting;
    const { reason = 'ContainerCreating' } = waiting ?? {};
    const how = /Pull|Image/.test(reason) ? `trying and failing to pull image` : reason;
    throw badRequest(`container "${name}" in pod "${podName}" is waiting to start: ${how}`);
  }
}

/** The container that is meant where none is named: the annotated one, else the only one. */
function containerName({ pod }: PodWorker, wanted: string | undefined): string {
  const names = containersOf(pod).map(({ spec }) => spec.name);
  const podName = pod.metadata?.name ?? '';
  if (wanted !== undefined && wanted !== '') {
    if (names.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${podName}`);
  }
  const annotated = pod.metadata?.annotations?.[defaultContainer];
  if (annotated !== undefined && names.includes(annotated)) return annotated;
  const [first, ...rest] = pod.spec.containers.map(({ name }) => name);
  if (first !== undefined && rest.length === 0) return first;
  throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${names.join(' ')}]`);
}
