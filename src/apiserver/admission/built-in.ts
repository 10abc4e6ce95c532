import type { Clock } from '#lib/clock.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';
import { claimResize } from './claim-resize.ts';
import { defaultIngressClass, defaultStorageClass } from './default-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { newNodeTaint } from './new-node-taint.ts';
import { podSecurity, type PodSecurityOptions } from './pod-security/pod-security.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageInUse } from './storage-in-use.ts';

/** The plugins every server runs, in upstream's order. Webhooks and policies go after them. */
export function builtInAdmission(
  registry: Registry,
  options: { readonly clock: Clock; readonly random: () => number; readonly podSecurity?: PodSecurityOptions },
): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle(registry),
    limitRanger(registry),
    serviceAccount(registry, options),
    podSecurity(registry, options.podSecurity),
    nodeRestriction(registry),
    newNodeTaint,
    priority(registry),
    defaultTolerationSeconds,
    defaultStorageClass(registry),
    storageInUse,
    claimResize(registry),
    runtimeClass(registry),
    defaultIngressClass(registry),
    podTopologyLabels(registry),
  ];
}
