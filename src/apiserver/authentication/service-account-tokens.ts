import { randomUUID } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import { peekClaims, signToken, verifyToken, type SigningKey } from '#lib/jws.ts';
import type { UserInfo } from '#client/client.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { TokenAuthenticator } from './bearer-token.ts';

/** Who signs service-account tokens, in the `iss` claim, and whom they are for unless they say otherwise. */
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';

/** An object a token is bound to: it ends with it. */
export interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

/** What a token says. Claims: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: BoundObject;
  readonly pod?: BoundObject;
  readonly secret?: BoundObject;
  readonly node?: BoundObject;
}

/**
 * Looks up whether what a token speaks of is still there. Answers the uid, undefined if it is gone. A cache may answer
 * only what it is sure of: a token can be used before a cache has heard of its pod.
 */
export interface TokenObjects {
  uidOf(
    kind: 'ServiceAccount' | 'Pod' | 'Secret' | 'Node',
    namespace: string,
    name: string,
  ): Promise<string | undefined>;
}

/** Clocks of a cluster's servers may differ by this much. */
const clockSkewMs = 10_000;

export interface IssueOptions {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly now: number;
}

/** Signs a token for `subject`. */
export function issueServiceAccountToken(subject: TokenSubject, options: IssueOptions, key: SigningKey): string {
  const now = Math.floor(options.now / 1000);
  return signToken(
    {
      aud: options.audiences,
      exp: now + options.expirationSeconds,
      iat: now,
      iss: options.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: subject.namespace,
        ...(subject.node === undefined ? {} : { node: subject.node }),
        ...(subject.pod === undefined ? {} : { pod: subject.pod }),
        ...(subject.secret === undefined ? {} : { secret: subject.secret }),
        serviceaccount: subject.serviceAccount,
      },
      nbf: now,
      sub: serviceAccountUser(subject.namespace, subject.serviceAccount.name),
    },
    key,
  );
}

export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

export interface ServiceAccountTokensOptions {
  readonly issuer: string;
  /** The first signs; all are accepted, so that keys can be rotated. */
  readonly keys: readonly SigningKey[];
  readonly objects: TokenObjects;
  readonly clock: Clock;
}

/**
 * Knows tokens that this cluster has signed for service accounts. Such a token is refused once it has expired, its
 * account or the pod or secret it is bound to is gone or has been made anew, or none of `audiences` is among its own.
 */
export function serviceAccountTokens(options: ServiceAccountTokensOptions): TokenAuthenticator {
  const { issuer, keys, objects, clock } = options;

  async function mustExist(kind: 'ServiceAccount' | 'Pod' | 'Secret' | 'Node', namespace: string, object: BoundObject) {
    const uid = await objects.uidOf(kind, namespace, object.name);
    if (uid === object.uid) return;
    throw unauthorized(
      uid === undefined
        ? `The token is bound to ${kind} "${object.name}", which is gone`
        : `The token is bound to another ${kind} "${object.name}" than the one that is there now`,
    );
  }

  return {
    async authenticateToken(token, audiences) {
      if (peekClaims(token)?.['iss'] !== issuer) return undefined;
      const claims = verifyToken(token, keys);
      if (claims === undefined) throw unauthorized('The service account token is not signed by this cluster');
      const now = clock.now();
      if (typeof claims['exp'] !== 'number' || claims['exp'] * 1000 <= now) throw unauthorized('The token has expired');
      if (typeof claims['nbf'] === 'number' && claims['nbf'] * 1000 > now + clockSkewMs) {
        throw unauthorized('The token is not valid yet');
      }
      const granted = audiencesOf(claims).filter((audience) => audiences.includes(audience));
      if (granted.length === 0) {
        throw unauthorized(
          `The token is meant for ${JSON.stringify(audiencesOf(claims))}, not for ${JSON.stringify(audiences)}`,
        );
      }
      const subject = subjectOf(claims);
      await mustExist('ServiceAccount', subject.namespace, subject.serviceAccount);
      if (subject.pod !== undefined) await mustExist('Pod', subject.namespace, subject.pod);
      if (subject.secret !== undefined) await mustExist('Secret', subject.namespace, subject.secret);
      if (subject.node !== undefined && subject.pod === undefined) await mustExist('Node', '', subject.node);
      return { user: userOf(subject, claims), audiences: granted, expires: claims['exp'] * 1000 };
    },
  };
}

function userOf(subject: TokenSubject, claims: Readonly<Record<string, unknown>>): UserInfo {
  const { namespace, serviceAccount, pod, node } = subject;
  const prefix = 'authentication.kubernetes.io';
  return {
    username: serviceAccountUser(namespace, serviceAccount.name),
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: {
      ...(typeof claims['jti'] === 'string' ? { [`${prefix}/credential-id`]: [`JTI=${claims['jti']}`] } : {}),
      ...(pod === undefined ? {} : { [`${prefix}/pod-name`]: [pod.name], [`${prefix}/pod-uid`]: [pod.uid] }),
      ...(node === undefined ? {} : { [`${prefix}/node-name`]: [node.name], [`${prefix}/node-uid`]: [node.uid] }),
    },
  };
}

function audiencesOf(claims: Readonly<Record<string, unknown>>): readonly string[] {
  return [claims['aud']].flat().filter((audience) => typeof audience === 'string');
}

/** Our own signature is on it, but the shape is checked all the same: keys can be shared with older versions. */
function subjectOf(claims: Readonly<Record<string, unknown>>): TokenSubject {
  const own = record(claims['kubernetes.io']);
  const namespace = own?.['namespace'];
  const serviceAccount = bound(own?.['serviceaccount']);
  if (typeof namespace !== 'string' || serviceAccount === undefined) {
    throw unauthorized('The token names no service account');
  }
  if (claims['sub'] !== serviceAccountUser(namespace, serviceAccount.name)) {
    throw unauthorized('The token contradicts itself: sub is not its service account');
  }
  const [pod, secret, node] = [bound(own?.['pod']), bound(own?.['secret']), bound(own?.['node'])];
  return {
    namespace,
    serviceAccount,
    ...(pod === undefined ? {} : { pod }),
    ...(secret === undefined ? {} : { secret }),
    ...(node === undefined ? {} : { node }),
  };
}

function bound(value: unknown): BoundObject | undefined {
  const { name, uid } = record(value) ?? {};
  return typeof name === 'string' && typeof uid === 'string' ? { name, uid } : undefined;
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
