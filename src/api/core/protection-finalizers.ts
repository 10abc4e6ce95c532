/** Held by a claim as long as a pod may use it. */
export const claimProtection = 'kubernetes.io/pvc-protection';
/** Held by a volume as long as it is bound to a claim. */
export const volumeProtection = 'kubernetes.io/pv-protection';
