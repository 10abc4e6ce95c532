import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { humanDuration } from '#machinery/human-duration.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123LabelComplaints, dns1123SubdomainComplaints } from '#machinery/names.ts';
import { parseCertificationRequest } from '#lib/certification-request.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { sameValue } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type CertificateSigningRequest = types.CertificateSigningRequest;
type Condition = types.CertificateSigningRequestCondition;

/** Source: kubernetes pkg/apis/certificates (validation.go, ValidateCertificateSigningRequestCreate and …Update). */
export const CertificateSigningRequest: Kind<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  singular: 'certificatesigningrequest',
  shortNames: ['csr'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.certificates.v1.CertificateSigningRequest');
  },
  subresources: {
    status: true,
    more: {
      approval: {
        group: 'certificates.k8s.io',
        version: 'v1',
        kind: 'CertificateSigningRequest',
        verbs: ['get', 'patch', 'update'],
      },
    },
  },
  prepareForCreate: ({ status: _status, ...request }) => ({ ...request, status: {} }),
  /** What was asked for never changes: another wish is another request. */
  prepareForUpdate: (request, { spec }) => ({ ...request, spec }),
  validate: ({ metadata, spec, status }) => [
    // Stored ones were checked when they came, perhaps by other rules.
    ...(metadata?.resourceVersion === undefined ? specErrors(spec ?? {}) : []),
    ...conditionErrors(status?.conditions ?? []),
    ...certificateErrors(status?.certificate),
  ],
  validateUpdate: ({ status = {} }, { status: stored = {} }, door) => [
    ...conditionUpdateErrors(status.conditions ?? [], stored.conditions ?? [], door === 'approval'),
    ...certificateUpdateErrors(status.certificate ?? '', stored.certificate ?? '', door === 'status'),
  ],
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', 'Who is asked to sign.', ({ spec }) => spec.signerName),
    column('Requestor', 'Who asks.', ({ spec }) => spec.username ?? ''),
    column('RequestedDuration', 'How long it is to be valid.', ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', 'How far it is.', conditionOf),
  ],
  selectableFields: { 'spec.signerName': ({ spec }) => spec.signerName },
};

export const signerNames = {
  client: 'kubernetes.io/kube-apiserver-client',
  nodeClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  nodeServing: 'kubernetes.io/kubelet-serving',
  legacyUnknown: 'kubernetes.io/legacy-unknown',
} as const;

const secondsMin = 600;
const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

/** Whatever a client may have left out. */
type Asked = Partial<types.CertificateSigningRequestSpec>;

function specErrors(spec: Asked): readonly FieldError[] {
  const errors: FieldError[] = [];
  try {
    parseCertificationRequest(Buffer.from(spec.request ?? '', 'base64').toString('latin1'));
  } catch (error) {
    errors.push(invalid('spec.request', spec.request ?? '', (error as Error).message));
  }
  const asked = spec.usages ?? [];
  if (asked.length === 0) errors.push(required('spec.usages'));
  for (const [index, usage] of asked.entries()) {
    if (!usages.includes(usage)) errors.push(notSupported(`spec.usages[${index}]`, usage, usages));
    else if (asked.indexOf(usage) < index) errors.push(duplicate(`spec.usages[${index}]`, usage));
  }
  errors.push(...signerErrors(spec.signerName ?? ''));
  const { expirationSeconds } = spec;
  if (expirationSeconds !== undefined && expirationSeconds < secondsMin) {
    errors.push(
      invalid(
        'spec.expirationSeconds',
        expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      ),
    );
  }
  return errors;
}

function signerErrors(name: string): readonly FieldError[] {
  const field = 'spec.signerName';
  if (name === '') return [required(field)];
  if (name === signerNames.legacyUnknown) {
    return [invalid(field, name, 'the legacy signerName is not allowed via this API version')];
  }
  const parts = name.split('/');
  if (parts.length !== 2) {
    return [invalid(field, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  }
  const [domain, path] = parts as [string, string];
  const labels = domain.split('.');
  return [
    ...labels.flatMap((label) =>
      dns1123LabelComplaints(label).map((words) =>
        invalid(field, domain, `validating label ${JSON.stringify(label)}: ${words}`),
      ),
    ),
    ...(labels.length < 2
      ? [invalid(field, domain, 'should be a domain with at least two segments separated by dots')]
      : []),
    ...path
      .split('.')
      .flatMap((label) =>
        dns1123SubdomainComplaints(label).map((words) =>
          invalid(field, path, `validating label ${JSON.stringify(label)}: ${words}`),
        ),
      ),
  ];
}

const decisions = ['Approved', 'Denied', 'Failed'];

function conditionErrors(conditions: readonly Condition[]): readonly FieldError[] {
  const errors: FieldError[] = [];
  const has = (type: string) => conditions.some((each) => each.type === type);
  for (const [index, { type, status }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (type === '') errors.push(required(`${field}.type`));
    if (conditions.findIndex((each) => each.type === type) < index) errors.push(duplicate(`${field}.type`, type));
    if (status === '') errors.push(required(`${field}.status`));
    else if (decisions.includes(type) && status !== 'True') {
      errors.push(notSupported(`${field}.status`, status, ['True']));
    } else if (!['True', 'False', 'Unknown'].includes(status)) {
      errors.push(notSupported(`${field}.status`, status, ['False', 'True', 'Unknown']));
    }
  }
  if (has('Approved') && has('Denied')) {
    errors.push(invalid('status.conditions', 'Approved', 'Approved and Denied conditions are mutually exclusive'));
  }
  return errors;
}

function certificateErrors(certificate: string | undefined): readonly FieldError[] {
  if (certificate === undefined || certificate === '') return [];
  const text = Buffer.from(certificate, 'base64').toString('latin1');
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(([, type]) => type);
  const field = 'status.certificate';
  if (blocks.length === 0) {
    return [invalid(field, '<certificate data>', 'must contain at least one CERTIFICATE PEM block')];
  }
  return blocks.every((type) => type === 'CERTIFICATE')
    ? []
    : [invalid(field, '<certificate data>', 'only CERTIFICATE PEM blocks are allowed')];
}

/** Decisions are made once, through the door that is meant for them. */
function conditionUpdateErrors(
  conditions: readonly Condition[],
  stored: readonly Condition[],
  isApproval: boolean,
): readonly FieldError[] {
  const field = 'status.conditions';
  const find = (all: readonly Condition[], type: string) => all.find((each) => each.type === type);
  return ['Approved', 'Denied', 'Failed'].flatMap((type): readonly FieldError[] => {
    const [now, before] = [find(conditions, type), find(stored, type)];
    if (now === undefined && before === undefined) return [];
    if (now === undefined)
      return [forbidden(field, `updates may not remove a condition of type ${JSON.stringify(type)}`)];
    if (type === 'Failed' || isApproval) return [];
    if (before === undefined)
      return [forbidden(field, `updates may not add a condition of type ${JSON.stringify(type)}`)];
    return sameValue(now, before)
      ? []
      : [forbidden(field, `updates may not modify a condition of type ${JSON.stringify(type)}`)];
  });
}

function certificateUpdateErrors(now: string, before: string, maySet: boolean): readonly FieldError[] {
  if (now === before) return [];
  if (before !== '') return [forbidden('status.certificate', 'updates may not modify existing certificate content')];
  return maySet ? [] : [forbidden('status.certificate', 'updates may not set certificate content')];
}

/** Source: kubernetes pkg/printers/internalversion (extractCSRStatus). */
function conditionOf({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((each) => each.type === type) === true;
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return [
    decision,
    ...(has('Failed') ? ['Failed'] : []),
    ...((status?.certificate ?? '') === '' ? [] : ['Issued']),
  ].join(',');
}
