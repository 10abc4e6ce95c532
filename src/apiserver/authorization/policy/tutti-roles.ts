/** What Tutti's own parts need beyond what upstream grants to the parts that they stand for. */
import type { PolicyRule } from '#api/rbac/types.generated.ts';
import { may, mayRecordEvents, read, write } from './rule.ts';

/**
 * By service account in `kube-system`; the roles are called `tutti:controller:…`, so that upstream's stay as upstream
 * ships them.
 */
export const tuttiRules: Readonly<Record<string, readonly PolicyRule[]>> = {
  'deployment-controller': [may('patch', 'apps', 'deployments')],
  // Jobs that have outlived their ttlSecondsAfterFinished are removed by the same controller.
  'job-controller': [may('delete', 'batch', 'jobs')],
  'pod-garbage-collector': [may('update', '', 'pods/status')],
  'token-secrets': [may('get list watch update delete', '', 'secrets'), may('get list watch', '', 'serviceaccounts')],
  'docker-dialect': [
    may('get list watch create patch delete', '', 'pods'),
    may('create', '', 'pods/attach pods/exec pods/portforward'),
    may('get', '', 'pods/log'),
  ],
  'event-expiry': [may('get list watch delete', '', 'events')],
  rebalancer: [may('create', '', 'pods/eviction'), mayRecordEvents],
  'bootstrap-keeper': [
    may('get create patch', '', 'namespaces services endpoints'),
    may('get create patch', 'discovery.k8s.io', 'endpointslices'),
    may('get create patch', 'scheduling.k8s.io', 'priorityclasses'),
    mayRecordEvents,
  ],
};

/** What whoever has upstream's roles for people may do beside what upstream grants; each becomes part of one of them. */
export const tuttiParts: Readonly<Record<'edit' | 'view', readonly PolicyRule[]>> = {
  edit: [may(write, 'scheduling.k8s.io', 'workloads')],
  // Reservations are not counted by quotas, so nobody may make them unless he is told so.
  view: [may(read, 'scheduling.k8s.io', 'workloads'), may(read, 'scheduling.tutti.dev', 'reservations')],
};

/** What the scheduler may do beside what upstream's may. */
export const tuttiSchedulerRules: readonly PolicyRule[] = [
  may(`${read} delete`, 'scheduling.tutti.dev', 'reservations'),
  may('patch update', 'scheduling.tutti.dev', 'reservations/status'),
];

/** A node also serves every Service, resolves every name and enforces network policies: its agent and proxy are one. */
export const tuttiNodeRules: readonly PolicyRule[] = [
  may(read, 'discovery.k8s.io', 'endpointslices'),
  may(read, '', 'namespaces'),
  may(read, 'networking.k8s.io', 'networkpolicies ingresses ingressclasses'),
  may('create update patch', 'events.k8s.io', 'events'),
];
