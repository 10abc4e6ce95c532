import { X509Certificate } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { UserInfo } from '#client/client.ts';
import type { Authenticator } from './authenticator.ts';
import { headerValues, prefixedValues } from './header-values.ts';

/** The names that a front proxy's certificate may have, and the headers in which it says who calls. */
export const requestHeaders = {
  allowedNames: ['front-proxy-client'],
  username: 'x-remote-user',
  uid: 'x-remote-uid',
  group: 'x-remote-group',
  extraPrefix: 'x-remote-extra-',
} as const;

/**
 * Believes a front proxy who calls: one that shows a certificate of an authority for front proxies alone, under one of
 * the allowed names. The headers of anybody else mean nothing. Source: k8s.io/apiserver/pkg/authentication/request/headerrequest.
 */
export function requestHeaderAuthenticator(authorityPem: string, clock: Clock): Authenticator {
  const authority = new X509Certificate(authorityPem);
  /** By the very bytes of a connection's certificate, which are handed over again for each of its requests. */
  const trusted = new WeakMap<Uint8Array, { readonly from: number; readonly until: number } | false>();

  function check(der: Uint8Array) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(der);
    } catch {
      return false;
    }
    if (certificate.ca || !certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) return false;
    const { CN: name } = certificate.toLegacyObject().subject as Record<string, string | string[] | undefined>;
    if (typeof name !== 'string' || !(requestHeaders.allowedNames as readonly string[]).includes(name)) return false;
    return { from: certificate.validFromDate.getTime(), until: certificate.validToDate.getTime() };
  }

  return {
    async authenticate({ headers, rawHeaders = [], peerCertificate }) {
      if (peerCertificate === undefined || headers[requestHeaders.username] === undefined) return undefined;
      let known = trusted.get(peerCertificate);
      if (known === undefined) trusted.set(peerCertificate, (known = check(peerCertificate)));
      const now = clock.now();
      if (known === false || now < known.from || now > known.until) return undefined;
      return userIn(rawHeaders);
    },
  };
}

function userIn(raw: readonly string[]): UserInfo | undefined {
  const [username] = headerValues(raw, requestHeaders.username);
  if (username === undefined) return undefined;
  const [uid] = headerValues(raw, requestHeaders.uid);
  const extra = prefixedValues(raw, requestHeaders.extraPrefix);
  return {
    username,
    groups: headerValues(raw, requestHeaders.group),
    ...(uid === undefined ? {} : { uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}
