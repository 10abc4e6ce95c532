import { duplicate, invalid, required, tooMany, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints, pathSegmentComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, nameColumn } from '../rules/columns.ts';
import { each, immutable, optionalText, positive, text } from '../rules/fields.ts';
import type * as types from './types-v1alpha1.ts';

export type Workload = types.Workload;

/**
 * How the pods that name it in `spec.workloadRef` are placed. The scheduler honours it: see `scheduler/gangs/`.
 * Source: KEP-4671 as of v1.35; of the rules: kubernetes pkg/apis/scheduling/validation (ValidateWorkload).
 */
export const Workload: Kind<Workload> = {
  group: 'scheduling.k8s.io',
  version: 'v1alpha1',
  kind: 'Workload',
  plural: 'workloads',
  singular: 'workload',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.scheduling.v1alpha1.Workload');
  },
  hasGeneration: true,
  validate({ spec: { controllerRef, podGroups } }) {
    const field = 'spec.podGroups';
    const errors = controllerRef === undefined ? [] : referenceErrors('spec.controllerRef', controllerRef);
    if (podGroups.length === 0) return [...errors, required(field, 'must have at least one item')];
    if (podGroups.length > podGroupsMax) return [...errors, tooMany(field, podGroups.length, podGroupsMax)];
    const names = new Set<string>();
    return [
      ...errors,
      ...each(field, podGroups, (path, { name, policy }) => {
        const complaints = text(`${path}.name`, name, dns1123LabelComplaints);
        if (names.has(name)) complaints.push(duplicate(`${path}.name`, name));
        names.add(name);
        return [...complaints, ...policyErrors(`${path}.policy`, policy)];
      }),
    ];
  },
  validateUpdate({ spec }, stored) {
    const { controllerRef } = stored.spec;
    return [
      ...(controllerRef === undefined ? [] : immutable('spec.controllerRef', spec.controllerRef, controllerRef)),
      ...immutable('spec.podGroups', spec.podGroups, stored.spec.podGroups),
    ];
  },
  columns: [nameColumn, ageColumn],
};

const podGroupsMax = 8;

function referenceErrors(field: string, { apiGroup, kind, name }: types.TypedLocalObjectReference): FieldError[] {
  return [
    ...optionalText(`${field}.apiGroup`, apiGroup, dns1123SubdomainComplaints),
    ...text(`${field}.kind`, kind, pathSegmentComplaints),
    ...text(`${field}.name`, name, pathSegmentComplaints),
  ];
}

function policyErrors(field: string, policy: types.PodGroupPolicy | undefined): FieldError[] {
  const { basic, gang } = policy ?? {};
  const one = 'exactly one of `basic`, `gang` is required';
  if (basic !== undefined && gang !== undefined) {
    return [invalid(field, '{`basic`, `gang`}', `${one}, but multiple fields are set`)];
  }
  if (basic === undefined && gang === undefined) return [required(field, one)];
  return gang === undefined ? [] : positive(`${field}.gang.minCount`, gang.minCount);
}
