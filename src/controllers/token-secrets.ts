import { Secret } from '#api/core/secret.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';
const accountIndex = 'token-secrets-by-account';

export interface TokenSecretsOptions {
  /** PEM of the authority that vouches for the API server, where there is one. */
  readonly authority: string | undefined;
  /** Signs a token for an account, to live in the Secret of this name. */
  readonly sign: (subject: {
    readonly namespace: string;
    readonly account: { readonly name: string; readonly uid: string };
    readonly secret: string;
  }) => string;
}

const isToken = ({ type }: Secret) => type === tokenType;

/**
 * Fills Secrets of type `kubernetes.io/service-account-token` with a token of the account that they name, and removes
 * them once the account is gone or another. Source: kubernetes pkg/controller/serviceaccount (tokens_controller.go).
 */
export function tokenSecrets({ authority, sign }: TokenSecretsOptions): Controller {
  return {
    name: 'token-secrets',
    wakesOn: [
      wakesOn(Secret, ({ object }) => (isToken(object) ? [keyOf(object)] : [])),
      wakesOn(ServiceAccount, ({ object: { metadata } }, cache) =>
        cache.byIndex(Secret, accountIndex, `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`).map(keyOf),
      ),
    ],
    index: (informers) =>
      informers.index(Secret, accountIndex, (secret) => {
        const { namespace = '', annotations } = secret.metadata ?? {};
        return isToken(secret) ? [`${namespace}/${annotations?.[nameAnnotation] ?? ''}`] : [];
      }),
    keys: (cache) => cache.list(Secret).filter(isToken).map(keyOf),
    async reconcile(key, { cache, client, signal }) {
      const secret = cache.get(Secret, key);
      if (secret === undefined || !isToken(secret) || secret.metadata?.deletionTimestamp !== undefined) return;
      const { name = '', namespace = '', annotations = {}, uid, resourceVersion } = secret.metadata ?? {};
      const account = annotations[nameAnnotation] ?? '';
      // Whether it is gone is asked of the API itself: a cache may not know the newest yet.
      const found = await client
        .get(ServiceAccount, { name: account, namespace }, { signal })
        .catch((error: unknown) => {
          if (hasReason(error, 'NotFound')) return undefined;
          throw error;
        });
      const accountUid = found?.metadata?.uid ?? '';
      if (found === undefined || (annotations[uidAnnotation] ?? accountUid) !== accountUid) {
        const preconditions = {
          ...(uid === undefined ? {} : { uid }),
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        };
        await client.delete(Secret, { name, namespace }, { signal, preconditions }).catch((error: unknown) => {
          if (!hasReason(error, 'NotFound')) throw error;
        });
        return;
      }
      const { data = {} } = secret;
      const wanted = {
        ...(authority === undefined ? {} : { 'ca.crt': base64(authority) }),
        namespace: data['namespace'] ?? base64(namespace),
        token: data['token'] ?? base64(sign({ namespace, account: { name: account, uid: accountUid }, secret: name })),
      };
      const isComplete = Object.entries(wanted).every(([field, value]) => data[field] === value);
      if (isComplete && annotations[uidAnnotation] === accountUid) return;
      const metadata = { ...secret.metadata, annotations: { ...annotations, [uidAnnotation]: accountUid } };
      await client.update(Secret, { ...secret, metadata, data: { ...data, ...wanted } }, { signal });
    },
  };
}

const keyOf = ({ metadata }: Secret) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
const base64 = (text: string) => Buffer.from(text).toString('base64');
