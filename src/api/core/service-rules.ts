/** Source: kubernetes pkg/apis/core/validation (ValidateService, ValidateServiceUpdate). */
import { isIP } from 'node:net';
import { duplicate, forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors } from '#machinery/labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  portNumberComplaints,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import { choice, complain, each, optionalChoice, sameValue, text } from '../rules/fields.ts';
import { cidrErrors, endpointIpErrors, ipErrors } from '../rules/ip-rules.ts';
import { portErrors } from './probe-rules.ts';
import type * as types from './types.generated.ts';

const serviceTypes = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const affinitySecondsMax = 86_400;

export const needsClusterIp = ({ type }: types.ServiceSpec) => type !== 'ExternalName';
export const needsNodePorts = ({ type }: types.ServiceSpec) => type === 'NodePort' || type === 'LoadBalancer';
/** Reachable from outside the cluster, so that external traffic needs a policy. */
export const isExternallyAccessible = (spec: types.ServiceSpec) =>
  needsNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);

export function serviceErrors({ spec }: types.Service): FieldError[] {
  const headless = spec.clusterIP === 'None';
  return [
    ...typeErrors(spec, headless),
    ...portsErrors('spec.ports', spec),
    ...labelsErrors('spec.selector', spec.selector),
    ...affinityErrors(spec),
    ...addressErrors(spec),
    ...each('spec.externalIPs', spec.externalIPs, externalIpErrors),
    ...choice('spec.type', spec.type, serviceTypes),
    ...nodePortsErrors('spec.ports', spec),
    ...loadBalancerErrors(spec),
    ...policyErrors(spec),
  ];
}

function externalIpErrors(field: string, ip: string): FieldError[] {
  const errors = ipErrors(field, ip);
  return errors.length > 0 ? errors : endpointIpErrors(field, ip);
}

function typeErrors(spec: types.ServiceSpec, headless: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if ((spec.ports ?? []).length === 0 && !headless && spec.type !== 'ExternalName') errors.push(required('spec.ports'));
  if (spec.type === 'ExternalName') {
    for (const name of ['clusterIPs', 'ipFamilies'] as const) {
      if ((spec[name] ?? []).length > 0)
        errors.push(forbidden(`spec.${name}`, 'may not be set for ExternalName services'));
    }
    if (spec.ipFamilyPolicy !== undefined) {
      errors.push(forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services'));
    }
    const name = (spec.externalName ?? '').replace(/\.$/, '');
    return [...errors, ...text('spec.externalName', name, dns1123SubdomainComplaints)];
  }
  if (headless && needsNodePorts(spec)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  }
  return errors;
}

function portsErrors(field: string, { ports = [] }: types.ServiceSpec): FieldError[] {
  const names = new Set<string>();
  return each(field, ports, (path, port) => {
    const { name = '' } = port;
    const errors: FieldError[] = [];
    if (name !== '') {
      errors.push(...complain(`${path}.name`, name, dns1123LabelComplaints(name)));
      if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
      names.add(name);
    } else if (ports.length > 1) errors.push(required(`${path}.name`));
    errors.push(
      ...complain(`${path}.port`, port.port, portNumberComplaints(port.port)),
      ...choice(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
      ...portErrors(`${path}.targetPort`, port.targetPort),
    );
    if (port.appProtocol !== undefined) {
      errors.push(...complain(`${path}.appProtocol`, port.appProtocol, qualifiedNameComplaints(port.appProtocol)));
    }
    return errors;
  });
}

/** No node port where none is handed out, none twice, and no port of the Service twice. */
function nodePortsErrors(field: string, { type, ports }: types.ServiceSpec): FieldError[] {
  const [nodePorts, pairs] = [new Set<string>(), new Set<string>()];
  const once = (seen: Set<string>, key: string, error: FieldError): FieldError[] => {
    if (seen.has(key)) return [error];
    seen.add(key);
    return [];
  };
  return [
    ...each(field, ports, (path, { nodePort = 0 }) =>
      type === 'ClusterIP' && nodePort !== 0
        ? [forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'")]
        : [],
    ),
    ...each(field, ports, (path, { protocol = '', nodePort = 0 }) =>
      nodePort === 0 ? [] : once(nodePorts, `${protocol}/${nodePort}`, duplicate(`${path}.nodePort`, nodePort)),
    ),
    ...each(field, ports, (path, { protocol = '', port }) =>
      once(pairs, `${protocol}/${port}`, duplicate(path, { protocol, port })),
    ),
  ];
}

function affinityErrors({ sessionAffinity, sessionAffinityConfig }: types.ServiceSpec): FieldError[] {
  const errors = choice('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']);
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity === 'ClientIP') {
    const path = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
    if (seconds === undefined)
      errors.push(required('spec.sessionAffinityConfig', 'when session affinity type is ClientIP'));
    else if (seconds <= 0 || seconds > affinitySecondsMax) {
      errors.push(invalid(path, seconds, `must be greater than 0 and less than ${affinitySecondsMax}`));
    }
  } else if (sessionAffinity === 'None' && sessionAffinityConfig !== undefined) {
    errors.push(forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None'));
  }
  return errors;
}

function policyErrors(spec: types.ServiceSpec): FieldError[] {
  const { externalTrafficPolicy: external, healthCheckNodePort: health = 0 } = spec;
  const errors: FieldError[] = [];
  if (external !== undefined && !isExternallyAccessible(spec)) {
    errors.push(invalid('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'));
  } else errors.push(...optionalChoice('spec.externalTrafficPolicy', external, ['Cluster', 'Local']));
  if (isExternallyAccessible(spec) && external === undefined) errors.push(required('spec.externalTrafficPolicy'));
  if (health < 0) errors.push(invalid('spec.healthCheckNodePort', health, 'must be greater than or equal to 0'));
  if (health > 0 && !(spec.type === 'LoadBalancer' && external === 'Local')) {
    errors.push(
      invalid(
        'spec.healthCheckNodePort',
        health,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  }
  errors.push(...optionalChoice('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']));
  if (spec.internalTrafficPolicy === undefined && needsClusterIp(spec))
    errors.push(required('spec.internalTrafficPolicy'));
  errors.push(
    ...optionalChoice('spec.trafficDistribution', spec.trafficDistribution, [
      'PreferClose',
      'PreferSameZone',
      'PreferSameNode',
    ]),
  );
  return errors;
}

/** Upstream spells the ranges as Go does. */
function loadBalancerErrors(spec: types.ServiceSpec): FieldError[] {
  const balanced = spec.type === 'LoadBalancer';
  const { loadBalancerSourceRanges: ranges = [], loadBalancerClass, allocateLoadBalancerNodePorts: allocate } = spec;
  const only = (field: string) => forbidden(field, "may only be used when `type` is 'LoadBalancer'");
  const errors: FieldError[] = [];
  if (!balanced && ranges.length > 0) errors.push(only('spec.LoadBalancerSourceRanges'));
  errors.push(...each('spec.LoadBalancerSourceRanges', ranges, (path, range) => cidrErrors(path, range.trim())));
  if (!balanced && allocate !== undefined) errors.push(only('spec.allocateLoadBalancerNodePorts'));
  if (balanced && allocate === undefined) errors.push(required('allocateLoadBalancerNodePorts'));
  if (loadBalancerClass === undefined) return errors;
  if (!balanced) return [...errors, only('spec.loadBalancerClass')];
  return [
    ...errors,
    ...complain('spec.loadBalancerClass', loadBalancerClass, qualifiedNameComplaints(loadBalancerClass)),
  ];
}

/**
 * The addresses a client may ask for; whether they are free is the allocator's business, which asks here first.
 * Source: ValidateServiceClusterIPsRelatedFields.
 */
export function addressErrors(spec: types.ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const { clusterIP = '', clusterIPs = [], ipFamilies = [] } = spec;
  const field = 'spec.clusterIPs';
  const errors: FieldError[] = [];
  if (clusterIP === '') {
    if (clusterIPs.length > 0)
      errors.push(invalid(field, clusterIPs, 'must be empty when `clusterIP` is not specified'));
  } else if (clusterIPs.length === 0) errors.push(required(field));
  else if (clusterIP !== clusterIPs[0]) errors.push(invalid(field, clusterIPs, 'first value must match `clusterIP`'));
  const families = new Set<string>();
  errors.push(
    ...each('spec.ipFamilies', ipFamilies, (path, family) => {
      const bad = optionalChoice(path, family, ['IPv4', 'IPv6']);
      if (families.has(family)) bad.push(duplicate(path, family));
      families.add(family);
      return bad;
    }),
    ...optionalChoice('spec.ipFamilyPolicy', spec.ipFamilyPolicy, [
      'PreferDualStack',
      'RequireDualStack',
      'SingleStack',
    ]),
  );
  const addresses = each(field, clusterIPs, (path, ip, index) => {
    if (index > 0 || ip !== 'None') return ipErrors(path, ip);
    return clusterIPs.length === 1 ? [] : [invalid(field, clusterIPs, "'None' must be the first and only value")];
  });
  errors.push(...addresses);
  if (clusterIPs.length > 2) errors.push(invalid(field, clusterIPs, 'may only hold up to 2 values'));
  if (addresses.length > 0) return errors;
  if (clusterIPs.length > 1 && new Set(clusterIPs.map((ip) => isIP(ip))).size === 1) {
    errors.push(invalid(field, clusterIPs, 'may specify no more than one IP for each IP family'));
  }
  for (const [index, ip] of clusterIPs.entries()) {
    const [family, other] = [ipFamilies[index], isIP(ip) === 4 ? 'IPv6' : 'IPv4'];
    if (isIP(ip) === 0 || family !== other) continue;
    errors.push(
      invalid(`${field}[${index}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``),
    );
  }
  return errors;
}

export function serviceUpdateErrors({ spec }: types.Service, { spec: stored }: types.Service): FieldError[] {
  const errors: FieldError[] = [];
  if (needsClusterIp(spec) && needsClusterIp(stored)) {
    const [before = stored.clusterIP ?? ''] = stored.clusterIPs ?? [];
    const [after = spec.clusterIP ?? ''] = spec.clusterIPs ?? [];
    if (before !== '' && before !== after) {
      errors.push(invalid('spec.clusterIPs[0]', spec.clusterIPs ?? [], 'may not change once set'));
    }
    const [oldFamily] = stored.ipFamilies ?? [];
    if (oldFamily !== undefined && spec.ipFamilies?.[0] !== oldFamily) {
      errors.push(invalid('spec.ipFamilies[0]', spec.ipFamilies ?? [], 'may not change once set'));
    }
  }
  if (
    spec.type === 'LoadBalancer' &&
    stored.type === 'LoadBalancer' &&
    !sameValue(spec.loadBalancerClass, stored.loadBalancerClass)
  ) {
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? '', 'may not change once set'));
  }
  return errors;
}
