import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { Ingress } from '#api/networking/ingress.ts';
import { IngressClass } from '#api/networking/ingress-class.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { listAll } from '../registry/list-all.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const defaultStorage = 'storageclass.kubernetes.io/is-default-class';
const defaultStorageBeta = 'storageclass.beta.kubernetes.io/is-default-class';
const defaultIngress = 'ingressclass.kubernetes.io/is-default-class';
/** Annotations that named the class before there was a field. */
const claimClass = 'volume.beta.kubernetes.io/storage-class';
const ingressClass = 'kubernetes.io/ingress.class';

/** Gives claims that name no storage class the default one. Source: kubernetes plugin/pkg/admission/storage/storageclass/setdefault. */
export function defaultStorageClass(registry: Registry): AdmissionPlugin {
  const classes = registry.of(StorageClass);
  return {
    name: 'DefaultStorageClass',
    async mutate(request, { signal }) {
      if (!isNew(request, '', 'persistentvolumeclaims')) return request.object!;
      const claim = request.object as PersistentVolumeClaim;
      if (claim.spec.storageClassName !== undefined || hasAnnotation(claim, claimClass)) return claim;
      const name = newestDefault(await listAll(classes, undefined, signal), [defaultStorage, defaultStorageBeta]);
      return name === undefined ? claim : { ...claim, spec: { ...claim.spec, storageClassName: name } };
    },
  };
}

/** Gives ingresses that name no class the default one. Source: kubernetes plugin/pkg/admission/network/defaultingressclass. */
export function defaultIngressClass(registry: Registry): AdmissionPlugin {
  const classes = registry.of(IngressClass);
  return {
    name: 'DefaultIngressClass',
    async mutate(request, { signal }) {
      if (!isNew(request, 'networking.k8s.io', 'ingresses')) return request.object!;
      const ingress = request.object as Ingress;
      if (ingress.spec?.ingressClassName !== undefined || hasAnnotation(ingress, ingressClass)) return ingress;
      const name = newestDefault(await listAll(classes, undefined, signal), [defaultIngress]);
      return name === undefined ? ingress : { ...ingress, spec: { ...ingress.spec, ingressClassName: name } };
    },
  };
}

function isNew({ attributes, operation }: AdmissionRequest, group: Kind['group'], plural: Kind['plural']): boolean {
  const { kind, subresource } = attributes;
  return operation === 'CREATE' && subresource === undefined && kind?.group === group && kind.plural === plural;
}

const hasAnnotation = ({ metadata }: ApiObject, name: string) => metadata?.annotations?.[name] !== undefined;

/** Of several that are marked as the default, the newest; of equally old ones the first by name. */
function newestDefault(classes: readonly ApiObject[], annotations: readonly string[]): string | undefined {
  const created = ({ metadata }: ApiObject) => metadata?.creationTimestamp ?? '';
  const nameOf = ({ metadata }: ApiObject) => metadata?.name ?? '';
  const [chosen] = classes
    .filter(({ metadata }) => annotations.some((name) => metadata?.annotations?.[name] === 'true'))
    .toSorted((a, b) =>
      created(a) === created(b) ? (nameOf(a) < nameOf(b) ? -1 : 1) : created(a) > created(b) ? -1 : 1,
    );
  return chosen?.metadata?.name;
}
