import type { CSINode } from '#api/storage/csi-node.ts';
import type { VolumeAttachment } from '#api/storage/volume-attachment.ts';

/** How many CSI volumes nodes attach, and what is attached to them although no pod there may use it any more. */
export class NodeAttachments {
  readonly #limits = new Map<string, ReadonlyMap<string, number>>();
  /** Node → attachment → its volume. */
  readonly #byNode = new Map<string, Map<string, string>>();
  /** Volume → its attachments. */
  readonly #byVolume = new Map<string, Set<string>>();

  /** Driver → how many of its volumes the node attaches; undefined if it sets no bounds. */
  limitsOf(nodeName: string): ReadonlyMap<string, number> | undefined {
    return this.#limits.get(nodeName);
  }

  putNode({ metadata, spec }: CSINode): void {
    const limits = spec.drivers.flatMap(({ name, allocatable }): readonly (readonly [string, number])[] =>
      allocatable?.count === undefined ? [] : [[name, allocatable.count]],
    );
    const { name = '' } = metadata ?? {};
    if (limits.length === 0) this.#limits.delete(name);
    else this.#limits.set(name, new Map(limits));
  }

  removeNode(nodeName: string): void {
    this.#limits.delete(nodeName);
  }

  /** False if nothing has changed. */
  put({ metadata, spec }: VolumeAttachment): boolean {
    const volume = spec.source.persistentVolumeName;
    if (volume === undefined) return false;
    const { name = '' } = metadata ?? {};
    let there = this.#byNode.get(spec.nodeName);
    if (there === undefined) this.#byNode.set(spec.nodeName, (there = new Map()));
    if (there.get(name) === volume) return false;
    there.set(name, volume);
    const attachments = this.#byVolume.get(volume);
    if (attachments === undefined) this.#byVolume.set(volume, new Set([name]));
    else attachments.add(name);
    return true;
  }

  remove({ metadata, spec }: VolumeAttachment): void {
    const { name = '' } = metadata ?? {};
    const there = this.#byNode.get(spec.nodeName);
    there?.delete(name);
    if (there?.size === 0) this.#byNode.delete(spec.nodeName);
    const { persistentVolumeName: volume = '' } = spec.source;
    const attachments = this.#byVolume.get(volume);
    attachments?.delete(name);
    if (attachments?.size === 0) this.#byVolume.delete(volume);
  }

  /** Names of the volumes that are attached to a node. */
  on(nodeName: string): Iterable<string> {
    return this.#byNode.get(nodeName)?.values() ?? [];
  }

  isAttached(volume: string): boolean {
    return this.#byVolume.has(volume);
  }
}
