import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type Node = types.Node;
export const Node: Kind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.core.v1.Node');
  },
  subresources: {
    status: true,
  },
};
