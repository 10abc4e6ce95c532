import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCertificationRequest } from '#lib/certification-request.ts';
import { certificationRequest } from '../support/certificates.ts';

test('parseCertificationRequest() reads names, alternatives and the key, of elliptic curves and RSA', async () => {
  for (const type of ['ec', 'rsa'] as const) {
    const subject = 'O=system:nodes, O=Zwei, CN=system:node:n1';
    const hosts = ['n1.example', '10.1.2.3', '2001:db8::1'];
    const { pem, key } = await certificationRequest({ subject, hosts, type });
    const { subject: _subject, publicKey, ...parsed } = parseCertificationRequest(pem);
    assert.deepEqual(parsed, {
      commonName: 'system:node:n1',
      organizations: ['system:nodes', 'Zwei'],
      dnsNames: ['n1.example'],
      ipAddresses: ['10.1.2.3', '2001:db8:0:0:0:0:0:1'],
      emailAddresses: [],
      uris: [],
    });
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
    assert.deepEqual(Buffer.from(publicKey), spki);
  }
});

test('a request that somebody has changed is refused', async () => {
  const { pem } = await certificationRequest({ subject: 'O=system:nodes, CN=system:node:n1' });
  const der = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  const at = der.indexOf('system:node:n1');
  der.write('system:node:n2', at);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
  assert.throws(() => parseCertificationRequest(forged), /signature of the request is wrong/);
  assert.throws(() => parseCertificationRequest('-----BEGIN X-----'), /must be CERTIFICATE REQUEST/);
});

test('whatever bytes come, an Error is the worst that happens', async () => {
  const { pem } = await certificationRequest({ subject: 'CN=a', hosts: ['b.example'] });
  const der = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(fc.nat(der.length - 1), fc.nat(255))
      .map(([at, value]) => Uint8Array.from(der, (old, i) => (i === at ? value : old))),
    fc.nat(der.length).map((length) => der.subarray(0, length)),
  );
  fc.assert(
    fc.property(bytes, (each) => {
      const text = `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(each).toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
      try {
        parseCertificationRequest(text);
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof RangeError));
      }
    }),
    { numRuns: 2_000 },
  );
});
