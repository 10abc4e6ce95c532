import { createHash, X509Certificate } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { UserInfo } from '#client/client.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { Authenticator } from './authenticator.ts';

const clientAuth = '1.3.6.1.5.5.7.3.2';
const knownCertificatesMax = 1_000;

interface Known {
  readonly user: UserInfo;
  readonly from: number;
  readonly until: number;
}

const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex');

/**
 * Users come with a certificate of the cluster's authority: the common name is the user, the organizations are the
 * groups. TLS has checked the chain already; signature, purpose and dates are checked here once more, because a
 * connection may outlive the certificate that opened it.
 */
export function clientCertificateAuthenticator(authorityPem: string, clock: Clock): Authenticator {
  const authority = new X509Certificate(authorityPem);
  const known = new Map<string, Known>();

  function read(der: Uint8Array): Known {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(der);
    } catch {
      throw unauthorized('The client certificate cannot be read');
    }
    if (certificate.ca || !certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
      throw unauthorized("The client certificate was not signed by this cluster's authority");
    }
    if (!(certificate.keyUsage as readonly string[] | undefined)?.includes(clientAuth)) {
      throw unauthorized('The certificate is not meant for clients');
    }
    const { CN: name, O: groups } = certificate.toLegacyObject().subject as Record<
      string,
      string | string[] | undefined
    >;
    if (typeof name !== 'string' || name === '') {
      throw unauthorized('The client certificate must have exactly one common name: the user');
    }
    return {
      user: {
        username: name,
        groups: groups === undefined ? [] : [groups].flat(),
        extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprintOf(der)}`] },
      },
      from: certificate.validFromDate.getTime(),
      until: certificate.validToDate.getTime(),
    };
  }

  return {
    async authenticate({ peerCertificate }) {
      if (peerCertificate === undefined) return undefined;
      const fingerprint = fingerprintOf(peerCertificate);
      let found = known.get(fingerprint);
      if (found === undefined) {
        found = read(peerCertificate);
        if (known.size >= knownCertificatesMax) known.delete(known.keys().next().value ?? '');
        known.set(fingerprint, found);
      }
      const now = clock.now();
      if (now < found.from || now > found.until)
        throw unauthorized('The client certificate has expired or is not yet valid');
      return found.user;
    },
  };
}
