import { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import { customFamily } from '#api/apiextensions/custom-kind.ts';
import { cleanupFinalizer, isTrue } from '#api/apiextensions/definition-conditions.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { CustomFamily, Kind } from '#machinery/kind.ts';
import type { Catalog } from '../catalog.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Registry } from '../registry/registry.ts';
import { isConflict } from '../registry/store-errors.ts';
import { CacheFollower } from '../watch-cache/cache-follower.ts';
import { cleanUp, type DeleteAll } from './clean-up.ts';
import type { KindsInUse } from './kinds-in-use.ts';
import { planStatus } from './definition-status.ts';

/** Between two tries at what has failed, or at objects that are held back by finalizers. */
const againMs = 1_000;

interface Known {
  readonly crd: CustomResourceDefinition;
  /** Undefined while its names are not accepted. */
  readonly family: CustomFamily | undefined;
}

export interface CustomResourcesOptions {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly inUse: KindsInUse;
  /** Deletes every object of a kind as far as it can; resolves to how many are left. */
  readonly deleteAll: DeleteAll;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Follows the CustomResourceDefinitions: serves their kinds from the moment on that their names are accepted, writes
 * their status, and empties them before they go. The catalog changes in the same turn in which the server's caches
 * learn of a definition, so that whoever reads that one is established finds its resource served.
 */
export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();
  readonly #follower: CacheFollower<CustomResourceDefinition>;
  /** Names of definitions that must be looked at. */
  readonly #queue = new Set<string>();
  #generation = 0;
  #pending = Promise.withResolvers<void>();

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
    const { registry } = options;
    this.#follower = new CacheFollower(registry.of(CustomResourceDefinition).cache, {
      reset: () => {
        for (const name of this.#known.keys()) this.#dirty.add(name);
      },
      changed: (current, previous) => this.#dirty.add((current ?? previous)?.metadata?.name ?? ''),
    });
  }

  /** Serves what is defined already. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#follower.load(signal);
    const { feed } = this.#options.registry;
    feed.onBatch(() => this.#catchUp());
    feed.onFolder((folder) => this.#options.inUse.touched(folder));
    this.#catchUp();
  }

  /** True while objects of the kind are only deleted. */
  isTerminating(kind: Kind): boolean {
    const crd = this.#known.get(`${kind.plural}.${kind.group}`)?.crd;
    return crd !== undefined && isTrue(crd, 'Terminating');
  }

  /** Looks after the definitions until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (signal.aborted) over.resolve();
    while (!signal.aborted) {
      this.#pending = Promise.withResolvers();
      const again = await this.#lookAtAll(signal);
      await this.#lookForObjects(signal);
      for (const name of again) this.#queue.add(name);
      const late = Promise.withResolvers<void>();
      using _timer = again.length === 0 ? undefined : this.#options.clock.after(againMs, late.resolve);
      await Promise.race([this.#pending.promise, over.promise, late.promise]);
    }
  }

  async #lookForObjects(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.inUse.look(this.#options.registry, signal);
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn('custom resources could not be looked for', { error });
    }
  }

  /** Those that must be looked at again. */
  async #lookAtAll(signal: AbortSignal): Promise<readonly string[]> {
    const again: string[] = [];
    for (const name of this.#queue) {
      if (signal.aborted) return again;
      this.#queue.delete(name);
      const known = this.#known.get(name);
      if (known === undefined) continue;
      try {
        if (!(await this.#look(known.crd, signal))) again.push(name);
      } catch (error) {
        if (signal.aborted) return again;
        again.push(name);
        if (!isConflict(error)) this.#options.log.warn('a custom resource definition waits', { name, error });
      }
    }
    return again;
  }

  /** False if it must be looked at again without anything having changed. */
  async #look(crd: CustomResourceDefinition, signal: AbortSignal): Promise<boolean> {
    const { registry, clock } = this.#options;
    const resource = registry.of(CustomResourceDefinition);
    const name = crd.metadata?.name ?? '';
    if (crd.metadata?.deletionTimestamp !== undefined && crd.metadata.finalizers?.includes(cleanupFinalizer) === true) {
      const kind = this.#known.get(name)?.family?.storage;
      const { deleteAll } = this.#options;
      return cleanUp(crd, kind, { resource, deleteAll, now: () => timestamp(clock.now()), signal });
    }
    const status = planStatus(crd, this.#groupOf(crd), timestamp(clock.now()));
    if (status === undefined) return true;
    const stored = resource.cache.get({ name });
    // What has changed since will wake us again.
    if (stored === undefined || stored.object !== crd) return true;
    await resource.replace(stored, { ...crd, status }, signal);
    return true;
  }

  #storedKinds(): readonly Kind[] {
    return [...this.#known.values()].flatMap(({ family }) => (family === undefined ? [] : [family.storage]));
  }

  #catchUp(): void {
    if (!this.#follower.isReady || !this.#follower.catchUp() || this.#dirty.size === 0) return;
    const { cache } = this.#options.registry.of(CustomResourceDefinition);
    let changed = false;
    for (const name of this.#dirty) {
      changed = this.#take(name, cache.get({ name })?.object) || changed;
      this.#queue.add(name);
    }
    this.#dirty.clear();
    if (changed) {
      this.#options.catalog.serve([...this.#known.values()].flatMap(servedKinds));
      this.#options.inUse.serve(this.#storedKinds());
    }
    this.#pending.resolve();
  }

  #groupOf({ spec }: CustomResourceDefinition): readonly CustomResourceDefinition[] {
    return [...this.#known.values()].flatMap(({ crd }) => (crd.spec.group === spec.group ? [crd] : []));
  }

  /** Names that somebody lets go of may be what others wait for. */
  #wakeThoseInWant(before: CustomResourceDefinition): void {
    for (const other of this.#groupOf(before)) {
      if (!isTrue(other, 'NamesAccepted')) this.#queue.add(other.metadata?.name ?? '');
    }
  }

  /** True if what is served changes. */
  #take(name: string, crd: CustomResourceDefinition | undefined): boolean {
    const { registry } = this.#options;
    const before = this.#known.get(name);
    if (before !== undefined) this.#wakeThoseInWant(before.crd);
    if (crd === undefined) {
      this.#known.delete(name);
      if (before?.family === undefined) return false;
      registry.retire(before.family.storage);
      return true;
    }
    const family = isTrue(crd, 'Established') ? customFamily(crd, this.#generation + 1) : undefined;
    const old = before?.family;
    const same = family?.fingerprint === old?.fingerprint;
    this.#known.set(name, { crd, family: same ? old : family });
    if (same) return false;
    this.#generation++;
    if (old !== undefined) registry.retire(old.storage);
    return true;
  }
}

/** In the order of the definition. */
function servedKinds({ crd, family }: Known): readonly Kind[] {
  if (family === undefined) return [];
  return crd.spec.versions.flatMap(({ name, served }) => (served ? [family.versions.get(name)!] : []));
}
