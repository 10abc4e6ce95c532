import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type PersistentVolume = types.PersistentVolume;
export const PersistentVolume: Kind<PersistentVolume> = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.core.v1.PersistentVolume');
  },
  subresources: {
    status: true,
  },
};
