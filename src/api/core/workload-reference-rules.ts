import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints } from '#machinery/names.ts';
import { optionalText, text } from '../rules/fields.ts';
import type { WorkloadReference } from './types.generated.ts';

/** Source: kubernetes v1.35 pkg/apis/core/validation (validateWorkloadReference). */
export function workloadReferenceErrors(field: string, reference: WorkloadReference | undefined): FieldError[] {
  if (reference === undefined) return [];
  const { name, podGroup, podGroupReplicaKey } = reference;
  return [
    ...text(`${field}.name`, name, dns1123SubdomainComplaints),
    ...text(`${field}.podGroup`, podGroup, dns1123LabelComplaints),
    ...optionalText(`${field}.podGroupReplicaKey`, podGroupReplicaKey, dns1123LabelComplaints),
  ];
}
