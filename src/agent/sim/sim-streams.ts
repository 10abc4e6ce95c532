import { Readable } from 'node:stream';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { CacheReader } from '#client/cache.ts';
import type { LogOptions } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { ObjectRef } from '#machinery/object.ts';
import { toMilli, toUnits } from '#machinery/quantity.ts';
import { badRequest, notFoundError, type StatusError } from '#machinery/status-error.ts';
import type { PodStreams, StatsSummary } from '../streams.ts';

/** What can be seen of the pods of one pretend node: one line of log, no processes, and use equal to requests. */
export class SimStreams implements PodStreams {
  readonly #nodeName: string;
  readonly #cache: CacheReader;
  readonly #clock: Clock;

  /** `cache` holds pods and nodes. */
  constructor(nodeName: string, cache: CacheReader, clock: Clock) {
    this.#nodeName = nodeName;
    this.#cache = cache;
    this.#clock = clock;
  }

  async logs(ref: ObjectRef, { container, timestamps, stream, tailLines }: LogOptions): Promise<Readable> {
    const pod = this.#pod(ref);
    const names = (pod.spec?.containers ?? []).map(({ name }) => name);
    const name = container ?? names[0] ?? '';
    if (!names.includes(name)) throw badRequest(`container ${name} is not valid for pod ${ref.name}`);
    const line = `pretend container ${name} of ${ref.namespace}/${ref.name} on ${this.#nodeName} prints nothing else\n`;
    const began = pod.status?.startTime ?? new Date(this.#clock.now()).toISOString();
    const text = timestamps === true ? `${began} ${line}` : line;
    const isEmpty = stream === 'Stderr' || tailLines === 0;
    return Readable.from(isEmpty ? [] : [Buffer.from(text)], { objectMode: false });
  }

  async exec(ref: ObjectRef): Promise<never> {
    throw this.#refusal('exec into', ref);
  }

  async attach(ref: ObjectRef): Promise<never> {
    throw this.#refusal('attach to', ref);
  }

  async portForward(ref: ObjectRef): Promise<never> {
    throw this.#refusal('forward ports of', ref);
  }

  async stats(): Promise<StatsSummary> {
    const time = new Date(this.#clock.now()).toISOString();
    const pods = this.#cache
      .list(Pod)
      .filter(({ spec, status }) => spec?.nodeName === this.#nodeName && status?.phase === 'Running');
    const summaries = pods.map((pod) => podStats(pod, time));
    const containers = summaries.flatMap((summary) => summary.containers);
    const sum = (read: (container: (typeof containers)[number]) => number | undefined) =>
      containers.reduce((total, container) => total + (read(container) ?? 0), 0);
    if (this.#cache.get(Node, this.#nodeName) === undefined) throw notFoundError(Node, this.#nodeName);
    return {
      node: {
        nodeName: this.#nodeName,
        cpu: { time, usageNanoCores: sum(({ cpu }) => cpu?.usageNanoCores) },
        memory: { time, workingSetBytes: sum(({ memory }) => memory?.workingSetBytes) },
      },
      pods: summaries,
    };
  }

  #refusal(attempt: string, ref: ObjectRef): StatusError {
    this.#pod(ref);
    return badRequest(
      `Cannot ${attempt} pod "${ref.name}": node "${this.#nodeName}" is a pretend node and runs no processes; start Tutti with real nodes (as root, without --sim) for that`,
    );
  }

  #pod(ref: ObjectRef): Pod {
    const pod = this.#cache.get(Pod, ref);
    if (pod === undefined || pod.spec?.nodeName !== this.#nodeName) throw notFoundError(Pod, ref.name);
    return pod;
  }
}

function podStats(pod: Pod, time: string): StatsSummary['pods'][number] {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return {
    podRef: { name, namespace, uid },
    startTime: pod.status?.startTime ?? time,
    containers: (pod.spec?.containers ?? []).map((container) => ({
      name: container.name,
      cpu: { time, usageNanoCores: toMilli(container.resources?.requests?.['cpu'] ?? 0) * 1e6 },
      memory: { time, workingSetBytes: toUnits(container.resources?.requests?.['memory'] ?? 0) },
    })),
  };
}
