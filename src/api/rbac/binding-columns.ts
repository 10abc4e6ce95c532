/** Source: kubernetes pkg/printers/internalversion (printRoleBinding). */
import type { Column } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import type * as types from './types.generated.ts';

interface Binding extends ApiObject {
  readonly roleRef: types.RoleRef;
  readonly subjects?: readonly types.Subject[];
}

const subjectsOf = ({ subjects = [] }: Binding, wanted: string) =>
  subjects
    .filter(({ kind }) => kind === wanted)
    .map(({ name, namespace = '' }) =>
      wanted === 'ServiceAccount' && namespace !== '' ? `${namespace}/${name}` : name,
    )
    .join(', ');

export const bindingColumns: readonly Column<Binding>[] = [
  nameColumn,
  column('Role', 'Role that is given.', ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`),
  ageColumn,
  wide('Users', 'Users it is given to.', (binding) => subjectsOf(binding, 'User')),
  wide('Groups', 'Groups it is given to.', (binding) => subjectsOf(binding, 'Group')),
  wide('ServiceAccounts', 'Service accounts it is given to.', (binding) => subjectsOf(binding, 'ServiceAccount')),
];
