import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { DaemonSet } from '../apps/daemon-set.ts';
import { Deployment } from '../apps/deployment.ts';
import { StatefulSet } from '../apps/stateful-set.ts';
import { Job } from '../batch/job.ts';
import { ConfigMap } from '../core/config-map.ts';
import { Namespace } from '../core/namespace.ts';
import { PersistentVolumeClaim } from '../core/persistent-volume-claim.ts';
import { Pod } from '../core/pod.ts';
import { Secret } from '../core/secret.ts';
import { Service } from '../core/service.ts';
import { EndpointSlice } from '../discovery/endpoint-slice.ts';
import { RoleBinding } from '../rbac/role-binding.ts';
import { PriorityClass } from '../scheduling/priority-class.ts';
import { StorageClass } from '../storage/storage-class.ts';
import { created, samples } from './samples.ts';

/** What is said when the stored sample is changed by a merge patch: `path Type`. */
function changing(kind: Kind, sample: object, change: object, subresource?: string): readonly string[] {
  const stored = created(kind, sample);
  const next = applyMergePatch(stored, change);
  const errors = kind.validateUpdate?.(kind.defaults?.(next) ?? next, stored, subresource) ?? [];
  return errors.map(({ type, field }) => `${field} ${type.replace('FieldValue', '')}`);
}

const container = { name: 'main', image: 'busybox:1.36' };

test('of a pod only a few fields change', () => {
  const pod = (spec: object) => ({ metadata: samples.pod.metadata, spec: { containers: [container], ...spec } });
  const cases: readonly (readonly [before: object, change: object, ...expected: string[]])[] = [
    [pod({}), { metadata: { labels: { a: 'b' } } }],
    [pod({}), { spec: { containers: [{ ...created(Pod, pod({})).spec.containers[0], image: 'busybox:1.37' }] } }],
    [pod({}), { spec: { containers: [] } }, 'spec.containers Forbidden'],
    [pod({}), { spec: { hostNetwork: true } }, 'spec Forbidden'],
    [pod({}), { spec: { nodeName: 'n1' } }, 'spec Forbidden'],
    [pod({}), { spec: { activeDeadlineSeconds: 10 } }],
    [pod({ activeDeadlineSeconds: 10 }), { spec: { activeDeadlineSeconds: 5 } }],
    [pod({ activeDeadlineSeconds: 10 }), { spec: { activeDeadlineSeconds: 11 } }, 'spec.activeDeadlineSeconds Invalid'],
    [
      pod({ activeDeadlineSeconds: 10 }),
      { spec: { activeDeadlineSeconds: null } },
      'spec.activeDeadlineSeconds Invalid',
    ],
    [pod({}), { spec: { tolerations: [{ key: 'a', operator: 'Exists' }] } }],
    [
      pod({ tolerations: [{ key: 'a', operator: 'Exists' }] }),
      { spec: { tolerations: [] } },
      'spec.tolerations Forbidden',
    ],
    [
      pod({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }] }),
      { spec: { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 3 }] } },
    ],
    [pod({ schedulingGates: [{ name: 'a' }, { name: 'b' }] }), { spec: { schedulingGates: [{ name: 'b' }] } }],
    [
      pod({ schedulingGates: [{ name: 'a' }] }),
      { spec: { schedulingGates: [{ name: 'c' }] } },
      'spec.schedulingGates[0].name Forbidden',
    ],
    [pod({ schedulingGates: [{ name: 'a' }] }), { spec: { nodeSelector: { disk: 'ssd' } } }],
    [pod({}), { spec: { nodeSelector: { disk: 'ssd' } } }, 'spec Forbidden'],
    [pod({ terminationGracePeriodSeconds: -5 }), { spec: { terminationGracePeriodSeconds: 1 } }],
    [pod({}), { spec: { terminationGracePeriodSeconds: 1 } }, 'spec Forbidden'],
    [pod({}), { spec: { ephemeralContainers: [{ name: 'e', image: 'a' }] } }, 'spec Forbidden'],
  ];
  for (const [before, change, ...expected] of cases) {
    assert.deepEqual(changing(Pod, before, change), expected, JSON.stringify(change));
  }
  const [error] = Pod.validateUpdate?.(created(Pod, pod({ hostPID: true })), created(Pod, pod({}))) ?? [];
  assert.equal(
    error?.message,
    'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n  changed: spec.hostPID',
  );
});

test('a pod is bound, resized and debugged through doors of their own', () => {
  const pod = {
    metadata: samples.pod.metadata,
    spec: { containers: [{ ...container, resources: { requests: { cpu: '1' } } }] },
  };
  const debug = { spec: { ephemeralContainers: [{ name: 'e', image: 'a' }] } };
  assert.deepEqual(changing(Pod, pod, { spec: { nodeName: 'n1' } }, 'binding'), []);
  assert.deepEqual(changing(Pod, pod, { spec: { nodeName: 'n1', hostPID: true } }, 'binding'), ['spec Forbidden']);
  assert.deepEqual(changing(Pod, pod, debug, 'ephemeralcontainers'), []);
  assert.deepEqual(changing(Pod, pod, { spec: { ...debug.spec, hostPID: true } }, 'ephemeralcontainers'), [
    'spec Forbidden',
  ]);
  const debugged = { ...pod, spec: { ...pod.spec, ...debug.spec } };
  assert.deepEqual(changing(Pod, debugged, { spec: { ephemeralContainers: null } }, 'ephemeralcontainers'), [
    'spec.ephemeralContainers Forbidden',
  ]);
  assert.deepEqual(
    changing(Pod, debugged, { spec: { ephemeralContainers: [{ name: 'e', image: 'b' }] } }, 'ephemeralcontainers'),
    ['spec.ephemeralContainers Forbidden'],
  );
  const [main] = created(Pod, pod).spec.containers;
  const resized = (resources: object) => ({ spec: { containers: [{ ...main, resources }] } });
  assert.deepEqual(changing(Pod, pod, resized({ requests: { cpu: '2' } }), 'resize'), []);
  assert.deepEqual(changing(Pod, pod, resized({}), 'resize'), ['spec Invalid']);
  assert.deepEqual(changing(Pod, pod, { status: { phase: 'Running' } }, 'status'), []);
});

test('what identifies the pods of a controller is immutable', () => {
  const other = { spec: { selector: { matchLabels: { app: 'web', tier: 'front' } } } };
  assert.deepEqual(changing(Deployment, samples.deployment, other), ['spec.selector Invalid']);
  assert.deepEqual(changing(Deployment, samples.deployment, { spec: { replicas: 5 } }), []);
  assert.deepEqual(changing(DaemonSet, samples.daemonSet, other), ['spec.selector Invalid']);
  assert.deepEqual(changing(StatefulSet, samples.statefulSet, { spec: { serviceName: 'other' } }), ['spec Forbidden']);
  assert.deepEqual(changing(StatefulSet, samples.statefulSet, { spec: { replicas: 2, minReadySeconds: 3 } }), []);
  assert.deepEqual(changing(Job, samples.job, { spec: { completions: 3 } }), ['spec.completions Invalid']);
  assert.deepEqual(changing(Job, samples.job, { spec: { parallelism: 3 } }), []);
  const image = { spec: { template: { spec: { containers: [{ name: 'main', image: 'other' }] } } } };
  assert.deepEqual(changing(Job, samples.job, image), ['spec.template Invalid']);
  const suspended = { ...samples.job, spec: { ...samples.job.spec, suspend: true } };
  assert.deepEqual(changing(Job, suspended, { spec: { template: { spec: { nodeSelector: { a: 'b' } } } } }), []);
});

test('addresses of a service are given once', () => {
  const service = { ...samples.service, spec: { ...samples.service.spec, clusterIP: '10.0.0.5' } };
  assert.deepEqual(changing(Service, service, { spec: { clusterIP: '10.0.0.6', clusterIPs: ['10.0.0.6'] } }), [
    'spec.clusterIPs[0] Invalid',
  ]);
  assert.deepEqual(changing(Service, service, { spec: { type: 'NodePort' } }), []);
  const [error] =
    Service.validateUpdate?.(
      created(Service, { ...service, spec: { ...service.spec, clusterIP: '10.0.0.6' } }),
      created(Service, service),
    ) ?? [];
  assert.equal(
    `${error?.field}: ${error?.message}`,
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.6"]: may not change once set',
  );
});

test('what was made immutable stays as it is', () => {
  const map = { ...samples.configMap, immutable: true };
  assert.deepEqual(changing(ConfigMap, map, { data: { more: 'x' } }), ['data Forbidden']);
  assert.deepEqual(changing(ConfigMap, map, { immutable: null }), ['immutable Forbidden']);
  assert.deepEqual(changing(ConfigMap, map, { metadata: { labels: { a: 'b' } } }), []);
  assert.deepEqual(changing(ConfigMap, samples.configMap, { data: { more: 'x' }, immutable: true }), []);
  assert.deepEqual(changing(Secret, { ...samples.secret, immutable: true }, { stringData: { a: 'b' } }), [
    'data Forbidden',
  ]);
  assert.deepEqual(changing(Secret, samples.secret, { type: 'other' }), ['type Invalid']);
});

test('other kinds keep what must not change', () => {
  assert.deepEqual(changing(RoleBinding, samples.roleBinding, { roleRef: { name: 'admin' } }), ['roleRef Invalid']);
  assert.deepEqual(changing(EndpointSlice, samples.endpointSlice, { addressType: 'IPv6' }), ['addressType Invalid']);
  assert.deepEqual(changing(StorageClass, samples.storageClass, { provisioner: 'other' }), ['provisioner Forbidden']);
  assert.deepEqual(changing(PriorityClass, samples.priorityClass, { value: 5 }), ['value Forbidden']);
  assert.deepEqual(
    changing(PersistentVolumeClaim, samples.claim, { spec: { volumeName: 'pv', storageClassName: 'x' } }),
    [],
  );
  assert.deepEqual(changing(PersistentVolumeClaim, samples.claim, { spec: { accessModes: ['ReadWriteMany'] } }), [
    'spec Forbidden',
  ]);
  assert.deepEqual(
    changing(PersistentVolumeClaim, samples.claim, { spec: { resources: { requests: { storage: '2Gi' } } } }),
    ['spec Forbidden'],
  );
  assert.deepEqual(changing(Namespace, samples.namespace, { status: { phase: 'Terminating' } }, 'status'), [
    'status.Phase Invalid',
  ]);
});
