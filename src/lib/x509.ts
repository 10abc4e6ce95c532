import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type * as X509Library from '@peculiar/x509';

/** A certificate and its private key, both PEM. The key is PKCS #8. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate may be used for. `peer` is both ends of TLS: an agent calls the API and is called by it. */
export type CertificateUse = 'authority' | 'server' | 'client' | 'peer';

export interface CertificateRequest {
  readonly use: CertificateUse;
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Subject alternative names: DNS names and IP addresses, in any order. */
  readonly hosts?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const extendedUsages: Readonly<Record<CertificateUse, readonly string[]>> = {
  authority: [],
  server: [serverAuth],
  client: [clientAuth],
  peer: [serverAuth, clientAuth],
};

/**
 * Makes a new P-256 key and a certificate for it, signed by `issuer`, or by itself where there is none.
 * The X.509 library costs about 65 ms and 25 MB to load, so it is loaded on the first call only; a server that has
 * its certificates never pays for it.
 */
export async function issueCertificate(request: CertificateRequest, issuer?: Credential): Promise<Credential> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const authority = request.use === 'authority';
  const usages = extendedUsages[request.use];
  const issuerCertificate = issuer === undefined ? undefined : new x509.X509Certificate(issuer.certificate);
  const extensions = [
    new x509.BasicConstraintsExtension(authority, authority ? 0 : undefined, true),
    new x509.KeyUsagesExtension(
      authority ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign : x509.KeyUsageFlags.digitalSignature,
      true,
    ),
    ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...usages])]),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ...(issuerCertificate === undefined
      ? []
      : [await x509.AuthorityKeyIdentifierExtension.create(await issuerCertificate.publicKey.export())]),
    ...(request.hosts === undefined || request.hosts.length === 0
      ? []
      : [
          new x509.SubjectAlternativeNameExtension(
            [...new Set(request.hosts)].map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host })),
          ),
        ]),
  ];
  const subject = [...(request.organizations ?? []).map((name) => ({ O: [name] })), { CN: [request.commonName] }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: issuerCertificate?.subjectName.toJSON() ?? subject,
    notBefore: new Date(request.notBefore),
    notAfter: new Date(request.notAfter),
    publicKey: keys.publicKey,
    signingKey: issuer === undefined ? keys.privateKey : await importSigningKey(issuer.key),
    signingAlgorithm: algorithm,
    extensions,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { certificate: `${certificate.toString('pem')}\n`, key: pemOf('PRIVATE KEY', pkcs8) };
}

/** What is to be signed for a key that somebody else has. Binary fields are base64, so that it can be sent as JSON. */
export interface SignRequest {
  /** DER of the name and of the public key, as the request has them. */
  readonly subject: string;
  readonly publicKey: string;
  readonly alternatives: readonly { readonly type: 'dns' | 'ip' | 'email' | 'url'; readonly value: string }[];
  /** Bits of the key usage extension by name, and object identifiers of the extended one. */
  readonly usages: readonly (
    | 'digitalSignature'
    | 'nonRepudiation'
    | 'keyEncipherment'
    | 'keyAgreement'
    | 'dataEncipherment'
  )[];
  readonly extendedUsages: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A certificate (PEM) for the key of `request`. Loads the same library as `issueCertificate()`. */
export async function signCertificate(request: SignRequest, issuer: Credential): Promise<string> {
  const x509 = await loadX509();
  const authority = new x509.X509Certificate(issuer.certificate);
  const publicKey = new x509.PublicKey(Buffer.from(request.publicKey, 'base64'));
  const usages = request.usages.reduce((all, usage) => all | x509.KeyUsageFlags[usage], 0);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: new x509.Name(Buffer.from(request.subject, 'base64')).toJSON(),
    issuer: authority.subjectName.toJSON(),
    notBefore: new Date(request.notBefore),
    notAfter: new Date(request.notAfter),
    publicKey,
    signingKey: await importSigningKey(issuer.key),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(usages, true),
      ...(request.extendedUsages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...request.extendedUsages])]),
      await x509.AuthorityKeyIdentifierExtension.create(await authority.publicKey.export()),
      ...(request.alternatives.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension([...request.alternatives])]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** True if `certificate` (PEM) was signed by `authority` (PEM) and belongs to `key` (PEM). */
export function belongsTogether({ certificate, key }: Credential, authority: string): boolean {
  const leaf = new X509Certificate(certificate);
  const issuer = new X509Certificate(authority);
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey) && leaf.checkPrivateKey(createPrivateKey(key));
}

/** 127 random bits: positive, unique, and not guessable. */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function importSigningKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign']);
}

function pemOf(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/**
 * The library's dependency container insists on the metadata extension of `Reflect` while its classes are being
 * defined, but stores nothing there; it gets an empty one for just that moment instead of a polyfill for the process.
 * Later calls find the module loaded.
 */
export async function loadX509(): Promise<typeof X509Library> {
  const reflect = Reflect as { getMetadata?: unknown; getOwnMetadata?: unknown; defineMetadata?: unknown };
  if (reflect.getMetadata !== undefined) return import('@peculiar/x509');
  reflect.getMetadata = reflect.getOwnMetadata = reflect.defineMetadata = () => undefined;
  try {
    return await import('@peculiar/x509');
  } finally {
    delete reflect.getMetadata;
    delete reflect.getOwnMetadata;
    delete reflect.defineMetadata;
  }
}
