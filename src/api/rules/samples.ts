/** Small valid objects for tests, as clients write them: without defaults. */
import { conform } from '#machinery/conform.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

/** An object as the registry hands it to a kind's rules: it conforms to the schema, and has its defaults. */
export function defaulted<T extends ApiObject>(kind: Kind<T>, object: unknown): T {
  const { value, errors, unknown } = conform(kind.schema, object);
  if (errors.length > 0 || unknown.length > 0) {
    throw new Error(`sample does not conform: ${[...errors, ...unknown].join('; ')}`);
  }
  const conforming = value as T; // conform() says so
  return kind.defaults?.(conforming) ?? conforming;
}

/** The same for an object that is being created. */
export function created<T extends ApiObject>(kind: Kind<T>, object: unknown): T {
  const { value } = conform(kind.schema, object);
  const conforming = value as T; // conform() says so
  const prepared = kind.prepareForCreate?.(conforming) ?? conforming;
  return kind.defaults?.(prepared) ?? prepared;
}

const metadata = { name: 'web', namespace: 'default' };
const container = { name: 'main', image: 'busybox:1.36' };
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [container] } };
const selector = { matchLabels: labels };
const gadgetRule = {
  apiGroups: ['example.com'],
  apiVersions: ['v1'],
  operations: ['CREATE'],
  resources: ['gadgets'],
};

export const samples = {
  pod: { metadata, spec: { containers: [container] } },
  namespace: { metadata: { name: 'team' } },
  node: { metadata: { name: 'n1' }, spec: {}, status: { capacity: { cpu: '4', memory: '8Gi', pods: '110' } } },
  service: { metadata, spec: { selector: labels, ports: [{ port: 80 }] } },
  deployment: { metadata, spec: { selector, template } },
  replicaSet: { metadata, spec: { selector, template } },
  statefulSet: { metadata, spec: { selector, template, serviceName: 'web' } },
  daemonSet: { metadata, spec: { selector, template } },
  replicationController: { metadata, spec: { selector: labels, template } },
  job: {
    metadata: { ...metadata, uid: 'u1' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  },
  cronJob: {
    metadata,
    spec: {
      schedule: '*/5 * * * *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [container] } } } },
    },
  },
  autoscaler: {
    metadata,
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 5 },
  },
  certificateSigningRequest: {
    metadata: { name: 'web' },
    spec: {
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      request:
        'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISU1IQUNBUUF3RGpFTU1Bb0dBMVVFQXhNRGQyVmlNRmt3RXdZSEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRApRZ0FFc0VBV2IyS2U0TUwrUWF4clZTdVlEcWhNMkUzdmhyenVUY2l1RXhidTU1M1ljd1RkbWUySkNTWFIyVkE5ClVvTTVQNytxcFlFTDFkRStxTmRFQlpNMm9hQUFNQW9HQ0NxR1NNNDlCQU1DQTBnQU1FVUNJUUQyaW5pay9RTFQKNlE2cDVSYm5wN1BWZVNGY0RlUCs5WXdDbUQ5Z25BT2NWQUlnUm9XNzV4TTdteko4RWdrV01YTTZYbzczMTlHWgpnS1ZVNk5aK0ZodWZaUEk9Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQ==',
    },
  },
  budget: { metadata, spec: { selector, minAvailable: 1 } },
  configMap: { metadata, data: { 'app.conf': 'x' } },
  secret: { metadata, data: { password: 'c2VjcmV0' } },
  endpoints: { metadata, subsets: [{ addresses: [{ ip: '10.1.2.3' }], ports: [{ port: 80 }] }] },
  endpointSlice: {
    metadata,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.2.3'] }],
    ports: [{ name: 'http', port: 80 }],
  },
  event: {
    metadata,
    involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
    reason: 'Started',
    type: 'Normal',
  },
  eventsEvent: {
    metadata,
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
    reportingController: 'tutti.dev/agent',
    reportingInstance: 'n1',
    action: 'Start',
    reason: 'Started',
    type: 'Normal',
  },
  lease: { metadata, spec: { holderIdentity: 'n1', leaseDurationSeconds: 40 } },
  volume: {
    metadata: { name: 'pv' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } },
  },
  claim: { metadata, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  storageClass: { metadata: { name: 'fast' }, provisioner: 'tutti.dev/local' },
  priorityClass: { metadata: { name: 'high' }, value: 1000 },
  quota: { metadata, spec: { hard: { pods: '10', 'requests.cpu': '4' } } },
  limitRange: { metadata, spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } },
  role: { metadata, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  clusterRole: { metadata: { name: 'reader' }, rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }] },
  roleBinding: {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'web' },
    subjects: [{ kind: 'User', name: 'ann' }],
  },
  clusterRoleBinding: {
    metadata: { name: 'readers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: 'default' }],
  },
  ingress: {
    metadata,
    spec: {
      rules: [
        {
          host: 'web.example.com',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
          },
        },
      ],
    },
  },
  ingressClass: { metadata: { name: 'web' }, spec: { controller: 'example.com/web' } },
  networkPolicy: { metadata, spec: { podSelector: {} } },
  runtimeClass: { metadata: { name: 'plain' }, handler: 'runc' },
  customResourceDefinition: {
    metadata: { name: 'gadgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'gadgets', kind: 'Gadget' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  },
  validatingAdmissionPolicy: {
    metadata: { name: 'web' },
    spec: { matchConstraints: { resourceRules: [gadgetRule] }, validations: [{ expression: 'object.spec.size > 1' }] },
  },
  validatingAdmissionPolicyBinding: {
    metadata: { name: 'web' },
    spec: { policyName: 'web', validationActions: ['Deny'] },
  },
  mutatingAdmissionPolicy: {
    metadata: { name: 'web' },
    spec: {
      matchConstraints: { resourceRules: [gadgetRule] },
      mutations: [
        { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/spec/size"}]' } },
      ],
      reinvocationPolicy: 'Never',
    },
  },
  mutatingAdmissionPolicyBinding: { metadata: { name: 'web' }, spec: { policyName: 'web' } },
  flowSchema: {
    metadata: { name: 'web' },
    spec: { priorityLevelConfiguration: { name: 'global-default' }, matchingPrecedence: 1000 },
  },
  priorityLevelConfiguration: {
    metadata: { name: 'web' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } } },
  },
  storageDriver: { metadata: { name: 'd.example.com' }, spec: {} },
  storageNode: {
    metadata: { name: 'n1' },
    spec: { drivers: [{ name: 'd.example.com', nodeID: 'n1', topologyKeys: ['zone'] }] },
  },
  storageCapacity: { metadata, storageClassName: 'fast' },
  volumeAttachment: {
    metadata: { name: 'a' },
    spec: { attacher: 'd.example.com', nodeName: 'n1', source: { persistentVolumeName: 'pv' } },
  },
  volumeAttributesClass: { metadata: { name: 'quick' }, driverName: 'd.example.com', parameters: { iops: '100' } },
  controllerRevision: { metadata, data: { spec: {} }, revision: 1 },
} as const;
