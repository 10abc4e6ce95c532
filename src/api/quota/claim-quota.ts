import { compareQuantities, quantityOfUnits, parseQuantity, toUnits } from '#machinery/quantity.ts';
import type { PersistentVolumeClaim } from '../core/persistent-volume-claim.ts';
import type { QuotaEvaluator } from './quota-evaluator.ts';
import { matchesValues } from './scope-values.ts';

const resources = ['persistentvolumeclaims', 'requests.storage'];
/** `gold.storageclass.storage.k8s.io/requests.storage` limits claims of the class `gold` alone. */
const ofClass = '.storageclass.storage.k8s.io/';
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Claims and the storage they ask for, also by storage class. */
export const claimQuota: QuotaEvaluator<PersistentVolumeClaim> = {
  counts: (name) =>
    name === 'count/persistentvolumeclaims' ||
    resources.some((resource) => name === resource || name.endsWith(`${ofClass}${resource}`)),
  handles: ({ subresource }) => subresource === undefined || subresource === 'status',
  usage(claim) {
    const storage = storageOf(claim);
    const usage = {
      persistentvolumeclaims: '1',
      ...(storage === undefined ? {} : { 'requests.storage': storage }),
    };
    const name = claim.metadata?.annotations?.[classAnnotation] ?? claim.spec.storageClassName ?? '';
    const byClass =
      name === ''
        ? {}
        : Object.fromEntries(Object.entries(usage).map(([key, value]) => [`${name}${ofClass}${key}`, value]));
    return { 'count/persistentvolumeclaims': '1', ...usage, ...byClass };
  },
  matchesScope: (requirement, claim) =>
    requirement.scopeName === 'VolumeAttributesClass' && matchesValues(requirement, attributesClasses(claim)),
};

/** Whole bytes, and not less than what is allocated already. */
function storageOf({ spec, status }: PersistentVolumeClaim): string | undefined {
  const asked = spec.resources?.requests?.['storage'];
  if (asked === undefined) return undefined;
  const allocated = status?.allocatedResources?.['storage'];
  const counted = allocated !== undefined && compareQuantities(allocated, asked) > 0 ? allocated : asked;
  const { nanos, format } = parseQuantity(counted);
  return nanos % 1_000_000_000n === 0n ? counted : quantityOfUnits(toUnits(counted), format);
}

function attributesClasses({ spec, status }: PersistentVolumeClaim): readonly string[] {
  return [
    spec.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => name !== undefined && name !== '') as readonly string[];
}
