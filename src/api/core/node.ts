import { forbidden } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { each, sameValue, unique } from '../rules/fields.ts';
import { cidrErrors, oneCidrPerFamilyErrors } from '../rules/ip-rules.ts';
import { amountErrors } from './resource-rules.ts';
import { taintsErrors } from './scheduling-rules.ts';
import type * as types from './types.generated.ts';

export type Node = types.Node;
export const Node: Kind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.core.v1.Node');
  },
  subresources: {
    status: true,
  },
  defaults(node) {
    return mapField(node, 'status', (status) =>
      status.capacity === undefined ? status : withDefaults(status, { allocatable: status.capacity }),
    );
  },
  /** Source: kubernetes pkg/apis/core/validation (ValidateNode). */
  validate({ spec, status }) {
    return [
      // Upstream names taints as part of the metadata.
      ...taintsErrors('metadata.taints', spec.taints),
      ...offeredErrors('status.capacity', status?.capacity),
      ...offeredErrors('status.allocatable', status?.allocatable),
      ...each('spec.podCIDRs', spec.podCIDRs, (path, cidr) => cidrErrors(path, cidr)),
      ...oneCidrPerFamilyErrors('spec.podCIDRs', spec.podCIDRs ?? []),
      ...unique(
        status?.addresses,
        ({ type, address }) => `${type}/${address}`,
        (index) => `status.addresses[${index}]`,
      ),
    ];
  },
  validateUpdate({ spec }, { spec: stored }) {
    const errors = [];
    if ((stored.podCIDRs ?? []).length > 0 && !sameValue(spec.podCIDRs, stored.podCIDRs)) {
      errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
    }
    if ((stored.providerID ?? '') !== '' && spec.providerID !== stored.providerID) {
      errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
    }
    return errors;
  },
  columns: [
    nameColumn,
    column('Status', 'The status of the node', (node) => nodeStatus(node)),
    column('Roles', 'The roles of the node', (node) => nodeRoles(node)),
    ageColumn,
    column('Version', 'Version of the node agent.', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', 'Address of the node inside its network.', (node) => nodeAddress(node, 'InternalIP')),
    wide('External-IP', 'Address of the node outside its network.', (node) => nodeAddress(node, 'ExternalIP')),
    wide('OS-Image', 'Operating system of the node.', ({ status }) => orUnknown(status?.nodeInfo?.osImage)),
    wide('Kernel-Version', 'Kernel of the node.', ({ status }) => orUnknown(status?.nodeInfo?.kernelVersion)),
    wide('Container-Runtime', 'What runs the containers of the node.', ({ status }) =>
      orUnknown(status?.nodeInfo?.containerRuntimeVersion),
    ),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
};

const rolePrefix = 'node-role.kubernetes.io/';
const roleLabel = 'kubernetes.io/role';

function nodeStatus({ spec, status }: types.Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const text = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function nodeRoles({ metadata }: types.Node): string {
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(metadata?.labels ?? {})) {
    if (label.startsWith(rolePrefix) && label.length > rolePrefix.length) roles.add(label.slice(rolePrefix.length));
    else if (label === roleLabel && value !== '') roles.add(value);
  }
  return roles.size === 0 ? '<none>' : [...roles].toSorted().join(',');
}

const nodeAddress = ({ status }: types.Node, wanted: string) =>
  status?.addresses?.find(({ type }) => type === wanted)?.address ?? '<none>';

const orUnknown = (text: string | undefined) => (text === undefined || text === '' ? '<unknown>' : text);

/** A node may offer resources that no container can ask for: pods, volumes. */
function offeredErrors(field: string, list: Readonly<Record<string, string>> | undefined): FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, amount]) => amountErrors(`${field}.${name}`, name, amount));
}
