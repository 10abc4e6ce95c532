import type { Binding } from '#api/core/binding.ts';
import { Pod } from '#api/core/pod.ts';
import type { WriteOptions } from '#client/client.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { conflict } from '#machinery/status-error.ts';

/** A fake cluster that takes bindings as the API server does: once a pod, and only of the pod that is meant. */
export class BindingClient extends FakeClient {
  override async create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    if (options.subresource !== 'binding') return super.create(kind, object, options);
    const { name = '', namespace = '', uid } = object.metadata ?? {};
    this.onRequest('bind', kind, { name, namespace });
    const pod = await this.get(Pod, { name, namespace }, options);
    if (pod.metadata?.uid !== uid) throw conflict(Pod, name, 'another pod by now');
    if (pod.spec?.nodeName !== undefined) throw conflict(Pod, name, `it is bound to ${pod.spec.nodeName}`);
    const nodeName = (object as ApiObject as Binding).target.name ?? '';
    await this.update(Pod, { ...pod, spec: { ...pod.spec, nodeName } }, options);
    return object;
  }
}
