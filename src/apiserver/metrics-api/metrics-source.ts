import type { CallOptions } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Listing } from '../registry/resource.ts';
import { Layout } from '../registry/layout.ts';
import type { Selection } from '../registry/selection.ts';
import { StoredObject } from '../registry/stored-object.ts';
import { revision } from '#store/store.ts';
import type { NodeMetrics, PodMetrics } from './kinds.ts';

/** Where `metrics.k8s.io` (`kubectl top`, autoscalers) gets its figures from. */
export interface MetricsSource {
  /** Nodes that cannot be asked are left out. */
  nodes(options: CallOptions): Promise<readonly NodeMetrics[]>;
  /** All namespaces unless one is given. */
  pods(namespace: string | undefined, options: CallOptions): Promise<readonly PodMetrics[]>;
}

/** The figures as a list like any other, though nothing of it is stored: it has revision 0. */
export async function listMetrics<T extends ApiObject>(
  source: MetricsSource,
  kind: Kind<T>,
  { namespace, selection, signal }: { namespace: string | undefined; selection: Selection<T>; signal: AbortSignal },
): Promise<Listing<T>> {
  const found = kind.plural === 'nodes' ? await source.nodes({ signal }) : await source.pods(namespace, { signal });
  const layout = new Layout(kind);
  const none = revision(0);
  const items = (found as readonly ApiObject[] as readonly T[])
    .filter((object) => selection.all || selection.matches(object))
    .map((object) => {
      const { name = '', namespace: own } = object.metadata ?? {};
      const key = layout.key(own === undefined ? { name } : { namespace: own, name });
      return new StoredObject(layout, key, layout.encode(object), none, object);
    });
  return { items, revision: none };
}
