import { SimStreams } from '#agent/sim/sim-streams.ts';
import type { Pod } from '#api/core/pod.ts';
import type { AgentConnections } from '#apiserver/streaming/node-streams.ts';
import type { CacheReader } from '#client/cache.ts';
import type { Clock } from '#lib/clock.ts';

/** The way into pods of pretend nodes, which live in the server's own process. `cache` gives one that holds pods and nodes. */
export function simNodeStreams(cache: () => CacheReader, clock: Clock): AgentConnections {
  const to = ({ spec }: Pod) => new SimStreams(spec.nodeName ?? '', cache(), clock);
  const refOf = ({ metadata }: Pod) => ({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' });
  return {
    logs: (pod, options) => to(pod).logs(refOf(pod), options),
    exec: (pod) => to(pod).exec(refOf(pod)),
    attach: (pod) => to(pod).attach(refOf(pod)),
    portForward: (pod) => to(pod).portForward(refOf(pod)),
    stats: (nodeName) => new SimStreams(nodeName, cache(), clock).stats(),
  };
}
