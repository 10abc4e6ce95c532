import { fixedKinds, type KindSource } from '#client/kind-source.ts';
import { builtinKinds } from '#api/kinds.ts';
import { issueLegacyToken } from '#apiserver/authentication/legacy-tokens.ts';
import { builtInControllers } from '#controllers/built-in.ts';
import type { Controller } from '#controllers/controller.ts';
import { signingKeyOf } from '#lib/jws.ts';
import type { SignRequest } from '#lib/x509.ts';

export interface ControllersOptions {
  /** What the API serves; the kinds that are always there unless given. */
  readonly kinds?: KindSource;
  /** PEM of the authority that pods shall know the API server by; not published if absent. */
  readonly authority?: string;
  /** PEM of the key that signs the tokens of service accounts; Secrets get none if absent. */
  readonly serviceAccountKey?: string;
  /** Signs for the authority; approved requests for certificates wait for others if absent. */
  readonly signCertificate?: (request: SignRequest) => Promise<string>;
  /** Where nodes' pod ranges come from, a /24 each. */
  readonly clusterCidr: string;
  /** How long events are kept; three days unless given. */
  readonly eventKeepMs?: number | undefined;
}

/** Pretend nodes have no wires, so they may have half of 10.0.0.0/8: enough ranges for 32,768 of them. */
export const pretendClusterCidr = '10.128.0.0/9';

/** Every controller of a cluster. */
export function controllersOf({
  authority,
  serviceAccountKey,
  signCertificate,
  clusterCidr,
  eventKeepMs,
  kinds = fixedKinds(builtinKinds),
}: ControllersOptions): readonly Controller[] {
  const key = serviceAccountKey === undefined ? undefined : signingKeyOf(serviceAccountKey);
  return builtInControllers({
    kinds,
    nodeIpam: { clusterCidr },
    ...(eventKeepMs === undefined ? {} : { eventExpiry: { keepMs: eventKeepMs } }),
    ...(authority === undefined ? {} : { authority }),
    ...(signCertificate === undefined ? {} : { signCertificate }),
    ...(key === undefined ? {} : { signToken: (subject) => issueLegacyToken(subject, key) }),
  });
}
