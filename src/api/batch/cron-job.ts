import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type CronJob = types.CronJob;
export const CronJob: Kind<CronJob> = {
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.batch.v1.CronJob');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
};
