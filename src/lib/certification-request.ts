import { createPublicKey, verify } from 'node:crypto';
import { childrenOf, oidOf, readDer, textOf, type DerNode } from './der.ts';

/** What a PKCS #10 request asks for: whose certificate it is to be. Facts: RFC 2986, RFC 5280 §4.2.1.6. */
export interface CertificationRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  /** As text. */
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  /** DER of the subject's name and of the public key. */
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
}

const bytesMax = 64 * 1024;
const commonName = '2.5.4.3';
const organization = '2.5.4.10';
const extensionRequest = '1.2.840.113549.1.9.14';
const subjectAltName = '2.5.29.17';

/** Signature algorithms by object identifier, with their hash. */
const hashes: Readonly<Record<string, string | null>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
};

/**
 * Reads a PEM block `CERTIFICATE REQUEST` and checks that who made it has the key. Throws an Error that says what is
 * wrong with it.
 */
export function parseCertificationRequest(pem: string): CertificationRequest {
  if (pem.length > bytesMax) throw new Error('the request is too large');
  const [, body] =
    /-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----/.exec(pem) ?? [];
  if (body === undefined) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const root = readDer(Buffer.from(body, 'base64'));
  const [info, algorithm, signature] = childrenOf(root);
  if (info === undefined || algorithm === undefined || signature?.tag !== 0x03) throw new Error('malformed request');
  const [, subject, publicKey, attributes] = childrenOf(info);
  if (subject === undefined || publicKey === undefined) throw new Error('malformed request');
  checkSignature(info, algorithm, signature, publicKey);
  const names = [...namesIn(subject)];
  return {
    commonName: names.find(({ type }) => type === commonName)?.value ?? '',
    organizations: names.filter(({ type }) => type === organization).map(({ value }) => value),
    ...alternativesIn(attributes),
    subject: subject.bytes,
    publicKey: publicKey.bytes,
  };
}

function checkSignature(info: DerNode, algorithm: DerNode, signature: DerNode, publicKey: DerNode): void {
  const identifier = childrenOf(algorithm)[0];
  const hash = identifier === undefined ? undefined : hashes[oidOf(identifier)];
  if (hash === undefined) throw new Error('the signature algorithm of the request is not supported');
  const key = createPublicKey({ key: Buffer.from(publicKey.bytes), format: 'der', type: 'spki' });
  // The first byte of a bit string counts the bits that are not used.
  if (!verify(hash, info.bytes, key, signature.content.subarray(1)))
    throw new Error('the signature of the request is wrong');
}

function* namesIn(subject: DerNode): Generator<{ readonly type: string; readonly value: string }> {
  for (const set of childrenOf(subject)) {
    for (const attribute of childrenOf(set)) {
      const [type, value] = childrenOf(attribute);
      if (type !== undefined && value !== undefined) yield { type: oidOf(type), value: textOf(value) };
    }
  }
}

function alternativesIn(attributes: DerNode | undefined) {
  const found = {
    dnsNames: [] as string[],
    ipAddresses: [] as string[],
    emailAddresses: [] as string[],
    uris: [] as string[],
  };
  for (const attribute of attributes === undefined ? [] : childrenOf(attributes)) {
    const [type, values] = childrenOf(attribute);
    if (type === undefined || values === undefined || oidOf(type) !== extensionRequest) continue;
    for (const extension of childrenOf(values).flatMap(childrenOf)) {
      const [name, ...rest] = childrenOf(extension);
      const value = rest.at(-1);
      if (name === undefined || value === undefined || oidOf(name) !== subjectAltName) continue;
      for (const { tag, content } of childrenOf(readDer(value.content))) {
        const text = Buffer.from(content).toString('latin1');
        if (tag === 0x82) found.dnsNames.push(text);
        else if (tag === 0x87) found.ipAddresses.push(addressOf(content));
        else if (tag === 0x81) found.emailAddresses.push(text);
        else if (tag === 0x86) found.uris.push(text);
      }
    }
  }
  return found;
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new Error('an IP address of the request has neither 4 nor 16 bytes');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  return groups.join(':');
}
