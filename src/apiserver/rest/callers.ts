import type { TLSSocket } from 'node:tls';
import { unauthorized } from '#machinery/status-error.ts';
import type { UserInfo } from '#client/client.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import type { HttpRequest } from './exchange.ts';

/** Finds out who sent a request. A connection's certificate is read once, and always handed over as the same bytes. */
export class Callers {
  readonly #authenticator: Authenticator;
  readonly #certificates = new WeakMap<TLSSocket, { readonly der: Uint8Array | undefined }>();

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  /** Throws Unauthorized for wrong credentials and for none. */
  async identify(req: HttpRequest): Promise<UserInfo> {
    const user = await this.#authenticator.authenticate({
      headers: req.headers,
      peerCertificate: this.#certificateOf(socketOf(req)),
    });
    if (user === undefined) throw unauthorized();
    return user;
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

function socketOf(req: HttpRequest): TLSSocket | undefined {
  // Over HTTP/2 `req.socket` is a proxy, so the session's own socket is asked for: one object a connection.
  const session = 'stream' in req ? req.stream.session : undefined;
  return (session === undefined ? req.socket : session.socket) as TLSSocket | undefined;
}
