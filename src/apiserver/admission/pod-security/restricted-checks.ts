/** The checks of the restricted level, in upstream's words. Source: k8s.io/pod-security-admission/policy. */
import type { Volume } from '#api/core/types.generated.ts';
import { isGoodSeccomp } from './baseline-checks.ts';
import {
  type Check,
  containersOf,
  hasUserNamespace,
  isWindows,
  namedContainers,
  plural,
  quotedList,
  setters,
  sorted,
} from './pod-view.ts';

/** Since 1.25: what these checks ask for cannot be said of a Windows pod. */
export const unlessWindows =
  (check: Check): Check =>
  (pod) =>
    isWindows(pod) ? undefined : check(pod);

/** Since 1.35: root in a user namespace of the pod's own is nobody outside. */
export const unlessUserNamespace =
  (check: Check): Check =>
  (pod) =>
    hasUserNamespace(pod) ? undefined : check(pod);

export const allowPrivilegeEscalation: Check = (pod) => {
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${namedContainers(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  };
};

export const capabilitiesRestricted: Check = (pod) => {
  const all = containersOf(pod);
  const added = ({ securityContext }: (typeof all)[number]) =>
    (securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const keeping = all.filter(({ securityContext }) => securityContext?.capabilities?.drop?.includes('ALL') !== true);
  const adding = all.filter((container) => added(container).length > 0);
  const details = [
    ...(keeping.length > 0 ? [`${namedContainers(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [
          `${namedContainers(adding)} must not include ${quotedList(sorted(adding.flatMap(added)))} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
};

const allowedSources = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const satisfies readonly (keyof Volume)[];

/** In the order upstream looks for them. */
const restrictedSources = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
] as const satisfies readonly (keyof Volume)[];

export const restrictedVolumes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => !allowedSources.some((name) => volume[name] !== undefined));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => restrictedSources.find((name) => volume[name] !== undefined) ?? 'unknown'));
  return {
    reason: 'restricted volume types',
    detail: `${plural('volume', 'volumes', bad.length)} ${quotedList(bad.map(({ name }) => name))} ${plural('uses', 'use', bad.length)} restricted volume ${plural('type', 'types', types.length)} ${quotedList(types)}`,
  };
};

export const runAsNonRoot: Check = (pod) => {
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const all = containersOf(pod);
  const explicit = all.filter(({ securityContext }) => securityContext?.runAsNonRoot === false);
  const reason = 'runAsNonRoot != true';
  if (ofPod === false || explicit.length > 0) {
    return { reason, detail: `${setters(ofPod === false, explicit)} must not set securityContext.runAsNonRoot=false` };
  }
  const implicit =
    ofPod === true ? [] : all.filter(({ securityContext }) => securityContext?.runAsNonRoot === undefined);
  return implicit.length === 0
    ? undefined
    : { reason, detail: `pod or ${namedContainers(implicit)} must set securityContext.runAsNonRoot=true` };
};

export const runAsUser: Check = (pod) => {
  const podToo = pod.spec.securityContext?.runAsUser === 0;
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.runAsUser === 0);
  if (!podToo && bad.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${setters(podToo, bad)} must not set runAsUser=0` };
};

export const seccompProfileRestricted: Check = (pod) => {
  const ofPod = pod.spec.securityContext?.seccompProfile?.type;
  const podIsBad = ofPod !== undefined && !isGoodSeccomp(ofPod);
  const all = containersOf(pod);
  const typeOf = ({ securityContext }: (typeof all)[number]) => securityContext?.seccompProfile?.type;
  const explicit = all.filter((container) => typeOf(container) !== undefined && !isGoodSeccomp(typeOf(container)));
  const reason = 'seccompProfile';
  if (podIsBad || explicit.length > 0) {
    const values = sorted([...(podIsBad ? [ofPod] : []), ...explicit.map((container) => typeOf(container) ?? '')]);
    return {
      reason,
      detail: `${setters(podIsBad, explicit)} must not set securityContext.seccompProfile.type to ${quotedList(values)}`,
    };
  }
  const implicit = isGoodSeccomp(ofPod) ? [] : all.filter((container) => typeOf(container) === undefined);
  return implicit.length === 0
    ? undefined
    : {
        reason,
        detail: `pod or ${namedContainers(implicit)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      };
};
