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
import { choice, complain, each, optionalChoice, optionalText, sameValue, text, unique } from '../rules/fields.ts';
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
    ...portsErrors('spec.ports', spec, headless),
    ...labelsErrors('spec.selector', spec.selector),
    ...affinityErrors(spec),
    ...each('spec.externalIPs', spec.externalIPs, (path, ip) => endpointIpErrors(path, ip)),
    ...choice('spec.type', spec.type, serviceTypes),
    ...policyErrors(spec),
    ...loadBalancerErrors(spec),
    ...addressErrors(spec),
  ];
}

function typeErrors(spec: types.ServiceSpec, headless: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.type === 'ExternalName') {
    for (const name of ['clusterIPs', 'ipFamilies'] as const) {
      if ((spec[name] ?? []).length > 0)
        errors.push(forbidden(`spec.${name}`, 'may not be set for ExternalName services'));
    }
    if (spec.ipFamilyPolicy !== undefined) {
      errors.push(forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services'));
    }
    const name = spec.externalName ?? '';
    return [...errors, ...text('spec.externalName', name, () => dns1123SubdomainComplaints(name.replace(/\.$/, '')))];
  }
  if (headless && needsNodePorts(spec)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  }
  return errors;
}

function portsErrors(field: string, spec: types.ServiceSpec, headless: boolean): FieldError[] {
  const ports = spec.ports ?? [];
  if (ports.length === 0) return headless || spec.type === 'ExternalName' ? [] : [required(field)];
  const [pairs, nodePorts] = [new Set<string>(), new Set<string>()];
  return [
    ...each(field, ports, (path, port) => {
      const { name = '', protocol = '', nodePort = 0 } = port;
      const errors: FieldError[] = [];
      if (ports.length > 1 && name === '') errors.push(required(`${path}.name`));
      else errors.push(...optionalText(`${path}.name`, name, dns1123LabelComplaints));
      errors.push(...complain(`${path}.port`, port.port, portNumberComplaints(port.port)));
      errors.push(...choice(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']));
      errors.push(...portErrors(`${path}.targetPort`, port.targetPort));
      errors.push(...optionalText(`${path}.appProtocol`, port.appProtocol, qualifiedNameComplaints));
      if (nodePort !== 0) {
        if (!needsNodePorts(spec)) {
          errors.push(forbidden(`${path}.nodePort`, `may not be used when \`type\` is '${spec.type}'`));
        } else errors.push(...complain(`${path}.nodePort`, nodePort, portNumberComplaints(nodePort)));
        const key = `${protocol}/${nodePort}`;
        if (nodePorts.has(key)) errors.push(duplicate(`${path}.nodePort`, nodePort));
        nodePorts.add(key);
      }
      const pair = `${protocol}/${port.port}`;
      if (pairs.has(pair)) errors.push(duplicate(path, { protocol, port: port.port }));
      pairs.add(pair);
      return errors;
    }),
    ...unique(
      ports,
      ({ name }) => name,
      (index) => `${field}[${index}].name`,
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
      'PreferSameNode',
      'PreferSameZone',
    ]),
  );
  return errors;
}

function loadBalancerErrors(spec: types.ServiceSpec): FieldError[] {
  const errors = each('spec.loadBalancerSourceRanges', spec.loadBalancerSourceRanges, (path, range) =>
    cidrErrors(path, range.trim()),
  );
  errors.push(...optionalText('spec.loadBalancerClass', spec.loadBalancerClass, qualifiedNameComplaints));
  if (spec.type === 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === undefined) errors.push(required('spec.allocateLoadBalancerNodePorts'));
    return errors;
  }
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    errors.push(forbidden('spec.loadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"));
  }
  for (const name of ['loadBalancerClass', 'allocateLoadBalancerNodePorts'] as const) {
    if (spec[name] !== undefined)
      errors.push(forbidden(`spec.${name}`, "may only be used when `type` is 'LoadBalancer'"));
  }
  return errors;
}

/** The addresses a client may ask for; whether they are free is the allocator's business. */
function addressErrors(spec: types.ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const { clusterIP = '', clusterIPs = [], ipFamilies = [] } = spec;
  const errors: FieldError[] = [];
  if (clusterIPs.length > 0 && clusterIP !== clusterIPs[0]) {
    errors.push(invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'));
  }
  if (clusterIPs.length > 2) errors.push(invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values'));
  if (clusterIPs.includes('None') && clusterIPs.length > 1) {
    errors.push(invalid('spec.clusterIPs', clusterIPs, "'None' must be the first and only value"));
  }
  errors.push(
    ...each('spec.clusterIPs', clusterIPs, (path, ip) => (ip === 'None' || ip === '' ? [] : ipErrors(path, ip))),
  );
  errors.push(
    ...each('spec.ipFamilies', ipFamilies, (path, family) => optionalChoice(path, family, ['IPv4', 'IPv6'])),
    ...unique(
      ipFamilies,
      (family) => family,
      (index) => `spec.ipFamilies[${index}]`,
    ),
    ...optionalChoice('spec.ipFamilyPolicy', spec.ipFamilyPolicy, [
      'SingleStack',
      'PreferDualStack',
      'RequireDualStack',
    ]),
  );
  for (const [index, ip] of clusterIPs.entries()) {
    const family = ipFamilies[index];
    const version = isIP(ip);
    if (version !== 0 && family !== undefined && family !== `IPv${version}`) {
      errors.push(
        invalid(
          `spec.clusterIPs[${index}]`,
          ip,
          `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
        ),
      );
    }
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
