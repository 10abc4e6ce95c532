import { abortable } from '#lib/abortable.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Selector } from '#machinery/labels.ts';
import type { Kind } from '#machinery/kind.ts';
import { type ApiObject, keyOf, type ObjectRef } from '#machinery/object.ts';
import type { CacheEvent, Informers } from './cache.ts';
import type { Client } from './client.ts';
import { keyOfObject, ObjectIndex } from './object-index.ts';
import { reflect, type Scope, type Sink } from './reflector.ts';
import { compareVersions } from './resource-version.ts';

export interface InformerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
  /** What part of a kind to hold (an agent holds the pods of its node); all of it unless given. */
  readonly scopeOf?: (kind: Kind) => Scope;
}

const byNamespace = 'namespace';
const byController = 'controller';

/** The uid of the owner that controls an object. */
function controllerUidOf(object: ApiObject): readonly string[] {
  for (const { controller, uid } of object.metadata?.ownerReferences ?? []) if (controller === true) return [uid];
  return [];
}

/** The cache of one kind, and those who want to know of its changes. */
class Informer<T extends ApiObject> implements Sink<T> {
  readonly objects = new ObjectIndex<T>();
  readonly handlers = new Set<(event: CacheEvent<T>) => void>();
  readonly kind: Kind<T>;
  /** Ends its watch alone. */
  readonly stop = abortController();
  readonly #log: Log;
  readonly synced: Promise<void>;
  #markSynced: () => void = () => {};
  hasSynced = false;
  /** The newest resourceVersion up to which everything has been seen. */
  version: string | undefined;

  constructor(kind: Kind<T>, log: Log) {
    this.kind = kind;
    this.#log = log;
    this.synced = new Promise((resolve) => (this.#markSynced = resolve));
    if (kind.namespaced) this.objects.addIndex(byNamespace, (object) => [object.metadata?.namespace ?? '']);
  }

  replace(objects: readonly T[], resourceVersion: string): void {
    const gone = new Set(this.objects.keys());
    for (const object of objects) {
      gone.delete(keyOfObject(object));
      this.apply('ADDED', object);
    }
    for (const key of gone) {
      const object = this.objects.get(key);
      if (object !== undefined) this.apply('DELETED', object);
    }
    this.version = resourceVersion; // may be lower than before, after the store was restored
    this.hasSynced = true;
    this.#markSynced();
  }

  /** What happened is told by what was known before: a repeated event is no change, a replaced object is two. */
  apply(type: CacheEvent<T>['type'], object: T): void {
    const key = keyOfObject(object);
    const known = this.objects.get(key);
    if (type === 'DELETED') {
      if (known === undefined) return;
      this.objects.set(key, undefined);
      this.#tell({ type: 'DELETED', object, previous: known });
      return;
    }
    if (known === undefined) {
      this.objects.set(key, object);
      this.#tell({ type: 'ADDED', object });
      return;
    }
    if (known.metadata?.uid !== object.metadata?.uid) {
      this.apply('DELETED', known);
      this.apply('ADDED', object);
      return;
    }
    if (known.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.objects.set(key, object);
    this.#tell({ type: 'MODIFIED', object, previous: known });
  }

  progress(resourceVersion: string): void {
    if (compareVersions(resourceVersion, this.version) > 0) this.version = resourceVersion;
  }

  #tell(event: CacheEvent<T>): void {
    for (const handler of this.handlers) this.call(handler, event);
  }

  /** A handler's fault is its own: it must not stop the cache or the other handlers. */
  call(handler: (event: CacheEvent<T>) => void, event: CacheEvent<T>): void {
    try {
      handler(event);
    } catch (error) {
      this.#log.error('cache handler failed', { kind: this.kind.kind, key: keyOfObject(event.object), error });
    }
  }
}

/** Shared caches kept by one list-and-watch a kind. */
export class SharedInformers implements Informers {
  readonly #options: InformerOptions;
  readonly #informers = new Map<string, Informer<never>>();
  /** Reflectors that run, by informer; empty until `run()`. */
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef | string): T | undefined {
    return this.#held(kind).objects.get(typeof ref === 'string' ? ref : keyOf(ref));
  }

  list<T extends ApiObject>(kind: Kind<T>, options: { namespace?: string; selector?: Selector } = {}): readonly T[] {
    const { objects } = this.#held(kind);
    const { namespace, selector } = options;
    const candidates =
      namespace === undefined || !kind.namespaced ? objects.all() : objects.byIndex(byNamespace, namespace);
    if (selector === undefined) return [...candidates];
    const found: T[] = [];
    for (const object of candidates) if (selector.matches(object.metadata?.labels)) found.push(object);
    return found;
  }

  ownedBy<T extends ApiObject>(kind: Kind<T>, owner: ApiObject): readonly T[] {
    const uid = owner.metadata?.uid;
    if (uid === undefined) return [];
    const { objects } = this.#held(kind);
    if (!objects.hasIndex(byController)) objects.addIndex(byController, controllerUidOf);
    return [...objects.byIndex(byController, uid)];
  }

  byIndex<T extends ApiObject>(kind: Kind<T>, index: string, value: string): readonly T[] {
    return [...this.#held(kind).objects.byIndex(index, value)];
  }

  on<T extends ApiObject>(kind: Kind<T>, handler: (event: CacheEvent<T>) => void): Disposable {
    const informer = this.#hold(kind);
    informer.handlers.add(handler);
    for (const object of informer.objects.all()) informer.call(handler, { type: 'ADDED', object });
    return { [Symbol.dispose]: () => void informer.handlers.delete(handler) };
  }

  forget(kind: Kind): void {
    const name = nameOf(kind);
    const informer = this.#informers.get(name);
    if (informer?.kind !== kind) return;
    informer.stop.abort(new Error(`${name} are served no more`));
    this.#informers.delete(name);
  }

  hold(...kinds: readonly Kind[]): void {
    for (const kind of kinds) this.#hold(kind);
  }

  index<T extends ApiObject>(kind: Kind<T>, name: string, values: (object: T) => readonly string[]): void {
    this.#hold(kind).objects.addIndex(name, values);
  }

  async synced(signal: AbortSignal): Promise<void> {
    for (const informer of this.#informers.values()) await abortable(informer.synced, signal);
  }

  /** True once `kind` has been listed completely. */
  hasSynced(kind: Kind): boolean {
    return this.#informers.get(nameOf(kind))?.hasSynced ?? false;
  }

  /** True if `kind` is held. */
  holds(kind: Kind): boolean {
    return this.#informers.has(nameOf(kind));
  }

  /** The newest resourceVersion up to which the cache of `kind` has seen everything; undefined before it is synced. */
  version(kind: Kind): string | undefined {
    return this.#informers.get(nameOf(kind))?.version;
  }

  async run(signal: AbortSignal): Promise<void> {
    if (this.#signal !== undefined) throw new Error('Informers run once');
    const { signal: own, ...stop } = controllerOf(signal);
    this.#signal = own;
    for (const informer of this.#informers.values()) this.#start(informer);
    await stop.aborted;
    // A reflector may have been started just before: wait until none is left.
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(informer: Informer<never>): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    const { scopeOf, ...options } = this.#options;
    const scope = scopeOf?.(informer.kind) ?? {};
    const { stop } = informer;
    const end = () => stop.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const running = reflect({ ...options, kind: informer.kind, sink: informer, scope }, stop.signal)
      .catch((error: unknown) => this.#options.log.error('reflector ended', { kind: informer.kind.kind, error }))
      .finally(() => {
        signal.removeEventListener('abort', end);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  #hold<T extends ApiObject>(kind: Kind<T>): Informer<T> {
    const name = nameOf(kind);
    const held = this.#informers.get(name);
    if (held !== undefined) return held as unknown as Informer<T>; // one informer a kind, made for that kind below
    const informer = new Informer(kind, this.#options.log);
    this.#informers.set(name, informer as unknown as Informer<never>);
    this.#start(informer as unknown as Informer<never>);
    return informer;
  }

  /** Reading a kind that nobody holds would look like "there are none", so it is a mistake. */
  #held<T extends ApiObject>(kind: Kind<T>): Informer<T> {
    const informer = this.#informers.get(nameOf(kind));
    if (informer === undefined) throw new Error(`The cache does not hold ${nameOf(kind)}`);
    return informer as unknown as Informer<T>;
  }
}

const nameOf = ({ group, plural }: Pick<Kind, 'group' | 'plural'>) => (group === '' ? plural : `${plural}.${group}`);

/** A signal of our own that many reflectors may listen on, and a promise for its end. */
function controllerOf(signal: AbortSignal): { signal: AbortSignal; aborted: Promise<void> } {
  const controller = abortController();
  const aborted = new Promise<void>((resolve) => {
    const abort = () => {
      controller.abort(signal.reason);
      resolve();
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  return { signal: controller.signal, aborted };
}
