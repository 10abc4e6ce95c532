import { forbidden, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  domainPathComplaints,
  pathSegmentComplaints,
} from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { atMostBytes, complain, immutable, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const controllerBytesMax = 250;

export type IngressClass = types.IngressClass;
export const IngressClass: Kind<IngressClass> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.networking.v1.IngressClass');
  },
  hasGeneration: true,
  defaults: (ingressClass) =>
    mapField(ingressClass, 'spec', (spec) =>
      mapField(spec, 'parameters', (parameters) => withDefaults(parameters, { scope: 'Cluster' })),
    ),
  /** Source: kubernetes pkg/apis/networking/validation (ValidateIngressClass). */
  validate({ spec }) {
    const { controller = '', parameters } = spec;
    return [
      ...text('spec.controller', controller, domainPathComplaints),
      ...atMostBytes('spec.controller', controller, controllerBytesMax),
      ...(parameters === undefined ? [] : parametersErrors('spec.parameters', parameters)),
    ];
  },
  validateUpdate: ({ spec }, stored) => immutable('spec.controller', spec.controller, stored.spec.controller),
  columns: [
    nameColumn,
    column('Controller', 'Name of the controller of this class.', ({ spec }) => spec.controller ?? ''),
    column('Parameters', 'An object with more settings for the controller.', ({ spec: { parameters } }) =>
      parameters === undefined
        ? '<none>'
        : `${parameters.kind}${parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`}/${parameters.name}`,
    ),
    ageColumn,
  ],
};

function parametersErrors(field: string, parameters: types.IngressClassParametersReference): FieldError[] {
  const { apiGroup, kind, name, scope, namespace } = parameters;
  const errors = [
    ...(apiGroup === undefined ? [] : complain(`${field}.apiGroup`, apiGroup, dns1123SubdomainComplaints(apiGroup))),
    ...text(`${field}.kind`, kind, pathSegmentComplaints),
    ...text(`${field}.name`, name, pathSegmentComplaints),
  ];
  const at = `${field}.namespace`;
  switch (scope) {
    case undefined:
      return [...errors, required(`${field}.scope`)];
    case 'Namespace':
      if (namespace === undefined) return [...errors, required(at, "`parameters.scope` is set to 'Namespace'")];
      return [...errors, ...complain(at, namespace, dns1123LabelComplaints(namespace))];
    case 'Cluster':
      return namespace === undefined ? errors : [...errors, forbidden(at, "`parameters.scope` is set to 'Cluster'")];
    default:
      return [...errors, notSupported(`${field}.scope`, scope, ['Cluster', 'Namespace'])];
  }
}
