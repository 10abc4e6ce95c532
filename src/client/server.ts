import type { UserInfo } from './client.ts';

/** Where an API server is and how to prove who calls: what a kubeconfig's context comes down to. */
export interface Server {
  /** `https://host:port`, with a path prefix if the server has one. */
  readonly url: string;
  /** PEM of the authorities that may vouch for the server; the machine's own if absent. */
  readonly ca?: string;
  /** PEM of the client certificate and its key, for mutual TLS. */
  readonly cert?: string;
  readonly key?: string;
  /** A bearer token, or a function that reads the current one (a mounted token is renewed in place). */
  readonly token?: string | (() => Promise<string>);
  /** The name to check the server's certificate against, if it is not the URL's. */
  readonly tlsServerName?: string;
  /** Trusts any certificate. Never set by Tutti itself. */
  readonly insecureSkipTlsVerify?: boolean;
  /** Acts as someone else; the caller must be allowed to impersonate. */
  readonly impersonate?: UserInfo;
}

/** TLS options that hold for HTTP/2 and for WebSockets. */
export function tlsOptionsOf(server: Server): {
  ca?: string;
  cert?: string;
  key?: string;
  servername?: string;
  rejectUnauthorized: boolean;
} {
  return {
    ...(server.ca === undefined ? {} : { ca: server.ca }),
    ...(server.cert === undefined ? {} : { cert: server.cert }),
    ...(server.key === undefined ? {} : { key: server.key }),
    ...(server.tlsServerName === undefined ? {} : { servername: server.tlsServerName }),
    rejectUnauthorized: server.insecureSkipTlsVerify !== true,
  };
}

/** The headers that say who calls. Header names: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
export async function identityHeadersOf(server: Server): Promise<Record<string, string | string[]>> {
  const headers: Record<string, string | string[]> = {};
  const token = typeof server.token === 'function' ? await server.token() : server.token;
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  const user = server.impersonate;
  if (user !== undefined) {
    headers['impersonate-user'] = user.username;
    if (user.uid !== undefined) headers['impersonate-uid'] = user.uid;
    if (user.groups.length > 0) headers['impersonate-group'] = [...user.groups];
    for (const [name, values] of Object.entries(user.extra ?? {})) {
      headers[`impersonate-extra-${encodeURIComponent(name.toLowerCase())}`] = [...values];
    }
  }
  return headers;
}
