import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type ResourceQuota = types.ResourceQuota;
export const ResourceQuota: Kind<ResourceQuota> = {
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  singular: 'resourcequota',
  shortNames: ['quota'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.ResourceQuota');
  },
  subresources: {
    status: true,
  },
};
