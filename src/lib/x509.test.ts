import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { belongsTogether, issueCertificate } from './x509.ts';

const hour = 3_600_000;
const validity = { notBefore: Date.now() - hour, notAfter: Date.now() + 24 * hour };
const authority = await issueCertificate({ use: 'authority', commonName: 'test-ca', ...validity });

test('issueCertificate() makes an authority that may sign certificates and nothing below authorities', () => {
  const certificate = new X509Certificate(authority.certificate);
  assert.equal(certificate.ca, true);
  assert.equal(certificate.subject, 'CN=test-ca');
  assert.equal(certificate.issuer, 'CN=test-ca');
  assert.ok(belongsTogether(authority, authority.certificate));
});

test('issueCertificate() puts names, groups, hosts and uses where TLS looks for them', async () => {
  const issued = await issueCertificate(
    {
      use: 'peer',
      commonName: 'system:node:n,=1',
      organizations: ['system:nodes', 'ß'],
      hosts: ['n1', '10.0.0.1', 'fd00::1', 'n1'],
      ...validity,
    },
    authority,
  );
  const certificate = new X509Certificate(issued.certificate);
  assert.ok(belongsTogether(issued, authority.certificate));
  assert.equal(certificate.ca, false);
  assert.deepEqual({ ...certificate.toLegacyObject().subject }, { O: ['system:nodes', 'ß'], CN: 'system:node:n,=1' });
  assert.equal(certificate.subjectAltName, 'DNS:n1, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1');
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
});

test('certificates of one authority let a client and a server trust each other, and nobody else', async () => {
  const server = await issueCertificate(
    { use: 'server', commonName: 'server', hosts: ['localhost', '127.0.0.1'], ...validity },
    authority,
  );
  const client = await issueCertificate({ use: 'client', commonName: 'alice', ...validity }, authority);
  const stranger = await issueCertificate({ use: 'authority', commonName: 'test-ca', ...validity });
  const impostor = await issueCertificate({ use: 'client', commonName: 'alice', ...validity }, stranger);

  const listener = createServer(
    {
      cert: server.certificate,
      key: server.key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (socket) => socket.end(String(socket.getPeerCertificate().subject.CN)),
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const greet = async (credential: { certificate: string; key: string } | undefined, ca: string) => {
    const socket: TLSSocket = connect({
      port,
      host: '127.0.0.1',
      ca,
      ...(credential === undefined ? {} : { cert: credential.certificate, key: credential.key }),
    });
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  /** TLS 1.3 tells a client only afterwards that its certificate was refused: an error, or silence. */
  const isRefused = (greeting: Promise<string>) =>
    greeting.then(
      (text) => text === '',
      () => true,
    );
  try {
    assert.equal(await greet(client, authority.certificate), 'alice');
    assert.ok(await isRefused(greet(impostor, authority.certificate)));
    assert.ok(await isRefused(greet(undefined, authority.certificate)));
    assert.ok(await isRefused(greet(server, authority.certificate)), 'a server certificate is no client certificate');
    assert.ok(await isRefused(greet(client, stranger.certificate)));
  } finally {
    listener.close();
  }
});
