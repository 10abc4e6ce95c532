import type { Binding } from '#api/core/binding.ts';
import { Pod } from '#api/core/pod.ts';
import type { Kind } from '#machinery/kind.ts';
import type { BindPlugin, BindOptions } from './plugin.ts';

/**
 * Binds through the pod's `binding` subresource. The API server takes it once: it refuses with `Conflict` if the pod
 * is bound already or its uid is another, so two schedulers cannot place one pod twice.
 */
export const conditionalBind: BindPlugin = {
  name: 'DefaultBinder',
  async bind(pod, nodeName, client, { signal, annotations }: BindOptions) {
    const { name = '', namespace = '', uid } = pod.metadata ?? {};
    const binding: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: {
        name,
        namespace,
        ...(uid === undefined ? {} : { uid }),
        ...(annotations === undefined ? {} : { annotations }),
      },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    // The path is the pod's, the body a Binding: the client sends bodies of subresources as they are.
    await client.create(Pod as unknown as Kind<Binding>, binding, { signal, subresource: 'binding' });
  },
};
