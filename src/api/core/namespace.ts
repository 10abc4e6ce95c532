import { invalid } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { finalizersErrors } from '#machinery/metadata-rules.ts';
import { dns1123LabelComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { complain, each } from '../rules/fields.ts';
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
  validateName: dns1123LabelComplaints,
  /** Every namespace carries its own name as a label, so that selectors can name it. */
  defaults(namespace) {
    const name = namespace.metadata?.name ?? '';
    const labelled =
      name === '' || namespace.metadata?.labels?.[nameLabel] === name
        ? namespace
        : {
            ...namespace,
            metadata: { ...namespace.metadata, labels: { ...namespace.metadata?.labels, [nameLabel]: name } },
          };
    return mapField(withDefaults<types.Namespace>(labelled, { status: {} }), 'status', (status) =>
      withDefaults(status, { phase: 'Active' }),
    );
  },
  /** The finalizer holds a namespace until what is in it is gone. */
  prepareForCreate(namespace) {
    const finalizers = namespace.spec?.finalizers ?? [];
    return {
      ...namespace,
      spec: { finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] },
      status: { phase: 'Active' },
    };
  },
  prepareForUpdate: (namespace, stored) => ({ ...namespace, spec: stored.spec }),
  validate({ spec }) {
    return each('spec.finalizers', spec.finalizers, (_, finalizer) => [
      ...finalizersErrors('spec.finalizers', [finalizer]),
      ...(finalizer.includes('/') || finalizer === 'kubernetes' || finalizer === ''
        ? []
        : [
            invalid(
              'spec.finalizers',
              finalizer,
              'name is neither a standard finalizer name nor is it fully qualified',
            ),
          ]),
    ]);
  },
  validateUpdate(namespace, _, subresource) {
    if (subresource !== 'status') return [];
    const phase = namespace.status?.phase ?? '';
    const wanted = namespace.metadata?.deletionTimestamp === undefined ? 'Active' : 'Terminating';
    return phase === wanted
      ? []
      : complain('status.Phase', phase, [
          wanted === 'Active'
            ? "may only be 'Active' if `deletionTimestamp` is empty"
            : "may only be 'Terminating' if `deletionTimestamp` is not empty",
        ]);
  },
  columns: [
    nameColumn,
    column('Status', 'The status of the namespace', ({ status }) => status?.phase ?? ''),
    ageColumn,
  ],
  selectableFields: {
    'status.phase': ({ status }) => status?.phase ?? '',
    name: ({ metadata }) => metadata?.name ?? '',
  },
};

const nameLabel = 'kubernetes.io/metadata.name';
