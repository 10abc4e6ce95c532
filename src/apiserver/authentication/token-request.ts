import type { TokenRequest } from '#api/authentication/token-request.ts';
import type { Clock } from '#lib/clock.ts';
import type { SigningKey } from '#lib/jws.ts';
import { invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { conflict, invalidObject, notFoundError } from '#machinery/status-error.ts';
import {
  issueServiceAccountToken,
  type BoundObject,
  type TokenObjects,
  type TokenSubject,
} from './service-account-tokens.ts';

const secondsDefault = 3600;
const secondsMin = 600;
const secondsMax = 2 ** 32;

/** What a pod is to a token request: the account it runs as and the node it is on. */
export interface BoundPod {
  readonly uid: string;
  readonly serviceAccountName: string;
  readonly nodeName: string | undefined;
}

export interface TokenIssuer {
  /**
   * Answers a TokenRequest for the service account `namespace/name`, which has `uid`. Throws Invalid for a bad
   * request, NotFound or Conflict if the object to bind to is gone or another one.
   */
  answer(namespace: string, account: BoundObject, request: TokenRequest): Promise<TokenRequest>;
}

export interface TokenIssuerOptions {
  readonly issuer: string;
  readonly key: SigningKey;
  readonly objects: TokenObjects;
  readonly pod: (namespace: string, name: string) => Promise<BoundPod | undefined>;
  readonly clock: Clock;
}

export function tokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { issuer, key, objects, clock } = options;

  async function bind(namespace: string, account: BoundObject, request: TokenRequest): Promise<TokenSubject> {
    const subject: TokenSubject = { namespace, serviceAccount: { name: account.name, uid: account.uid } };
    const ref = request.spec.boundObjectRef;
    if (ref === undefined) return subject;
    const name = ref.name ?? '';
    const check = (plural: string, uid: string | undefined): string => {
      if (uid === undefined) throw notFoundError({ group: '', plural }, name);
      if (ref.uid === undefined || ref.uid === '' || ref.uid === uid) return uid;
      throw conflict(
        { group: '', plural },
        name,
        `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    };
    switch (ref.kind) {
      case 'Pod': {
        const pod = await options.pod(namespace, name);
        const uid = check('pods', pod?.uid);
        if (pod?.serviceAccountName !== account.name) {
          throw refused(account.name, [
            invalid(
              'spec.boundObjectRef',
              name,
              `cannot bind token for serviceaccount "${account.name}" to pod running with different serviceaccount name`,
            ),
          ]);
        }
        const nodeUid = pod.nodeName === undefined ? undefined : await objects.uidOf('Node', '', pod.nodeName);
        return {
          ...subject,
          pod: { name, uid },
          ...(pod.nodeName === undefined || nodeUid === undefined
            ? {}
            : { node: { name: pod.nodeName, uid: nodeUid } }),
        };
      }
      case 'Secret':
        return { ...subject, secret: { name, uid: check('secrets', await objects.uidOf('Secret', namespace, name)) } };
      case 'Node':
        return { ...subject, node: { name, uid: check('nodes', await objects.uidOf('Node', '', name)) } };
      default:
        throw refused(account.name, [
          notSupported('spec.boundObjectRef.kind', ref.kind ?? '', ['Node', 'Pod', 'Secret']),
        ]);
    }
  }

  return {
    async answer(namespace, account, request) {
      const problems = problemsOf(request);
      if (problems.length > 0) throw refused(account.name, problems);
      const audiences = request.spec.audiences?.length > 0 ? request.spec.audiences : [issuer];
      const expirationSeconds = request.spec.expirationSeconds ?? secondsDefault;
      const now = clock.now();
      const subject = await bind(namespace, account, request);
      const token = issueServiceAccountToken(subject, { issuer, audiences, expirationSeconds, now }, key);
      const until = (Math.floor(now / 1000) + expirationSeconds) * 1000;
      return {
        ...request,
        metadata: { ...request.metadata, name: account.name, namespace },
        spec: { ...request.spec, audiences, expirationSeconds },
        status: { token, expirationTimestamp: new Date(until).toISOString().replace(/\.\d+Z$/, 'Z') },
      };
    },
  };
}

const refused = (name: string, problems: readonly FieldError[]) =>
  invalidObject({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, name, problems);

function problemsOf({ spec }: TokenRequest): readonly FieldError[] {
  const seconds = spec.expirationSeconds ?? secondsDefault;
  const problems: FieldError[] = [];
  if (seconds < secondsMin) {
    problems.push(invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes'));
  }
  if (seconds > secondsMax) {
    problems.push(invalid('spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  for (const [index, audience] of (spec.audiences ?? []).entries()) {
    if (audience === '') problems.push(required(`spec.audiences[${index}]`));
  }
  const ref = spec.boundObjectRef;
  if (ref !== undefined && (ref.name === undefined || ref.name === ''))
    problems.push(required('spec.boundObjectRef.name'));
  return problems;
}
