import { createPrivateKey, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { issueCertificate, loadX509, type CertificateRequest } from '#lib/x509.ts';
import type { Caller } from './api.ts';

const hour = 3_600_000;

/** A certificate of the authority of the cluster on `dataDir`, for clients unless asked otherwise, valid for an hour. */
export async function certificateOf(
  dataDir: string,
  request: Partial<CertificateRequest> & { readonly commonName: string },
): Promise<Caller> {
  const pki = (name: string) => readFileSync(path.join(dataDir, 'pki', name), 'utf8');
  const now = Date.now();
  const { certificate, key } = await issueCertificate(
    { use: 'client', notBefore: now - hour, notAfter: now + hour, ...request },
    { certificate: pki('ca.crt'), key: pki('ca.key') },
  );
  return { cert: certificate, key };
}

export interface WantedCertificate {
  /** `O=system:nodes, CN=system:node:n1`. */
  readonly subject: string;
  readonly hosts?: readonly string[];
  readonly type?: 'ec' | 'rsa';
}

/** A new key (PEM), and a PKCS #10 request (PEM) for a certificate of it. */
export async function certificationRequest({ subject, hosts = [], type = 'ec' }: WantedCertificate) {
  const x509 = await loadX509();
  const algorithm =
    type === 'ec'
      ? { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
      : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names = hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host }));
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: algorithm,
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
  return { pem: request.toString('pem'), key: key.toString() };
}
