import { invalidObject } from '#machinery/status-error.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { WatchRecord } from '../watch-cache/cache-event.ts';
import { Layout } from './layout.ts';
import type { Selection } from './selection.ts';
import { StoredObject } from './stored-object.ts';

/**
 * How objects of a kind are kept: as themselves or, for a kind that is a view of another, as that. Reads and watches
 * go through `shown()` and `record()`, writes through `toStored()` and `fromStored()`.
 */
export interface Face<T extends ApiObject = ApiObject> {
  readonly stored: Kind<T>;
  /** False if all below hand back what they are given. */
  readonly translates: boolean;
  toStored(this: void, object: T): T;
  fromStored(this: void, object: T): T;
  shown(this: void, item: StoredObject<T>): StoredObject<T>;
  record(this: void, record: WatchRecord<T>): WatchRecord<T>;
  selection(this: void, selection: Selection<T>): Selection<T>;
}

const same = <X>(value: X): X => value;

/** The face of a kind. Objects of both kinds pass as T: who asks for a view never sees the other. */
export function faceOf<T extends ApiObject>(kind: Kind<T>): Face<T> {
  const { view } = kind;
  if (view === undefined) {
    return {
      stored: kind,
      translates: false,
      toStored: same,
      fromStored: same,
      shown: same,
      record: same,
      selection: same,
    };
  }
  const layout = new Layout(kind);
  const records = new WeakMap<WatchRecord<T>, WatchRecord<T>>();
  const fromStored = (object: T) => view.fromStored(object) as T;
  const shown = (item: StoredObject<T>) => {
    const object = fromStored(item.whole);
    const { name, namespace } = item;
    const key = layout.key(namespace === undefined ? { name } : { namespace, name });
    return new StoredObject(layout, key, layout.encode(object), item.revision, object);
  };
  return {
    stored: view.of as unknown as Kind<T>,
    translates: true,
    fromStored,
    shown,
    toStored(object) {
      const errors = kind.validate?.(object) ?? [];
      if (errors.length > 0) throw invalidObject(kind, object.metadata?.name ?? '', errors);
      return view.toStored(object) as T;
    },
    record(record) {
      let made = records.get(record);
      if (made === undefined) records.set(record, (made = new WatchRecord(record.type, shown(record.item))));
      return made;
    },
    selection: (chosen) => ({
      all: chosen.all,
      matches: (object) => chosen.matches(fromStored(object)),
      // Other fields are the view's own, by which what is stored cannot be found.
      exact: chosen.exact?.field.startsWith('metadata.') === true ? chosen.exact : undefined,
    }),
  };
}
