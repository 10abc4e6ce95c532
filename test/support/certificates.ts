import { readFileSync } from 'node:fs';
import path from 'node:path';
import { issueCertificate, type CertificateRequest } from '#lib/x509.ts';
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
