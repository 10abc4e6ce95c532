import type { SignRequest } from '#lib/x509.ts';
import { certificateApprover, certificateCleaner, certificateSigner } from './certificates.ts';
import type { KindSource } from '#client/kind-source.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import type { Controller } from './controller.ts';
import { deploymentController } from './deployment.ts';
import { disruptionController } from './disruption.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { endpointSliceController } from './endpoint-slice.ts';
import { endpointsController } from './endpoints.ts';
import { eventExpiry, type EventExpiryOptions } from './event-expiry.ts';
import { garbageCollector } from './garbage-collector.ts';
import { claimProtectionController, volumeProtectionController } from './in-use-protection.ts';
import { jobController } from './job.ts';
import { namespaceController } from './namespace.ts';
import type { EvictionRates } from './node-health-plan.ts';
import { nodeIpam, type NodeIpamOptions } from './node-ipam.ts';
import { nodeLifecycleController, type NodeLifecycleOptions } from './node-lifecycle.ts';
import { nodeTaintController } from './node-taint.ts';
import { persistentVolumeBinder } from './persistent-volume-binder.ts';
import { podGc, type PodGcOptions } from './pod-gc.ts';
import { replicaSetController } from './replica-set.ts';
import { replicationControllerController } from './replication-controller.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { rootCaPublisher } from './root-ca-publisher.ts';
import { bootstrapTokenCleaner } from './bootstrap-token-cleaner.ts';
import { serviceAccountController } from './service-account.ts';
import { taintEvictionController } from './taint-eviction.ts';
import { tokenSecrets, type TokenSecretsOptions } from './token-secrets.ts';

export interface BuiltInOptions {
  /** All kinds the API serves: what namespaces are emptied of, and what garbage is looked for among. */
  readonly kinds: KindSource;
  /** PEM of the authority that vouches for the API server; not published if absent. */
  readonly authority?: string;
  /** Signs the tokens that live in Secrets; there are none if absent. */
  readonly signToken?: TokenSecretsOptions['sign'];
  /** Signs for the cluster's authority, PEM; approved requests for certificates wait for others if absent. */
  readonly signCertificate?: (request: SignRequest) => Promise<string>;
  /** `false` where something else gives nodes their pod ranges. */
  readonly nodeIpam?: Partial<NodeIpamOptions> | false;
  readonly nodeLifecycle?: Partial<NodeLifecycleOptions>;
  readonly eviction?: Partial<EvictionRates>;
  readonly podGc?: Partial<PodGcOptions>;
  readonly eventExpiry?: Partial<EventExpiryOptions>;
}

/** Every controller of a cluster. */
export function builtInControllers(options: BuiltInOptions): readonly Controller[] {
  return [
    deploymentController,
    replicaSetController,
    replicationControllerController,
    jobController,
    endpointSliceController,
    endpointsController,
    disruptionController,
    namespaceController(options.kinds),
    garbageCollector(options.kinds),
    resourceQuotaController(options.kinds),
    nodeLifecycleController(options.nodeLifecycle),
    nodeTaintController(options.eviction),
    taintEvictionController,
    podGc(options.podGc),
    eventExpiry(options.eventExpiry),
    persistentVolumeBinder,
    ephemeralVolumeController,
    claimProtectionController,
    volumeProtectionController,
    serviceAccountController,
    clusterRoleAggregationController,
    bootstrapTokenCleaner,
    certificateApprover,
    certificateCleaner,
    ...(options.signCertificate === undefined ? [] : [certificateSigner(options.signCertificate)]),
    ...(options.signToken === undefined
      ? []
      : [tokenSecrets({ authority: options.authority, sign: options.signToken })]),
    ...(options.authority === undefined ? [] : [rootCaPublisher(options.authority)]),
    ...(options.nodeIpam === false ? [] : [nodeIpam(options.nodeIpam)]),
  ];
}
