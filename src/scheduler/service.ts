import type { Pod } from '#api/core/pod.ts';

/**
 * Names the service that a pod works for: its controller, and for a ReplicaSet of a Deployment the Deployment, so that
 * old and new pods of a roll-out are counted together. Undefined for a pod that nobody controls.
 */
export function serviceOf({ metadata }: Pod): string | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return undefined;
  const hash = metadata?.labels?.['pod-template-hash'];
  const isOfDeployment = owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`);
  const name = isOfDeployment ? owner.name.slice(0, -hash.length - 1) : owner.name;
  return `${metadata?.namespace ?? ''}/${isOfDeployment ? 'Deployment' : owner.kind}/${name}`;
}
