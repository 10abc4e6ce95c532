import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type Endpoints = types.Endpoints;
export const Endpoints: Kind<Endpoints> = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Endpoints');
  },
};
