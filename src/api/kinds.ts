import type { Kind } from '#machinery/kind.ts';
import { MutatingAdmissionPolicy } from './admissionregistration/mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBinding } from './admissionregistration/mutating-admission-policy-binding.ts';
import { MutatingWebhookConfiguration } from './admissionregistration/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from './admissionregistration/validating-webhook-configuration.ts';
import { ValidatingAdmissionPolicy } from './admissionregistration/validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBinding } from './admissionregistration/validating-admission-policy-binding.ts';
import { CustomResourceDefinition } from './apiextensions/custom-resource-definition.ts';
import { APIService } from './apiregistration/api-service.ts';
import { ControllerRevision } from './apps/controller-revision.ts';
import { DaemonSet } from './apps/daemon-set.ts';
import { Deployment } from './apps/deployment.ts';
import { ReplicaSet } from './apps/replica-set.ts';
import { StatefulSet } from './apps/stateful-set.ts';
import { SelfSubjectReview } from './authentication/self-subject-review.ts';
import { TokenRequest } from './authentication/token-request.ts';
import { TokenReview } from './authentication/token-review.ts';
import { LocalSubjectAccessReview } from './authorization/local-subject-access-review.ts';
import { SelfSubjectAccessReview } from './authorization/self-subject-access-review.ts';
import { SelfSubjectRulesReview } from './authorization/self-subject-rules-review.ts';
import { SubjectAccessReview } from './authorization/subject-access-review.ts';
import { HorizontalPodAutoscaler } from './autoscaling/horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscaler as HorizontalPodAutoscalerV1 } from './autoscaling/horizontal-pod-autoscaler-v1.ts';
import { Scale } from './autoscaling/scale.ts';
import { CronJob } from './batch/cron-job.ts';
import { Job } from './batch/job.ts';
import { CertificateSigningRequest } from './certificates/certificate-signing-request.ts';
import { Lease } from './coordination/lease.ts';
import { Binding } from './core/binding.ts';
import { ConfigMap } from './core/config-map.ts';
import { Endpoints } from './core/endpoints.ts';
import { Event } from './core/event.ts';
import { LimitRange } from './core/limit-range.ts';
import { Namespace } from './core/namespace.ts';
import { Node } from './core/node.ts';
import { PersistentVolume } from './core/persistent-volume.ts';
import { PersistentVolumeClaim } from './core/persistent-volume-claim.ts';
import { Pod } from './core/pod.ts';
import { PodTemplate } from './core/pod-template.ts';
import { ReplicationController } from './core/replication-controller.ts';
import { ResourceQuota } from './core/resource-quota.ts';
import { Secret } from './core/secret.ts';
import { Service } from './core/service.ts';
import { ServiceAccount } from './core/service-account.ts';
import { EndpointSlice } from './discovery/endpoint-slice.ts';
import { Event as EventsEvent } from './events/event.ts';
import { FlowSchema } from './flowcontrol/flow-schema.ts';
import { PriorityLevelConfiguration } from './flowcontrol/priority-level-configuration.ts';
import { Ingress } from './networking/ingress.ts';
import { IngressClass } from './networking/ingress-class.ts';
import { NetworkPolicy } from './networking/network-policy.ts';
import { RuntimeClass } from './node/runtime-class.ts';
import { Eviction } from './policy/eviction.ts';
import { PodDisruptionBudget } from './policy/pod-disruption-budget.ts';
import { ClusterRole } from './rbac/cluster-role.ts';
import { ClusterRoleBinding } from './rbac/cluster-role-binding.ts';
import { Role } from './rbac/role.ts';
import { RoleBinding } from './rbac/role-binding.ts';
import { PriorityClass } from './scheduling/priority-class.ts';
import { Workload } from './scheduling/workload.ts';
import { CSIDriver } from './storage/csi-driver.ts';
import { CSINode } from './storage/csi-node.ts';
import { CSIStorageCapacity } from './storage/csi-storage-capacity.ts';
import { StorageClass } from './storage/storage-class.ts';
import { VolumeAttachment } from './storage/volume-attachment.ts';
import { VolumeAttributesClass } from './storage/volume-attributes-class.ts';
import { Reservation } from './tutti-scheduling/reservation.ts';

/**
 * The kinds that Tutti serves from the start, in the order of discovery: core first, then by group. A kind belongs here
 * only if something honours it: an API that accepts what nobody acts on would lie.
 */
export const builtinKinds: readonly Kind[] = [
  Binding,
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  CustomResourceDefinition,
  ControllerRevision,
  DaemonSet,
  Deployment,
  ReplicaSet,
  StatefulSet,
  SelfSubjectReview,
  TokenReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  HorizontalPodAutoscalerV1,
  HorizontalPodAutoscaler,
  CronJob,
  Job,
  CertificateSigningRequest,
  APIService,
  Lease,
  EndpointSlice,
  EventsEvent,
  FlowSchema,
  PriorityLevelConfiguration,
  Ingress,
  IngressClass,
  NetworkPolicy,
  RuntimeClass,
  PodDisruptionBudget,
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  PriorityClass,
  Workload,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
  Reservation,
];

/** Kinds that are only the body of a subresource. */
export const payloadKinds: readonly Kind[] = [TokenRequest, Scale, Eviction];

const byPlural = new Map(builtinKinds.map((kind) => [`${kind.group}/${kind.plural}`, kind]));
const byKind = new Map(
  [...builtinKinds, ...payloadKinds].map((kind) => [`${kind.group}/${kind.version}/${kind.kind}`, kind]),
);

/** The served kind of a resource path, e.g. `('apps', 'deployments')`. */
export function builtinByPlural(group: string, plural: string): Kind | undefined {
  return byPlural.get(`${group}/${plural}`);
}

/** The kind of a body, subresource bodies included, e.g. `('policy', 'v1', 'Eviction')`. */
export function builtinByKind(group: string, version: string, kind: string): Kind | undefined {
  return byKind.get(`${group}/${version}/${kind}`);
}
