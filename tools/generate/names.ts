/** Where a package of definitions lives in the tree. */
export interface Place {
  /** `io.k8s.api.core.v1` */
  readonly pkg: string;
  /** Folder under `src/api`, or `machinery`. */
  readonly area: string;
  /** Types file without its folder. */
  readonly typesFile: string;
  /** Identifier under which other generated files import it. */
  readonly alias: string;
  /** File name of the schema table without extension. */
  readonly table: string;
}

const areas: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta': 'machinery',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions': 'apiextensions',
  'io.k8s.kube-aggregator.pkg.apis.apiregistration': 'apiregistration',
};

/** Packages whose definitions are scalars of the schema language, not objects with fields. */
export const scalarDefinitions: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'time',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'microtime',
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'quantity',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'intorstring',
};

export function packageOf(definition: string): string {
  return definition.slice(0, definition.lastIndexOf('.'));
}

export function shortNameOf(definition: string): string {
  return definition.slice(definition.lastIndexOf('.') + 1);
}

export function placeOf(pkg: string): Place {
  const dot = pkg.lastIndexOf('.');
  const version = pkg.slice(dot + 1);
  const group = pkg.slice(0, dot);
  const area = areas[group] ?? group.slice(group.lastIndexOf('.') + 1);
  const alias = area === 'machinery' ? 'meta' : area === 'autoscaling' ? `autoscaling${version}` : area;
  return {
    pkg,
    area,
    alias,
    typesFile:
      area === 'machinery'
        ? 'meta.generated.ts'
        : area === 'autoscaling'
          ? `types-${version}.generated.ts`
          : 'types.generated.ts',
    table: area === 'machinery' ? `meta.${version}` : `${area}.${version}`,
  };
}

/** The protobuf package of an OpenAPI package: `k8s.io.api.core.v1`. */
export function protoPackageOf(pkg: string): string {
  return pkg.replace(/^io\.k8s\./, 'k8s.io.').replace('apiextensions-apiserver', 'apiextensions_apiserver');
}

export function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
}

/** What kubectl users type instead of the plural. Source: each kind's upstream registry, `ShortNames()`. */
export const shortNames: Readonly<Record<string, readonly string[]>> = {
  certificatesigningrequests: ['csr'],
  componentstatuses: ['cs'],
  configmaps: ['cm'],
  cronjobs: ['cj'],
  customresourcedefinitions: ['crd', 'crds'],
  daemonsets: ['ds'],
  deployments: ['deploy'],
  endpoints: ['ep'],
  events: ['ev'],
  horizontalpodautoscalers: ['hpa'],
  ingresses: ['ing'],
  ipaddresses: ['ip'],
  limitranges: ['limits'],
  namespaces: ['ns'],
  networkpolicies: ['netpol'],
  nodes: ['no'],
  persistentvolumeclaims: ['pvc'],
  persistentvolumes: ['pv'],
  poddisruptionbudgets: ['pdb'],
  pods: ['po'],
  priorityclasses: ['pc'],
  replicasets: ['rs'],
  replicationcontrollers: ['rc'],
  resourcequotas: ['quota'],
  serviceaccounts: ['sa'],
  services: ['svc'],
  statefulsets: ['sts'],
  storageclasses: ['sc'],
  volumeattributesclasses: ['vac'],
};

/** `kubectl get all`. */
export const inCategoryAll: ReadonlySet<string> = new Set([
  'cronjobs',
  'daemonsets',
  'deployments',
  'horizontalpodautoscalers',
  'jobs',
  'pods',
  'replicasets',
  'replicationcontrollers',
  'services',
  'statefulsets',
]);

/** Kinds whose `metadata.generation` upstream maintains. */
export const withGeneration: ReadonlySet<string> = new Set([
  'cronjobs',
  'daemonsets',
  'deployments',
  'endpointslices',
  'ingressclasses',
  'ingresses',
  'jobs',
  'networkpolicies',
  'poddisruptionbudgets',
  'pods',
  'priorityclasses',
  'replicasets',
  'replicationcontrollers',
  'statefulsets',
]);

/** The kinds that get a file and are served, by group version. */
export const served: Readonly<Record<string, readonly string[]>> = {
  v1: [
    'Binding',
    'ConfigMap',
    'Endpoints',
    'Event',
    'LimitRange',
    'Namespace',
    'Node',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'Secret',
    'Service',
    'ServiceAccount',
  ],
  'admissionregistration.k8s.io/v1': [
    'MutatingWebhookConfiguration',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
    'ValidatingWebhookConfiguration',
  ],
  'apiextensions.k8s.io/v1': ['CustomResourceDefinition'],
  'apps/v1': ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  'authentication.k8s.io/v1': ['SelfSubjectReview', 'TokenReview'],
  'authorization.k8s.io/v1': [
    'LocalSubjectAccessReview',
    'SelfSubjectAccessReview',
    'SelfSubjectRulesReview',
    'SubjectAccessReview',
  ],
  'autoscaling/v2': ['HorizontalPodAutoscaler'],
  'batch/v1': ['CronJob', 'Job'],
  'coordination.k8s.io/v1': ['Lease'],
  'discovery.k8s.io/v1': ['EndpointSlice'],
  'events.k8s.io/v1': ['Event'],
  'networking.k8s.io/v1': ['Ingress', 'IngressClass', 'NetworkPolicy'],
  'node.k8s.io/v1': ['RuntimeClass'],
  'policy/v1': ['PodDisruptionBudget'],
  'rbac.authorization.k8s.io/v1': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  'scheduling.k8s.io/v1': ['PriorityClass'],
  'storage.k8s.io/v1': [
    'CSIDriver',
    'CSINode',
    'CSIStorageCapacity',
    'StorageClass',
    'VolumeAttachment',
    'VolumeAttributesClass',
  ],
};

/** Kinds that are only ever the body of a subresource. */
export const payloads: Readonly<Record<string, readonly string[]>> = {
  'authentication.k8s.io/v1': ['TokenRequest'],
  'autoscaling/v1': ['Scale'],
  'policy/v1': ['Eviction'],
};

/** Subresources of upstream that Tutti does not offer: it would have to ignore what they ask for. */
export const subresourcesNotServed: ReadonlySet<string> = new Set(['proxy', 'resize']);

/** Fields that defaulting always sets, so that readers of stored objects need not ask. */
export const alwaysPresent: ReadonlySet<string> = new Set([
  'io.k8s.api.apps.v1.DeploymentSpec.replicas',
  'io.k8s.api.apps.v1.ReplicaSetSpec.replicas',
  'io.k8s.api.apps.v1.StatefulSetSpec.replicas',
  'io.k8s.api.core.v1.ReplicationControllerSpec.replicas',
]);
