import { Namespace } from '#api/core/namespace.ts';
import { StatusError, forbiddenRequest, notFoundError } from '#machinery/status-error.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';

/** Namespaces that hold the cluster together. */
const immortal = new Set(['default', 'kube-system', 'kube-public']);

/**
 * Nothing is made in a namespace that does not exist or is on its way out, and the namespaces the cluster cannot do
 * without stay. Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
 */
export function namespaceLifecycle(registry: Registry): AdmissionPlugin {
  const namespaces = registry.of(Namespace);
  return {
    name: 'NamespaceLifecycle',

    async mutate({ attributes, operation, object }, { signal }) {
      const { kind, namespace, name = '' } = attributes;
      if (operation !== 'CREATE' || kind === undefined || !kind.namespaced || namespace === undefined) return object!;
      await namespaces.cache.load(signal);
      // A cache that lags may not know a new namespace yet; one that it knows was there a moment ago.
      const found =
        namespaces.cache.get({ name: namespace }) ??
        (await namespaces.find({ name: namespace }, { want: 'newest' }, signal));
      if (found === undefined) throw notFoundError(Namespace, namespace);
      if (found.object.metadata?.deletionTimestamp !== undefined) throw terminating(kind, name, namespace);
      return object!;
    },

    async validate({ attributes, operation }) {
      const { kind, name = '' } = attributes;
      if (operation === 'DELETE' && kind?.group === '' && kind.plural === 'namespaces' && immortal.has(name)) {
        throw forbiddenRequest(Namespace, name, 'this namespace may not be deleted');
      }
    },
  };
}

function terminating(kind: { group: string; plural: string }, name: string, namespace: string): StatusError {
  const error = forbiddenRequest(
    kind,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  return new StatusError('Forbidden', error.message, {
    details: {
      ...error.details,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  });
}
