import type { Kind } from '#machinery/kind.ts';
import { dns1035LabelComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { serviceColumns } from './service-columns.ts';
import { defaultService, prepareServiceUpdate } from './service-preparation.ts';
import { serviceErrors, serviceUpdateErrors } from './service-rules.ts';
import type * as types from './types.generated.ts';

export type Service = types.Service;
export const Service: Kind<Service> = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Service');
  },
  subresources: {
    status: true,
  },
  validateName: dns1035LabelComplaints,
  defaults: defaultService,
  prepareForCreate: (service) => ({ ...service, status: { loadBalancer: {} } }),
  prepareForUpdate: prepareServiceUpdate,
  validate: serviceErrors,
  validateUpdate: serviceUpdateErrors,
  columns: serviceColumns,
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '',
    'spec.type': ({ spec }) => spec.type ?? '',
  },
};
