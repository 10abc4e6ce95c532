import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { CSIDriver } from '#api/storage/csi-driver.ts';
import { CSINode } from '#api/storage/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import type { Informers } from '#client/cache.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { VolumeBook } from './volume-book.ts';

/** Keeps the book current; `notify` is called after each change. */
export function followVolumes(informers: Informers, book: VolumeBook, notify: () => void): readonly Disposable[] {
  const follow = <T extends ApiObject>(kind: Kind<T>, put: (object: T) => void, remove: (object: T) => void) =>
    informers.on(kind, ({ type, object }) => {
      (type === 'DELETED' ? remove : put)(object);
      notify();
    });
  return [
    follow(
      StorageClass,
      (each) => book.putClass(each),
      (each) => book.removeClass(each),
    ),
    follow(
      CSIDriver,
      (each) => book.putDriver(each),
      (each) => book.removeDriver(each),
    ),
    follow(
      CSINode,
      (each) => book.putNode(each),
      (each) => book.removeNode(each),
    ),
    follow(
      CSIStorageCapacity,
      (each) => book.putCapacity(each),
      (each) => book.removeCapacity(each),
    ),
    follow(
      VolumeAttachment,
      (each) => book.putAttachment(each),
      (each) => book.removeAttachment(each),
    ),
    follow(
      PersistentVolume,
      (each) => book.putVolume(each),
      (each) => book.removeVolume(each),
    ),
    follow(
      PersistentVolumeClaim,
      (each) => book.putClaim(each),
      (each) => book.removeClaim(each),
    ),
  ];
}
