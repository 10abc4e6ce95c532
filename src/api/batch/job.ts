import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type Job = types.Job;
export const Job: Kind<Job> = {
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.batch.v1.Job');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
};
