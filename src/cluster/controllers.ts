import type { Controller } from '#controllers/controller.ts';
import { deploymentController } from '#controllers/deployment.ts';
import { endpointSliceController } from '#controllers/endpoint-slice.ts';
import { endpointsController } from '#controllers/endpoints.ts';
import { replicaSetController } from '#controllers/replica-set.ts';
import { replicationControllerController } from '#controllers/replication-controller.ts';

/** Every controller of a cluster. */
export const controllers: readonly Controller[] = [
  deploymentController,
  endpointSliceController,
  endpointsController,
  replicaSetController,
  replicationControllerController,
];
