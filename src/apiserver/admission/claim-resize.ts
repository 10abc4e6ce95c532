import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Only what is bound, and of a class that allows it, may grow. Source: kubernetes plugin/pkg/admission/storage/persistentvolume/resize. */
export function claimResize(registry: Registry): AdmissionPlugin {
  const classes = registry.of(StorageClass);
  return {
    name: 'PersistentVolumeClaimResize',
    async validate({ attributes, operation, object, stored }, { signal }) {
      const { kind, subresource, name = '' } = attributes;
      if (operation !== 'UPDATE' || subresource !== undefined) return;
      if (kind?.group !== '' || kind.plural !== 'persistentvolumeclaims') return;
      const [claim, before] = [object as PersistentVolumeClaim, stored as PersistentVolumeClaim];
      if (compareQuantities(sizeOf(claim), sizeOf(before)) <= 0) return;
      if (before.status?.phase !== 'Bound') {
        throw forbiddenRequest(PersistentVolumeClaim, name, 'Only bound persistent volume claims can be expanded');
      }
      const className = classOf(claim);
      const found =
        className === '' || className !== classOf(before)
          ? undefined
          : await classes.find({ name: className }, { want: 'newest' }, signal);
      if (found?.object.allowVolumeExpansion === true) return;
      throw forbiddenRequest(
        PersistentVolumeClaim,
        name,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
    },
  };
}

const sizeOf = ({ spec }: PersistentVolumeClaim) => spec.resources?.requests?.['storage'] ?? '0';
const classOf = ({ metadata, spec }: PersistentVolumeClaim) =>
  metadata?.annotations?.[classAnnotation] ?? spec.storageClassName ?? '';
