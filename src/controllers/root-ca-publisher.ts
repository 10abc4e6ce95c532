import { isDeepStrictEqual } from 'node:util';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';
import { isNamespaceTerminating } from './replica-engine.ts';

/** Every pod mounts it, to know the API server by. */
const configMapName = 'kube-root-ca.crt';
const annotations = {
  'kubernetes.io/description': 'The authority that vouches for the API server inside the cluster.',
};

/** Publishes `authority` (PEM) as a ConfigMap in every namespace, and repairs it there. */
export function rootCaPublisher(authority: string): Controller {
  const data = { 'ca.crt': authority };
  return {
    name: 'root-ca-cert-publisher',
    reconciles: Namespace,
    wakesOn: [
      wakesOn(ConfigMap, ({ object: { metadata } }) =>
        metadata?.name === configMapName ? [metadata.namespace ?? ''] : [],
      ),
    ],
    async reconcile(key, { cache, client, signal }) {
      const namespace = cache.get(Namespace, key);
      if (namespace === undefined || namespace.metadata?.deletionTimestamp !== undefined) return;
      const current = cache.get(ConfigMap, `${key}/${configMapName}`);
      if (current === undefined) {
        const created = { metadata: { name: configMapName, namespace: key, annotations }, data };
        await client.create(ConfigMap, created, { signal }).catch((error: unknown) => {
          if (!hasReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
        });
      } else if (!isDeepStrictEqual(current.data, data)) {
        await client.update(ConfigMap, { ...current, data }, { signal });
      }
    },
  };
}
