import { Node } from '#api/core/node.ts';
import type { CacheReader } from '#client/cache.ts';
import type { Controller } from './controller.ts';
import { evictionRate, type EvictionRates, zoneOf } from './node-health-plan.ts';
import { evictingTaintOf, isEvicting, planTaints } from './node-taints.ts';

/** Upstream's values: a dead node every ten seconds, and in a large zone that is partly down a tenth of that. */
const defaults: EvictionRates = { normal: 0.1, reduced: 0.01 };
/** How often a node looks whether the brakes have been let go. */
const brakedAgainMs = 5_000;

/** Turns nodes' conditions into taints: those that keep new pods away at once, those that drive pods away with care. */
export function nodeTaintController(options: Partial<EvictionRates> = {}): Controller {
  const rates = { ...defaults, ...options };
  /** When each zone last let a node start evicting. */
  const lastAllowed = new Map<string, number>();
  return {
    name: 'node-taint-controller',
    reconciles: Node,
    wakesOn: [],
    workersMax: 1,
    async reconcile(key, { cache, client, clock, log, signal }) {
      const node = cache.get(Node, key);
      if (node === undefined || node.metadata?.deletionTimestamp !== undefined) return undefined;
      const now = clock.now();
      const wantsEviction = evictingTaintOf(node) !== undefined && !isEvicting(node);
      const waitMs = wantsEviction ? evictionWaitMs(node, { cache, rates, lastAllowed, now }) : 0;
      const taints = planTaints(node, wantsEviction && waitMs === 0, now);
      if (taints !== (node.spec.taints ?? taints) || (node.spec.taints === undefined && taints.length > 0)) {
        await client.update(Node, { ...node, spec: { ...node.spec, taints } }, { signal });
        if (wantsEviction && waitMs === 0) {
          lastAllowed.set(zoneOf(node), now);
          log.warn('pods are being driven from a node', { node: key, because: evictingTaintOf(node) });
        }
      }
      return waitMs === 0 ? undefined : { againMs: waitMs };
    },
  };
}

/** How long this node has to wait before it may drive its pods away; 0 if it may. */
function evictionWaitMs(
  node: Node,
  state: { cache: CacheReader; rates: EvictionRates; lastAllowed: ReadonlyMap<string, number>; now: number },
): number {
  const zones = new Map<string, Node[]>();
  for (const each of state.cache.list(Node)) {
    const zone = zones.get(zoneOf(each));
    if (zone === undefined) zones.set(zoneOf(each), [each]);
    else zone.push(each);
  }
  const own = zoneOf(node);
  const others = [...zones].flatMap(([name, nodes]) => (name === own ? [] : [nodes]));
  const rate = evictionRate(zones.get(own) ?? [node], others, state.rates);
  if (rate === 0) return brakedAgainMs;
  const last = state.lastAllowed.get(own);
  return last === undefined ? 0 : Math.max(0, last + 1000 / rate - state.now);
}
