import { required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints, portNumberComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { choice, complain, each, optionalText } from '../rules/fields.ts';
import { endpointIpErrors, ipErrors } from '../rules/ip-rules.ts';
import type * as types from './types.generated.ts';

export type Endpoints = types.Endpoints;
export const Endpoints: Kind<Endpoints> = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Endpoints');
  },
  defaults(endpoints) {
    return mapField(endpoints, 'subsets', (subsets) =>
      mapItems(subsets, (subset) =>
        mapField(subset, 'ports', (ports) => mapItems(ports, (port) => withDefaults(port, { protocol: 'TCP' }))),
      ),
    );
  },
  /** Source: kubernetes pkg/apis/core/validation (ValidateEndpoints). */
  validate({ subsets }) {
    return each('subsets', subsets, (path, { addresses = [], notReadyAddresses = [], ports = [] }) => [
      ...(addresses.length + notReadyAddresses.length === 0
        ? [required(path, 'must specify `addresses` or `notReadyAddresses`')]
        : []),
      ...each(`${path}.addresses`, addresses, addressErrors),
      ...each(`${path}.notReadyAddresses`, notReadyAddresses, addressErrors),
      ...each(`${path}.ports`, ports, (at, { name = '', port, protocol }) => [
        ...(ports.length > 1 && name === '' ? [required(`${at}.name`)] : []),
        ...optionalText(`${at}.name`, name, dns1123LabelComplaints),
        ...complain(`${at}.port`, port, portNumberComplaints(port)),
        ...choice(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
      ]),
    ]);
  },
  columns: [
    nameColumn,
    column('Endpoints', 'Addresses and ports that answer.', (endpoints) => formatEndpoints(endpoints)),
    ageColumn,
  ],
};

/** Endpoints named in a list; the rest are counted. */
const endpointsShownMax = 3;

function addressErrors(field: string, { ip, hostname, nodeName }: types.EndpointAddress): FieldError[] {
  return [
    ...ipErrors(`${field}.ip`, ip),
    ...optionalText(`${field}.hostname`, hostname, dns1123LabelComplaints),
    ...optionalText(`${field}.nodeName`, nodeName, dns1123SubdomainComplaints),
    ...endpointIpErrors(`${field}.ip`, ip),
  ];
}

function formatEndpoints({ subsets = [] }: types.Endpoints): string {
  const list = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  );
  if (list.length === 0) return '<none>';
  const shown = list.slice(0, endpointsShownMax).join(',');
  return list.length > endpointsShownMax ? `${shown} + ${list.length - endpointsShownMax} more...` : shown;
}
