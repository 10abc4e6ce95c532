/**
 * Defaults of Services, and what a change of one keeps. Clients send back what they read, or only what they wrote: an
 * address that was handed out stays with its Service, and one that belongs to the old type goes with it.
 * Source: kubernetes pkg/apis/core/v1/defaults.go and pkg/registry/core/service (storage.go, strategy.go).
 */
import { isIPv6 } from 'node:net';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { sameValue } from '../rules/fields.ts';
import { isExternallyAccessible, needsClusterIp, needsNodePorts } from './service-rules.ts';
import type * as types from './types.generated.ts';

const affinitySeconds = 10_800;

export function defaultService(service: types.Service): types.Service {
  return mapField(service, 'spec', defaultSpec);
}

function defaultSpec(spec: types.ServiceSpec): types.ServiceSpec {
  let result = withDefaults<types.ServiceSpec>(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
  if (result.sessionAffinity === 'None' && result.sessionAffinityConfig !== undefined) {
    const { sessionAffinityConfig: _, ...rest } = result;
    result = rest;
  }
  if (result.sessionAffinity === 'ClientIP' && result.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    result = { ...result, sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } } };
  }
  result = mapField(result, 'ports', (ports) =>
    mapItems(ports, (port) => {
      const { targetPort } = port;
      const defaulted = withDefaults(port, { protocol: 'TCP' });
      const unset = targetPort === undefined || targetPort === 0 || targetPort === '';
      return unset ? { ...defaulted, targetPort: port.port } : defaulted;
    }),
  );
  if (isExternallyAccessible(result)) result = withDefaults(result, { externalTrafficPolicy: 'Cluster' });
  if (result.type === 'LoadBalancer') result = withDefaults(result, { allocateLoadBalancerNodePorts: true });
  if (!needsClusterIp(result)) return result;
  const { clusterIP = '' } = result;
  return withDefaults(result, {
    internalTrafficPolicy: 'Cluster',
    ipFamilyPolicy: 'SingleStack',
    ipFamilies: [isIPv6(clusterIP) ? 'IPv6' : 'IPv4'],
    ...(clusterIP === '' ? {} : { clusterIPs: [clusterIP] }),
  });
}

type Spec = { -readonly [K in keyof types.ServiceSpec]: types.ServiceSpec[K] };

export function prepareServiceUpdate(service: types.Service, stored: types.Service): types.Service {
  const spec: Spec = { ...service.spec };
  const old = stored.spec;
  const type = spec.type ?? 'ClusterIP';
  const wanted: types.ServiceSpec = { ...spec, type };

  // A client that knows only the one field changes only the one.
  if ((spec.clusterIP ?? '') !== (old.clusterIP ?? '') && sameValue(spec.clusterIPs, old.clusterIPs)) {
    delete spec.clusterIPs;
    if ((spec.clusterIP ?? '') !== '') spec.clusterIPs = [spec.clusterIP ?? ''];
  }
  keepAddresses(spec, old, wanted);
  dropForeign(spec, old, wanted);
  return { ...service, spec };
}

/** What was handed out and is not mentioned stays. */
function keepAddresses(spec: Spec, old: types.ServiceSpec, wanted: types.ServiceSpec): void {
  if (needsClusterIp(wanted) && needsClusterIp(old) && (spec.clusterIP ?? '') === '') {
    const [address] = spec.clusterIPs ?? [];
    if ((address === undefined || address === old.clusterIP) && old.clusterIP !== undefined) {
      spec.clusterIP = old.clusterIP;
      if (old.clusterIPs !== undefined) spec.clusterIPs = old.clusterIPs;
    }
  }
  if (needsClusterIp(wanted) && needsClusterIp(old)) {
    if (spec.ipFamilies === undefined && old.ipFamilies !== undefined) spec.ipFamilies = old.ipFamilies;
    if (spec.ipFamilyPolicy === undefined && old.ipFamilyPolicy !== undefined) spec.ipFamilyPolicy = old.ipFamilyPolicy;
  }
  if (needsNodePorts(wanted) && needsNodePorts(old) && spec.ports !== undefined) {
    const taken = new Set(spec.ports.map(({ nodePort = 0 }) => nodePort));
    spec.ports = mapItems(spec.ports, (port) => {
      if ((port.nodePort ?? 0) !== 0) return port;
      const before = old.ports?.find(
        (other) => other.port === port.port && (other.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
      );
      const nodePort = before?.nodePort ?? 0;
      return nodePort === 0 || taken.has(nodePort) ? port : { ...port, nodePort };
    });
  }
  const wantsHealth = wanted.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  const hadHealth = old.type === 'LoadBalancer' && old.externalTrafficPolicy === 'Local';
  if (wantsHealth && hadHealth && (spec.healthCheckNodePort ?? 0) === 0 && old.healthCheckNodePort !== undefined) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** What only the old type had, and was sent back unchanged, goes. */
function dropForeign(spec: Spec, old: types.ServiceSpec, wanted: types.ServiceSpec): void {
  const drop = (...names: readonly (keyof types.ServiceSpec)[]) => {
    for (const name of names) if (sameValue(spec[name], old[name])) delete spec[name];
  };
  if (!needsClusterIp(wanted) && needsClusterIp(old)) {
    drop('clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy');
  }
  if (needsClusterIp(wanted) && !needsClusterIp(old)) drop('externalName');
  if (!needsNodePorts(wanted) && needsNodePorts(old) && spec.ports !== undefined) {
    const before = new Map((old.ports ?? []).map((port) => [`${port.protocol}/${port.port}`, port.nodePort]));
    spec.ports = mapItems(spec.ports, (port) => {
      if (port.nodePort === undefined || before.get(`${port.protocol ?? 'TCP'}/${port.port}`) !== port.nodePort)
        return port;
      const { nodePort: _, ...rest } = port;
      return rest;
    });
  }
  if (wanted.type !== 'LoadBalancer' && old.type === 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts', 'loadBalancerClass');
  }
  if (!isExternallyAccessible(wanted) && isExternallyAccessible(old)) drop('externalTrafficPolicy');
  const wantsHealth = wanted.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  if (!wantsHealth) drop('healthCheckNodePort');
}
