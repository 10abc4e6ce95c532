import { Pod } from '#api/core/pod.ts';
import type { Informers } from '#client/cache.ts';
import { compareVersions } from '#client/resource-version.ts';
import { badRequest } from '#machinery/status-error.ts';
import { recordsOf, type ContainerRecord } from './container-record.ts';
import { noSuchContainer } from './errors.ts';
import { marks } from './marks.ts';

/** What happened to one container. A container that moves to a new pod has changed; it was neither removed nor added. */
export interface ContainerChange {
  readonly type: 'added' | 'changed' | 'removed';
  readonly record: ContainerRecord;
  readonly previous?: ContainerRecord;
}

/** Pods whose deletion was seen here before the cache told of it. */
const goneMax = 4096;

/**
 * Every container of the cluster, by id and by name. It follows the shared cache and also takes what this dialect has
 * just written, so that a client sees its own writes at once.
 */
export class Containers implements Disposable {
  readonly #home: string;
  readonly #byId = new Map<string, ContainerRecord>();
  readonly #byName = new Map<string, string>();
  readonly #pods = new Map<string, { readonly version: string | undefined; readonly ids: readonly string[] }>();
  readonly #gone = new Set<string>();
  /** Containers between two pods. */
  readonly #moving = new Set<string>();
  readonly #listeners = new Set<(change: ContainerChange) => void>();
  readonly #subscription: Disposable;

  /** `home` is the namespace of the containers that Docker makes. */
  constructor(informers: Informers, home: string) {
    this.#home = home;
    this.#subscription = informers.on(Pod, ({ type, object }) => {
      if (type === 'DELETED') this.forget(object);
      else this.apply(object);
    });
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<ContainerRecord> {
    return this.#byId.values();
  }

  get(id: string): ContainerRecord | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): ContainerRecord | undefined {
    const id = this.#byName.get(name);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** By full id, full name or a beginning of an id, in this order. Throws NotFound, BadRequest if several begin so. */
  find(text: string): ContainerRecord {
    const name = text.startsWith('/') ? text.slice(1) : text;
    const exact = this.#byId.get(text) ?? this.byName(name);
    if (exact !== undefined) return exact;
    if (!/^[0-9a-f]{1,64}$/.test(text)) throw noSuchContainer(text);
    const [found, another] = [...this.#byId.values()].filter(({ id }) => id.startsWith(text));
    if (found === undefined) throw noSuchContainer(text);
    if (another !== undefined) throw badRequest(`Multiple IDs found with provided prefix: ${text}`);
    return found;
  }

  on(listener: (change: ContainerChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Takes a pod as it is now; what is older than what is known is passed over, and so are pods that only pull. */
  apply(pod: Pod): void {
    const { uid = '', resourceVersion, labels } = pod.metadata ?? {};
    if (labels?.[marks.pull] === 'true') return;
    const known = this.#pods.get(uid);
    if (this.#gone.has(uid) || (known !== undefined && compareVersions(resourceVersion, known.version) <= 0)) return;
    const records = recordsOf(pod, this.#home);
    for (const record of records) this.#put(record);
    const ids = records.map(({ id }) => id);
    for (const id of known?.ids ?? []) if (!ids.includes(id)) this.#drop(id, uid);
    this.#pods.set(uid, { version: resourceVersion, ids });
  }

  /** The pod is gone. */
  forget(pod: Pod): void {
    const { uid = '' } = pod.metadata ?? {};
    const known = this.#pods.get(uid);
    this.#pods.delete(uid);
    this.#gone.add(uid);
    const [oldest] = this.#gone;
    if (this.#gone.size > goneMax && oldest !== undefined) this.#gone.delete(oldest);
    for (const id of known?.ids ?? []) this.#drop(id, uid);
  }

  /** Runs `move`, during which the container's pod is replaced: its old pod's end is not the container's. */
  async moving<T>(id: string, move: () => Promise<T>): Promise<T> {
    if (this.#moving.has(id))
      throw badRequest(`container ${id.slice(0, 12)} is being started or stopped by another request`);
    this.#moving.add(id);
    try {
      return await move();
    } finally {
      this.#moving.delete(id);
      const record = this.#byId.get(id);
      if (record !== undefined && !this.#pods.has(record.pod.metadata?.uid ?? '')) this.#remove(record);
    }
  }

  /**
   * Resolves with what `wanted` gives for the container, now or after a change, as soon as that is not undefined; it is
   * asked with undefined once the container is removed. Rejects when `signal` aborts.
   */
  until<T>(
    id: string,
    wanted: (record: ContainerRecord | undefined) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (record: ContainerRecord | undefined): boolean => {
        try {
          const value = wanted(record);
          if (value === undefined) return false;
          resolve(value);
        } catch (error) {
          reject(error);
        }
        return true;
      };
      if (signal.aborted) return reject(signal.reason as Error);
      if (settle(this.#byId.get(id))) return;
      const end = () => {
        subscription[Symbol.dispose]();
        signal.removeEventListener('abort', abort);
      };
      const subscription = this.on(({ type, record }) => {
        if (record.id === id && settle(type === 'removed' ? undefined : record)) end();
      });
      const abort = () => {
        end();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#listeners.clear();
  }

  #put(record: ContainerRecord): void {
    const previous = this.#byId.get(record.id);
    this.#byId.set(record.id, record);
    if (previous !== undefined && previous.name !== record.name && this.#byName.get(previous.name) === record.id)
      this.#byName.delete(previous.name);
    if (!this.#byName.has(record.name) || record.body !== undefined) this.#byName.set(record.name, record.id);
    this.#tell(previous === undefined ? { type: 'added', record } : { type: 'changed', record, previous });
  }

  #drop(id: string, podUid: string): void {
    const record = this.#byId.get(id);
    if (record?.pod.metadata?.uid === podUid && !this.#moving.has(id)) this.#remove(record);
  }

  #remove(record: ContainerRecord): void {
    this.#byId.delete(record.id);
    if (this.#byName.get(record.name) === record.id) this.#byName.delete(record.name);
    this.#tell({ type: 'removed', record });
  }

  #tell(change: ContainerChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
