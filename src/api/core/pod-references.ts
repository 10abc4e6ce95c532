/** What a pod names of other objects in its namespace. Source: kubernetes pkg/api/pod (VisitPodSecretNames …). */
import type * as types from './types.generated.ts';

export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
}

/** Volume sources that keep their password in a Secret hold its name under one of these. */
interface WithSecret {
  readonly secretRef?: { readonly name?: string };
  readonly nodePublishSecretRef?: { readonly name?: string };
}

export function referencesOf(pod: types.Pod): PodReferences {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  const claims = new Set<string>();
  const resourceClaims = new Set<string>();
  const put = (into: Set<string>, name: string | undefined) => {
    if (name !== undefined && name !== '') into.add(name);
  };
  const { spec, status, metadata } = pod;
  for (const { name } of spec.imagePullSecrets ?? []) put(secrets, name);
  const { containers, initContainers = [], ephemeralContainers = [] } = spec;
  for (const { env = [], envFrom = [] } of [...containers, ...initContainers, ...ephemeralContainers]) {
    for (const { secretRef, configMapRef } of envFrom) {
      put(secrets, secretRef?.name);
      put(configMaps, configMapRef?.name);
    }
    for (const { valueFrom } of env) {
      put(secrets, valueFrom?.secretKeyRef?.name);
      put(configMaps, valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec.volumes ?? []) {
    put(secrets, volume.secret?.secretName);
    put(secrets, volume.azureFile?.secretName);
    put(configMaps, volume.configMap?.name);
    put(claims, volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral !== undefined) put(claims, `${metadata?.name ?? ''}-${volume.name}`);
    for (const { secret, configMap } of volume.projected?.sources ?? []) {
      put(secrets, secret?.name);
      put(configMaps, configMap?.name);
    }
    for (const source of Object.values(volume) as readonly (WithSecret | string | undefined)[]) {
      if (typeof source !== 'object') continue;
      put(secrets, source.secretRef?.name);
      put(secrets, source.nodePublishSecretRef?.name);
    }
  }
  for (const { resourceClaimName } of spec.resourceClaims ?? []) put(resourceClaims, resourceClaimName);
  for (const { resourceClaimName } of status?.resourceClaimStatuses ?? []) put(resourceClaims, resourceClaimName);
  return { secrets, configMaps, claims, resourceClaims };
}

interface Located {
  readonly name?: string;
  readonly namespace?: string;
}

/** Keys (`namespace/name`) of the Secrets that mounting a volume takes. */
export function secretsOfVolume({ spec }: types.PersistentVolume): readonly string[] {
  const home = spec?.claimRef?.namespace ?? '';
  const found: string[] = [];
  const put = ({ name = '', namespace = home }: Located = {}) => {
    if (name !== '') found.push(`${namespace}/${name}`);
  };
  const { azureFile } = spec;
  if (azureFile !== undefined) {
    const { secretName: name, secretNamespace: namespace = home } = azureFile;
    put({ name, namespace });
  }
  for (const source of Object.values(spec ?? {}) as readonly (Readonly<Record<string, Located>> | undefined)[]) {
    if (typeof source !== 'object' || Array.isArray(source)) continue;
    for (const field of ['secretRef', 'nodePublishSecretRef', 'nodeStageSecretRef', 'nodeExpandSecretRef']) {
      if (typeof source[field] === 'object') put(source[field]);
    }
  }
  return found;
}

/** A pod that only shows what a node runs by itself; its content gives no rights. */
export const isMirror = ({ metadata }: types.Pod): boolean =>
  metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined;
