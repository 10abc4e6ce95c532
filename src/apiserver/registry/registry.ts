import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { apiVersionOf, type CustomFamily, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Store } from '#store/store.ts';
import { ChangeFeed } from '../watch-cache/change-feed.ts';
import { KindCache } from '../watch-cache/kind-cache.ts';
import { layoutsOf, renamed, type CustomLayout } from './custom-layout.ts';
import { Layout } from './layout.ts';
import { Resource } from './resource.ts';
import { VersionedResource, type Converter } from './versioned-resource.ts';

/** How often watchers get a bookmark and old events are dropped. */
export const housekeepingMs = 60_000;

/** Makes what brings the objects of a family from one version to another. */
export type ConverterOf = (family: CustomFamily) => Converter | undefined;

/** What a registry holds of a custom kind that somebody has asked for. */
interface CustomStorage {
  readonly family: CustomFamily;
  readonly base: Resource;
  readonly layouts: ReadonlyMap<string, CustomLayout>;
  readonly versions: Map<string, VersionedResource>;
}

/** The stored kinds of one server, each with its cache, over one store and one feed. */
export class Registry {
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #resources = new Map<string, Resource>();
  readonly #customs = new Map<string, CustomStorage>();
  readonly #converterOf: ConverterOf;

  /** `signal` ends the life of the registry: loads in flight end with it. */
  constructor({
    store,
    clock,
    log,
    signal,
    converterOf = () => undefined,
  }: {
    store: Store;
    clock: Clock;
    log: Log;
    signal: AbortSignal;
    converterOf?: ConverterOf | undefined;
  }) {
    this.#converterOf = converterOf;
    this.store = store;
    this.#clock = clock;
    this.#log = log;
    this.#signal = signal;
    this.feed = new ChangeFeed({ store, clock, log });
  }

  of<T extends ApiObject>(kind: Kind<T>): Resource<T> {
    // Custom kinds are kinds of plain API objects.
    if (kind.custom !== undefined) return this.#custom(kind, kind.custom.family) as unknown as Resource<T>;
    const id = `${kind.group}/${kind.plural}`;
    const known = this.#resources.get(id);
    // The map is keyed by the kind's own name, so what is in it is of that kind.
    if (known !== undefined) return known as unknown as Resource<T>;
    const resource = this.#make(new Layout(kind));
    this.#resources.set(id, resource);
    return resource;
  }

  /** An object of one version of a custom kind in another one of the same definition. */
  async converted(object: ApiObject, to: Kind, signal: AbortSignal): Promise<ApiObject> {
    if (to.custom === undefined || object.apiVersion === apiVersionOf(to)) return object;
    const converter = this.#converterOf(to.custom.family);
    return converter === undefined ? renamed(object, to) : ((await converter([object], to, signal))[0] ?? object);
  }

  /** Drops what is held of a custom kind whose definition has changed or gone; its watches end. */
  retire(kind: Pick<Kind, 'group' | 'plural'>): void {
    const id = `${kind.group}/${kind.plural}`;
    const held = this.#customs.get(id);
    if (held === undefined) return;
    this.#customs.delete(id);
    this.#resources.delete(id);
    this.feed.unlisten(held.base.layout.folder, held.base.cache);
    held.base.cache.retire();
  }

  /** Requests that began before a definition changed may still hold the family from before: the newest one serves. */
  #custom(kind: Kind, family: CustomFamily): Resource {
    const id = `${kind.group}/${kind.plural}`;
    let held = this.#customs.get(id);
    if (held !== undefined && held.family.generation < family.generation) {
      this.retire(kind);
      held = undefined;
    }
    if (held === undefined) {
      const layouts = layoutsOf(family);
      const base = this.#make(layouts.get(family.storage.version)!); // the storage version is one of them
      held = { family, base, layouts, versions: new Map() };
      this.#customs.set(id, held);
      this.#resources.set(id, base);
    }
    return this.#version(held, held.layouts.has(kind.version) ? kind.version : held.family.storage.version);
  }

  #version({ base, family, layouts, versions }: CustomStorage, version: string): VersionedResource {
    let resource = versions.get(version);
    if (resource === undefined) {
      const { store, feed } = this;
      resource = new VersionedResource(base, {
        store,
        feed,
        clock: this.#clock,
        cache: base.cache,
        layout: layouts.get(version)!,
        storage: layouts.get(family.storage.version)!,
        converter: this.#converterOf(family),
      });
      versions.set(version, resource);
    }
    return resource;
  }

  #make<T extends ApiObject>(layout: Layout<T>): Resource<T> {
    const { store, feed } = this;
    const cache = new KindCache<T>({
      store,
      feed,
      clock: this.#clock,
      layout,
      signal: this.#signal,
      onUnreadable: (key, error) => this.#log.error('a stored object cannot be read', { key, error }),
    });
    return new Resource<T>({ store, feed, clock: this.#clock, layout, cache });
  }

  /** Kinds that somebody has asked for. */
  resources(): Iterable<Resource> {
    return this.#resources.values();
  }

  /** Takes up the store's revision; must come before anything else. */
  async start(): Promise<void> {
    await this.feed.start(this.#signal);
  }

  /** Follows the store until the registry's signal aborts. */
  async run(): Promise<void> {
    const signal = this.#signal;
    await Promise.all([this.feed.run(signal), this.#keepHouse(signal)]);
  }

  async #keepHouse(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(housekeepingMs, signal);
      } catch {
        return;
      }
      for (const resource of this.#resources.values()) resource.cache.tick();
    }
  }
}
