/**
 * The ClusterRoles that every cluster has for people and for its own parts, and whom they are bound to.
 * Facts: kubernetes v1.35 plugin/pkg/auth/authorizer/rbac/bootstrappolicy (policy.go, testdata/cluster-roles.yaml).
 */
import type { ClusterRole, PolicyRule, Subject } from '#api/rbac/types.generated.ts';
import { may, mayRecordEvents, mayVisit, read, readWrite, write } from './rule.ts';

const rbac = 'rbac.authorization.k8s.io';
const certificates = 'certificates.k8s.io';
const storage = 'storage.k8s.io';
const authorization = 'authorization.k8s.io';
const authentication = 'authentication.k8s.io';

const role = (name: string, ...rules: readonly PolicyRule[]): ClusterRole => ({ metadata: { name }, rules });

/** `into`: the roles this one becomes part of. */
const part = (name: string, into: string, ...rules: readonly PolicyRule[]): ClusterRole => ({
  metadata: { name, labels: { [`${rbac}/aggregate-to-${into}`]: 'true' } },
  rules,
});

const whole = (name: string, into?: string): ClusterRole => ({
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [`${rbac}/aggregate-to-${name}`]: 'true' } }] },
  metadata: { name, ...(into === undefined ? {} : { labels: { [`${rbac}/aggregate-to-${into}`]: 'true' } }) },
});

const approver = (signer: string): ClusterRole =>
  role(
    `system:certificates.k8s.io:${signer}-approver`,
    may('approve', certificates, 'signers', `kubernetes.io/${signer}`),
  );

/** What a node may do; the Node authorizer narrows most of it to what concerns that very node. */
export const nodeRules: readonly PolicyRule[] = [
  may('create', authentication, 'tokenreviews'),
  may('create', authorization, 'subjectaccessreviews localsubjectaccessreviews'),
  may(read, '', 'services'),
  may('create get list watch', '', 'nodes'),
  may('update patch', '', 'nodes/status'),
  may('update patch', '', 'nodes'),
  may('create update patch', '', 'events'),
  may(read, '', 'pods'),
  may('create delete', '', 'pods'),
  may('update patch', '', 'pods/status'),
  may('create', '', 'pods/eviction'),
  may(read, '', 'secrets configmaps'),
  may('get', '', 'persistentvolumeclaims persistentvolumes'),
  may('get', '', 'endpoints'),
  may('create get list watch', certificates, 'certificatesigningrequests'),
  may('get create update patch delete', 'coordination.k8s.io', 'leases'),
  may('get', storage, 'volumeattachments'),
  may('create', '', 'serviceaccounts/token'),
  may('get update patch', '', 'persistentvolumeclaims/status'),
  may(read, storage, 'csidrivers'),
  may('get create update patch delete', storage, 'csinodes'),
  may(read, 'node.k8s.io', 'runtimeclasses'),
  may('get', 'resource.k8s.io', 'resourceclaims'),
  may(`deletecollection ${read} create update patch delete`, 'resource.k8s.io', 'resourceslices'),
];

const everywhereReadable = ['/livez', '/readyz', '/healthz', '/version', '/version/'];

export const clusterRoles: readonly ClusterRole[] = [
  role('cluster-admin', may('*', '*', '*'), { nonResourceURLs: ['*'], verbs: ['*'] }),
  role(
    'system:discovery',
    mayVisit(...everywhereReadable, '/openapi', '/openapi/*', '/api', '/api/*', '/apis', '/apis/*'),
  ),
  role(
    'system:monitoring',
    mayVisit(
      '/metrics',
      '/metrics/slis',
      '/livez',
      '/readyz',
      '/healthz',
      '/livez/*',
      '/readyz/*',
      '/healthz/*',
      '/statusz',
      '/flagz',
    ),
  ),
  role(
    'system:basic-user',
    may('create', authorization, 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    may('create', authentication, 'selfsubjectreviews'),
  ),
  role('system:public-info-viewer', mayVisit(...everywhereReadable)),
  whole('admin'),
  whole('edit', 'admin'),
  whole('view', 'edit'),
  part(
    'system:aggregate-to-admin',
    'admin',
    may('create', authorization, 'localsubjectaccessreviews'),
    may(readWrite, rbac, 'roles rolebindings'),
  ),
  part(
    'system:aggregate-to-edit',
    'edit',
    may(read, '', 'pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy'),
    may('impersonate', '', 'serviceaccounts'),
    may(write, '', 'pods pods/attach pods/proxy pods/exec pods/portforward'),
    may('create', '', 'pods/eviction'),
    may(
      write,
      '',
      'replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy persistentvolumeclaims configmaps secrets events',
    ),
    may('create', '', 'serviceaccounts/token'),
    may(
      write,
      'apps',
      'statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback replicasets replicasets/scale',
    ),
    may(write, 'autoscaling', 'horizontalpodautoscalers'),
    may(write, 'batch', 'jobs cronjobs'),
    may(
      write,
      'extensions',
      'daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale replicationcontrollers/scale networkpolicies',
    ),
    may(write, 'policy', 'poddisruptionbudgets'),
    may(write, 'networking.k8s.io', 'networkpolicies ingresses'),
    may(readWrite, 'coordination.k8s.io', 'leases'),
    may(write, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
  ),
  part(
    'system:aggregate-to-view',
    'view',
    may(
      read,
      '',
      'pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps',
    ),
    may(
      read,
      '',
      'limitranges resourcequotas bindings events pods/status resourcequotas/status namespaces/status replicationcontrollers/status pods/log',
    ),
    may(read, '', 'namespaces'),
    may(read, 'discovery.k8s.io', 'endpointslices'),
    may(
      read,
      'apps',
      'controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale',
    ),
    may(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
    may(read, 'batch', 'jobs cronjobs cronjobs/status jobs/status'),
    may(
      read,
      'extensions',
      'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies',
    ),
    may(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
    may(read, 'networking.k8s.io', 'networkpolicies ingresses ingresses/status'),
    may(read, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
  ),
  role('system:heapster', may(read, '', 'events pods nodes namespaces'), may(read, 'extensions', 'deployments')),
  role('system:node', ...nodeRules),
  role('system:node-problem-detector', may('get', '', 'nodes'), may('patch', '', 'nodes/status'), mayRecordEvents),
  role(
    'system:kubelet-api-admin',
    may(read, '', 'nodes'),
    may('proxy', '', 'nodes'),
    may('*', '', 'nodes/proxy nodes/metrics nodes/stats nodes/log nodes/healthz nodes/pods nodes/configz'),
  ),
  role('system:node-bootstrapper', may('create get list watch', certificates, 'certificatesigningrequests')),
  role(
    'system:auth-delegator',
    may('create', authentication, 'tokenreviews'),
    may('create', authorization, 'subjectaccessreviews'),
  ),
  role('system:kube-aggregator', may(read, '', 'services endpoints')),
  role(
    'system:kube-controller-manager',
    mayRecordEvents,
    may('create', 'coordination.k8s.io', 'leases'),
    may('get update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
    may('create', '', 'secrets serviceaccounts'),
    may('delete', '', 'secrets'),
    may('get', '', 'namespaces secrets serviceaccounts configmaps'),
    may('update', '', 'secrets serviceaccounts'),
    may('create', authentication, 'tokenreviews'),
    may('create', authorization, 'subjectaccessreviews'),
    may('list watch', '*', '*'),
    may('create', '', 'serviceaccounts/token'),
  ),
  role('system:kube-dns', may('list watch', '', 'endpoints services')),
  role(
    'system:persistent-volume-provisioner',
    may('get list watch create delete', '', 'persistentvolumes'),
    may('get list watch update', '', 'persistentvolumeclaims'),
    may(read, storage, 'storageclasses'),
    may('watch', '', 'events'),
    mayRecordEvents,
  ),
  role(
    'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    may('create', certificates, 'certificatesigningrequests/nodeclient'),
  ),
  role(
    'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    may('create', certificates, 'certificatesigningrequests/selfnodeclient'),
  ),
  role(
    'system:volume-scheduler',
    may('get list watch update patch', '', 'persistentvolumes'),
    may(read, storage, 'storageclasses'),
    may('get list watch update patch', '', 'persistentvolumeclaims'),
  ),
  approver('legacy-unknown'),
  approver('kubelet-serving'),
  approver('kube-apiserver-client'),
  approver('kube-apiserver-client-kubelet'),
  role('system:service-account-issuer-discovery', mayVisit('/.well-known/openid-configuration', '/openid/v1/jwks')),
  role(
    'system:node-proxier',
    may('list watch', '', 'services endpoints'),
    may(read, '', 'nodes'),
    mayRecordEvents,
    may('list watch', 'discovery.k8s.io', 'endpointslices'),
  ),
  role(
    'system:kube-scheduler',
    mayRecordEvents,
    may('create', 'coordination.k8s.io', 'leases'),
    may('get update', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
    may(read, '', 'nodes'),
    may('get list watch delete', '', 'pods'),
    may('create', '', 'pods/binding bindings'),
    may('patch update', '', 'pods/status'),
    may(read, '', 'services replicationcontrollers'),
    may(read, ['apps', 'extensions'], 'replicasets'),
    may(read, 'apps', 'statefulsets'),
    may(read, 'policy', 'poddisruptionbudgets'),
    may(read, '', 'persistentvolumeclaims persistentvolumes'),
    may('create', authentication, 'tokenreviews'),
    may('create', authorization, 'subjectaccessreviews'),
    may(read, storage, 'csinodes'),
    may(read, '', 'namespaces'),
    may(read, storage, 'csidrivers'),
    may(read, storage, 'csistoragecapacities'),
    may(read, storage, 'volumeattachments'),
    may(read, 'resource.k8s.io', 'deviceclasses'),
    may('get list watch patch update', 'resource.k8s.io', 'resourceclaims'),
    may('patch update', 'resource.k8s.io', 'resourceclaims/status'),
    may(read, 'resource.k8s.io', 'resourceslices'),
    may(read, 'scheduling.k8s.io', 'priorityclasses workloads'),
  ),
];

const group = (name: string): Subject => ({ apiGroup: rbac, kind: 'Group', name });
const user = (name: string): Subject => ({ apiGroup: rbac, kind: 'User', name });

const everybody = group('system:authenticated');

/** Who has which role everywhere. `system:node` has nobody: the Node authorizer speaks for nodes. */
export const clusterRoleSubjects: Readonly<Record<string, readonly Subject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:monitoring': [group('system:monitoring')],
  'system:discovery': [everybody],
  'system:basic-user': [everybody],
  'system:public-info-viewer': [everybody, group('system:unauthenticated')],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [{ kind: 'ServiceAccount', name: 'kube-dns', namespace: 'kube-system' }],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'system:node': [],
};
