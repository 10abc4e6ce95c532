import { duplicate, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, integer, nameColumn } from '../rules/columns.ts';
import { complain, each, immutable, nonNegative, unique } from '../rules/fields.ts';
import { driverNameErrors } from './driver-name.ts';
import type * as types from './types.generated.ts';

const nodeIdLengthMax = 256;

export type CSINode = types.CSINode;
export const CSINode: Kind<CSINode> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  singular: 'csinode',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.CSINode');
  },
  /** Source: kubernetes pkg/apis/storage/validation (ValidateCSINode). */
  validate: ({ spec }) => [
    ...each('spec.drivers', spec.drivers, driverErrors),
    ...unique(
      spec.drivers,
      ({ name }) => name,
      (index) => `spec.drivers[${index}].name`,
    ),
  ],
  /** An entry may come and go, and its limit may change; nothing else of it. */
  validateUpdate: ({ spec }, { spec: stored }) =>
    (spec.drivers ?? []).flatMap((driver) => {
      const old = (stored.drivers ?? []).find(({ name }) => name === driver.name);
      return old === undefined ? [] : immutable('spec.drivers', withoutLimit(driver), withoutLimit(old));
    }),
  columns: [
    nameColumn,
    integer('Drivers', 'Number of storage drivers on the node.', ({ spec }) => (spec.drivers ?? []).length),
    ageColumn,
  ],
};

const withoutLimit = ({ allocatable: _limit, ...driver }: types.CSINodeDriver) => driver;

function driverErrors(field: string, driver: types.CSINodeDriver): FieldError[] {
  const { name, nodeID, allocatable, topologyKeys = [] } = driver;
  const errors = [
    ...driverNameErrors(`${field}.name`, name),
    ...((nodeID ?? '') === '' ? [required(`${field}.nodeID`)] : []),
    ...((nodeID ?? '').length > nodeIdLengthMax
      ? [invalid(`${field}.nodeID`, nodeID, `must be ${nodeIdLengthMax} characters or less`)]
      : []),
    ...nonNegative(`${field}.allocatable.count`, allocatable?.count),
  ];
  const seen = new Set<string>();
  for (const key of topologyKeys) {
    if (key === '') errors.push(required(field));
    if (seen.has(key)) errors.push(duplicate(field, key));
    seen.add(key);
    errors.push(...complain(field, key, qualifiedNameComplaints(key)));
  }
  return errors;
}
