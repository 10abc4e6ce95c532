import type { Pod } from '#api/core/pod.ts';

/** A claim that a pod uses. */
export interface ClaimUse {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  /** True if it is made for the pod and lives with it. */
  readonly isEphemeral: boolean;
}

/** The claims that a pod's volumes name, in their order. Source: k8s.io/component-helpers/storage/ephemeral. */
export function claimUsesOf({ metadata, spec }: Pod): readonly ClaimUse[] {
  const { namespace = '', name: podName = '' } = metadata ?? {};
  const uses: ClaimUse[] = [];
  for (const { name: volume, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    const isEphemeral = ephemeral !== undefined;
    const name = isEphemeral ? `${podName}-${volume}` : persistentVolumeClaim?.claimName;
    if (name !== undefined) uses.push({ key: `${namespace}/${name}`, name, isEphemeral });
  }
  return uses;
}
