import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { Pod } from '#api/core/pod.ts';
import { keyOfObject } from '#client/object-index.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';
import { controllerOf, controllerReference } from './owner-reference.ts';

/**
 * Makes the claims of pods that bring their own: POD-VOLUME, from the template in the volume, owned by the pod, so that
 * it goes with it. Source: kubernetes pkg/controller/volume/ephemeral.
 */
export const ephemeralVolumeController: Controller = {
  name: 'ephemeral-volume-controller',
  wakesOn: [
    wakesOn(Pod, ({ object }) => (bringsClaims(object) ? [keyOfObject(object)] : [])),
    wakesOn(PersistentVolumeClaim, ({ type, object }) => {
      const owner = type === 'DELETED' ? controllerOf(object) : undefined;
      if (owner?.kind !== 'Pod') return [];
      return [keyOfObject({ metadata: { ...object.metadata, name: owner.name } })];
    }),
  ],
  *keys(cache) {
    for (const pod of cache.list(Pod)) if (bringsClaims(pod)) yield keyOfObject(pod);
  },
  async reconcile(key, { cache, client, events, signal }) {
    const pod = cache.get(Pod, key);
    const hasEnded = pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined || hasEnded) return;
    const { name: podName = '', namespace = '' } = pod.metadata ?? {};
    for (const { name: volume, ephemeral } of pod.spec.volumes ?? []) {
      const template = ephemeral?.volumeClaimTemplate;
      if (template === undefined) continue;
      const name = `${podName}-${volume}`;
      const known = cache.get(PersistentVolumeClaim, { namespace, name });
      if (known !== undefined) {
        if (controllerOf(known)?.uid === pod.metadata?.uid) continue;
        const message = `PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`;
        events.record(pod, { type: 'Warning', reason: 'ClaimNotOwned', message });
        continue;
      }
      const { labels, annotations } = template.metadata ?? {};
      const metadata = {
        name,
        namespace,
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
        ownerReferences: [controllerReference(Pod, pod)],
      };
      try {
        await client.create(PersistentVolumeClaim, { metadata, spec: template.spec }, { signal });
      } catch (error) {
        // It was made a moment ago, or by a user: the next pass will see it.
        if (!hasReason(error, 'AlreadyExists')) throw error;
      }
    }
  },
};

const bringsClaims = ({ spec }: Pod) => spec.volumes?.some(({ ephemeral }) => ephemeral !== undefined) === true;
