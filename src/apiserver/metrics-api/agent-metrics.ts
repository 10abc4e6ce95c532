import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { CallOptions, Client } from '#client/client.ts';
import type { MemoryStats, PodStats, StatsSummary } from '#client/stats-summary.ts';
import type { CpuStats } from '#client/stats-summary.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { NodeMetrics, PodMetrics, Usage } from './kinds.ts';
import type { MetricsSource } from './metrics-source.ts';

/** Figures are asked for again once they are this old. */
const figuresMsMax = 10_000;
/** A round of all agents takes no longer. */
const roundMsMax = 15_000;
/** Agents asked at the same time. */
const askedMax = 32;
/** What the agents average over; the format is Go's. */
const window = '10s';

export interface AgentMetricsOptions {
  /** Reads nodes and pods; a function, because the API that answers it is made with this source. */
  readonly client: () => Client;
  /** Asks the agent of a node. */
  readonly stats: (nodeName: string, options: CallOptions) => Promise<StatsSummary>;
  readonly clock: Clock;
  readonly log: Log;
}

/** `metrics.k8s.io` out of what every node's agent measures; one round for all who ask within ten seconds. */
export function agentMetrics({ client, stats, clock, log }: AgentMetricsOptions): MetricsSource {
  let latest: { readonly at: number; readonly summaries: Promise<readonly StatsSummary[]> } | undefined;

  function summaries(): Promise<readonly StatsSummary[]> {
    if (latest === undefined || clock.now() - latest.at > figuresMsMax) {
      // Not the caller's signal: others wait for the same round.
      const asked = ask(AbortSignal.timeout(roundMsMax));
      latest = { at: clock.now(), summaries: asked };
      asked.catch(() => (latest = undefined));
    }
    return latest.summaries;
  }

  async function ask(signal: AbortSignal): Promise<readonly StatsSummary[]> {
    const { items } = await client().list(Node, { signal });
    const nodes = items.values();
    const found: StatsSummary[] = [];
    const work = async () => {
      for (const { metadata } of nodes) {
        const node = metadata?.name ?? '';
        try {
          found.push(await stats(node, { signal }));
        } catch (error) {
          log.debug('no figures of a node', { node, error });
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(askedMax, items.length) }, work));
    return found;
  }

  return {
    async nodes(options) {
      const [{ items }, found] = await Promise.all([client().list(Node, options), summaries()]);
      const labels = new Map(items.map(({ metadata }) => [metadata?.name, metadata?.labels]));
      return found.flatMap(({ node }): NodeMetrics[] => {
        const usage = usageOf(node.cpu, node.memory);
        if (usage === undefined || !labels.has(node.nodeName)) return [];
        return [
          {
            metadata: { name: node.nodeName, creationTimestamp: usage.time, labels: labels.get(node.nodeName) ?? {} },
            timestamp: usage.time,
            window,
            usage: usage.usage,
          },
        ];
      });
    },

    async pods(namespace, options) {
      const where = namespace === undefined ? options : { ...options, namespace };
      const [{ items }, found] = await Promise.all([client().list(Pod, where), summaries()]);
      const pods = new Map(items.map(({ metadata }) => [metadata?.uid, metadata?.labels]));
      return found
        .flatMap((summary) => summary.pods)
        .filter(({ podRef }) => pods.has(podRef.uid))
        .flatMap((pod) => podMetrics(pod, pods.get(pod.podRef.uid) ?? {}));
    },
  };
}

function podMetrics({ podRef, containers }: PodStats, labels: Readonly<Record<string, string>>): readonly PodMetrics[] {
  const measured = containers.map(({ name, cpu, memory }) => ({ name, measured: usageOf(cpu, memory) }));
  const times = measured.flatMap(({ measured: each }) => (each === undefined ? [] : [each.time]));
  const [first] = times.toSorted();
  // A pod of which not every container has been measured would look smaller than it is.
  if (first === undefined || times.length < containers.length) return [];
  return [
    {
      metadata: { name: podRef.name, namespace: podRef.namespace, creationTimestamp: first, labels },
      timestamp: first,
      window,
      containers: measured.flatMap(({ name, measured: each }) =>
        each === undefined ? [] : [{ name, usage: each.usage }],
      ),
    },
  ];
}

function usageOf(
  cpu: CpuStats | undefined,
  memory: MemoryStats | undefined,
): { time: string; usage: Usage } | undefined {
  if (cpu?.usageNanoCores === undefined || memory?.workingSetBytes === undefined) return undefined;
  return {
    time: cpu.time,
    usage: { cpu: `${Math.round(cpu.usageNanoCores)}n`, memory: `${Math.ceil(memory.workingSetBytes / 1024)}Ki` },
  };
}
