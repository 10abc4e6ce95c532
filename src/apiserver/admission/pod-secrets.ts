/** Which Secrets a pod may name. Source of rules and words: kubernetes plugin/pkg/admission/serviceaccount. */
import type { Pod } from '#api/core/pod.ts';
import type { ServiceAccount } from '#api/core/service-account.ts';
import type { Container, Volume } from '#api/core/types.generated.ts';

const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** What is wrong with the Secrets of a pod, if its account lets pods have its own Secrets alone. */
export function secretComplaint({ spec }: Pod, account: ServiceAccount): string | undefined {
  if (account.metadata?.annotations?.[enforceAnnotation] !== 'true') return undefined;
  const own = new Set(account.secrets?.map(({ name }) => name));
  const { name: accountName = '' } = account.metadata;
  const refused = (what: string, secret: string) =>
    `${what} secret.secretName="${secret}" is not allowed because service account ${accountName} does not reference that secret`;
  for (const { secret } of spec.volumes ?? []) {
    const name = secret?.secretName ?? '';
    if (secret !== undefined && !own.has(name)) return refused('volume with', name);
  }
  const kinds = [
    ['init container', spec.initContainers ?? []],
    ['container', spec.containers],
    // They name Secrets as containers do.
    ['ephemeral container', (spec.ephemeralContainers ?? []) as readonly Container[]],
  ] as const;
  for (const [noun, containers] of kinds) {
    for (const container of containers) {
      for (const { name, valueFrom } of container.env ?? []) {
        const secret = valueFrom?.secretKeyRef?.name;
        if (secret === undefined || own.has(secret)) continue;
        return refused(`${noun} ${container.name} with envVar ${name} referencing`, secret);
      }
      for (const { secretRef } of container.envFrom ?? []) {
        const secret = secretRef?.name;
        if (secret === undefined || own.has(secret)) continue;
        return refused(`${noun} ${container.name} with envFrom referencing`, secret);
      }
    }
  }
  const pull = new Set(account.imagePullSecrets?.map(({ name }) => name));
  for (const [index, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    if (pull.has(name)) continue;
    return `imagePullSecrets[${index}].name="${name}" is not allowed because service account ${accountName} does not reference that imagePullSecret`;
  }
  return undefined;
}

/** What is wrong with a mirror pod: its node runs it whatever the API says, so it gets nothing that is secret. */
export function mirrorComplaint({ spec }: Pod): string | undefined {
  if ((spec.serviceAccountName ?? '') !== '') return 'a mirror pod may not reference service accounts';
  const containers = [
    ...spec.containers,
    ...(spec.initContainers ?? []),
    ...((spec.ephemeralContainers ?? []) as readonly Container[]),
  ];
  const inEnvironment = containers.some(
    ({ env = [], envFrom = [] }) =>
      env.some(({ valueFrom }) => valueFrom?.secretKeyRef !== undefined) ||
      envFrom.some(({ secretRef }) => secretRef !== undefined),
  );
  const volumes = spec.volumes ?? [];
  if ((spec.imagePullSecrets ?? []).length > 0 || inEnvironment || volumes.some(namesSecret)) {
    return 'a mirror pod may not reference secrets';
  }
  const hasToken = volumes.some(({ projected }) =>
    projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined),
  );
  return hasToken ? 'a mirror pod may not use ServiceAccountToken volume projections' : undefined;
}

function namesSecret(volume: Volume): boolean {
  return (
    volume.secret !== undefined ||
    volume.azureFile !== undefined ||
    volume.csi?.nodePublishSecretRef !== undefined ||
    volume.projected?.sources?.some(({ secret }) => secret !== undefined) === true ||
    [volume.cephfs, volume.cinder, volume.flexVolume, volume.iscsi, volume.rbd, volume.scaleIO, volume.storageos].some(
      (source) => source?.secretRef !== undefined,
    )
  );
}
