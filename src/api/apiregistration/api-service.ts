import { invalid, required, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1035LabelComplaints, dns1123SubdomainComplaints, portNumberComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { choice, complain, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type APIService = types.APIService;
type Spec = types.APIServiceSpec;

const priorityMax = { group: 20_000, version: 1_000 } as const;
const httpsPort = 443;

/**
 * Who serves a group version: this server, unless a Service is named. Source: kube-aggregator
 * pkg/apis/apiregistration (validation.go) and pkg/registry/apiservice (strategy.go).
 */
export const APIService: Kind<APIService> = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  singular: 'apiservice',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService');
  },
  subresources: { status: true },
  defaults(object) {
    const { service } = object.spec;
    if (service === undefined || service.port !== undefined) return object;
    return { ...object, spec: { ...object.spec, service: { ...service, port: httpsPort } } };
  },
  prepareForCreate: ({ status: _status, ...object }) =>
    object.spec.service === undefined ? { ...object, status: { conditions: [localCondition(object)] } } : object,
  validateName: () => [], // it follows from group and version, which are checked
  validate: ({ metadata, spec, status }) => [
    ...(metadata?.name === `${spec.version ?? ''}.${spec.group ?? ''}`
      ? []
      : [
          invalid(
            'metadata.name',
            metadata?.name ?? '',
            `must be \`spec.version+"."+spec.group\`: "${spec.version ?? ''}.${spec.group ?? ''}"`,
          ),
        ]),
    ...groupErrors(spec),
    ...serviceErrors(spec),
    ...(status?.conditions ?? []).flatMap((condition, index) =>
      choice(`status.conditions[${index}].status`, condition.status, ['True', 'False', 'Unknown']),
    ),
  ],
  columns: [
    nameColumn,
    column('Service', 'The reference to the service that hosts this API endpoint.', ({ spec: { service } }) =>
      service === undefined ? 'Local' : `${service.namespace ?? ''}/${service.name ?? ''}`,
    ),
    column('Available', 'Whether this service is available.', ({ status }) => {
      const available = status?.conditions?.find(({ type }) => type === 'Available');
      if (available === undefined) return 'Unknown';
      return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`;
    }),
    ageColumn,
  ],
};

/** What is served here is always there. */
export const localCondition = ({ metadata }: APIService): types.APIServiceCondition => ({
  type: 'Available',
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
  ...(metadata?.creationTimestamp === undefined ? {} : { lastTransitionTime: metadata.creationTimestamp }),
});

function groupErrors({ group = '', version = '', groupPriorityMinimum, versionPriority }: Spec): readonly FieldError[] {
  return [
    ...(group === ''
      ? version === 'v1'
        ? []
        : [required('spec.group', 'only v1 may have an empty group and it better be legacy kube')]
      : complain('spec.group', group, dns1123SubdomainComplaints(group))),
    ...complain('spec.version', version, dns1035LabelComplaints(version)),
    ...(groupPriorityMinimum <= 0 || groupPriorityMinimum > priorityMax.group
      ? [invalid('spec.groupPriorityMinimum', groupPriorityMinimum, 'must be positive and less than 20000')]
      : []),
    ...(versionPriority <= 0 || versionPriority > priorityMax.version
      ? [invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000')]
      : []),
  ];
}

function serviceErrors({ service, caBundle = '', insecureSkipTLSVerify = false }: Spec): readonly FieldError[] {
  if (service === undefined) {
    const bytes = Buffer.from(caBundle, 'base64').length;
    return [
      ...(bytes === 0 ? [] : [invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle')]),
      ...(insecureSkipTLSVerify
        ? [invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify')]
        : []),
    ];
  }
  const { namespace, name, port = httpsPort } = service;
  return [
    ...text('spec.service.namespace', namespace),
    ...text('spec.service.name', name),
    ...portNumberComplaints(port).map((why) => invalid('spec.service.port', port, `port is not valid: ${why}`)),
    ...(insecureSkipTLSVerify && caBundle !== ''
      ? [invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present')]
      : []),
  ];
}
