import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import type * as types from './types.generated.ts';

export type ServiceAccount = types.ServiceAccount;
export const ServiceAccount: Kind<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.ServiceAccount');
  },
  subresources: {
    more: {
      token: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] },
    },
  },
  columns: [
    nameColumn,
    column('Secrets', 'Number of secrets that pods of this account may use.', ({ secrets = [] }) =>
      String(secrets.length),
    ),
    ageColumn,
  ],
};
