import { duplicate, invalid, required, tooMany } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
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
import { choice, complain, each, immutable, optionalText } from '../rules/fields.ts';
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
  validate({ addressType, endpoints, ports = [] }) {
    const names = new Set<string>();
    const errors: FieldError[] = [
      ...choice('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']),
      ...each('endpoints', endpoints, (path, endpoint) => endpointErrors(path, addressType, endpoint)),
      ...each('ports', ports, (path, { name = '', port, protocol, appProtocol }) => {
        const found: FieldError[] = [
          ...optionalText(`${path}.name`, name, dns1123LabelComplaints),
          ...choice(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
          ...(port === undefined ? [] : complain(`${path}.port`, port, portNumberComplaints(port))),
          ...optionalText(`${path}.appProtocol`, appProtocol, qualifiedNameComplaints),
        ];
        if (names.has(name)) {
          found.push(duplicate(`${path}.name`, name));
        }
        names.add(name);
        return found;
      }),
    ];
    for (const [field, count, max] of [
      ['endpoints', (endpoints ?? []).length, endpointsMax],
      ['ports', ports.length, portsMax],
    ] as const) {
      if (count > max) errors.push(tooMany(field, count, max));
    }
    return errors;
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
/** Shown in a list; the rest are counted. */
const shownMax = 3;

function firstFew(list: readonly string[]): string {
  if (list.length === 0) return '<unset>';
  const shown = list.slice(0, shownMax).join(',');
  return list.length > shownMax ? `${shown} + ${list.length - shownMax} more...` : shown;
}

function endpointErrors(field: string, type: string, endpoint: types.Endpoint): FieldError[] {
  const { addresses, hostname, nodeName, hints } = endpoint;
  const errors: FieldError[] = [];
  if ((addresses ?? []).length === 0) errors.push(required(`${field}.addresses`, 'must contain at least 1 address'));
  else if (addresses.length > addressesMax) {
    errors.push(tooMany(`${field}.addresses`, addresses.length, addressesMax));
  }
  errors.push(
    ...each(`${field}.addresses`, addresses, (path, address) => {
      if (type === 'FQDN') return complain(path, address, dns1123SubdomainComplaints(address));
      if (type === 'IPv4' && !isIPv4(address)) return [invalid(path, address, 'must be an IPv4 address')];
      if (type === 'IPv6' && !isIPv6(address)) return [invalid(path, address, 'must be an IPv6 address')];
      return endpointIpErrors(path, address);
    }),
    ...optionalText(`${field}.hostname`, hostname, dns1123LabelComplaints),
    ...optionalText(`${field}.nodeName`, nodeName, dns1123SubdomainComplaints),
    ...each(`${field}.hints.forZones`, hints?.forZones, (path, { name }) =>
      complain(`${path}.name`, name, labelValueComplaints(name)),
    ),
  );
  return errors;
}
