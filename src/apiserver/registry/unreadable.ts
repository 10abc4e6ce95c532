import { StatusError } from '#machinery/status-error.ts';
import type { Key } from '#store/store.ts';

/** A stored value that is no object of its kind. The message names its key and shows nothing of the value. */
export class Unreadable extends StatusError {
  constructor(key: Key, why: string, cause?: unknown) {
    super(
      'InternalError',
      `the object stored at ${key} cannot be read: ${why}; restore it from a backup, or delete it with ignoreStoreReadErrorWithClusterBreakingPotential`,
      { cause },
    );
    this.name = 'Unreadable';
  }
}
