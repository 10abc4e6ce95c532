import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { isMirror, referencesOf, secretsOfVolume } from '#api/core/pod-references.ts';
import { Pod } from '#api/core/pod.ts';
import { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import { keyOf } from '#machinery/object.ts';
import type { Registry } from '../../registry/registry.ts';
import { CacheFollower } from '../../watch-cache/cache-follower.ts';

/** What may be related to a node. */
export type Related =
  | 'pods'
  | 'secrets'
  | 'configmaps'
  | 'persistentvolumeclaims'
  | 'persistentvolumes'
  | 'serviceaccounts'
  | 'resourceclaims'
  | 'volumeattachments';

/**
 * Which objects the pods of each node name: kept in step with the watch cache, from the first node's first question on.
 * A volume is related through the claim it is bound to, its Secrets through the volume.
 * Source: kubernetes plugin/pkg/auth/authorizer/node (graph.go).
 */
export class NodeGraph {
  /** `resource namespace/name` → node → how many of its pods name it. */
  readonly #nodes = new Map<string, Map<string, number>>();
  /** Names of volumes by the Secret that they take, and the claim of each. */
  readonly #volumesBySecret = new Map<string, Set<string>>();
  readonly #claims = new Map<string, string>();
  /** The node that each attachment is to. */
  readonly #attachments = new Map<string, string>();
  readonly #followers: readonly CacheFollower[];

  constructor(registry: Registry) {
    this.#followers = [
      new CacheFollower<Pod>(registry.of(Pod).cache, {
        reset: () => this.#nodes.clear(),
        changed: (pod, previous) => {
          if (pod !== undefined && previous !== undefined && isRelatedAlike(pod, previous)) return;
          if (previous !== undefined) this.#count(previous, -1);
          if (pod !== undefined) this.#count(pod, 1);
        },
      }),
      new CacheFollower<PersistentVolume>(registry.of(PersistentVolume).cache, {
        reset: () => {
          this.#volumesBySecret.clear();
          this.#claims.clear();
        },
        changed: (volume, previous) => {
          if (previous !== undefined) this.#forget(previous);
          if (volume !== undefined) this.#learn(volume);
        },
      }),
      new CacheFollower<VolumeAttachment>(registry.of(VolumeAttachment).cache, {
        reset: () => this.#attachments.clear(),
        changed: (attachment, previous) => {
          if (attachment === undefined) this.#attachments.delete(previous?.metadata?.name ?? '');
          else this.#attachments.set(attachment.metadata?.name ?? '', attachment.spec.nodeName);
        },
      }),
    ]; // each hears of its own kind
  }

  /** Takes in what has changed, reading everything at the first call. */
  async refresh(signal: AbortSignal): Promise<void> {
    if (!this.#followers.every(({ isReady }) => isReady)) {
      await Promise.all(this.#followers.map((follower) => follower.load(signal)));
    }
    for (const follower of this.#followers) follower.catchUp();
  }

  /** True if a pod on `node` leads to the object. `key`: `namespace/name`, or `name`. */
  isRelated(node: string, resource: Related, key: string): boolean {
    if (resource === 'volumeattachments') return this.#attachments.get(key) === node;
    if (resource === 'persistentvolumes') return this.#holdsVolume(node, key);
    if (this.#nodes.get(`${resource} ${key}`)?.has(node) === true) return true;
    if (resource !== 'secrets') return false;
    for (const volume of this.#volumesBySecret.get(key) ?? []) if (this.#holdsVolume(node, volume)) return true;
    return false;
  }

  #holdsVolume(node: string, volume: string): boolean {
    const claim = this.#claims.get(volume);
    return claim !== undefined && this.isRelated(node, 'persistentvolumeclaims', claim);
  }

  #count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec?.nodeName ?? '';
    if (node === '') return;
    for (const key of keysOf(pod)) {
      let counts = this.#nodes.get(key);
      if (counts === undefined) this.#nodes.set(key, (counts = new Map()));
      const count = (counts.get(node) ?? 0) + by;
      if (count > 0) counts.set(node, count);
      else counts.delete(node);
      if (counts.size === 0) this.#nodes.delete(key);
    }
  }

  #learn(volume: PersistentVolume): void {
    const { name = '' } = volume.metadata ?? {};
    const { claimRef } = volume.spec ?? {};
    if (claimRef === undefined) return;
    this.#claims.set(name, `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}`);
    for (const secret of secretsOfVolume(volume)) {
      const volumes = this.#volumesBySecret.get(secret);
      if (volumes === undefined) this.#volumesBySecret.set(secret, new Set([name]));
      else volumes.add(name);
    }
  }

  #forget(volume: PersistentVolume): void {
    const { name = '' } = volume.metadata ?? {};
    this.#claims.delete(name);
    for (const secret of secretsOfVolume(volume)) {
      const volumes = this.#volumesBySecret.get(secret);
      volumes?.delete(name);
      if (volumes?.size === 0) this.#volumesBySecret.delete(secret);
    }
  }
}

/** Status changes are by far the most frequent, and hardly ever change what a pod names. */
function isRelatedAlike(pod: Pod, previous: Pod): boolean {
  return (
    pod.spec.nodeName === previous.spec.nodeName &&
    pod.metadata?.uid === previous.metadata?.uid &&
    pod.spec.ephemeralContainers?.length === previous.spec.ephemeralContainers?.length &&
    pod.status?.resourceClaimStatuses?.length === previous.status?.resourceClaimStatuses?.length
  );
}

function* keysOf(pod: Pod): Generator<string> {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  yield `pods ${keyOf({ namespace, name })}`;
  if (isMirror(pod)) return; // or a node could give itself rights by showing a pod that names things
  const { secrets, configMaps, claims, resourceClaims } = referencesOf(pod);
  for (const each of secrets) yield `secrets ${namespace}/${each}`;
  for (const each of configMaps) yield `configmaps ${namespace}/${each}`;
  for (const each of claims) yield `persistentvolumeclaims ${namespace}/${each}`;
  for (const each of resourceClaims) yield `resourceclaims ${namespace}/${each}`;
  const { serviceAccountName = '' } = pod.spec;
  if (serviceAccountName !== '') yield `serviceaccounts ${namespace}/${serviceAccountName}`;
}
