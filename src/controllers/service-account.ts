import { Namespace } from '#api/core/namespace.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';
import { isNamespaceTerminating } from './replica-engine.ts';

const defaultName = 'default';

/** Sees to it that every namespace has the ServiceAccount that its pods run under unless they name another. */
export const serviceAccountController = {
  name: 'serviceaccount-controller',
  reconciles: Namespace,
  wakesOn: [
    wakesOn(ServiceAccount, ({ type, object: { metadata } }) =>
      type === 'DELETED' && metadata?.name === defaultName ? [metadata.namespace ?? ''] : [],
    ),
  ],
  async reconcile(key, { cache, client, signal }) {
    const namespace = cache.get(Namespace, key);
    if (namespace === undefined || namespace.metadata?.deletionTimestamp !== undefined) return;
    if (cache.get(ServiceAccount, `${key}/${defaultName}`) !== undefined) return;
    const account: ServiceAccount = { metadata: { name: defaultName, namespace: key } };
    await client.create(ServiceAccount, account, { signal }).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    });
  },
} satisfies Controller;
