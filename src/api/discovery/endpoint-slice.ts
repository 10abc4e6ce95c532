import { duplicate, invalid, required, tooMany } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { labelsErrors } from '#machinery/labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  labelValueComplaints,
  portNumberComplaints,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import { isIPv4, isIPv6 } from 'node:net';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { choice, complain, each, immutable, optionalChoice, optionalText } from '../rules/fields.ts';
import { endpointIpErrors } from '../rules/ip-rules.ts';
import type * as types from './types.generated.ts';

export type EndpointSlice = types.EndpointSlice;
export const EndpointSlice: Kind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.discovery.v1.EndpointSlice');
  },
  hasGeneration: true,
  /** A port without a name is the one nameless port. */
  defaults(slice) {
    return mapField(slice, 'ports', (ports) =>
      mapItems(ports, (port) => withDefaults(port, { name: '', protocol: 'TCP' })),
    );
  },
  /** Source: kubernetes pkg/apis/discovery/validation (ValidateEndpointSlice). */
  validate({ addressType, endpoints: given, ports = [] }) {
    const endpoints = given ?? [];
    const names = new Set<string>();
    return [
      ...choice('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']),
      ...(endpoints.length > endpointsMax
        ? [tooMany('endpoints', endpoints.length, endpointsMax)]
        : each('endpoints', endpoints, (path, endpoint) => endpointErrors(path, addressType, endpoint))),
      ...(ports.length > portsMax
        ? [tooMany('ports', ports.length, portsMax)]
        : each('ports', ports, (path, port) => portErrors(path, port, names))),
    ];
  },
  validateUpdate: ({ addressType }, stored) => immutable('addressType', addressType, stored.addressType),
  columns: [
    nameColumn,
    column('AddressType', 'Kind of the addresses.', (slice) => slice.addressType),
    column('Ports', 'Ports that answer.', ({ ports = [] }) =>
      firstFew(ports.map(({ port }) => (port === undefined ? '*' : String(port)))),
    ),
    column('Endpoints', 'Addresses that answer.', ({ endpoints }) =>
      firstFew((endpoints ?? []).flatMap(({ addresses }) => addresses)),
    ),
    ageColumn,
  ],
};

const endpointsMax = 1000;
const portsMax = 20_000;
const addressesMax = 100;
const zonesMax = 8;
/** Shown in a list; the rest are counted. */
const shownMax = 3;

function firstFew(list: readonly string[]): string {
  if (list.length === 0) return '<unset>';
  const shown = list.slice(0, shownMax).join(',');
  return list.length > shownMax ? `${shown} + ${list.length - shownMax} more...` : shown;
}

/** `names` are those of the ports before it. */
function portErrors(path: string, port: types.EndpointPort, names: Set<string>): FieldError[] {
  const { name = '', protocol, appProtocol } = port;
  const repeated = names.has(name);
  names.add(name);
  return [
    ...optionalText(`${path}.name`, name, dns1123LabelComplaints),
    ...(repeated ? [duplicate(`${path}.name`, name)] : []),
    ...optionalChoice(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
    ...(port.port === undefined ? [] : complain(`${path}.port`, port.port, portNumberComplaints(port.port))),
    ...(appProtocol === undefined
      ? []
      : complain(`${path}.appProtocol`, appProtocol, qualifiedNameComplaints(appProtocol))),
  ];
}

function endpointErrors(field: string, type: string, endpoint: types.Endpoint): FieldError[] {
  const { addresses, hostname, nodeName, deprecatedTopology, hints } = endpoint;
  const errors: FieldError[] = [];
  if ((addresses ?? []).length === 0) errors.push(required(`${field}.addresses`, 'must contain at least 1 address'));
  else if (addresses.length > addressesMax) {
    errors.push(tooMany(`${field}.addresses`, addresses.length, addressesMax));
  }
  errors.push(
    ...each(`${field}.addresses`, addresses, (path, address) => {
      if (type === 'FQDN') return domainErrors(path, address);
      if (type === 'IPv4' && !isIPv4(address)) return [invalid(path, address, 'must be an IPv4 address')];
      if (type === 'IPv6' && !isIPv6(address)) return [invalid(path, address, 'must be an IPv6 address')];
      return endpointIpErrors(path, address);
    }),
    ...(nodeName === undefined ? [] : complain(`${field}.nodeName`, nodeName, dns1123SubdomainComplaints(nodeName))),
    ...labelsErrors(`${field}.deprecatedTopology`, deprecatedTopology),
    ...(hostname === undefined ? [] : complain(`${field}.hostname`, hostname, dns1123LabelComplaints(hostname))),
    ...hintErrors(`${field}.hints.forZones`, hints?.forZones ?? []),
  );
  return errors;
}

function hintErrors(field: string, zones: readonly types.ForZone[]): FieldError[] {
  if (zones.length > zonesMax) return [tooMany(field, zones.length, zonesMax)];
  return each(field, zones, (path, { name }, index) => [
    ...(zones.findIndex((zone) => zone.name === name) < index ? [duplicate(`${path}.name`, name)] : []),
    ...complain(`${path}.name`, name, labelValueComplaints(name)),
  ]);
}

/** Source: apimachinery pkg/util/validation (IsFullyQualifiedDomainName). */
function domainErrors(field: string, text: string): FieldError[] {
  if (text === '') return [required(field)];
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  const complaints = dns1123SubdomainComplaints(name);
  if (complaints.length > 0) return [invalid(field, name, complaints.join(','))];
  const labels = name.split('.');
  if (labels.length < 2) {
    return [invalid(field, name, 'should be a domain with at least two segments separated by dots')];
  }
  const long = labels.find((label) => dns1123LabelComplaints(label).length > 0);
  return long === undefined ? [] : [invalid(field, long, dns1123LabelComplaints(long).join(','))];
}
