import { required } from '#machinery/field-error.ts';
import { age } from '#machinery/human-duration.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { column, integer, nameColumn } from '../rules/columns.ts';
import { nonNegative, immutable } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type ControllerRevision = types.ControllerRevision;
export const ControllerRevision: Kind<ControllerRevision> = {
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.ControllerRevision');
  },
  validate({ data, revision }) {
    return [
      ...(data === undefined ? [required('data', 'data is mandatory')] : []),
      ...nonNegative('revision', revision),
    ];
  },
  validateUpdate: ({ data }, stored) => immutable('data', data, stored.data),
  columns: [
    nameColumn,
    column('Controller', 'Controller that made the revision.', ({ metadata }) => {
      const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
      if (owner === undefined) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    integer('Revision', 'Number of the revision.', ({ revision }) => revision),
    column('Age', 'How long ago the object was created.', ({ metadata }, now) => age(metadata?.creationTimestamp, now)),
  ],
};
