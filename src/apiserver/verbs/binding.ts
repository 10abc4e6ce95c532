import type { Binding } from '#api/core/binding.ts';
import { Pod } from '#api/core/pod.ts';
import { required, notSupported, type FieldError } from '#machinery/field-error.ts';
import { conflict, invalidObject } from '#machinery/status-error.ts';
import { checkPreconditions, timestamp } from '../registry/object-meta.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { retrying, type Pipeline, type WriteCall } from './pipeline.ts';

/**
 * Puts a pod on a node. Throws Conflict if it is on one already or being deleted.
 * Source: kubernetes pkg/registry/core/pod/storage (BindingREST).
 */
export async function bindPod(
  pipeline: Pipeline,
  call: WriteCall<Pod>,
  ref: { readonly namespace: string; readonly name: string },
  binding: Binding,
): Promise<void> {
  const errors = bindingErrors(binding);
  if (errors.length > 0) throw invalidObject({ group: '', kind: 'Binding' }, ref.name, errors);
  const { signal } = call.context;
  const request = { attributes: call.attributes, operation: 'CREATE' as const, stored: undefined, dryRun: call.dryRun };
  const admitted = await pipeline.admission.mutate({ ...request, object: binding }, call.context);
  await pipeline.admission.validate({ ...request, object: admitted }, call.context);
  await retrying(pipeline, call, ref, async (stored: StoredObject<Pod>) => {
    const pod = stored.object;
    checkPreconditions(Pod, pod, { uid: binding.metadata?.uid, resourceVersion: binding.metadata?.resourceVersion });
    if (pod.metadata?.deletionTimestamp !== undefined) {
      throw conflict(Pod, ref.name, `pod ${ref.name} is being deleted, cannot be assigned to a host`);
    }
    const { nodeName = '', schedulingGates = [] } = pod.spec;
    if (nodeName !== '') {
      throw conflict(Pod, ref.name, `pod ${ref.name} is already assigned to node ${JSON.stringify(nodeName)}`);
    }
    if (schedulingGates.length > 0) {
      throw conflict(Pod, ref.name, `pod ${ref.name} has non-empty .spec.schedulingGates`);
    }
    if (!call.dryRun) {
      await pipeline.registry.of(Pod).replace(stored, bound(pod, admitted, pipeline.clock.now()), signal);
    }
  });
}

function bindingErrors({ target }: Binding): readonly FieldError[] {
  const kind = target.kind ?? '';
  return [
    ...(kind === '' || kind === 'Node' ? [] : [notSupported('target.kind', kind, ['Node', '<empty>'])]),
    ...((target.name ?? '') === '' ? [required('target.name')] : []),
  ];
}

function bound(pod: Pod, { target, metadata }: Binding, now: number): Pod {
  const conditions = pod.status?.conditions ?? [];
  const { nominatedNodeName: _nominated, ...status } = pod.status ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(metadata?.annotations === undefined
        ? {}
        : { annotations: { ...pod.metadata?.annotations, ...metadata.annotations } }),
      ...(metadata?.labels === undefined ? {} : { labels: { ...pod.metadata?.labels, ...metadata.labels } }),
    },
    spec: { ...pod.spec, nodeName: target.name ?? '' },
    status: {
      ...status,
      conditions: [
        ...conditions.filter(({ type }) => type !== 'PodScheduled'),
        { type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(now) },
      ],
    },
  };
}
