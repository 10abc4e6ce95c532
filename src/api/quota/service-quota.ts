import type { Service } from '../core/service.ts';
import type { QuotaEvaluator } from './quota-evaluator.ts';

const names = ['count/services', 'services', 'services.nodeports', 'services.loadbalancers'];

/** Services, the node ports they are meant to have, and load balancers. */
export const serviceQuota: QuotaEvaluator<Service> = {
  counts: (name) => names.includes(name),
  // The type of a service may change.
  handles: () => true,
  usage: (service) => ({
    'count/services': '1',
    services: '1',
    'services.loadbalancers': service.spec?.type === 'LoadBalancer' ? '1' : '0',
    'services.nodeports': String(nodePorts(service)),
  }),
  matchesScope: () => false,
};

/** By what is meant: what is to be allocated may not have been yet. */
function nodePorts({ spec }: Service): number {
  const ports = spec?.ports ?? [];
  if (spec?.type === 'NodePort') return ports.length;
  if (spec?.type !== 'LoadBalancer') return 0;
  if (spec.allocateLoadBalancerNodePorts !== false) return ports.length;
  return ports.filter(({ nodePort = 0 }) => nodePort !== 0).length;
}
