import { required } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type Binding = types.Binding;
export const Binding: Kind<Binding> = {
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  singular: 'binding',
  namespaced: true,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.core.v1.Binding');
  },
  validate: ({ target }) => [
    ...optionalChoice('target.kind', target?.kind, ['Node', '']),
    ...((target?.name ?? '') === '' ? [required('target.name')] : []),
  ],
};
