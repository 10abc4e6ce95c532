import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issueCertificate } from '#lib/x509.ts';

type Algorithm = 'RS256' | 'ES256';

interface Key {
  readonly algorithm: Algorithm;
  readonly private: KeyObject;
}

const newKey = (algorithm: Algorithm): KeyObject =>
  algorithm === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

/** An OpenID issuer on the loopback interface, with keys that can change. */
export class Issuer implements AsyncDisposable {
  /** PEM of the authority that vouches for it. */
  readonly authority: string;
  readonly url: string;
  /** Paths that have been asked for, in order. */
  readonly asked: string[] = [];
  readonly #keys = new Map<string, Key>();
  readonly #server: ReturnType<typeof createServer>;
  /** What the description says instead. */
  description: Readonly<Record<string, unknown>> = {};

  private constructor(server: ReturnType<typeof createServer>, authority: string) {
    this.#server = server;
    this.authority = authority;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (req, res) => {
      this.asked.push(req.url ?? '');
      const document = this.#documentAt(req.url);
      res.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
      res.end(JSON.stringify(document ?? {}));
    });
  }

  static async start(): Promise<Issuer> {
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const authority = await issueCertificate({ use: 'authority', commonName: 'issuer CA', ...validity });
    const own = await issueCertificate(
      { use: 'server', commonName: 'issuer', hosts: ['127.0.0.1'], ...validity },
      authority,
    );
    const server = createServer({ key: own.key, cert: own.certificate });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Issuer(server, authority.certificate);
  }

  addKey(keyId: string, algorithm: Algorithm): void {
    this.#keys.set(keyId, { algorithm, private: newKey(algorithm) });
  }

  /** A token with these claims beside the issuer's usual ones, signed as `header` says. */
  token(
    keyId: string,
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>> = {},
  ): string {
    const key = this.#keys.get(keyId);
    if (key === undefined) throw new Error(`the issuer has no key ${keyId}`);
    const now = Math.floor(Date.now() / 1000);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = encode({ alg: key.algorithm, kid: keyId, typ: 'JWT', ...header });
    const body = encode({ iss: this.url, aud: 'tutti', iat: now, exp: now + 600, ...claims });
    const options = key.algorithm === 'ES256' ? ({ dsaEncoding: 'ieee-p1363' } as const) : {};
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: key.private, ...options });
    return `${head}.${body}.${signature.toString('base64url')}`;
  }

  /** The public half of a key, as PEM. */
  publicKey(keyId: string): string {
    const { private: key } = this.#keys.get(keyId)!;
    const pem = createPublicKey(createPrivateKey(key.export({ format: 'pem', type: 'pkcs8' })));
    return pem.export({ format: 'pem', type: 'spki' }).toString();
  }

  #documentAt(path: string | undefined): unknown {
    if (path === '/.well-known/openid-configuration') {
      return { issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.description };
    }
    if (path !== '/keys') return undefined;
    const keys = [...this.#keys].map(([kid, { algorithm, private: key }]) => ({
      ...createPublicKey(key).export({ format: 'jwk' }),
      kid,
      alg: algorithm,
      use: 'sig',
    }));
    return { keys };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
