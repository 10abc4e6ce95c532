import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type Namespace = types.Namespace;
export const Namespace: Kind<Namespace> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  namespaced: false,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  get schema() {
    return definition('io.k8s.api.core.v1.Namespace');
  },
  subresources: {
    status: true,
    more: {
      finalize: { group: '', version: 'v1', kind: 'Namespace', verbs: ['update'] },
    },
  },
};
