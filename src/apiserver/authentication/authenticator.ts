import type { IncomingHttpHeaders } from 'node:http';
import type { UserInfo } from '#client/client.ts';

/** What can prove who a caller is. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders?: readonly string[];
  /** DER of the client certificate, if TLS has verified one against our CA. */
  readonly peerCertificate: Uint8Array | undefined;
}

/** Finds out who calls. Throws `Unauthorized` for credentials that are wrong; undefined means "none that I know". */
export interface Authenticator {
  authenticate(credentials: Credentials): Promise<UserInfo | undefined>;
}
