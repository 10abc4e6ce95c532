/** Which requests a signer takes, and what it makes of them. Source: kubernetes pkg/apis/certificates/v1/helpers.go and pkg/controller/certificates/signer. */
import { signerNames } from '#api/certificates/certificate-signing-request.ts';
import type { CertificateSigningRequestSpec } from '#api/certificates/types.generated.ts';
import type { CertificationRequest } from '#lib/certification-request.ts';
import type { SignRequest } from '#lib/x509.ts';

/** Why this signer does not sign this request; undefined if it does. */
export function objectionTo(request: CertificationRequest, spec: CertificateSigningRequestSpec): string | undefined {
  switch (spec.signerName) {
    case signerNames.nodeServing:
      return nodeServingObjection(request, spec);
    case signerNames.nodeClient:
      return nodeClientObjection(request, spec);
    case signerNames.client:
      return clientObjection(spec);
    default:
      return undefined;
  }
}

const ofNodes = ({ organizations, commonName }: CertificationRequest): string | undefined => {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') {
    return 'subject organization is not system:nodes';
  }
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:';
};

function nodeServingObjection(request: CertificationRequest, { usages = [] }: CertificateSigningRequestSpec) {
  if (request.dnsNames.length + request.ipAddresses.length === 0) {
    return 'DNS or IP subjectAltName is required';
  }
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!hasExactly(usages, ['digital signature', 'server auth'], ['key encipherment'])) {
    return 'usages did not match [digital signature key encipherment server auth]';
  }
  return ofNodes(request);
}

function nodeClientObjection(request: CertificationRequest, { usages = [] }: CertificateSigningRequestSpec) {
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!hasExactly(usages, ['digital signature', 'client auth'], ['key encipherment'])) {
    return 'usages did not match [digital signature key encipherment client auth]';
  }
  return ofNodes(request);
}

function clientObjection({ usages = [] }: CertificateSigningRequestSpec): string | undefined {
  return hasExactly(usages, ['client auth'], ['digital signature', 'key encipherment'])
    ? undefined
    : 'usages did not match [client auth digital signature key encipherment]';
}

function hasExactly(usages: readonly string[], needed: readonly string[], allowed: readonly string[]): boolean {
  return (
    needed.every((each) => usages.includes(each)) &&
    usages.every((each) => needed.includes(each) || allowed.includes(each))
  );
}

const keyUsages: Readonly<Record<string, SignRequest['usages'][number]>> = {
  signing: 'digitalSignature',
  'digital signature': 'digitalSignature',
  'content commitment': 'nonRepudiation',
  'key encipherment': 'keyEncipherment',
  'key agreement': 'keyAgreement',
  'data encipherment': 'dataEncipherment',
};
const extendedUsages: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
};

export interface Lifetime {
  readonly now: number;
  /** What a certificate gets that asks for nothing. */
  readonly defaultMs: number;
  /** Certificates start in the past, for machines whose clock is behind. */
  readonly backdateMs: number;
}

/** What is to be signed. `cert sign` and the like are never granted: nobody becomes an authority this way. */
export function signRequestOf(
  request: CertificationRequest,
  { usages = [], expirationSeconds }: CertificateSigningRequestSpec,
  { now, defaultMs, backdateMs }: Lifetime,
): SignRequest {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const unique = <T>(values: readonly (T | undefined)[]) => [...new Set(values)].filter((value) => value !== undefined);
  return {
    subject: base64(request.subject),
    publicKey: base64(request.publicKey),
    alternatives: [
      ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
      ...request.emailAddresses.map((value) => ({ type: 'email' as const, value })),
      ...request.uris.map((value) => ({ type: 'url' as const, value })),
    ],
    usages: unique(usages.map((usage) => keyUsages[usage])),
    extendedUsages: unique(usages.map((usage) => extendedUsages[usage])),
    notBefore: now - backdateMs,
    notAfter: now + (expirationSeconds === undefined ? defaultMs : Math.min(expirationSeconds * 1000, defaultMs)),
  };
}
