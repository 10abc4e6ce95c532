import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type EndpointSlice = types.EndpointSlice;
export const EndpointSlice: Kind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.discovery.v1.EndpointSlice');
  },
  hasGeneration: true,
};
