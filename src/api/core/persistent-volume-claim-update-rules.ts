/** Source: kubernetes pkg/apis/core/validation (ValidatePersistentVolumeClaimUpdate). */
import { forbidden } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { immutable, sameValue } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

/** A claim is bound once and never moves; one that is bound may grow, and take other attributes. */
export function claimUpdateErrors(
  claim: types.PersistentVolumeClaim,
  stored: types.PersistentVolumeClaim,
): FieldError[] {
  const { spec } = claim;
  const isBound = stored.status?.phase === 'Bound';
  const before = allowed(stored.spec, spec, isBound);
  const changed = [...new Set([...Object.keys(spec), ...Object.keys(before)])]
    .filter((key) => !sameValue(spec[key as keyof typeof spec], before[key as keyof typeof before]))
    .toSorted();
  const errors: FieldError[] = [];
  if (changed.length > 0) {
    errors.push(
      forbidden(
        'spec',
        `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n  changed: ${changed.map((key) => `spec.${key}`).join(', ')}`,
      ),
    );
  }
  const [old = '0', size = '0', given = '0'] = [
    stored.spec.resources?.requests?.['storage'],
    spec.resources?.requests?.['storage'],
    stored.status?.capacity?.['storage'],
  ];
  if (compareQuantities(size, old) < 0 && compareQuantities(size, given) <= 0) {
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
  }
  errors.push(...immutable('volumeMode', spec.volumeMode, stored.spec.volumeMode));
  const { volumeAttributesClassName: attributes } = spec;
  const isUnset = (attributes ?? '') === '' && attributes !== stored.spec.volumeAttributesClassName;
  if (isUnset && stored.status?.currentVolumeAttributesClassName !== undefined) {
    const to = attributes === undefined ? 'nil' : 'empty string';
    errors.push(
      forbidden(
        'spec.volumeAttributesClassName',
        `update to ${to} is forbidden when status.currentVolumeAttributesClassName is not nil`,
      ),
    );
  }
  return errors;
}

/** The stored spec with what may differ from it. */
function allowed(
  stored: types.PersistentVolumeClaimSpec,
  spec: types.PersistentVolumeClaimSpec,
  isBound: boolean,
): types.PersistentVolumeClaimSpec {
  const { volumeName = '', storageClassName, resources } = stored;
  const [name, className, attributes, storage] = [
    spec.volumeName,
    spec.storageClassName,
    spec.volumeAttributesClassName,
    spec.resources?.requests?.['storage'],
  ];
  const { volumeAttributesClassName, ...others } = stored;
  return {
    ...others,
    ...(volumeAttributesClassName === undefined || isBound ? {} : { volumeAttributesClassName }),
    ...(volumeName === '' && name !== undefined ? { volumeName: name } : {}),
    ...(storageClassName === undefined && className !== undefined ? { storageClassName: className } : {}),
    ...(isBound && attributes !== undefined ? { volumeAttributesClassName: attributes } : {}),
    ...(isBound && storage !== undefined
      ? { resources: { ...resources, requests: { ...resources?.requests, storage } } }
      : {}),
  };
}
