/** Approves, signs and removes requests for certificates. Source: kubernetes pkg/controller/certificates. */
import { CertificateSigningRequest, signerNames } from '#api/certificates/certificate-signing-request.ts';
import type { CertificateSigningRequestCondition } from '#api/certificates/types.generated.ts';
import { SubjectAccessReview } from '#api/authorization/subject-access-review.ts';
import type { Client } from '#client/client.ts';
import { X509Certificate } from 'node:crypto';
import { parseCertificationRequest } from '#lib/certification-request.ts';
import type { SignRequest } from '#lib/x509.ts';
import { hasReason } from '#machinery/status-error.ts';
import { objectionTo, signRequestOf } from './certificate-rules.ts';
import type { Controller } from './controller.ts';

const hour = 3_600_000;
const lifetimeMsDefault = 365 * 24 * hour;
const backdateMs = 5 * 60_000;
/** How long a request stays that has been decided on, and one that has not. */
const decidedMsMax = hour;
const pendingMsMax = 24 * hour;

const has = ({ status }: CertificateSigningRequest, type: string): boolean =>
  status?.conditions?.some((each) => each.type === type) === true;
const isIssued = ({ status }: CertificateSigningRequest): boolean => (status?.certificate ?? '') !== '';
const readRequest = ({ spec }: CertificateSigningRequest) =>
  parseCertificationRequest(Buffer.from(spec.request, 'base64').toString('latin1'));

function withCondition(
  request: CertificateSigningRequest,
  condition: Omit<CertificateSigningRequestCondition, 'status'>,
): CertificateSigningRequest {
  const conditions = [...(request.status?.conditions ?? []), { ...condition, status: 'True' }];
  return { ...request, status: { ...request.status, conditions } };
}

/** Ways in which a node may get its client certificate without anybody being asked, by the right that allows it. */
const approvals = [
  {
    right: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
    applies: (request: CertificateSigningRequest) => request.spec.username === readRequest(request).commonName,
  },
  {
    right: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    applies: () => true,
  },
] as const;

async function mayHave(client: Client, { spec }: CertificateSigningRequest, subresource: string, signal: AbortSignal) {
  const { username: user = '', groups = [], uid, extra } = spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    subresource,
    version: '*',
  };
  const review = {
    spec: {
      user,
      groups,
      resourceAttributes,
      ...(uid === undefined ? {} : { uid }),
      ...(extra === undefined ? {} : { extra }),
    },
  };
  return (await client.create(SubjectAccessReview, review, { signal })).status?.allowed === true;
}

/** Approves client certificates of nodes for those who have the right to get one. */
export const certificateApprover: Controller = {
  name: 'csr-approver',
  reconciles: CertificateSigningRequest,
  wakesOn: [],
  async reconcile(key, { cache, client, signal }) {
    const request = cache.get(CertificateSigningRequest, key);
    if (request === undefined || isIssued(request) || has(request, 'Approved') || has(request, 'Denied')) return;
    if (request.spec.signerName !== signerNames.nodeClient) return;
    if (objectionTo(readRequest(request), request.spec) !== undefined) return;
    for (const { right, message, applies } of approvals) {
      if (!applies(request) || !(await mayHave(client, request, right, signal))) continue;
      const approved = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message });
      await client.update(CertificateSigningRequest, approved, { signal, subresource: 'approval' });
      return;
    }
  },
};

/** Signs what has been approved for one of Kubernetes' own signers. */
export function certificateSigner(sign: (request: SignRequest) => Promise<string>): Controller {
  const own = new Set<string>(Object.values(signerNames));
  return {
    name: 'csr-signer',
    reconciles: CertificateSigningRequest,
    wakesOn: [],
    async reconcile(key, { cache, client, clock, signal }) {
      const request = cache.get(CertificateSigningRequest, key);
      if (request === undefined || isIssued(request) || !has(request, 'Approved') || has(request, 'Failed')) return;
      if (has(request, 'Denied') || !own.has(request.spec.signerName)) return;
      const parsed = readRequest(request);
      const objection = objectionTo(parsed, request.spec);
      const write = (next: CertificateSigningRequest) =>
        client.update(CertificateSigningRequest, next, { signal, subresource: 'status' });
      if (objection !== undefined) {
        await write(withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message: objection }));
        return;
      }
      const lifetime = { now: clock.now(), defaultMs: lifetimeMsDefault, backdateMs };
      const pem = await sign(signRequestOf(parsed, request.spec, lifetime));
      await write({ ...request, status: { ...request.status, certificate: Buffer.from(pem).toString('base64') } });
    },
  };
}

/** Removes requests that nobody needs any more: decided an hour ago, pending for a day, or of an expired certificate. */
export const certificateCleaner: Controller = {
  name: 'csr-cleaner',
  reconciles: CertificateSigningRequest,
  wakesOn: [],
  async reconcile(key, { cache, client, clock, signal }) {
    const request = cache.get(CertificateSigningRequest, key);
    if (request === undefined) return undefined;
    const leftMs = endOf(request) - clock.now();
    if (leftMs > 0) return { againMs: Math.min(leftMs, pendingMsMax) };
    const { name = '', uid } = request.metadata ?? {};
    const preconditions = uid === undefined ? {} : { uid };
    await client.delete(CertificateSigningRequest, { name }, { signal, preconditions }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
    });
    return undefined;
  },
};

/** When a request may go, in milliseconds since the epoch. */
function endOf({ metadata, status }: CertificateSigningRequest): number {
  const decided = (status?.conditions ?? []).filter(({ type }) => ['Approved', 'Denied', 'Failed'].includes(type));
  const [last] = decided.map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? '')).toSorted((a, b) => b - a);
  if (last === undefined) return Date.parse(metadata?.creationTimestamp ?? '') + pendingMsMax;
  const { certificate = '' } = status ?? {};
  const expires = certificate === '' ? Infinity : expiryOf(Buffer.from(certificate, 'base64'));
  return Math.min(last + decidedMsMax, expires);
}

/** A certificate of another signer may be anything. */
function expiryOf(pem: Buffer): number {
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch {
    return Infinity;
  }
}
