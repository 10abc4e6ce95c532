import { claimProtection, volumeProtection } from '#api/core/protection-finalizers.ts';
import type { AdmissionPlugin } from './admission.ts';

const finalizers: Readonly<Record<string, string>> = {
  persistentvolumeclaims: claimProtection,
  persistentvolumes: volumeProtection,
};

/**
 * Claims stay until no pod uses them, and volumes until no claim does: the controllers `pvc-protection-controller` and
 * `pv-protection-controller` take these finalizers away. Source: kubernetes plugin/pkg/admission/storage/storageobjectinuseprotection.
 */
export const storageInUse: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  async mutate({ attributes, operation, object }) {
    const { kind, subresource } = attributes;
    const finalizer = kind?.group === '' ? finalizers[kind.plural] : undefined;
    if (operation !== 'CREATE' || subresource !== undefined || finalizer === undefined) return object!;
    const present = object?.metadata?.finalizers ?? [];
    if (present.includes(finalizer)) return object!;
    return { ...object, metadata: { ...object?.metadata, finalizers: [...present, finalizer] } };
  },
};
