import { CertificateSigningRequest, signerNames } from '#api/certificates/certificate-signing-request.ts';
import type { CertificateSigningRequestCondition } from '#api/certificates/types.generated.ts';
import { sameValue } from '#api/rules/fields.ts';
import { parseCertificationRequest } from '#lib/certification-request.ts';
import type { Clock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { nodeNameOf } from '../authorization/node/node-identity.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Attributes } from '../request.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

/** Has no objects; rights on it are granted by the names of signers. */
const signers: Kind = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'signers',
  plural: 'signers',
  singular: 'signer',
  namespaced: false,
  schema: { type: 'object', fields: {}, required: [] },
};

/**
 * Who asks for a certificate is written down by the server, who approves or signs must be allowed to for that signer,
 * and nobody asks for a certificate of an administrator or of another node.
 * Source: kubernetes plugin/pkg/admission/certificates/{approval,signing,subjectrestriction} and noderestriction.
 */
export function certificates({ authorizer, clock }: { authorizer: Authorizer; clock: Clock }): AdmissionPlugin {
  /** A right on `domain/*` is one on every signer of the domain. */
  async function mustBeAllowed(verb: 'approve' | 'sign', attributes: Attributes, signer: string): Promise<void> {
    const { user } = attributes;
    for (const name of [signer, `${signer.slice(0, signer.indexOf('/'))}/*`]) {
      const asked = { user, verb, kind: signers, namespace: undefined, name, subresource: undefined, path: '' };
      if ((await authorizer.authorize(asked)).allowed) return;
    }
    throw forbiddenRequest(
      CertificateSigningRequest,
      attributes.name ?? '',
      `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
    );
  }

  return {
    name: 'Certificates',

    async mutate(request) {
      const { attributes, operation, object, stored } = request;
      if (!concerns(request)) return object!;
      // An object of a request is of the request's kind.
      const wanted = object as CertificateSigningRequest;
      if (operation === 'CREATE') {
        const { username: _name, uid: _uid, groups: _groups, extra: _extra, ...spec } = wanted.spec;
        const { username, uid, groups, extra } = attributes.user;
        return {
          ...wanted,
          spec: {
            ...spec,
            username,
            groups,
            ...(uid === undefined ? {} : { uid }),
            ...(extra === undefined ? {} : { extra }),
          },
        };
      }
      const conditions = wanted.status?.conditions;
      if (operation !== 'UPDATE' || conditions === undefined) return wanted;
      const before = (stored as CertificateSigningRequest).status?.conditions ?? [];
      return {
        ...wanted,
        status: { ...wanted.status, conditions: stamped(conditions, before, timestamp(clock.now())) },
      };
    },

    async validate(request) {
      if (!concerns(request)) return;
      const { attributes, operation, object, stored } = request;
      const wanted = object as CertificateSigningRequest;
      if (operation === 'CREATE') return checkSubject(request, wanted);
      if (operation !== 'UPDATE') return;
      const { status = {}, spec } = stored as CertificateSigningRequest;
      if (attributes.subresource === 'approval') return mustBeAllowed('approve', attributes, spec.signerName);
      if (attributes.subresource !== 'status') return;
      const failed = (conditions: readonly CertificateSigningRequestCondition[] = []) =>
        conditions.filter(({ type }) => type === 'Failed');
      const isSigned = (status.certificate ?? '') !== (wanted.status?.certificate ?? '');
      const hasFailed = !sameValue(failed(status.conditions), failed(wanted.status?.conditions));
      if (isSigned || hasFailed) await mustBeAllowed('sign', attributes, spec.signerName);
    },
  };
}

const concerns = ({ attributes: { kind }, object }: AdmissionRequest): boolean =>
  kind?.group === 'certificates.k8s.io' && kind.plural === 'certificatesigningrequests' && object !== undefined;

function checkSubject({ attributes }: AdmissionRequest, { metadata, spec }: CertificateSigningRequest): void {
  const refuse = (detail: string) => forbiddenRequest(CertificateSigningRequest, metadata?.name ?? '', detail);
  const { organizations, commonName } = parseCertificationRequest(
    Buffer.from(spec.request, 'base64').toString('latin1'),
  );
  if (spec.signerName === signerNames.client && organizations.includes('system:masters')) {
    throw refuse(`use of ${spec.signerName} signer with system:masters group is not allowed`);
  }
  const node = nodeNameOf(attributes.user);
  const isOfNodes = spec.signerName === signerNames.nodeClient || spec.signerName === signerNames.nodeServing;
  if (node !== undefined && isOfNodes && commonName !== attributes.user.username) {
    throw refuse(`can only create a node CSR with CN=${attributes.user.username}`);
  }
}

/** Conditions with the times that their writer has left out. */
function stamped(
  conditions: readonly CertificateSigningRequestCondition[],
  before: readonly CertificateSigningRequestCondition[],
  now: string,
): readonly CertificateSigningRequestCondition[] {
  return conditions.map((condition) => {
    const old = before.find(({ type, status }) => type === condition.type && status === condition.status);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? old?.lastTransitionTime ?? now,
    };
  });
}
