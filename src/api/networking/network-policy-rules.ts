/** Rules of NetworkPolicies. Source: kubernetes pkg/apis/networking/validation (validation.go). */
import { BlockList, isIPv4 } from 'node:net';
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { portNameComplaints, portNumberComplaints } from '#machinery/names.ts';
import { complain, each, optionalChoice } from '../rules/fields.ts';
import { cidrErrors } from '../rules/ip-rules.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type * as types from './types.generated.ts';

const directions = ['Ingress', 'Egress'];

export function policySpecErrors(field: string, spec: types.NetworkPolicySpec): FieldError[] {
  const { podSelector, ingress, egress, policyTypes = [] } = spec;
  const errors = [
    ...labelSelectorErrors(`${field}.podSelector`, podSelector),
    ...each(`${field}.ingress`, ingress, (path, { ports, from }) => [
      ...each(`${path}.ports`, ports, portErrors),
      ...each(`${path}.from`, from, peerErrors),
    ]),
    ...each(`${field}.egress`, egress, (path, { ports, to }) => [
      ...each(`${path}.ports`, ports, portErrors),
      ...each(`${path}.to`, to, peerErrors),
    ]),
  ];
  if (policyTypes.length > directions.length) {
    return [...errors, invalid(`${field}.policyTypes`, policyTypes, 'may not specify more than two policyTypes')];
  }
  return [
    ...errors,
    ...each(`${field}.policyTypes`, policyTypes, (path, type) =>
      directions.includes(type) ? [] : [notSupported(path, type, directions)],
    ),
  ];
}

function portErrors(field: string, { port, endPort, protocol }: types.NetworkPolicyPort): FieldError[] {
  const errors = optionalChoice(`${field}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
  const at = `${field}.endPort`;
  if (port === undefined) {
    if (endPort !== undefined) errors.push(invalid(at, endPort, 'may not be specified when `port` is not specified'));
  } else if (typeof port === 'string') {
    if (endPort !== undefined) errors.push(invalid(at, endPort, 'may not be specified when `port` is non-numeric'));
    errors.push(...complain(`${field}.port`, port, portNameComplaints(port)));
  } else {
    errors.push(...complain(`${field}.port`, port, portNumberComplaints(port)));
    if (endPort !== undefined) {
      if (endPort < port) errors.push(invalid(at, endPort, 'must be greater than or equal to `port`'));
      errors.push(...complain(at, endPort, portNumberComplaints(endPort)));
    }
  }
  return errors;
}

function peerErrors(field: string, peer: types.NetworkPolicyPeer): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const count = [podSelector, namespaceSelector, ipBlock].filter((part) => part !== undefined).length;
  return [
    ...labelSelectorErrors(`${field}.podSelector`, podSelector),
    ...labelSelectorErrors(`${field}.namespaceSelector`, namespaceSelector),
    ...(ipBlock === undefined ? [] : blockErrors(`${field}.ipBlock`, ipBlock)),
    ...(count === 0 ? [required(field, 'must specify a peer')] : []),
    ...(count > 1 && ipBlock !== undefined ? [forbidden(field, 'may not specify both ipBlock and another peer')] : []),
  ];
}

function blockErrors(field: string, { cidr, except }: types.IPBlock): FieldError[] {
  if (cidr === '') return [required(`${field}.cidr`)];
  const errors = cidrErrors(`${field}.cidr`, cidr);
  if (errors.length > 0) return errors;
  return each(`${field}.except`, except, (path, part) => {
    const bad = cidrErrors(path, part);
    if (bad.length > 0) return bad;
    return isStrictSubset(part, cidr) ? [] : [invalid(path, part, 'must be a strict subset of `cidr`')];
  });
}

function isStrictSubset(part: string, whole: string): boolean {
  const [address = '', bits = ''] = whole.split('/');
  const [inner = '', innerBits = ''] = part.split('/');
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  if (isIPv4(inner) !== (family === 'ipv4') || Number(bits) >= Number(innerBits)) return false;
  const range = new BlockList();
  range.addSubnet(address, Number(bits), family);
  return range.check(inner, family);
}
