import { readFile } from 'node:fs/promises';
import type { Clock } from '#lib/clock.ts';
import type { Cri } from './cri/cri.ts';
import { labels } from './cri-names.ts';
import type { PodWorker } from './pod/pod-worker.ts';
import type { CpuStats, MemoryStats, PodStats, StatsSummary } from '#client/stats-summary.ts';

interface Sample {
  readonly at: number;
  /** Nanoseconds of CPU used so far, by container id and for the node under ''. */
  readonly cpu: ReadonlyMap<string, number>;
}

const sampleMsMin = 250;
/** Older samples would smooth away what happens now. */
const sampleMsMax = 60_000;
const ticksPerSecond = 100;

/** Measures CPU and memory. Rates are over the time since the last reading, or over a short one made for the purpose. */
export class StatsReader {
  readonly #cri: Cri;
  readonly #clock: Clock;
  #last: Sample | undefined;

  constructor(cri: Cri, clock: Clock) {
    this.#cri = cri;
    this.#clock = clock;
  }

  async read(
    nodeName: string,
    worker: (uid: string) => PodWorker | undefined,
    signal: AbortSignal,
  ): Promise<StatsSummary> {
    const now = this.#clock.now();
    if (this.#last === undefined || now - this.#last.at > sampleMsMax) {
      this.#last = (await this.#sample(signal)).sample;
      await this.#clock.sleep(sampleMsMin, signal);
    }
    const before = this.#last;
    const { sample, stats, memory } = await this.#sample(signal);
    if (sample.at - before.at >= sampleMsMin) this.#last = sample;
    const time = new Date(sample.at).toISOString();
    const cpuOf = (id: string): CpuStats | undefined => {
      const total = sample.cpu.get(id);
      if (total === undefined) return undefined;
      const earlier = before.cpu.get(id);
      const seconds = (sample.at - before.at) / 1000;
      const rate =
        earlier === undefined || seconds <= 0 ? undefined : Math.max(0, Math.round((total - earlier) / seconds));
      return { time, usageCoreNanoSeconds: total, ...(rate === undefined ? {} : { usageNanoCores: rate }) };
    };
    const pods = new Map<string, { worker: PodWorker; containers: PodStats['containers'][number][] }>();
    for (const { attributes, memory: usage } of stats) {
      const found = worker(attributes?.labels[labels.uid] ?? '');
      if (attributes === undefined || found === undefined) continue;
      if (!sample.cpu.has(attributes.id)) continue; // it has ended: what it used is nobody's use any more
      const entry = pods.get(found.uid) ?? { worker: found, containers: [] };
      const cpu = cpuOf(attributes.id);
      const used: MemoryStats = {
        time,
        ...amount('workingSetBytes', usage?.workingSetBytes?.value),
        ...amount('usageBytes', usage?.usageBytes?.value),
        ...amount('rssBytes', usage?.rssBytes?.value),
      };
      entry.containers.push({
        name: attributes.labels[labels.container] ?? '',
        ...(cpu === undefined ? {} : { cpu }),
        memory: used,
      });
      pods.set(found.uid, entry);
    }
    const cpu = cpuOf('');
    return {
      node: { nodeName, ...(cpu === undefined ? {} : { cpu }), memory: { time, ...memory } },
      pods: [...pods.values()].map(({ worker: { pod }, containers }) => ({
        podRef: {
          name: pod.metadata?.name ?? '',
          namespace: pod.metadata?.namespace ?? '',
          uid: pod.metadata?.uid ?? '',
        },
        startTime: pod.status?.startTime ?? '',
        containers,
      })),
    };
  }

  async #sample(signal: AbortSignal) {
    const { stats } = await this.#cri.call('ListContainerStats', {}, { signal });
    const cpu = new Map<string, number>();
    for (const { attributes, cpu: usage } of stats) {
      const total = usage?.usageCoreNanoSeconds?.value;
      if (attributes !== undefined && total !== undefined) cpu.set(attributes.id, Number(total));
    }
    cpu.set('', await nodeCpuNanoSeconds());
    return { sample: { at: this.#clock.now(), cpu } satisfies Sample, stats, memory: await nodeMemory() };
  }
}

const amount = <K extends string>(key: K, value: bigint | undefined) =>
  (value === undefined ? {} : { [key]: Number(value) }) as { readonly [P in K]?: number };

async function nodeCpuNanoSeconds(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/\s+/).slice(1).map(Number);
  return ((user + nice + system + irq + softirq + steal) / ticksPerSecond) * 1e9;
}

async function nodeMemory(): Promise<Omit<MemoryStats, 'time'>> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;
  const total = bytes('MemTotal');
  return {
    workingSetBytes: total - bytes('MemAvailable'),
    usageBytes: total - bytes('MemFree'),
    rssBytes: bytes('AnonPages'),
  };
}
