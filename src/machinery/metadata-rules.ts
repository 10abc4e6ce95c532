/**
 * What is true of every object's metadata, whatever its kind.
 * Source: k8s.io/apimachinery v0.35 pkg/api/validation (objectmeta.go) and pkg/apis/meta/v1/validation.
 */
import { forbidden, invalid, required, tooLong } from './field-error.ts';
import type { FieldError } from './field-error.ts';
import type { Kind } from './kind.ts';
import { labelsErrors } from './labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  immutableComplaint,
  negativeComplaint,
  qualifiedNameComplaints,
} from './names.ts';
import type { ApiObject, ObjectMeta, OwnerReference } from './object.ts';

/** Keys and values together, over all annotations of an object. */
export const annotationsBytesMax = 256 * 1024;
const fieldManagerLengthMax = 128;

/** Rules for the metadata of a new object, after its name was generated. */
export function metadataErrors(
  kind: Pick<Kind, 'namespaced' | 'validateName'>,
  object: ApiObject,
): readonly FieldError[] {
  const metadata = object.metadata ?? {};
  return [
    ...nameErrors(kind.validateName ?? dns1123SubdomainComplaints, metadata),
    ...namespaceErrors(kind.namespaced, metadata.namespace ?? ''),
    ...(metadata.generation !== undefined && metadata.generation < 0
      ? [invalid('metadata.generation', metadata.generation, negativeComplaint)]
      : []),
    ...commonErrors(metadata),
    ...finalizersErrors('metadata.finalizers', metadata.finalizers ?? []),
  ];
}

/** Rules for a change of metadata: `stored` is what the store holds, `object` what is to replace it. */
export function metadataUpdateErrors(object: ApiObject, stored: ApiObject): readonly FieldError[] {
  const [metadata, old] = [object.metadata ?? {}, stored.metadata ?? {}];
  const errors = [...commonErrors(metadata), ...finalizersErrors('metadata.finalizers', metadata.finalizers ?? [])];
  if (old.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((finalizer) => old.finalizers?.includes(finalizer) !== true);
    if (added.length > 0) {
      const list = added.toSorted().map((finalizer) => JSON.stringify(finalizer));
      errors.push(
        forbidden(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list.join(', ')}}`,
        ),
      );
    }
  }
  if ((metadata.resourceVersion ?? '') === '') {
    errors.push(invalid('metadata.resourceVersion', metadata.resourceVersion ?? '', 'must be specified for an update'));
  }
  const generation = metadata.generation ?? 0;
  if (generation < 0) errors.push(invalid('metadata.generation', generation, negativeComplaint));
  if (generation < (old.generation ?? 0)) {
    errors.push(invalid('metadata.generation', generation, 'must not be decremented'));
  }
  for (const field of immutableFields) {
    if ((metadata[field] ?? '') !== (old[field] ?? '')) {
      errors.push(invalid(`metadata.${field}`, metadata[field] ?? null, immutableComplaint));
    }
  }
  return errors;
}

const immutableFields = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const satisfies readonly (keyof ObjectMeta)[];

function nameErrors(complaintsOf: (name: string) => readonly string[], metadata: ObjectMeta): FieldError[] {
  const { name = '', generateName = '' } = metadata;
  const errors: FieldError[] = [];
  if (generateName !== '') {
    for (const complaint of complaintsOf(asPrefix(generateName))) {
      errors.push(invalid('metadata.generateName', generateName, complaint));
    }
  }
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const complaint of complaintsOf(name)) errors.push(invalid('metadata.name', name, complaint));
  return errors;
}

/** A prefix may end in a dash, because more follows. */
const asPrefix = (name: string) => (name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name);

function namespaceErrors(namespaced: boolean, namespace: string): FieldError[] {
  if (!namespaced) return namespace === '' ? [] : [forbidden('metadata.namespace', 'not allowed on this type')];
  if (namespace === '') return [required('metadata.namespace')];
  return dns1123LabelComplaints(namespace).map((complaint) => invalid('metadata.namespace', namespace, complaint));
}

function commonErrors(metadata: ObjectMeta): FieldError[] {
  return [
    ...labelsErrors('metadata.labels', metadata.labels),
    ...annotationsErrors('metadata.annotations', metadata.annotations),
    ...ownersErrors('metadata.ownerReferences', metadata.ownerReferences ?? []),
    ...managersErrors(metadata),
  ];
}

/** Keys are qualified names in any case; together they are limited in size. */
export function annotationsErrors(
  field: string,
  annotations: Readonly<Record<string, string>> | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const complaint of qualifiedNameComplaints(key.toLowerCase())) errors.push(invalid(field, key, complaint));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationsBytesMax) errors.push(tooLong(field, annotationsBytesMax));
  return errors;
}

/** Upstream does not say which of the references is meant. */
function ownersErrors(field: string, owners: readonly OwnerReference[]): FieldError[] {
  const errors = owners.flatMap((owner) => ownerErrors(field, owner));
  const [first, ...others] = owners.filter(({ controller }) => controller === true);
  for (const other of others) {
    errors.push(
      invalid(
        field,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${first?.kind}/${first?.name} and ${other.kind}/${other.name}`,
      ),
    );
  }
  return errors;
}

function ownerErrors(field: string, owner: OwnerReference): FieldError[] {
  const errors: FieldError[] = [];
  if (!/^([^/]*\/)?[^/]+$/.test(owner.apiVersion)) {
    errors.push(invalid(`${field}.apiVersion`, owner.apiVersion, 'version must not be empty'));
  }
  for (const name of ['kind', 'name', 'uid'] as const) {
    if (owner[name] === '') errors.push(invalid(`${field}.${name}`, '', 'must not be empty'));
  }
  if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
    errors.push(invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner'));
  }
  return errors;
}

/** Also the rules of a namespace's `spec.finalizers`. */
export function finalizersErrors(field: string, finalizers: readonly string[]): FieldError[] {
  const errors = finalizers.flatMap((finalizer) =>
    qualifiedNameComplaints(finalizer).map((complaint) => invalid(field, finalizer, complaint)),
  );
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

function managersErrors({ managedFields = [] }: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, entry] of managedFields.entries()) {
    const field = `metadata.managedFields[${index}]`;
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(invalid(`${field}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if ((entry.fieldsType ?? '') !== '' && entry.fieldsType !== 'FieldsV1') {
      errors.push(invalid(`${field}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'));
    }
    if ((entry.manager ?? '').length > fieldManagerLengthMax) {
      errors.push(tooLong(`${field}.manager`, fieldManagerLengthMax));
    }
    if ((entry.subresource ?? '').length > 256) errors.push(tooLong(`${field}.subresource`, 256));
  }
  return errors;
}
