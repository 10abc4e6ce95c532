import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Write } from '#store/store.ts';
import { WatchRecord } from '../watch-cache/cache-event.ts';
import { ConvertingWatch } from '../watch-cache/converting-watch.ts';
import type { WatchStream } from '../watch-cache/watcher.ts';
import { renamed, type CustomLayout } from './custom-layout.ts';
import { Resource, type ListQuery, type Listing, type ResourceOptions, type WatchQuery } from './resource.ts';
import type { Selection } from './selection.ts';
import { StoredObject } from './stored-object.ts';
import type { Freshness } from './versions.ts';

/** Brings objects of one custom kind, in whatever versions, into the version of `to`; in order, none missing. */
export type Converter = (objects: readonly ApiObject[], to: Kind, signal: AbortSignal) => Promise<readonly ApiObject[]>;

/**
 * One version of a custom kind: a window on `base`, whose cache holds the objects as they are stored. What is stored in
 * this version passes as it is; the rest is converted, by `converter` or, without one, by its name alone.
 */
export class VersionedResource extends Resource {
  readonly #base: Resource;
  readonly #storage: CustomLayout;
  readonly #converter: Converter | undefined;
  /** What was converted, by what it was made of, and the other way round. */
  readonly #shown = new WeakMap<StoredObject, StoredObject>();
  readonly #sources = new WeakMap<StoredObject, StoredObject>();
  readonly #records = new WeakMap<WatchRecord, WatchRecord>();

  constructor(
    base: Resource,
    options: ResourceOptions & { readonly storage: CustomLayout; readonly converter: Converter | undefined },
  ) {
    super(options);
    this.#base = base;
    this.#storage = options.storage;
    this.#converter = options.converter;
  }

  override async find(ref: ObjectRef, freshness: Freshness, signal: AbortSignal): Promise<StoredObject | undefined> {
    const item = await this.#base.find(ref, freshness, signal);
    return item === undefined ? undefined : (await this.#show([item], signal))[0];
  }

  override async insert(
    ref: ObjectRef,
    object: ApiObject,
    signal: AbortSignal,
    alongside: readonly Write[] = [],
  ): Promise<StoredObject> {
    const stored = await this.#base.insert(ref, await this.#toStorage(object, signal), signal, alongside);
    return this.#written(object, stored);
  }

  override async replace(
    old: StoredObject,
    object: ApiObject,
    signal: AbortSignal,
    alongside: readonly Write[] = [],
  ): Promise<StoredObject> {
    const stored = await this.#base.replace(old, await this.#toStorage(object, signal), signal, alongside);
    return this.#written(object, stored);
  }

  /** What is stored in another version than today's is never the same: writing it anew migrates it. */
  override isSame(stored: StoredObject, object: ApiObject): boolean {
    const source = this.#sources.get(stored) ?? stored;
    return source.layout.kind === this.#storage.kind && super.isSame(stored, object);
  }

  override async list(query: ListQuery<ApiObject>): Promise<Listing<ApiObject>> {
    const listing = await this.#base.list(query);
    return { ...listing, items: await this.#show(listing.items, query.signal) };
  }

  override async watch(query: WatchQuery<ApiObject>): Promise<WatchStream> {
    const selection = this.#selection(query.selection);
    if (this.#converter === undefined) {
      return this.#base.watch({ ...query, selection, present: (record) => this.#present(record) });
    }
    const inner = await this.#base.watch({ ...query, selection });
    return new ConvertingWatch(inner, async (records) => {
      const items = await this.#show(
        records.map(({ item }) => item),
        query.signal,
      );
      return records.map((record, index) => this.#record(record, items[index]!));
    });
  }

  /** Fields by which the cache of another version cannot find anything are left to looking. */
  #selection(selection: Selection): Selection {
    if (this.kind === this.#storage.kind || selection.exact?.field.startsWith('metadata.') === true) return selection;
    return { all: selection.all, matches: (object) => selection.matches(object), exact: undefined };
  }

  async #toStorage(object: ApiObject, signal: AbortSignal): Promise<ApiObject> {
    const { kind } = this.#storage;
    if (kind === this.kind) return object;
    if (this.#converter === undefined) return renamed(object, kind);
    return (await this.#converter([object], kind, signal))[0]!;
  }

  #written(object: ApiObject, stored: StoredObject): StoredObject {
    if (stored.layout === this.layout) return stored;
    const { resourceVersion } = stored;
    const shown = { ...object, metadata: { ...object.metadata, resourceVersion } };
    return this.#keep(stored, shown);
  }

  async #show(items: readonly StoredObject[], signal: AbortSignal): Promise<readonly StoredObject[]> {
    const foreign = items.filter((item) => item.layout !== this.layout && !this.#shown.has(item));
    if (foreign.length > 0) {
      const objects = foreign.map(({ object }) => object);
      const converted =
        this.#converter === undefined
          ? objects.map((object) => renamed(object, this.kind))
          : await this.#converter(objects, this.kind, signal);
      for (const [index, item] of foreign.entries()) this.#keep(item, converted[index]!);
    }
    return items.map((item) => (item.layout === this.layout ? item : this.#shown.get(item)!));
  }

  #keep(item: StoredObject, object: ApiObject): StoredObject {
    const shown = new StoredObject(this.layout, item.key, this.layout.encode(object), item.revision, object);
    this.#shown.set(item, shown);
    this.#sources.set(shown, item);
    return shown;
  }

  #present(record: WatchRecord): WatchRecord {
    const { item } = record;
    if (item.layout === this.layout) return record;
    const shown = this.#shown.get(item) ?? this.#keep(item, renamed(item.object, this.kind));
    return this.#record(record, shown);
  }

  /** One record a source, so that all watchers of this version share what an encoder makes of it. */
  #record(record: WatchRecord, item: StoredObject): WatchRecord {
    if (record.item === item) return record;
    let made = this.#records.get(record);
    if (made === undefined) this.#records.set(record, (made = new WatchRecord(record.type, item)));
    return made;
  }
}
