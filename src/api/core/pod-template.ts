import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type PodTemplate = types.PodTemplate;
export const PodTemplate: Kind<PodTemplate> = {
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  singular: 'podtemplate',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.PodTemplate');
  },
};
