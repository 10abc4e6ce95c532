import { apiVersionOf, type CustomFamily, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Entry } from '#store/store.ts';
import { Layout, parseValue } from './layout.ts';
import { StoredObject } from './stored-object.ts';
import { Unreadable } from './unreadable.ts';

/**
 * Custom resources lie in the store in whatever version was the storage version when they were written. `decode()`
 * leaves them in it, pruned and defaulted by today's schema of that version: an item's own layout tells which it is.
 */
export class CustomLayout extends Layout {
  readonly #siblings: ReadonlyMap<string, CustomLayout>;

  constructor(kind: Kind, siblings: ReadonlyMap<string, CustomLayout>) {
    super(kind);
    this.#siblings = siblings;
  }

  override decode(entry: Entry): StoredObject {
    const { key, modified } = entry;
    if (entry.unreadable !== undefined) throw new Unreadable(key, entry.unreadable);
    let object: ApiObject;
    try {
      object = parseValue(entry.value) as ApiObject;
    } catch (error) {
      throw new Unreadable(key, `its value is no ${this.kind.kind}`, error);
    }
    const { apiVersion = '' } = object;
    const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
    // A version that is gone from the definition has lost its schema: the storage version has to do.
    return (this.#siblings.get(version) ?? this).#read(object, entry.value, key, modified);
  }

  #read(object: ApiObject, value: Uint8Array, key: string, modified: Entry['modified']): StoredObject {
    const { kind } = this;
    const today = kind.custom!.conform(object); // only custom kinds have this layout
    if (today.errors[0] !== undefined) throw new Unreadable(key, today.errors[0]);
    const { name = '', namespace = '' } = object.metadata ?? {};
    if (key !== this.key({ name, namespace })) {
      throw new Unreadable(key, `it says that it is ${this.key({ name, namespace })}`);
    }
    if (today.value === object && this.head.compare(value, 0, this.head.length) === 0) {
      return new StoredObject(this, key, value, modified);
    }
    return new StoredObject(this, key, this.encode(today.value as ApiObject), modified);
  }
}

/** A layout for each version of a custom kind. */
export function layoutsOf({ versions }: CustomFamily): ReadonlyMap<string, CustomLayout> {
  const layouts = new Map<string, CustomLayout>();
  for (const [version, kind] of versions) layouts.set(version, new CustomLayout(kind, layouts));
  return layouts;
}

/** The object under another version's name, without what that version does not know. */
export function renamed(object: ApiObject, to: Kind): ApiObject {
  const next = { ...object, apiVersion: apiVersionOf(to), kind: to.kind };
  return to.custom!.prune(next) as ApiObject;
}
