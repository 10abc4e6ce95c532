import type { ApiObject } from '#machinery/object.ts';
import type { Revision } from '#store/store.ts';
import type { Selection } from '../registry/selection.ts';
import type { StoredObject } from '../registry/stored-object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * One thing to tell a watcher. Shared by all watchers that hear the same, and so is what an encoder has made of it
 * (`encoded`, keyed by the encoder): an event is encoded once however many watch.
 */
export class WatchRecord<T extends ApiObject = ApiObject> {
  readonly type: ChangeType;
  readonly item: StoredObject<T>;
  readonly encoded = new Map<unknown, Buffer>();

  constructor(type: ChangeType, item: StoredObject<T>) {
    this.type = type;
    this.item = item;
  }
}

/** One change of one object, as the cache has seen it. */
export class CacheEvent<T extends ApiObject = ApiObject> {
  readonly revision: Revision;
  /** Milliseconds of the injected clock at which the server learnt of it. */
  readonly at: number;
  readonly current: StoredObject<T> | undefined;
  readonly previous: StoredObject<T> | undefined;
  #added: WatchRecord<T> | undefined;
  #modified: WatchRecord<T> | undefined;
  #deleted: WatchRecord<T> | undefined;

  constructor(
    revision: Revision,
    at: number,
    current: StoredObject<T> | undefined,
    previous: StoredObject<T> | undefined,
  ) {
    this.revision = revision;
    this.at = at;
    this.current = current;
    this.previous = previous;
  }

  get bytes(): number {
    return this.current?.value.byteLength ?? this.previous?.value.byteLength ?? 0;
  }

  /** Any version of the object the event is about. */
  get subject(): StoredObject<T> {
    return (this.current ?? this.previous)!;
  }

  /**
   * What a watcher with this selection hears: objects that come to match are ADDED, those that cease to match are
   * DELETED with their last matching content. Undefined if it is none of its business.
   */
  recordFor(selection: Selection<T>): WatchRecord<T> | undefined {
    const { current, previous } = this;
    const matches = current !== undefined && (selection.all || selection.matches(current.object));
    const matched = previous !== undefined && (selection.all || selection.matches(previous.object));
    if (matches) {
      return matched
        ? (this.#modified ??= new WatchRecord('MODIFIED', current))
        : (this.#added ??= new WatchRecord('ADDED', current));
    }
    return matched ? (this.#deleted ??= new WatchRecord('DELETED', previous.at(this.revision))) : undefined;
  }
}
