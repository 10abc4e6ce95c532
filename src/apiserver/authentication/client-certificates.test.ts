import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { VirtualClock } from '#lib/clock.ts';
import { issueCertificate, type CertificateUse, type Credential } from '#lib/x509.ts';
import { hasReason } from '#machinery/status-error.ts';
import { clientCertificateAuthenticator } from './client-certificates.ts';

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const validity = { notBefore: start - hour, notAfter: start + 24 * hour };
const authority = await issueCertificate({ use: 'authority', commonName: 'ca', ...validity });
const issue = (use: CertificateUse, commonName: string, organizations: string[] = [], issuer: Credential = authority) =>
  issueCertificate({ use, commonName, organizations, ...validity }, issuer);
const credentials = ({ certificate }: Credential) => ({
  headers: {},
  peerCertificate: new X509Certificate(certificate).raw,
});

test('a certificate of the authority says user and groups, whatever characters they have', async () => {
  const authenticator = clientCertificateAuthenticator(authority.certificate, new VirtualClock(start));
  const alice = await issue('client', 'alice, O=system:masters', ['dev', 'system:x\nO=system:masters']);
  const fingerprint = new X509Certificate(alice.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  const expected = {
    username: 'alice, O=system:masters',
    groups: ['dev', 'system:x\nO=system:masters'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
  assert.deepEqual(await authenticator.authenticate(credentials(alice)), expected);
  assert.deepEqual(await authenticator.authenticate(credentials(alice)), expected);
  const node = await issue('peer', 'system:node:n1', ['system:nodes']);
  const known = await authenticator.authenticate(credentials(node));
  assert.deepEqual([known?.username, known?.groups], ['system:node:n1', ['system:nodes']]);
  assert.equal(await authenticator.authenticate({ headers: {}, peerCertificate: undefined }), undefined);
});

test('certificates of other authorities, for other uses or past their time are refused', async () => {
  const clock = new VirtualClock(start);
  const authenticator = clientCertificateAuthenticator(authority.certificate, clock);
  const isUnauthorized = (error: unknown) => hasReason(error, 'Unauthorized');
  const impostor = await issueCertificate({ use: 'authority', commonName: 'ca', ...validity });
  for (const credential of [
    await issue('client', 'alice', ['system:masters'], impostor),
    await issue('server', 'kube-apiserver'),
    authority,
  ]) {
    await assert.rejects(authenticator.authenticate(credentials(credential)), isUnauthorized);
  }
  await assert.rejects(authenticator.authenticate({ headers: {}, peerCertificate: Buffer.from('x') }), isUnauthorized);
  const alice = await issue('client', 'alice');
  await authenticator.authenticate(credentials(alice));
  await clock.advance(25 * hour);
  await assert.rejects(authenticator.authenticate(credentials(alice)), isUnauthorized);
});
