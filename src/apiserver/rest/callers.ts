import type { TLSSocket } from 'node:tls';
import { unauthorized } from '#machinery/status-error.ts';
import type { UserInfo } from '#client/client.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import { anonymousUser } from '../authentication/union.ts';
import type { HttpRequest } from './exchange.ts';

/** Finds out who sent a request. A connection's certificate is read once, and always handed over as the same bytes. */
export class Callers {
  readonly #authenticator: Authenticator;
  readonly #mayBeAnonymous: (path: string) => boolean;
  readonly #certificates = new WeakMap<TLSSocket, { readonly der: Uint8Array | undefined }>();

  /** `mayBeAnonymous`: paths for which no credentials are needed; all need some unless given. */
  constructor(authenticator: Authenticator, mayBeAnonymous: (path: string) => boolean = () => false) {
    this.#authenticator = authenticator;
    this.#mayBeAnonymous = mayBeAnonymous;
  }

  /** Throws Unauthorized for wrong credentials, and for none unless `path` needs none. */
  async identify(req: HttpRequest, path: string): Promise<UserInfo> {
    const user = await this.#authenticator.authenticate({
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      peerCertificate: this.#certificateOf(socketOf(req)),
    });
    if (user !== undefined) return user;
    const complaint = complaintOf(socketOf(req));
    if (complaint === undefined && this.#mayBeAnonymous(path)) return anonymousUser;
    throw unauthorized(complaint);
  }

  #certificateOf(socket: TLSSocket | undefined): Uint8Array | undefined {
    if (socket === undefined || !socket.authorized) return undefined;
    let known = this.#certificates.get(socket);
    if (known === undefined) {
      const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
      this.#certificates.set(socket, (known = { der: raw }));
    }
    return known.der;
  }
}

/** Why TLS did not take the certificate that the client showed; undefined if it showed none. */
function complaintOf(socket: TLSSocket | undefined): string | undefined {
  if (socket === undefined || socket.authorized) return undefined;
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
  if (raw === undefined) return undefined;
  const code = String(socket.authorizationError);
  return `Unauthorized: ${complaints[code] ?? `the client certificate is not valid (${code})`}`;
}

/** By OpenSSL's names of what it found wrong. */
const complaints: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the client certificate has expired',
  CERT_NOT_YET_VALID: 'the client certificate is not yet valid',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the client certificate was not signed by this cluster's authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the client certificate was not signed by this cluster's authority",
  UNABLE_TO_GET_ISSUER_CERT: "the client certificate was not signed by this cluster's authority",
  SELF_SIGNED_CERT_IN_CHAIN: "the client certificate was not signed by this cluster's authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the client certificate was not signed by this cluster's authority",
  CERT_SIGNATURE_FAILURE: "the client certificate was not signed by this cluster's authority",
};

function socketOf(req: HttpRequest): TLSSocket | undefined {
  // Over HTTP/2 `req.socket` is a proxy, so the session's own socket is asked for: one object a connection.
  const session = 'stream' in req ? req.stream.session : undefined;
  return (session === undefined ? req.socket : session.socket) as TLSSocket | undefined;
}
